"""The resource Blueprint: what is written, what counts as a difference, and what of others survives."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import stamina
from echoing_port import EchoingPort, refused
from provider_driver import BLUEPRINT, Aborted, Driver, stored

from coderport.provider.protocol import UNKNOWN


@pytest.fixture
def port() -> EchoingPort:
    return EchoingPort()


def blueprint(**inputs: Any) -> dict[str, Any]:
    properties = {"stringProps": {"status": {"title": "Status"}}, "numberProps": {"ttl": {"title": "TTL"}}}
    return {"identifier": "workspace", "title": "Workspace", "properties": properties, **inputs}


EVERYTHING = {
    "identifier": "workspace",
    "title": "Workspace",
    "icon": "Box",
    "description": "about",
    "includeInGlobalSearch": True,
    "properties": {
        "stringProps": {
            "state": {
                "title": "State",
                "enums": ["on", "off"],
                "enumColors": {"on": "green"},
                "default": "on",
                "required": True,
            },
            "link": {"format": "url", "minLength": 1, "maxLength": 9, "pattern": "^h"},
            "api": {
                "spec": "open-api",
                "specAuthentication": {"clientId": "c", "authorizationUrl": "a", "tokenUrl": "t"},
            },
        },
        "numberProps": {"n": {"minimum": 0, "maximum": 9, "default": 1.5, "enums": [1, 2]}},
        "booleanProps": {"b": {"default": False}},
        "objectProps": {"o": {"default": '{"a":1}', "spec": "open-api"}},
        "arrayProps": {
            "strings": {"stringItems": {"enums": ["x"], "format": "url", "defaults": ["x"]}, "minItems": 0},
            "numbers": {"numberItems": {"defaults": [1]}},
            "booleans": {"booleanItems": {}},
            "objects": {"objectItems": {"defaults": ['{"a":1}']}},
        },
    },
    "relations": {"template": {"title": "T", "target": "template", "required": False, "many": False}},
    "mirrorProperties": {"m": {"title": "M", "path": "template.$title"}},
    "calculationProperties": {"c": {"title": "C", "type": "number", "calculation": ".properties.n"}},
    "ownership": {"type": "Direct"},
    "webhookChangelogDestination": {"url": "https://hook", "agent": True},
}


def test_every_kind_of_input_becomes_ports_body(driver: Driver) -> None:
    driver.create(BLUEPRINT, EVERYTHING)
    body = driver.port.sent[0].body
    assert body["schema"]["required"] == ["state"]
    properties = body["schema"]["properties"]
    assert properties["state"] == {
        "type": "string",
        "title": "State",
        "enum": ["on", "off"],
        "enumColors": {"on": "green"},
        "default": "on",
    }
    assert properties["o"] == {"type": "object", "default": {"a": 1}, "spec": "open-api"}
    assert properties["strings"] == {
        "type": "array",
        "items": {"type": "string", "enum": ["x"], "format": "url"},
        "default": ["x"],
        "minItems": 0,
    }
    assert properties["objects"] == {"type": "array", "items": {"type": "object"}, "default": [{"a": 1}]}
    assert body["changelogDestination"] == {"type": "WEBHOOK", "url": "https://hook", "agent": True}


def test_an_import_gives_back_the_inputs_that_made_it(driver: Driver) -> None:
    driver.create(BLUEPRINT, EVERYTHING)
    later = Driver(driver.port)
    seen = later.read(stored("workspace", token=BLUEPRINT))
    assert seen is not None
    assert seen.inputs == EVERYTHING
    assert later.diff(seen, EVERYTHING) == set()


def test_an_import_of_a_declared_blueprint_leaves_out_what_others_added(port: EchoingPort) -> None:
    driver = Driver(port, properties={"workspace": ("status",)}, relations={"workspace": ()})
    properties = {"status": {"type": "string"}, "tier": {"type": "string"}}
    port.add_blueprint(
        "workspace", schema={"properties": properties}, relations={"team": {"target": "t", "many": False}}
    )
    seen = driver.read(stored("workspace", token=BLUEPRINT))
    assert seen is not None
    assert seen.inputs["properties"] == {"stringProps": {"status": {}}}
    assert "relations" not in seen.inputs
    assert driver.diff(seen) == set()
    driver.close()


def test_the_outputs_have_the_defaults_of_the_stock_provider(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    assert made.id == "workspace"
    assert made.outputs["createCatalogPage"] is True
    assert made.outputs["forceDeleteEntities"] is False
    assert made.outputs["properties"]["stringProps"] == {"status": {"title": "Status", "required": False}}
    assert made.outputs["createdAt"] == "2026-01-01 00:00:00 +0000 UTC"
    assert driver.port.sent[0].query == {"create_catalog_page": "true"}


def test_no_difference_after_a_refresh_that_found_none(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert (seen.inputs, seen.outputs) == (made.inputs, made.outputs)
    assert later.diff(seen) == set()


def test_a_refresh_shows_a_hand_edit_and_the_next_update_puts_it_right(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint(createCatalogPage=False))
    live = driver.port.blueprints["workspace"]
    live["schema"]["properties"]["status"]["title"] = "edited"
    live["schema"]["properties"]["tier"] = {"type": "string"}
    live["schema"]["required"] = ["status"]
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs["properties"]["stringProps"] == {"status": {"title": "edited", "required": True}}
    assert seen.inputs["createCatalogPage"] is False
    assert later.diff(seen, made.inputs) == {"properties.stringProps.status"}
    later.update(seen, made.inputs)
    assert driver.port.blueprints["workspace"]["schema"]["properties"]["status"]["title"] == "Status"
    assert driver.port.blueprints["workspace"]["schema"]["required"] == []


def test_an_update_keeps_what_others_added(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    live = driver.port.blueprints["workspace"]
    live["schema"]["properties"]["tier"] = {"type": "string"}
    live["schema"]["properties"]["status"]["description"] = "a colleague's words"
    live["schema"]["required"] = ["tier"]
    live["relations"]["team"] = {"target": "team", "many": False, "required": False}
    live["aggregationProperties"] = {"count": {"title": "N"}}
    live["mirrorProperties"] = {"m": {"path": "team.$title"}}
    news = blueprint(title="Renamed")
    driver.update(made, news)
    now = driver.port.blueprints["workspace"]
    assert now["title"] == "Renamed"
    assert set(now["schema"]["properties"]) == {"status", "ttl", "tier"}
    assert now["schema"]["properties"]["status"]["description"] == "a colleague's words"
    assert now["schema"]["required"] == ["tier"]
    assert now["relations"] == {"team": {"target": "team", "many": False, "required": False}}
    assert now["aggregationProperties"] == {"count": {"title": "N"}}
    assert now["mirrorProperties"] == {"m": {"path": "team.$title"}}


def test_what_the_program_no_longer_declares_is_removed(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, EVERYTHING)
    news = {**EVERYTHING, "properties": {"numberProps": {"n": {"minimum": 0}}}}
    del news["description"], news["relations"], news["webhookChangelogDestination"]
    changed = driver.diff(made, news)
    assert {"description", "relations.template", "properties.stringProps.state"} <= changed
    driver.update(made, news)
    now = driver.port.blueprints["workspace"]
    assert now["schema"] == {"properties": {"n": {"type": "number", "minimum": 0}}, "required": []}
    assert now["relations"] == {}
    assert "description" not in now
    assert "changelogDestination" not in now


def test_a_blueprint_that_exists_is_added_to(driver: Driver) -> None:
    properties = {"tier": {"type": "string"}, "status": {"type": "string", "title": "Old"}}
    driver.port.add_blueprint("workspace", schema={"properties": properties, "required": ["tier"]})
    driver.create(BLUEPRINT, blueprint())
    now = driver.port.blueprints["workspace"]["schema"]
    assert set(now["properties"]) == {"tier", "status", "ttl"}
    assert now["properties"]["status"]["title"] == "Status"
    assert now["required"] == ["tier"]


def test_a_blueprint_that_exists_and_is_the_same_is_not_written(driver: Driver) -> None:
    driver.create(BLUEPRINT, blueprint())
    Driver(driver.port).create(BLUEPRINT, blueprint())
    assert [each.method for each in driver.port.writes] == ["POST", "POST"]


@pytest.mark.parametrize("exists", ["before", "since"])
def test_another_type_at_port_is_refused_and_nothing_is_written(driver: Driver, exists: str) -> None:
    live = {"properties": {"status": {"type": "number"}}}
    if exists == "before":
        driver.port.add_blueprint("workspace", schema=live)
        made = None
    else:
        made = driver.create(BLUEPRINT, blueprint())
        driver.port.blueprints["workspace"]["schema"] = live
    later = Driver(driver.port)
    with pytest.raises(Aborted, match="status of blueprint workspace: type number in Port") as caught:
        later.create(BLUEPRINT, blueprint()) if made is None else later.diff(made)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert not [each for each in driver.port.writes if each.method == "PUT"]


def test_a_blueprint_deleted_by_hand_is_made_again(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    driver.port.blueprints.clear()
    later = Driver(driver.port)
    assert later.diff(made) == {"identifier"}
    later.update(made, made.inputs)
    assert list(driver.port.blueprints) == ["workspace"]


def test_the_catalog_page_is_only_said_at_creation(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint(createCatalogPage=False))
    assert driver.port.sent[0].query == {"create_catalog_page": "false"}
    assert driver.diff(made) == set()
    assert driver.diff(made, blueprint()) == {"createCatalogPage"}


def test_a_target_that_is_not_known_yet_is_a_difference_only_in_a_preview(driver: Driver) -> None:
    relations = {"template": {"target": "template", "title": "T", "required": False, "many": False}}
    made = driver.create(BLUEPRINT, blueprint(relations=relations))
    unknown = blueprint(relations={"template": {**relations["template"], "target": UNKNOWN}})
    assert driver.diff(made, unknown) == {"relations.template"}


def test_deleting_what_is_gone_is_fine(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    driver.port.blueprints.clear()
    driver.delete(made)


def test_a_blueprint_with_entities_of_others_stays_and_says_how_many(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    driver.port.add_entity("workspace", "theirs")
    with pytest.raises(Aborted, match="still has 1 entities that this stack does not manage"):
        driver.delete(made)
    assert list(driver.port.blueprints) == ["workspace"]


def test_port_may_need_a_while_after_the_last_entity_went(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint())
    refusals = iter([refused(403, "has_dependents"), refused(403, "has_dependents")])
    driver.port.answers.append(lambda sent: next(refusals, None) if sent.method == "DELETE" else None)
    with stamina.set_testing(True, attempts=5):
        driver.delete(made)
    assert driver.port.blueprints == {}


def test_force_delete_entities_is_refused(driver: Driver) -> None:
    failures = driver.check(BLUEPRINT, blueprint(forceDeleteEntities=True))["failures"]
    assert [each["property"] for each in failures] == ["forceDeleteEntities"]


def test_missing_inputs_are_named(driver: Driver) -> None:
    failures = driver.check(BLUEPRINT, {})["failures"]
    assert [each["property"] for each in failures] == ["identifier", "title"]


def test_a_preview_knows_what_it_can(driver: Driver) -> None:
    made = driver.create(BLUEPRINT, blueprint(), preview=True)
    assert (made.id, made.outputs["identifier"]) == ("", "workspace")
    assert made.outputs["updatedAt"] == UNKNOWN
    assert driver.port.sent == []
