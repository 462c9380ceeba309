"""Entities, registered with the engine's monitor itself.

The SDK makes of each resource an object, a future for each of its outputs, and a turn of a thread: most of the
program's processor time. What is sent here is the request that the SDK would send, see `register_resource` and
`prepare_resource` in `pulumi/runtime/resource.py` of the pinned version. `tests/test_registering.py` holds the two
together. Structures are few and go through the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import grpc
import port_pulumi as port
import pulumi
from google.protobuf import struct_pb2
from port_pulumi import _utilities
from pulumi.runtime import rpc
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.settings import get_monitor, get_root_resource, grpc_error_to_exception

from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import Entity, Ref, Related, Value, resource_name
from coderport.kinds.all import BY_IDENTIFIER
from coderport.kinds.refused import Place
from coderport.program.registrations import Registrations

Refusals = dict[Place, list[Entity]]
"""By property, the entities that are in Port without their value of it."""

_Dependencies = resource_pb2.RegisterResourceRequest.PropertyDependencies


class Identifier(NamedTuple):
    """Another resource's identifier, as an input, and the URNs of what it comes from: none where it is only named."""

    value: str
    urns: tuple[str, ...] = ()


class Entities:
    """Registers entities in the window of the registrations.

    `refused` holds the values that the provider left out because Port does not take them; in a preview there are none.
    """

    def __init__(
        self, registrations: Registrations, provider: port.Provider, blueprints: Mapping[str, pulumi.Input[str]]
    ) -> None:
        self.refused: Refusals = {}
        self._registrations = registrations
        self._provider = provider
        self._blueprints = blueprints
        self._resolved: dict[str, Identifier] = {}
        self._frame: resource_pb2.RegisterResourceRequest | None = None
        self._related_to = {each.target for blueprint in BY_IDENTIFIER.values() for each in blueprint.relations}
        self._begun: dict[Ref, asyncio.Task[Identifier]] = {}

    async def begin(self, entity: Entity) -> None:
        """Registers the entity as soon as there is room for it; raises what an earlier registration failed with.

        It waits for what it is related to, as far as that has begun.
        """
        task = await self._registrations.send(partial(self._registered, entity))
        if entity.blueprint in self._related_to:
            self._begun[entity.ref] = task

    async def _registered(self, entity: Entity) -> Identifier:
        request = await self._request(entity)
        response = await _answer(request)
        succeeded = response.result == resource_pb2.Result.SUCCESS
        outputs = response.object if succeeded else struct_pb2.Struct()
        if not pulumi.runtime.is_dry_run():
            if not response.id:
                self._registrations.without_id()
            elif succeeded:
                self._look_for_refused(entity, outputs)
        from_others = response.propertyDependencies["identifier"].urns if response.propertyDependencies else ()
        return Identifier(_identifier(entity, outputs, succeeded), (response.urn, *from_others))

    async def _request(self, entity: Entity) -> resource_pb2.RegisterResourceRequest:
        if self._frame is None:
            self._frame = await _frame(self._provider)
        blueprint = await self._blueprint(entity.blueprint)
        relations, related_urns = await self._relations(entity)
        inputs: dict[str, Any] = {
            "blueprint": blueprint.value,
            "identifier": entity.identifier,
            "properties": _values(entity.properties),
            "title": entity.title,
        }
        if relations:
            inputs["relations"] = relations
        on = {**dict.fromkeys(inputs, ()), "blueprint": blueprint.urns}
        if relations:
            on["relations"] = related_urns
        request = resource_pb2.RegisterResourceRequest(
            name=resource_name(entity.blueprint, entity.identifier),
            dependencies=sorted({*blueprint.urns, *related_urns}),
            propertyDependencies={key: _Dependencies(urns=urns) for key, urns in on.items()},
        )
        request.MergeFrom(self._frame)
        try:
            request.object.update(inputs)
        except ValueError as error:  # text that is no Unicode, as the SDK reports it
            raise ValueError(
                f"While processing resource: {request.name!r}, type: {ENTITY!r}\nValueError has risen: {error}"
            ) from error
        return request

    async def _blueprint(self, identifier: str) -> Identifier:
        if identifier not in self._resolved:
            self._resolved[identifier] = await _identifier_of(self._blueprints.get(identifier, identifier))
        return self._resolved[identifier]

    async def _relations(self, entity: Entity) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The relations as inputs, and the URNs of what they lead to; what this stack does not declare is named."""
        urns: set[str] = set()

        async def related(target: str, identifier: str) -> str:
            begun = self._begun.get(Ref(target, identifier))
            if begun is None:
                return identifier
            found = begun.result() if begun.done() else await begun
            urns.update(found.urns)
            return found.value

        async def all_related(target: str, value: Related) -> str | list[str]:
            if isinstance(value, str):
                return await related(target, value)
            return [await related(target, each) for each in value]

        leads_to = {each.identifier: each.target for each in BY_IDENTIFIER[entity.blueprint].relations}
        found = {key: await all_related(leads_to[key], value) for key, value in entity.relations.items()}
        single = {key: value for key, value in found.items() if isinstance(value, str)}
        many = {key: value for key, value in found.items() if not isinstance(value, str)}
        named = {"singleRelations": single, "manyRelations": many}
        return {key: value for key, value in named.items() if value}, tuple(sorted(urns))

    def _look_for_refused(self, entity: Entity, outputs: struct_pb2.Struct) -> None:
        """The outputs of an entity have what Port took of its properties; without any it took them as they were."""
        if "properties" not in outputs.fields:
            return
        written = outputs.fields["properties"].struct_value.fields
        bags = [written[name].struct_value.fields for name in ("stringProps", "numberProps", "booleanProps")]
        lists = written["arrayProps"].struct_value.fields["stringItems"].struct_value.fields
        for name in entity.properties:
            if name not in lists and not any(name in bag for bag in bags):
                self.refused.setdefault((entity.blueprint, name), []).append(entity)


async def _frame(provider: port.Provider) -> resource_pb2.RegisterResourceRequest:
    """What the request of each entity says alike."""
    options = _utilities.get_resource_opts_defaults()
    stack = get_root_resource()
    return resource_pb2.RegisterResourceRequest(
        type=ENTITY,
        parent=(await stack.urn.future() or "") if stack is not None else "",
        custom=True,
        provider=f"{await provider.urn.future()}::{await provider.id.future() or rpc.UNKNOWN}",
        version=options.version or "",
        pluginDownloadURL=options.plugin_download_url or "",
        acceptSecrets=True,
        acceptResources=True,
        supportsPartialValues=True,
        supportsResultReporting=True,
        hooks=resource_pb2.RegisterResourceRequest.ResourceHooksBinding(),
        stackTrace=source_pb2.StackTrace(),
    )


async def _identifier_of(value: pulumi.Input[str]) -> Identifier:
    resources: list[pulumi.Resource] = []
    serialized = await rpc.serialize_property(value, resources, None)
    return Identifier(serialized, tuple(sorted({await each.urn.future() or "" for each in resources} - {""})))


def _identifier(entity: Entity, outputs: struct_pb2.Struct, succeeded: bool) -> str:
    """What the engine answered; without an answer the input, except where it is not known yet."""
    if "identifier" in outputs.fields:
        return str(outputs.fields["identifier"].string_value)
    return entity.identifier if succeeded and not pulumi.runtime.is_dry_run() else rpc.UNKNOWN


async def _answer(request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
    """Sends the request on the SDK's own channel. It has no deadline: the engine answers when the step is done.

    Raises what the SDK raises for an error of the engine.
    """
    monitor = get_monitor()
    assert monitor is not None, "a program runs with an engine"
    loop = asyncio.get_running_loop()
    call = monitor.RegisterResource.future(request)
    ended = asyncio.Event()

    def end(_: grpc.Future) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(end)
    try:
        await ended.wait()
    except asyncio.CancelledError:
        call.cancel()
        raise
    try:
        response: resource_pb2.RegisterResourceResponse = call.result()
    except grpc.RpcError as error:
        raise grpc_error_to_exception(error) from error
    return response


def _values(properties: Mapping[str, Value]) -> dict[str, Any]:
    strings = {key: value for key, value in properties.items() if isinstance(value, str)}
    booleans = {key: value for key, value in properties.items() if isinstance(value, bool)}
    lists = {key: value for key, value in properties.items() if isinstance(value, list)}
    numbers = {
        key: float(value)
        for key, value in properties.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    bags = {"stringProps": strings, "numberProps": numbers, "booleanProps": booleans}
    return {
        **{key: bag for key, bag in bags.items() if bag},
        **({"arrayProps": {"stringItems": lists}} if lists else {}),
    }
