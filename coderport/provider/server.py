"""The gRPC service that the Pulumi engine talks to.

It finds the resource, translates, and maps errors to statuses.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
import httpx
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from coderport.catalog.blueprint import Ownership
from coderport.errors import CoderportError, SettingsError
from coderport.port.client import PortClient
from coderport.port.errors import PortRateLimited, PortRejected, PortUnauthorized, PortUnreachable
from coderport.provider import action, aggregations, blueprint, blueprint_permissions, config, entity, permissions
from coderport.provider.action import ActionResource
from coderport.provider.aggregations import AggregationsResource
from coderport.provider.batches import IDLE_SECONDS, Batches, Cancelled
from coderport.provider.blueprint import BlueprintResource
from coderport.provider.blueprint_permissions import BlueprintPermissionsResource
from coderport.provider.definition import FORMS, DefinitionResource
from coderport.provider.entity import EntityResource
from coderport.provider.holdings import Holdings
from coderport.provider.permissions import PermissionsResource
from coderport.provider.protocol import Problem, Recorded, diff_response, properties_of, struct_of
from coderport.provider.schema import SUPPORTED, VERSION, schema
from coderport.provider.stats import Stats
from coderport.transport.patience import Patience, Waits

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
]

_STATUSES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (Cancelled, grpc.StatusCode.CANCELLED),
    (PortUnauthorized, grpc.StatusCode.UNAUTHENTICATED),
    (PortUnreachable, grpc.StatusCode.UNAVAILABLE),
    (PortRateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (PortRejected, grpc.StatusCode.INVALID_ARGUMENT),
    (CoderportError, grpc.StatusCode.FAILED_PRECONDITION),
)

Resource = (
    BlueprintResource
    | EntityResource
    | ActionResource
    | PermissionsResource
    | DefinitionResource
    | AggregationsResource
    | BlueprintPermissionsResource
)
Response = TypeVar("Response")
Request = TypeVar("Request")


class Unsupported(CoderportError):
    """The program asks for something of the package that this provider does not serve."""


class PortProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider for the package `port`.

    `properties` and `relations` name by blueprint what is ours even where the program gives no value, `with_target` and
    `ownerships` the relations and the ownership that are ours where the program states them.
    `transport` and `idle` are for tests: another way to Port, and how long a batch waits for more.
    """

    def __init__(
        self,
        *,
        properties: Mapping[str, frozenset[str]] | None = None,
        relations: Mapping[str, frozenset[str]] | None = None,
        with_target: Mapping[str, frozenset[str]] | None = None,
        ownerships: Mapping[str, Ownership] | None = None,
        engine_address: str = "",
        environ: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._properties = properties or {}
        self._relations = relations or {}
        self._with_target = with_target or {}
        self._ownerships = ownerships or {}
        self._engine_address = engine_address
        self._environ = environ
        self._transport = transport
        self._idle = idle
        self._stats = Stats(environ)
        self._client: PortClient | None = None
        self._batches: Batches | None = None
        self._resources: dict[str, Resource] = {}
        self._telling: set[asyncio.Task[None]] = set()

    # --- the plugin
    # -------------------------------------------------------------------------------------------

    async def Handshake(self, request: Any, context: Any) -> Any:
        self._engine_address = request.engine_address or self._engine_address
        return provider_pb2.ProviderHandshakeResponse()

    async def Attach(self, request: Any, context: Any) -> Any:
        self._engine_address = request.address
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=schema())

    async def GetMapping(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingResponse()

    async def GetMappings(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingsResponse()

    async def Cancel(self, request: Any, context: Any) -> Any:
        if self._batches is not None:
            self._batches.cancel()
        self._stats.write()
        return empty_pb2.Empty()

    async def close(self) -> None:
        """Close the connections to Port and leave the final counts."""
        self._stats.write()
        if self._client is not None:
            await self._client.close()

    # --- its settings
    # -----------------------------------------------------------------------------------------

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(
            inputs=request.news, failures=_failures(config.problems(properties_of(request.news)))
        )

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        # Unknown: the engine compares the inputs itself. Other credentials never replace what they made.
        return provider_pb2.DiffResponse()

    async def Configure(self, request: Any, context: Any) -> Any:
        async def configure() -> Any:
            settings = config.load(properties_of(request.args), self._environ)
            self._client = PortClient(
                settings.base_url,
                settings.client_id,
                settings.secret,
                token=settings.token,
                transport=self._transport,
                patience=Patience.of(self._environ),
                say=self._say,
                waits=Waits(self._stats.waited_by_program),
            )
            holdings = Holdings(self._client)
            self._batches = Batches(self._client, idle=self._idle, landed=self._stats.write)
            self._stats.watch(self._client)
            self._resources = {
                blueprint.TOKEN: BlueprintResource(
                    self._client,
                    holdings,
                    properties=self._properties,
                    relations=self._relations,
                    with_target=self._with_target,
                    ownerships=self._ownerships,
                ),
                entity.TOKEN: EntityResource(
                    self._client,
                    holdings,
                    self._batches,
                    properties=self._properties,
                    relations=self._relations,
                ),
                action.TOKEN: ActionResource(self._client, holdings),
                permissions.TOKEN: PermissionsResource(self._client, holdings),
                **{token: DefinitionResource(form, self._client, holdings) for token, form in FORMS.items()},
                aggregations.TOKEN: AggregationsResource(self._client, holdings),
                blueprint_permissions.TOKEN: BlueprintPermissionsResource(self._client, holdings),
            }
            return provider_pb2.ConfigureResponse(supportsPreview=True)

        return await self._answered(context, configure)

    # --- resources
    # --------------------------------------------------------------------------------------------

    async def Check(self, request: Any, context: Any) -> Any:
        async def check() -> Any:
            found = self._resource(request.urn).problems(properties_of(request.news))
            return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

        return await self._answered(context, check)

    async def Diff(self, request: Any, context: Any) -> Any:
        async def diff() -> Any:
            state = Recorded(request.id, properties_of(request.old_inputs), properties_of(request.olds))
            return diff_response(await self._resource(request.urn).diff(state, properties_of(request.news)))

        return await self._answered(context, diff)

    async def Create(self, request: Any, context: Any) -> Any:
        async def create() -> Any:
            identifier, outputs = await self._resource(request.urn).create(
                properties_of(request.properties), request.preview
            )
            return provider_pb2.CreateResponse(id=identifier, properties=struct_of(outputs))

        return await self._answered(context, create)

    async def Read(self, request: Any, context: Any) -> Any:
        async def read() -> Any:
            state = Recorded(request.id, properties_of(request.inputs), properties_of(request.properties))
            found = await self._resource(request.urn).read(state)
            if found is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=found.id, inputs=struct_of(found.inputs), properties=struct_of(found.outputs)
            )

        return await self._answered(context, read)

    async def Update(self, request: Any, context: Any) -> Any:
        async def update() -> Any:
            state = Recorded(request.id, properties_of(request.old_inputs), properties_of(request.olds))
            outputs = await self._resource(request.urn).update(state, properties_of(request.news), request.preview)
            return provider_pb2.UpdateResponse(properties=struct_of(outputs))

        return await self._answered(context, update)

    async def Delete(self, request: Any, context: Any) -> Any:
        async def delete() -> Any:
            state = Recorded(
                request.id, properties_of(request.old_inputs), properties_of(request.properties), request.urn
            )
            resource = self._resource(request.urn)
            if isinstance(resource, EntityResource):
                await resource.delete(state, lambda text: self._warn(request.urn, text))
            else:
                await resource.delete(state)
            return empty_pb2.Empty()

        return await self._answered(context, delete)

    async def Invoke(self, request: Any, context: Any) -> Any:
        await _abort(context, grpc.StatusCode.UNIMPLEMENTED, _unsupported(f"the function {request.tok}"))

    async def Call(self, request: Any, context: Any) -> Any:
        await _abort(context, grpc.StatusCode.UNIMPLEMENTED, _unsupported(f"the method {request.tok}"))

    async def Construct(self, request: Any, context: Any) -> Any:
        await _abort(context, grpc.StatusCode.UNIMPLEMENTED, _unsupported(f"the component {request.type}"))

    # --- helpers
    # ----------------------------------------------------------------------------------------------

    def _resource(self, urn: str) -> Resource:
        token = urn.split("::")[2].rpartition("$")[2]
        if token not in SUPPORTED:
            raise Unsupported(_unsupported(token))
        if token not in self._resources:
            raise SettingsError("the Port provider was not configured before it was used")
        return self._resources[token]

    async def _answered(self, context: Any, call: Callable[[], Awaitable[Response]]) -> Response:
        """The call's response; an error of ours becomes a status with its message, without a trace."""
        if self._batches is not None:
            self._batches.pulse.beat()
        try:
            return await call()
        except CoderportError as error:
            code = next(code for kind, code in _STATUSES if isinstance(error, kind))
            await _abort(context, code, str(error))
        finally:
            self._stats.write()

    def _say(self, text: str) -> None:
        """Tell the person at the engine that Port fails and is tried again."""
        telling = asyncio.create_task(self._warn("", text))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _warn(self, urn: str, text: str) -> None:
        """Show a warning beside the resource; a message that cannot be delivered changes nothing."""
        if not self._engine_address:
            return
        async with grpc.aio.insecure_channel(self._engine_address) as channel:
            try:
                await engine_pb2_grpc.EngineStub(channel).Log(
                    engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=text, urn=urn)
                )
            except grpc.aio.AioRpcError:
                return


async def _abort(context: Any, code: grpc.StatusCode, text: str) -> NoReturn:
    await context.abort(code, text)
    raise AssertionError("abort raises")


def _failures(problems: list[Problem]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=each.property, reason=each.reason) for each in problems]


def _unsupported(what: str) -> str:
    return (
        f"coderport's Port provider does not serve {what}; it serves {', '.join(SUPPORTED)}. "
        "Take the plugin lines out of Pulumi.yaml to use the stock provider."
    )
