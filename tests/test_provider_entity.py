"""The resource Entity: what is written, what counts as a difference, and what is left alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from echoing_port import EchoingPort, Sent, ok, refused
from provider_driver import BLUEPRINT, ENTITY, Aborted, Driver, entity, stored, urn

from coderport.provider.protocol import UNKNOWN

DECLARED = {"workspace": ("status", "owner", "managed_by", "stats", "created_at", "tags")}
RELATIONS = {"workspace": ("template", "parts")}
STRINGS: dict[str, Any] = {"properties": {"stringProps": {"status": "running"}}}


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("workspace")
    return port


@pytest.fixture
def driver(port: EchoingPort) -> Iterator[Driver]:
    driver = Driver(port, properties=DECLARED, relations=RELATIONS)
    yield driver
    driver.close()


def again(driver: Driver) -> Driver:
    """The provider process of the next engine run."""
    return Driver(driver.port, properties=DECLARED, relations=RELATIONS)


def props(**values: str) -> dict[str, Any]:
    return {"properties": {"stringProps": values}}


# --- create -------------------------------------------------------------------------------------------------------


def test_created_with_the_id_and_outputs_of_the_stock_provider(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS, relations={"singleRelations": {"template": "t1"}}))
    assert made.id == "workspace:w1"
    assert made.outputs["id"] == "workspace:w1"
    assert made.outputs["createMissingRelatedEntities"] is False
    assert made.outputs["createdBy"] == "client"
    assert made.outputs["createdAt"].endswith(" +0000 UTC")
    assert driver.port.entities["workspace"]["w1"]["properties"] == {"status": "running"}
    assert driver.port.entities["workspace"]["w1"]["relations"] == {"template": "t1"}


def test_creating_what_exists_merges_and_clears_what_is_declared_without_a_value(driver: Driver) -> None:
    driver.port.add_entity("workspace", "w1", properties={"owner": "bob", "cost_center": "42"}, icon="Star")
    made = driver.create(ENTITY, entity(**STRINGS))
    held = driver.port.entities["workspace"]["w1"]
    assert held["properties"] == {"status": "running", "owner": None, "cost_center": "42"}
    assert held["icon"] == "Star"
    assert made.outputs["createdAt"] == "2026-01-01 00:00:00 +0000 UTC"


def test_a_preview_asks_port_for_nothing_and_knows_what_it_can(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS), preview=True)
    assert made.outputs["id"] == "workspace:w1"
    assert made.outputs["createdAt"] == UNKNOWN
    assert driver.port.sent == []


def test_a_preview_carries_values_that_are_not_known_yet(driver: Driver) -> None:
    news = {**entity(relations={"singleRelations": {"template": UNKNOWN}}), "blueprint": UNKNOWN}
    assert driver.check(ENTITY, news)["inputs"]["blueprint"] == UNKNOWN
    assert driver.create(ENTITY, news, preview=True).outputs["id"] == UNKNOWN


def test_an_entity_that_port_refuses_is_an_error_in_one_line_with_its_trace(driver: Driver) -> None:
    driver.port.answers.append(
        lambda sent: (
            refused(422, "blueprint_schema_mismatch", "status must be one of a, b")
            if sent.path.endswith("/bulk")
            else None
        )
    )
    with pytest.raises(Aborted) as caught:
        driver.create(ENTITY, entity(**STRINGS))
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "status must be one of a, b" in caught.value.text
    assert "trace-1" in caught.value.text
    assert "\n" not in caught.value.text


# --- differences --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "held"),
    [
        ({"objectProps": {"stats": '{"b": 1, "a": null}'}}, {"stats": {"a": None, "b": 1.0}}),
        ({"stringProps": {"created_at": "2026-01-01T10:00:00Z"}}, {"created_at": "2026-01-01T11:00:00.000+0100"}),
        ({"arrayProps": {"stringItems": {"tags": []}}}, {"tags": None}),
        ({"stringProps": {"status": "running"}}, {"status": "running", "owner": None, "colleague": "mine"}),
        ({"arrayProps": {"objectItems": {"tags": ['{"x":1}']}}}, {"tags": [{"x": 1}]}),
    ],
)
def test_the_same_meaning_is_no_difference(driver: Driver, inputs: dict[str, object], held: dict[str, object]) -> None:
    made = driver.create(ENTITY, entity(properties=inputs))
    driver.port.entities["workspace"]["w1"]["properties"] = held
    assert again(driver).diff(made) == set()


def test_null_relations_and_empty_lists_are_no_difference(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(relations={"singleRelations": {"template": "t1"}, "manyRelations": {}}))
    driver.port.entities["workspace"]["w1"]["relations"] = {"template": "t1", "parts": []}
    assert again(driver).diff(made) == set()
    driver.port.entities["workspace"]["w1"]["relations"] = {"template": "t1", "parts": None}
    assert again(driver).diff(made) == set()


def test_a_hand_edit_is_a_difference_and_put_right_although_the_program_is_the_same(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["status"] = "edited"
    later = again(driver)
    assert later.diff(made) == {"properties.stringProps.status"}
    later.update(made, made.inputs)
    assert driver.port.entities["workspace"]["w1"]["properties"]["status"] == "running"
    assert later.diff(made) == set()


def test_a_declared_value_set_by_hand_is_a_difference_and_cleared(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["owner"] = "by hand"
    later = again(driver)
    assert later.diff(made) == {"properties.stringProps.owner"}
    later.update(made, made.inputs)
    assert driver.port.entities["workspace"]["w1"]["properties"]["owner"] is None


def test_a_value_that_the_program_no_longer_gives_is_cleared_with_a_null(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**props(status="running", owner="bob")))
    news = entity(**STRINGS)
    assert driver.diff(made, news) == {"properties.stringProps.owner"}
    driver.update(made, news)
    assert driver.port.writes[-1].body["entities"][0]["properties"] == {"status": "running", "owner": None}


def test_a_relation_that_the_program_no_longer_gives_is_cleared(driver: Driver) -> None:
    relations = {"singleRelations": {"template": "t1"}, "manyRelations": {"parts": ["a", "b"]}}
    made = driver.create(ENTITY, entity(relations=relations))
    driver.update(made, entity())
    assert driver.port.entities["workspace"]["w1"]["relations"] == {"template": None, "parts": []}


def rows_of(body: Any) -> list[dict[str, Any]]:
    """The entities of a write."""
    return body.get("entities", [body]) if isinstance(body, dict) else []


def test_where_nothing_is_known_to_be_declared_the_old_inputs_say_what_was_ours(port: EchoingPort) -> None:
    driver = Driver(port)
    made = driver.create(ENTITY, entity(**props(status="running", owner="bob"), icon="Star", teams=["a"]))
    driver.port.entities["workspace"]["w1"]["properties"]["colleague"] = "mine"
    news = entity(**STRINGS)
    assert driver.diff(made, news) == {"properties.stringProps.owner", "icon", "teams"}
    driver.update(made, news)
    held = port.entities["workspace"]["w1"]
    assert held["properties"] == {"status": "running", "colleague": "mine"}
    assert (held.get("icon"), held["team"]) == (None, [])
    assert [each.route for each in port.writes[-1:]] == ["PUT /v1/blueprints/workspace/entities/w1"]
    assert not any("icon" in row and row["icon"] is None for each in port.writes for row in rows_of(each.body))
    driver.close()


def test_what_others_put_into_the_old_inputs_is_not_ours(driver: Driver) -> None:
    """As an import leaves them, or a refresh by the stock provider."""
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["colleague"] = "mine"
    for bags in (made.inputs, made.outputs):
        bags["properties"] = {"stringProps": {"status": "running", "colleague": "mine"}}
    assert again(driver).diff(made, entity(**STRINGS)) == set()


def test_a_state_that_is_behind_is_a_difference_but_needs_no_write(driver: Driver) -> None:
    """As a run leaves it that was killed after it wrote to Port."""
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["status"] = "stopped"
    later = again(driver)
    news = entity(**props(status="stopped"))
    assert later.diff(made, news) == {"properties.stringProps.status"}
    before = len(driver.port.writes)
    updated = later.update(made, news)
    assert len(driver.port.writes) == before
    assert updated.outputs["properties"] == {"stringProps": {"status": "stopped"}}
    assert later.diff(updated) == set()


def test_port_is_ahead_of_the_state_and_the_value_went_back(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["status"] = "stopped"
    later = again(driver)
    assert later.diff(made, entity(**STRINGS)) == {"properties.stringProps.status"}


def test_one_sweep_answers_for_all_entities(driver: Driver) -> None:
    made = [driver.create(ENTITY, entity(f"w{n}", **STRINGS)) for n in range(30)]
    driver.port.sent.clear()
    later = again(driver)
    assert [later.diff(each) for each in made] == [set()] * 30
    assert driver.port.routes() == [
        "POST /v1/blueprints/workspace/entities/search",
        "GET /v1/blueprints/workspace/entities-count",
    ]


def unseen(sent: Sent) -> httpx.Response | None:
    """A Port whose search and count show nothing."""
    if sent.path.endswith("/search"):
        return ok(entities=[])
    return ok(count=0) if sent.path.endswith("/entities-count") else None


def test_a_row_that_the_sweep_lost_is_not_taken_for_absent(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.answers.append(unseen)
    later = again(driver)
    assert later.diff(made) == set()
    assert driver.port.routes()[-1] == "GET /v1/blueprints/workspace/entities/w1"


def test_fewer_rows_than_port_counts_are_read_again(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    lost = iter([True])
    driver.port.answers.append(
        lambda sent: ok(entities=[]) if sent.path.endswith("/search") and next(lost, False) else None
    )
    driver.port.sent.clear()
    assert again(driver).diff(made) == set()
    assert [route.rpartition("/")[2] for route in driver.port.routes()] == ["search", "entities-count"] * 2


def test_a_search_that_keeps_fewer_back_than_port_counts_is_an_error_and_empties_no_state(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))

    def empty(sent: Sent) -> httpx.Response | None:
        return ok(entities=[]) if sent.path.endswith("/search") else None

    driver.port.answers.append(empty)
    with pytest.raises(Aborted, match="counts 1 entities of blueprint workspace, and its search shows 0"):
        again(driver).read(made)


def test_one_404_empties_no_state(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.answers.append(lambda sent: refused(404, "not_found") if sent.path.endswith("/search") else None)
    with pytest.raises(Aborted, match="404"):
        again(driver).read(made)


MARKED: dict[str, Any] = {"properties": {"stringProps": {"managed_by": "project/dev#0a1b2c3d"}}}


@pytest.mark.parametrize("mark", ["project/dev#ffffffff", "project/prod", "somebody", None])
def test_what_the_search_did_not_show_and_is_not_ours_is_never_written_over(driver: Driver, mark: str | None) -> None:
    driver.port.add_entity("workspace", "w1", title="theirs", properties={"managed_by": mark, "status": "mine"})

    driver.port.answers.append(unseen)
    before = copy.deepcopy(driver.port.entities)
    with pytest.raises(Aborted, match="its search did not show it"):
        driver.create(ENTITY, entity(**MARKED))
    assert driver.port.entities == before


def test_what_the_search_did_not_show_and_has_our_mark_is_written(driver: Driver) -> None:
    driver.port.add_entity("workspace", "w1", title="old", properties={"managed_by": "project/old#0a1b2c3d"})

    driver.port.answers.append(unseen)
    driver.create(ENTITY, entity(**MARKED))
    assert driver.port.entities["workspace"]["w1"]["properties"]["managed_by"] == "project/dev#0a1b2c3d"


def test_a_hand_deletion_is_a_difference_and_made_again(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"].clear()
    later = again(driver)
    assert later.diff(made) == {"identifier"}
    later.update(made, made.inputs)
    assert driver.port.entities["workspace"]["w1"]["properties"] == {"status": "running"}


def test_many_hand_deletions_are_confirmed_by_a_second_sweep(driver: Driver) -> None:
    made = [driver.create(ENTITY, entity(f"w{n}", **STRINGS)) for n in range(50)]
    driver.port.entities["workspace"].clear()
    driver.port.sent.clear()
    later = again(driver)
    assert [later.diff(each) for each in made] == [{"identifier"}] * 50
    assert len(driver.port.sent) == 14  # two sweeps with a count each, and ten that were asked for by themselves


def test_a_blueprint_that_is_gone_takes_its_entities_along(driver: Driver) -> None:
    made = [driver.create(ENTITY, entity(f"w{n}", **STRINGS)) for n in range(3)]
    driver.port.blueprints.clear()
    driver.port.sent.clear()
    later = again(driver)
    assert [later.diff(each) for each in made] == [{"identifier"}] * 3
    assert len(driver.port.sent) == 2


# --- renames and moves --------------------------------------------------------------------------------------------


def test_another_identifier_is_a_rename_that_keeps_everything(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**STRINGS))
    driver.port.entities["workspace"]["w1"]["properties"]["colleague"] = "mine"
    later = again(driver)
    news = {**made.inputs, "identifier": "w2"}
    assert later.diff(made, news) == {"identifier"}
    renamed = later.update(made, news)
    assert driver.port.routes()[-1] == "PUT /v1/blueprints/workspace/entities/w1"
    assert list(driver.port.entities["workspace"]) == ["w2"]
    assert driver.port.entities["workspace"]["w2"]["properties"]["colleague"] == "mine"
    # The engine keeps the first id; what counts is in the outputs.
    assert renamed.id == "workspace:w1"
    assert later.diff(renamed) == set()
    later.delete(renamed)
    assert driver.port.entities["workspace"] == {}


def test_another_blueprint_is_a_new_entity_there_and_none_here(driver: Driver) -> None:
    driver.port.add_blueprint("other")
    made = driver.create(ENTITY, entity(**STRINGS))
    news = {**entity(**STRINGS), "blueprint": "other"}
    assert driver.diff(made, news) == {"blueprint"}
    driver.update(made, news)
    assert driver.port.entities["workspace"] == {}
    assert list(driver.port.entities["other"]) == ["w1"]


# --- read ---------------------------------------------------------------------------------------------------------


def test_a_refresh_that_finds_nothing_changes_no_input(driver: Driver) -> None:
    inputs = entity(properties={"objectProps": {"stats": '{ "b": 1,\n "a": 2 }'}}, relations={"manyRelations": {}})
    made = driver.create(ENTITY, inputs)
    driver.port.entities["workspace"]["w1"]["properties"]["colleague"] = "mine"
    seen = again(driver).read(made)
    assert seen is not None
    assert seen.inputs == inputs
    assert seen.outputs["properties"] == inputs["properties"]


def test_a_refresh_takes_over_what_differs_each_value_in_its_form(driver: Driver) -> None:
    bags = {"stringProps": {"status": "running", "owner": "bob"}, "objectProps": {"stats": '{"a":1}'}}
    made = driver.create(ENTITY, entity(properties=bags, relations={"singleRelations": {"template": "t1"}}))
    held = driver.port.entities["workspace"]["w1"]
    held["title"] = "renamed"
    held["properties"] = {"status": "stopped", "owner": None, "stats": {"a": 2}, "tags": ["x"], "colleague": 1}
    held["relations"] = {"template": None}
    later = again(driver)
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs == {
        "blueprint": "workspace",
        "identifier": "w1",
        "title": "renamed",
        "properties": {
            "stringProps": {"status": "stopped"},
            "objectProps": {"stats": '{"a":2}'},
            "arrayProps": {"stringItems": {"tags": ["x"]}},
        },
    }
    assert later.diff(seen, made.inputs) == {
        "title",
        "properties.stringProps.status",
        "properties.stringProps.owner",
        "properties.objectProps.stats",
        "properties.arrayProps.stringItems.tags",
        "relations.singleRelations.template",
    }


def test_a_refresh_of_what_is_gone_says_so(driver: Driver) -> None:
    made = driver.create(ENTITY, entity())
    driver.port.entities["workspace"].clear()
    assert again(driver).read(made) is None


def test_an_import_takes_everything_that_has_a_value(driver: Driver) -> None:
    schema = {"properties": {"sizes": {"type": "array", "items": {"type": "number"}}}}
    driver.port.add_blueprint("workspace", schema=schema)
    driver.port.add_entity(
        "workspace",
        "w1",
        icon="Star",
        team=["a"],
        properties={"status": "on", "n": 1.5, "ok": True, "gone": None, "stats": {"a": [1]}, "sizes": []},
        relations={"template": "t1", "none": None, "parts": ["p"]},
    )
    seen = driver.read(stored("workspace:w1"))
    assert seen is not None
    assert seen.id == "workspace:w1"
    assert seen.inputs == {
        "blueprint": "workspace",
        "identifier": "w1",
        "title": "w1",
        "icon": "Star",
        "teams": ["a"],
        "properties": {
            "stringProps": {"status": "on"},
            "numberProps": {"n": 1.5},
            "booleanProps": {"ok": True},
            "objectProps": {"stats": '{"a":[1]}'},
            "arrayProps": {"numberItems": {"sizes": []}},
        },
        "relations": {"singleRelations": {"template": "t1"}, "manyRelations": {"parts": ["p"]}},
    }
    assert driver.diff(seen) == set()


def test_an_import_of_an_id_without_a_blueprint_says_how_an_id_looks(driver: Driver) -> None:
    with pytest.raises(Aborted, match="<blueprint>:<identifier>"):
        driver.read(stored("w1"))


# --- delete -------------------------------------------------------------------------------------------------------


def test_deleting_what_is_gone_is_fine(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**props(managed_by="project/dev")))
    driver.port.entities["workspace"].clear()
    again(driver).delete(made)


def test_an_entity_that_another_stack_took_over_stays(driver: Driver) -> None:
    made = driver.create(ENTITY, entity(**props(managed_by="project/dev")))
    driver.port.entities["workspace"]["w1"]["properties"]["managed_by"] = "project/prod"
    again(driver).delete(made)
    assert list(driver.port.entities["workspace"]) == ["w1"]


def test_a_dependent_that_requires_the_entity_is_a_clear_error(driver: Driver) -> None:
    made = driver.create(ENTITY, entity())
    driver.port.answers.append(
        lambda sent: refused(403, "has_dependents", "b1 requires w1") if sent.method == "DELETE" else None
    )
    with pytest.raises(Aborted, match="b1 requires w1"):
        driver.delete(made)


# --- inputs -------------------------------------------------------------------------------------------------------


def test_inputs_that_cannot_be_are_named(driver: Driver) -> None:
    failures = driver.check(ENTITY, {"blueprint": "workspace"})["failures"]
    assert [each["property"] for each in failures] == ["title"]
    failures = driver.check(ENTITY, entity(properties={"objectProps": {"stats": "{no json"}}))["failures"]
    assert "JSON" in failures[0]["reason"]


def test_a_wrapped_secret_is_used_and_not_shown(driver: Driver) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "running"}
    driver.create(ENTITY, entity(properties={"stringProps": {"status": secret}}))
    assert driver.port.entities["workspace"]["w1"]["properties"] == {"status": "running"}


def test_another_type_of_the_package_is_refused_by_name(driver: Driver) -> None:
    with pytest.raises(Aborted, match="port:index/webhook:Webhook") as caught:
        driver.run(driver.call("Check", urn=urn("port:index/webhook:Webhook"), news={}))
    assert BLUEPRINT in caught.value.text
    assert ENTITY in caught.value.text


def test_whole_numbers_are_sent_as_whole_numbers(driver: Driver) -> None:
    driver.create(ENTITY, entity(properties={"numberProps": {"ttl": 3600000.0, "cost": 1.25}}))
    sent = driver.port.writes[-1].body["entities"][0]["properties"]
    assert json.dumps(sent, sort_keys=True) == '{"cost": 1.25, "ttl": 3600000}'
