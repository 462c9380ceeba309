"""Calls the provider's servicer in this process as the engine would, against a Port in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import grpc
import httpx
import pytest
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import provider_pb2

from coderport.provider.action import TOKEN as ACTION
from coderport.provider.blueprint import TOKEN as BLUEPRINT
from coderport.provider.entity import TOKEN as ENTITY
from coderport.provider.permissions import TOKEN as PERMISSIONS
from coderport.provider.protocol import struct_of
from coderport.provider.server import PortProvider

Value = TypeVar("Value")
ENVIRON = {
    "PORT_CLIENT_ID": "client",
    "PORT_CLIENT_SECRET": "hidden",
    "PORT_BASE_URL": "https://port.test/v1",
    "CODERPORT_PATIENCE": "5",
}


class Aborted(Exception):
    """The call ended with a status instead of a response."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text


class _Context:
    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        raise Aborted(code, text)


class Port(Protocol):
    """Something that can stand for Port."""

    def transport(self) -> httpx.AsyncBaseTransport: ...


class Driver:
    """One provider process: `port` is what it talks to. Responses come as plain JSON values."""

    def __init__(
        self,
        port: Port,
        *,
        properties: Mapping[str, Iterable[str]] | None = None,
        relations: Mapping[str, Iterable[str]] | None = None,
        environ: Mapping[str, str] = ENVIRON,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.port: Any = port
        self.loop = asyncio.new_event_loop()
        self.provider = PortProvider(
            properties={key: frozenset(names) for key, names in (properties or {}).items()},
            relations={key: frozenset(names) for key, names in (relations or {}).items()},
            environ=environ,
            transport=port.transport(),
            idle=0.001,
        )
        self._config = config or {}
        self._configured = False

    def close(self) -> None:
        self.loop.run_until_complete(self.provider.close())
        self.loop.close()

    def run(self, call: Awaitable[Value]) -> Value:
        async def awaited() -> Value:
            return await call

        return self.loop.run_until_complete(awaited())

    def together(self, *calls: Awaitable[Any]) -> list[Any]:
        """The calls at the same time; an Aborted in the place of one that failed."""

        async def gathered() -> list[Any]:
            return await asyncio.gather(*calls, return_exceptions=True)

        return self.loop.run_until_complete(gathered())

    async def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """A call by its method's name; a mapping is sent as a Struct."""
        if not self._configured and method not in ("CheckConfig", "DiffConfig", "Configure"):
            self._configured = True
            await self.call("Configure", args=self._config)
        request = _REQUESTS[method]()
        for key, value in fields.items():
            if isinstance(value, Mapping):
                getattr(request, key).CopyFrom(struct_of(value))
            else:
                setattr(request, key, value)
        response = await getattr(self.provider, method)(request, _Context())
        if isinstance(response, empty_pb2.Empty):
            return {}
        answer: dict[str, Any] = json_format.MessageToDict(response)
        return answer

    # --- what the engine does with a resource -----------------------------------------------------------------

    def check(self, token: str, news: Mapping[str, Any]) -> dict[str, Any]:
        return self.run(self.call("Check", urn=urn(token), news=news))

    def create(self, token: str, news: Mapping[str, Any], *, preview: bool = False) -> Resource:
        answer = self.run(self.creating(token, news, preview=preview))
        return Resource(token, answer.get("id", ""), dict(news), answer["properties"])

    def creating(self, token: str, news: Mapping[str, Any], *, preview: bool = False) -> Awaitable[dict[str, Any]]:
        return self.call("Create", urn=urn(token), properties=news, preview=preview)

    def diff(self, resource: Resource, news: Mapping[str, Any] | None = None) -> set[str]:
        """The paths of the difference; empty for DIFF_NONE."""
        answer = self.run(
            self.call(
                "Diff",
                urn=urn(resource.token),
                id=resource.id,
                olds=resource.outputs,
                old_inputs=resource.inputs,
                news=resource.inputs if news is None else news,
            )
        )
        assert answer["changes"] in ("DIFF_NONE", "DIFF_SOME")
        assert "replaces" not in answer
        assert {path.partition(".")[0] for path in answer.get("detailedDiff", ())} == set(answer.get("diffs", ()))
        return set(answer.get("detailedDiff", ()))

    def update(self, resource: Resource, news: Mapping[str, Any]) -> Resource:
        answer = self.run(self.updating(resource, news))
        return Resource(resource.token, resource.id, dict(news), answer["properties"])

    def updating(self, resource: Resource, news: Mapping[str, Any]) -> Awaitable[dict[str, Any]]:
        return self.call(
            "Update",
            urn=urn(resource.token),
            id=resource.id,
            olds=resource.outputs,
            old_inputs=resource.inputs,
            news=news,
        )

    def read(self, resource: Resource) -> Resource | None:
        answer = self.run(
            self.call(
                "Read",
                urn=urn(resource.token),
                id=resource.id,
                properties=resource.outputs,
                inputs=resource.inputs,
            )
        )
        if not answer:
            return None
        return Resource(resource.token, answer["id"], answer["inputs"], answer["properties"])

    def delete(self, resource: Resource) -> None:
        self.run(self.deleting(resource))

    def deleting(self, resource: Resource) -> Awaitable[dict[str, Any]]:
        return self.call(
            "Delete",
            urn=urn(resource.token),
            id=resource.id,
            properties=resource.outputs,
            old_inputs=resource.inputs,
        )


class Resource:
    """What the state says about a resource."""

    def __init__(self, token: str, id: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        self.token = token
        self.id = id
        self.inputs = inputs
        self.outputs = outputs


def urn(token: str, name: str = "it") -> str:
    return f"urn:pulumi:dev::project::{token}::{name}"


def entity(identifier: str = "w1", **inputs: Any) -> dict[str, Any]:
    return {"blueprint": "workspace", "identifier": identifier, "title": identifier, **inputs}


def stored(identifier: str, *, token: str = ENTITY) -> Resource:
    """A resource of which only the id is known, as for an import."""
    return Resource(token, identifier, {}, {})


_REQUESTS = {
    "CheckConfig": provider_pb2.CheckRequest,
    "DiffConfig": provider_pb2.DiffRequest,
    "Configure": provider_pb2.ConfigureRequest,
    "Check": provider_pb2.CheckRequest,
    "Diff": provider_pb2.DiffRequest,
    "Create": provider_pb2.CreateRequest,
    "Read": provider_pb2.ReadRequest,
    "Update": provider_pb2.UpdateRequest,
    "Delete": provider_pb2.DeleteRequest,
    "Invoke": provider_pb2.InvokeRequest,
    "Cancel": empty_pb2.Empty,
    "GetPluginInfo": empty_pb2.Empty,
    "GetSchema": provider_pb2.GetSchemaRequest,
    "Handshake": provider_pb2.ProviderHandshakeRequest,
}

__all__ = [
    "ACTION",
    "BLUEPRINT",
    "ENTITY",
    "PERMISSIONS",
    "Aborted",
    "Driver",
    "Port",
    "Resource",
    "entity",
    "stored",
    "urn",
]


@pytest.fixture
def driver(port: Port) -> Iterator[Driver]:
    """The provider in front of the `port` of the test's file, with nothing declared."""
    driver = Driver(port)
    yield driver
    driver.close()
