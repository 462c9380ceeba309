"""What is registered with the engine's monitor directly is what Pulumi's SDK would have sent."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import port_pulumi as port
import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.settings import SETTINGS, Settings, configure, set_root_resource
from through_sdk import ThroughSdk

from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import Entity, Ref
from coderport.kinds.all import BY_IDENTIFIER
from coderport.program.entities import Entities
from coderport.program.registrations import Registrations, sparing_messages

Request = resource_pb2.RegisterResourceRequest
Response = resource_pb2.RegisterResourceResponse
Answer = Callable[[Request], Response]


class EngineError(grpc.RpcError):  # type: ignore[misc]
    """An error as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


class _Call:
    """A call that ends in a thread of its own, as gRPC's do."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self._answer = answer
        self.cancelled = False

    def add_done_callback(self, done: Callable[[Any], None]) -> None:
        threading.Thread(target=done, args=(self,)).start()

    def cancel(self) -> None:
        self.cancelled = True

    def result(self) -> Response:
        return self._answer()


class Monitor:
    """The engine's monitor: keeps what is asked of it, by type and name, and answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self.requests: dict[tuple[str, str], Request] = {}
        self._answer = answer

    @property
    def RegisterResource(self) -> Monitor:
        return self

    def __call__(self, request: Request) -> Response:
        self.requests[request.type, request.name] = request
        return self._answer(request)

    def future(self, request: Request) -> _Call:
        return _Call(lambda: self(request))


class _Engine:
    def Log(self, request: engine_pb2.LogRequest) -> None: ...


def urn(request: Request) -> str:
    return f"urn:pulumi:s::p::{request.type}::{request.name}"


def taken(request: Request) -> Response:
    """The step succeeds: the outputs are the inputs."""
    return Response(urn=urn(request), id=request.name, object=request.object)


def previewed(request: Request) -> Response:
    """A preview of a creation: no id yet, and of the outputs what the inputs say."""
    return Response(urn=urn(request), object=request.object)


def previewed_unknown(request: Request) -> Response:
    """A preview whose provider does not know its outputs yet."""
    response = previewed(request)
    response.object["identifier"] = rpc.UNKNOWN
    return response


def previewed_silent(request: Request) -> Response:
    return Response(urn=urn(request))


def failed(request: Request) -> Response:
    """With --continue-on-error: every entity fails, and what depends on it is skipped."""
    if request.type != ENTITY:
        return taken(request)
    return Response(urn=urn(request), result=resource_pb2.Result.FAIL)


Way = type[Entities] | type[ThroughSdk]


def registered(way: Way, entities: list[Entity], answer: Answer, preview: bool = False) -> tuple[Monitor, Any]:
    """What was asked of the monitor in this way, and what it ended with: an exception or what was refused."""
    monitor = Monitor(answer)

    async def program() -> Any:
        registrations = Registrations(most=8)
        with sparing_messages():
            provider = await registrations.begin(lambda: port.Provider("port"))
            options = pulumi.ResourceOptions(provider=provider)
            blueprints: dict[str, pulumi.Output[str]] = {}
            for name in ("coder_template", "coder_workspace"):  # others are named: this stack does not declare them
                made = await registrations.begin(
                    lambda name=name: port.Blueprint(name, identifier=name, title=name, opts=options)  # type: ignore[misc]
                )
                blueprints[name] = made.identifier
            # An entity that fails ends the program: what was asked before it must not depend on who is quicker.
            await asyncio.gather(*(each.future() for each in blueprints.values()), return_exceptions=True)
            all_of_them = way(registrations, provider, blueprints)
            for entity in entities:
                await all_of_them.begin(entity)
            await registrations.all_succeeded()
            return all_of_them.refused

    async def scenario() -> Any:
        # The SDK leaves exceptions of outputs that nobody asked for; Pulumi's own hosts keep quiet about them.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        configure(Settings(project="p", stack="s", monitor=monitor, engine=_Engine(), dry_run=preview))
        SETTINGS.monitor_features.update(resource_pb2.ResourceMonitorFeature.values())
        set_root_resource(pulumi.ComponentResource("pulumi:pulumi:Stack", "p-s"))
        try:
            return await program()
        except Exception as error:
            return type(error).__name__, str(error)

    return monitor, contextvars.copy_context().run(asyncio.run, scenario())


def in_order(request: Request) -> Request:
    """The request with its lists of URNs sorted: the SDK's are in the order of a set."""
    request.dependencies.sort()
    for each in request.propertyDependencies.values():
        each.urns.sort()
    return request


def assert_alike(entities: list[Entity], answer: Answer, preview: bool = False) -> None:
    ours, ended = registered(Entities, entities, answer, preview)
    theirs, meant = registered(ThroughSdk, entities, answer, preview)
    assert ended == meant
    assert ours.requests.keys() == theirs.requests.keys()
    for key, request in theirs.requests.items():
        assert in_order(ours.requests[key]) == in_order(request)


NAMES = ["a", "name", "status", "Größe", "snake_case"]
VALUES = st.one_of(
    st.text(max_size=4),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False),
    st.lists(st.text(max_size=3), max_size=3),
)


@st.composite
def catalogs(draw: st.DrawFn) -> list[Entity]:
    """Entities of every kind in the order of a plan, related to what came before and to what nobody declares."""
    made: list[Entity] = []
    for blueprint in BY_IDENTIFIER.values():
        for number in range(draw(st.integers(0, 2))):
            known: Mapping[str, list[str]] = {
                each.identifier: [e.identifier for e in made if e.blueprint == each.target]
                for each in blueprint.relations
            }
            relations: dict[str, Any] = {}
            for each in blueprint.relations:
                to = st.sampled_from([*known[each.identifier], "nobody"])
                if draw(st.booleans()):
                    relations[each.identifier] = tuple(draw(st.lists(to, max_size=3))) if each.many else draw(to)
            properties = draw(st.dictionaries(st.sampled_from(NAMES), VALUES))
            made.append(Entity(blueprint.identifier, f"e{number}", draw(st.text(max_size=3)), properties, relations))
    return made


@settings(max_examples=40)
@given(
    catalogs(),
    st.sampled_from(
        [(taken, False), (previewed, True), (previewed_unknown, True), (previewed_silent, True), (failed, False)]
    ),
)
def test_the_requests_are_those_of_the_sdk(entities: list[Entity], how: tuple[Answer, bool]) -> None:
    assert_alike(entities, *how)


def entity(identifier: str = "e", properties: Mapping[str, Any] | None = None) -> Entity:
    return Entity("coder_template", identifier, "title", properties or {}, {})


@pytest.mark.parametrize("error", [
    EngineError(grpc.StatusCode.UNKNOWN, "Port says no"),
    EngineError(grpc.StatusCode.UNAVAILABLE, "gone"),
    EngineError(grpc.StatusCode.CANCELLED, "the run was cancelled"),
])  # fmt: skip
def test_an_error_of_the_engine_ends_the_run_as_with_the_sdk(error: EngineError) -> None:
    def refusing(request: Request) -> Response:
        if request.type == ENTITY:
            raise error
        return taken(request)

    assert_alike([entity()], refusing)
    _, ended = registered(Entities, [entity()], refusing)
    assert isinstance(ended, tuple)


def test_a_failed_blueprint_fails_the_run_with_its_own_error() -> None:
    def refusing(request: Request) -> Response:
        if request.type == "port:index/blueprint:Blueprint":
            raise EngineError(grpc.StatusCode.UNKNOWN, f"no {request.name}")
        return taken(request)

    _, ended = registered(Entities, [entity()], refusing)
    assert ended in [("Exception", "no coder_template"), ("Exception", "no coder_workspace")]


def test_text_that_is_no_unicode_is_named_as_the_sdk_names_it() -> None:
    assert_alike([entity(properties={"a": "\ud800"})], taken)
    _, (kind, message) = registered(Entities, [entity(properties={"a": "\ud800"})], taken)
    assert kind == "ValueError" and "'coder_template-e'" in message and "surrogates" in message


def test_a_value_that_the_provider_left_out_is_noticed_as_with_the_sdk() -> None:
    full = entity(properties={"a": "x", "status": True, "name": 1, "Größe": ["y"], "snake_case": "z"})

    def leaving_out(request: Request) -> Response:
        response = taken(request)
        if request.type == ENTITY:
            properties = response.object["properties"]
            del properties["stringProps"]["a"]
            del properties["arrayProps"]
        return response

    assert_alike([full], leaving_out)
    _, refused = registered(Entities, [full], leaving_out)
    assert refused == {("coder_template", "a"): [full], ("coder_template", "Größe"): [full]}


def test_what_an_entity_is_related_to_is_registered_before_it() -> None:
    first, second = entity("t"), Entity("coder_workspace", "w", "w", {}, {"template_id": "t"})
    assert Ref("coder_template", "t") == first.ref
    monitor, _ = registered(Entities, [first, second], taken)
    request = monitor.requests[ENTITY, "coder_workspace-w"]
    assert urn(monitor.requests[ENTITY, "coder_template-t"]) in request.propertyDependencies["relations"].urns
    assert list(monitor.requests).index((ENTITY, "coder_template-t")) < list(monitor.requests).index(
        (ENTITY, "coder_workspace-w")
    )
