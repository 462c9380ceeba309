"""One rule says what of a live blueprint is ours: the judge of a run and the provider that writes go by it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from echoing_port import EchoingPort
from hypothesis import given
from hypothesis import strategies as st
from provider_driver import BLUEPRINT, Driver, Resource, stored

from coderport.catalog.agreement import Agreement, agreement, differences
from coderport.catalog.blueprint import Blueprint, to_port
from coderport.catalog.overlay import deviations, merged
from coderport.kinds.all import ALWAYS, BLUEPRINTS, DECLARED_PROPERTIES, DECLARED_RELATIONS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.provider import blueprint_values

Edit = tuple[tuple[str, ...], Any]


def places(blueprint: Blueprint) -> list[tuple[str, ...]]:
    """Where a person can edit: the blueprint, and each of its properties, calculations and relations."""
    body = to_port(blueprint)
    found: list[tuple[str, ...]] = [()]
    found += [("schema", "properties", key) for key in body["schema"]["properties"]]
    found += [("calculationProperties", key) for key in body["calculationProperties"]]
    return found + [("relations", key) for key in body["relations"]]


KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from(["Mine", ""]),
    "description": st.sampled_from(["words", "", None]),
    "icon": st.sampled_from(["Box", None]),
    "enum": st.just(["running"]),
    "enumColors": st.just({"running": "green"}),
    "format": st.sampled_from(["markdown", "url", "date-time", None]),
    "pattern": st.just("^a"),
    "minLength": st.just(1),
    "maximum": st.just(7),
    "default": st.sampled_from(["x", {"a": 1}, None]),
    "spec": st.just("open-api"),
    "items": st.sampled_from([{"type": "string", "enum": ["a"]}, {}, None]),
    "type": st.sampled_from(["string", "number"]),
    "target": st.sampled_from(["coder_template", "service"]),
    "many": st.booleans(),
    "required": st.booleans(),
    "calculation": st.sampled_from(["1", ".x"]),
    "ownership": st.just({"type": "Direct"}),
}


@st.composite
def edited(draw: st.DrawFn) -> tuple[Blueprint, dict[str, Any]]:
    """One of our blueprints as Port may hold it after people worked on it."""
    blueprint = draw(st.sampled_from(BLUEPRINTS))
    live = copy.deepcopy(to_port(blueprint))
    for place in draw(st.lists(st.sampled_from(places(blueprint)), max_size=4)):
        keyword = draw(st.sampled_from(sorted(KEYWORDS)))
        if not place and keyword in ("required", "items", "type", "target", "many"):
            continue
        inner: Any = live
        for step in place:
            inner = inner[step]
        inner[keyword] = draw(KEYWORDS[keyword])
    live["schema"]["required"] = draw(st.lists(st.sampled_from(["name", "url", "tier"]), unique=True, max_size=2))
    live["schema"]["properties"]["tier"] = {"type": "string"}
    if draw(st.booleans()):
        live["schema"]["properties"].pop("url", None)
    return blueprint, live


@given(edited())
def test_the_judge_finds_a_difference_exactly_where_the_provider_would_write(case: tuple[Blueprint, Any]) -> None:
    blueprint, live = case
    inputs = blueprint_values.inputs(to_port(blueprint))
    found = differences(blueprint, live)
    assert bool(found) == bool(blueprint_values.differences(live, blueprint_values.body(inputs), {})), found


@given(edited())
def test_what_is_written_leaves_no_difference_and_takes_nothing_of_others(case: tuple[Blueprint, Any]) -> None:
    blueprint, live = case
    if agreement(differences(blueprint, live)) is Agreement.CONFLICT:
        return
    written = merged(live, to_port(blueprint), {})
    assert differences(blueprint, written) == []
    stated = {(deviation.path[:-1], deviation.path[-1]) for deviation in deviations(live, to_port(blueprint), {})}
    assert set(lost(live, written, ())) <= stated


def lost(before: Any, after: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Where a value of `before` is another one in `after`, or gone."""
    found: list[tuple[tuple[str, ...], str]] = []
    for key, value in before.items():
        if value is None or (*path, key) == ("schema", "required"):
            continue
        other = after.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found += lost(value, other, (*path, key))
        elif value != other:
            found.append((path, key))
    return found


THEIRS = {
    "schema": {
        "properties": {
            "owner_name": {"description": "Login name", "icon": "User", "pattern": "^a"},
            "status": {"enum": ["running"], "enumColors": {"running": "green"}, "default": "running"},
            "autostart_schedule": {"format": "markdown"},
            "ttl_ms": {"minimum": 0, "maximum": 9},
            "failing_agents": {"maxItems": 3, "items": {"format": "user"}},
            "tier": {"type": "string", "title": "Tier"},
        }
    },
    "relations": {"template_id": {"type": "dependency"}, "team": {"target": "team", "required": False, "many": False}},
    "mirrorProperties": {"template": {"title": "T", "path": "template_id.$title"}},
    "ownership": {"type": "Direct"},
}


def added(live: Any, more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(live.get(key), dict):
            added(live[key], value)
        else:
            live[key] = copy.deepcopy(value)


@pytest.fixture
def port() -> EchoingPort:
    return EchoingPort()


@pytest.fixture
def ours(port: EchoingPort) -> Driver:
    return Driver(port, properties=DECLARED_PROPERTIES, relations=DECLARED_RELATIONS)


def test_what_people_add_to_what_is_ours_survives_refresh_import_and_every_write(ours: Driver) -> None:
    inputs = blueprint_values.inputs(to_port(ALWAYS[1]))
    made = ours.create(BLUEPRINT, inputs)
    live = ours.port.blueprints[WORKSPACE.identifier]
    added(live, THEIRS)
    before = copy.deepcopy(live)
    assert differences(ALWAYS[1], live) == []

    later = Driver(ours.port, properties=DECLARED_PROPERTIES, relations=DECLARED_RELATIONS)
    assert later.diff(made) == set()
    refreshed, imported = later.read(made), later.read(stored(WORKSPACE.identifier, token=BLUEPRINT))
    assert refreshed is not None and imported is not None
    # An import has the words of others in its inputs, and a refresh by the stock provider would put them there.
    assert imported.inputs["properties"]["stringProps"]["owner_name"]["description"] == "Login name"
    for seen in (refreshed, imported, Resource(BLUEPRINT, made.id, blueprint_values.inputs(live), made.outputs)):
        assert later.diff(seen, inputs) == set()
    live["schema"]["properties"]["owner_name"]["title"] = "edited"
    for seen in (refreshed, imported):
        later = Driver(ours.port, properties=DECLARED_PROPERTIES, relations=DECLARED_RELATIONS)
        later.update(seen, inputs)
        now = ours.port.blueprints[WORKSPACE.identifier]
        assert now["schema"]["properties"] == before["schema"]["properties"]
        assert (now["relations"], now["ownership"]) == (before["relations"], before["ownership"])
        now["schema"]["properties"]["owner_name"]["title"] = "edited"


def test_a_calculation_keeps_what_a_person_added_to_it() -> None:
    live = copy.deepcopy(to_port(TEMPLATE))
    live["calculationProperties"]["active_users"].update(icon="User", format="url", colors={"1": "green"})
    assert differences(TEMPLATE, live) == []
    live["calculationProperties"]["active_users"]["calculation"] = "1"
    assert merged(live, to_port(TEMPLATE), {})["calculationProperties"]["active_users"]["icon"] == "User"
