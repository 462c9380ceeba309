"""Entities of the emulated Port: writes one by one and in bulk, values, reads."""

from __future__ import annotations

from typing import Any

import pytest
from port_talk import DEPLOYMENT, SERVICE, Clock, Json, Talk, bulk, refused, talk

FULL: Json = {
    "title": "A",
    "icon": "Box",
    "team": ["one", "two"],
    "properties": {
        "url": "https://example.com/x?y#z",
        "tier": "gold",
        "cost": 1.5,
        "live": False,
        "tags": ["b", "a"],
        "born": "2024-01-31T13:32:21.270116+00:00",
        "more": {"deep": [None, {"ключ": "значение"}]},
    },
}


UNSET: Json = dict.fromkeys(FULL["properties"])


# ---------------------------------------------------------------- writing one


def test_an_entity_is_answered_as_it_was_written() -> None:
    one = talk(clock=Clock())
    reply = one.put("service", "a/b:c", **FULL)
    assert reply.status_code == 201
    expected = {
        "identifier": "a/b:c", "blueprint": "service", **FULL, "relations": {},
        "createdAt": "2025-06-15T15:06:40.123Z", "createdBy": "emulator-client",
        "updatedAt": "2025-06-15T15:06:40.123Z", "updatedBy": "emulator-client",
    }  # fmt: skip
    assert reply.json() == {"ok": True, "entity": expected}
    assert one.get("service", "a/b:c") == expected
    assert one("GET", "/blueprints/service/entities").json() == {"ok": True, "entities": [expected]}


def test_an_entity_of_nothing_but_an_identifier() -> None:
    one = talk()
    one.put("service", "a")
    entity = one.get("service", "a")
    assert "title" not in entity and "icon" not in entity and entity["team"] == []
    assert (entity["properties"], entity["relations"]) == (UNSET, {})


def test_an_entity_without_an_identifier_gets_one() -> None:
    one = talk()
    first, second = (one("POST", "/blueprints/service/entities", {}).json()["entity"]["identifier"] for _ in "ab")
    assert first != second and len(first) == len("e_") + 16 and first.startswith("e_")


def test_create_override_and_merge() -> None:
    clock = Clock()
    one = talk(clock=clock)
    path = "/blueprints/service/entities"
    assert one("POST", path, {"identifier": "a", **FULL}).status_code == 201
    refused(one("POST", path, {"identifier": "a"}), 409, "identifier_taken")
    refused(one("POST", path, {"identifier": "a"}, merge="true"), 409, "identifier_taken")
    clock.now += 60
    body = {"identifier": "a", "properties": {"cost": 2, "tier": None}}
    merged = one("POST", path, body, upsert="true", merge="true")
    assert merged.status_code == 200
    entity = merged.json()["entity"]
    assert entity["properties"] == {**FULL["properties"], "cost": 2, "tier": None} and entity["title"] == "A"
    assert (entity["createdAt"], entity["updatedAt"]) == ("2025-06-15T15:06:40.123Z", "2025-06-15T15:07:40.123Z")
    overridden = one("POST", path, body, upsert="true").json()["entity"]
    assert overridden["properties"] == {**UNSET, "cost": 2}
    assert "title" not in overridden and "icon" not in overridden and overridden["team"] == []
    assert overridden["createdAt"] == entity["createdAt"]


def test_put_replaces_and_patch_changes_only_what_it_names() -> None:
    one = talk()
    one.put("service", "a", **FULL)
    path = "/blueprints/service/entities/a"
    patched = one("PATCH", path, {"properties": {"cost": None}, "team": "solo", "icon": None}).json()["entity"]
    assert patched["properties"] == {**FULL["properties"], "cost": None}
    assert (patched["title"], patched["team"], patched.get("icon")) == ("A", ["solo"], None)
    refused(one("PATCH", path, {"colour": 1}), 422, "invalid_request")
    replaced = one("PUT", path, {"title": "B", "colour": 1}).json()["entity"]
    assert (replaced["title"], replaced["properties"], replaced["team"]) == ("B", UNSET, [])
    for method in ("PUT", "PATCH"):
        refused(one(method, "/blueprints/service/entities/none", {}), 404, "not_found")
        refused(one(method, "/blueprints/none/entities/a", {}), 404, "not_found")


def test_a_rename_takes_the_relations_along() -> None:
    one = talk()
    for name in "ab":
        one.put("service", name)
    one.put("deployment", "d", relations={"of": "a", "needs": ["b", "a"]})
    refused(one("PUT", "/blueprints/service/entities/a", {"identifier": "b"}), 409, "identifier_taken")
    renamed = one("PATCH", "/blueprints/service/entities/a", {"identifier": "z"}).json()["entity"]
    assert renamed["identifier"] == "z"
    refused(one("GET", "/blueprints/service/entities/a"), 404, "not_found")
    assert one.get("deployment", "d")["relations"] == {"of": "z", "needs": ["b", "z"]}
    assert [entity["identifier"] for entity in one.emulator.entities("service")] == ["z", "b"]


def test_validation_only_changes_nothing() -> None:
    one = talk()
    path = "/blueprints/service/entities"
    assert one("POST", path, {"identifier": "a"}, validation_only="true").status_code == 200
    reply = one("POST", path, {"identifier": "a", "properties": {"cost": "1"}}, validation_only="true")
    refused(reply, 422, "blueprint_schema_mismatch")
    related = {"identifier": "d", "relations": {"of": "new"}}
    query = {"validation_only": "true", "create_missing_related_entities": "true"}
    assert one("POST", "/blueprints/deployment/entities", related, **query).status_code == 200
    assert bulk(one, "service", {"identifier": "a"}, validation_only="true")[0] == 200
    assert one.emulator.objects()["blueprints"] == {"service": 0, "deployment": 0}
    assert one.emulator.writes == 0
    one("POST", path, {"identifier": "a"}, validation_only="false")
    assert one.emulator.writes == 1


def test_a_run_that_does_not_exist_cannot_be_named() -> None:
    one = talk()
    path = "/blueprints/service/entities"
    refused(one("POST", path, {"identifier": "a"}, run_id="r_1"), 404, "not_found")
    assert one("POST", path, {"identifier": "a"}, run_id="").status_code == 201
    refused(one("DELETE", f"{path}/a", run_id="r_1"), 404, "not_found")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("cost", "1", "must be number"),
        ("cost", True, "must be number"),
        ("cost", -1, "must be >= 0"),
        ("live", 0, "must be boolean"),
        ("live", "false", "must be boolean"),
        ("tier", "bronze", "allowed values"),
        ("tags", "a", "must be array"),
        ("tags", ["a", 1], "item 1 must be string"),
        ("tags", [None], "item 0 must not be null"),
        ("more", [], "must be object"),
        ("url", "example.com", 'format "url"'),
        ("url", "", 'format "url"'),
        ("born", "yesterday", 'format "date-time"'),
        ("born", "2024-13-01T00:00:00Z", 'format "date-time"'),
        ("born", 1700000000, "must be string"),
        ("colour", "red", "additional properties"),
        ("colour", None, "additional properties"),
    ],
)
def test_a_value_that_does_not_fit_its_property_is_refused(key: str, value: Any, why: str) -> None:
    one = talk()
    one.put("service", "a", **FULL)
    before = one.get("service", "a")
    for method, path in (("PATCH", "/a"), ("PUT", "/a"), ("POST", "")):
        body = {"identifier": "a", "properties": {key: value}}
        reply = one(method, f"/blueprints/service/entities{path}", body, upsert="true", merge="true")
        message = refused(reply, 422, "blueprint_schema_mismatch")
        assert why in message and key in message
    assert one.get("service", "a") == before


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01T00:00:00Z",
        "2024-01-31T13:32:21.270116+00:00",
        "2023-11-06T11:02:59.000+0000",
        "2024-01-01T00:00:00.123456789Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_date_is_answered_with_every_letter_it_was_written_with(value: str) -> None:
    one = talk()
    assert one.put("service", "a", properties={"born": value}).status_code == 201
    assert one.get("service", "a")["properties"]["born"] == value


@pytest.mark.parametrize("name", ["", "a b", ".", "..", "a#b", "a?b", "x" * 1001, 5, [], "a\n"])
def test_an_identifier_that_does_not_fit_is_refused(name: Any) -> None:
    one = talk()
    refused(one("POST", "/blueprints/service/entities", {"identifier": name}), 422, "invalid_request")


@pytest.mark.parametrize("name", ["...", "é.ü", "a/b\\c:d@e_f+g=h-i", "x" * 1000, "бук", "bulk", "search"])
def test_an_identifier_of_any_letters_can_be_read_back(name: str) -> None:
    one = talk()
    assert one.put("service", name).status_code == 201
    assert one.get("service", name)["identifier"] == name
    assert one.emulator.entity("service", name) is not None


@pytest.mark.parametrize(
    "members",
    [
        {"title": 5}, {"icon": []}, {"team": 5}, {"team": [5]}, {"properties": []}, {"properties": None},
        {"relations": "x"}, {"blueprint": "deployment"},
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused(members: Json) -> None:
    body = {"identifier": "a", **members}
    refused(talk()("POST", "/blueprints/service/entities", body), 422, "invalid_request")


def test_a_required_property_is_needed_whichever_way_it_is_written() -> None:
    one = talk()
    one.emulator.put_blueprint({**SERVICE, "schema": {**SERVICE["schema"], "required": ["cost"]}})
    assert "'cost'" in refused(one.put("service", "a"), 422, "blueprint_schema_mismatch")
    refused(one.put("service", "a", properties={"cost": None}), 422, "blueprint_schema_mismatch")
    assert one.put("service", "a", properties={"cost": 0}).status_code == 201
    path = "/blueprints/service/entities/a"
    assert one("PATCH", path, {"properties": {"tier": "gold"}}).status_code == 200
    refused(one("PATCH", path, {"properties": {"cost": None}}), 422, "blueprint_schema_mismatch")
    refused(one("PUT", path, {"properties": {"tier": "gold"}}), 422, "blueprint_schema_mismatch")


def test_a_team_cannot_be_set_where_it_is_inherited() -> None:
    one = talk()
    one.emulator.put_blueprint({**DEPLOYMENT, "ownership": {"type": "Inherited", "path": "of"}})
    refused(one.put("deployment", "d", team="x"), 422, "inherited_ownership_enabled")
    older = {**DEPLOYMENT, "identifier": "older", "teamInheritance": {"path": "of"}}
    one.emulator.put_blueprint(older)
    refused(one.put("older", "d", team="x"), 422, "team_inheritance_enabled")
    assert one.put("deployment", "d", team=[]).status_code == 201


# ---------------------------------------------------------------- bulk


def test_a_bulk_call_says_of_each_entity_what_became_of_it() -> None:
    one = talk()
    one.put("service", "old")
    items = [{"identifier": "new"}, {"identifier": "bad", "properties": {"cost": "x"}}, {"identifier": "old"}, "odd"]
    status, body = bulk(one, "service", *items, upsert="true", merge="true")
    assert status == 207
    assert body["entities"] == [
        {"created": True, "identifier": "new", "index": 0},
        {"created": False, "identifier": "old", "index": 2},
    ]
    first, second = body["errors"]
    assert (first["identifier"], first["index"], first["statusCode"]) == ("bad", 1, 422)
    assert first["error"] == "blueprint_schema_mismatch" and "must be number" in first["message"]
    assert (second["identifier"], second["index"], second["statusCode"]) == ("unknown", 3, 422)
    assert bulk(one, "service", {"identifier": "new"}, upsert="true") == (
        200,
        {
            "ok": True,
            "entities": [{"created": False, "identifier": "new", "index": 0}],
            "errors": [],
            "maxBulkSize": 20,
        },
    )
    status, body = bulk(one, "service", {"identifier": "new"})
    assert status == 207 and body["errors"][0]["error"] == "identifier_taken" and body["entities"] == []


def test_items_of_a_bulk_call_may_relate_to_earlier_ones() -> None:
    one = talk()
    relations = {"next": {"title": "Next", "target": "service", "required": False, "many": False}}
    one.emulator.put_blueprint({**SERVICE, "relations": relations})
    items: list[Json] = [{"identifier": "c", "relations": {"next": "b"}}, {"identifier": "b"}]
    status, body = bulk(one, "service", *items, upsert="true")
    assert status == 207 and [error["statusCode"] for error in body["errors"]] == [404]
    assert bulk(one, "service", *reversed(items), upsert="true")[0] == 200


def test_a_bulk_call_of_another_size_or_shape_is_refused_as_a_whole() -> None:
    one = talk()
    path = "/blueprints/service/entities/bulk"
    too_many = [{"identifier": f"a{number}"} for number in range(21)]
    wrong: tuple[Any, ...] = ([], too_many, None, {})
    for items in wrong:
        refused(one("POST", path, {"entities": items}, upsert="true"), 422, "invalid_request")
    refused(one("POST", path, {"entities": [{"identifier": "a"}], "more": 1}), 422, "invalid_request")
    refused(one("POST", path, {"entities": [{"identifier": "a"}]}, upsert="yes"), 422, "invalid_request")
    refused(one("POST", "/blueprints/none/entities/bulk", {"entities": [{"identifier": "a"}]}), 404, "not_found")
    assert one.emulator.entities("service") == []
    assert bulk(one, "service", *({"identifier": f"a{number}"} for number in range(20)))[0] == 200


# ---------------------------------------------------------------- reading


def calculated() -> Talk:
    one = talk()
    one.emulator.put_blueprint(
        {
            **DEPLOYMENT,
            "mirrorProperties": {
                "tier": {"path": "of.tier"},
                "service_name": {"path": "of.$title"},
                "costs": {"path": "needs.cost"},
            },
            "calculationProperties": {
                "loud": {"type": "string", "calculation": ".properties.state | ascii_upcase"},
                "both": {"type": "string", "calculation": '.identifier + "/" + .properties.tier'},
                "nothing": {"type": "string", "calculation": "empty"},
            },
        }
    )
    one.put("service", "s", title="Shop", properties={"tier": "gold", "cost": 1})
    one.put("service", "t", properties={"cost": 2})
    one.put("deployment", "d", properties={"state": "up"}, relations={"of": "s", "needs": ["t", "s"]})
    one.put("deployment", "e")
    return one


def test_calculated_and_mirrored_properties_are_answered_unless_left_out() -> None:
    one = calculated()
    assert one.get("deployment", "d")["properties"] == {
        "state": "up", "tier": "gold", "service_name": "Shop", "costs": [2, 1], "loud": "UP", "both": "d/gold",
        "nothing": None,
    }  # fmt: skip
    assert one.get("deployment", "d", exclude_calculated_properties="true")["properties"] == {"state": "up"}
    empty = one.get("deployment", "e")["properties"]
    assert empty.pop("state") is None
    assert empty == {"tier": None, "service_name": None, "costs": [], "loud": None, "both": "e/", "nothing": None}
    refused(one.put("deployment", "d", properties={"loud": "x"}), 422, "blueprint_schema_mismatch")
    assert one.found("deployment", {"property": "loud", "operator": "=", "value": "UP"}) == ["d"]
    assert one.found("deployment", {"property": "tier", "operator": "=", "value": "gold"}) == ["d"]


def test_relations_come_with_titles_if_asked() -> None:
    one = calculated()
    related = one.get("deployment", "d", attach_title_to_relation="true")["relations"]
    shop = {"identifier": "s", "title": "Shop"}
    assert related == {"of": shop, "needs": [{"identifier": "t", "title": None}, shop]}


def test_only_the_paths_asked_for_are_answered() -> None:
    one = calculated()
    assert one.get("deployment", "d", include=["identifier", "properties.loud"]) == {
        "identifier": "d", "properties": {"loud": "UP"}
    }  # fmt: skip
    left = one.get("deployment", "d", exclude=["relations.of", "properties", "team"])
    assert "properties" not in left and "team" not in left and list(left["relations"]) == ["needs"]
    body = {"include": ["relations"], "limit": 1}
    page = one("POST", "/blueprints/deployment/entities/search", body).json()
    assert page["entities"] == [{"relations": {"of": "s", "needs": ["t", "s"]}}]


def test_reads_of_what_is_not_there() -> None:
    one = talk()
    for path in ("/none/entities", "/none/entities/a", "/service/entities/a", "/none/entities-count"):
        refused(one("GET", f"/blueprints{path}"), 404, "not_found")
    refused(one("POST", "/blueprints/none/entities/search", {}), 404, "not_found")


# ---------------------------------------------------------------- defaults


def with_default() -> Json:
    text = {"type": "string", "default": "unknown"}
    return {"identifier": "owned", "title": "Owned", "schema": {"properties": {"by": text}, "required": ["by"]}}


def test_a_new_entity_without_a_value_has_the_default() -> None:
    one = talk()
    one.emulator.put_blueprint(with_default())
    assert one.put("owned", "a").json()["entity"]["properties"] == {"by": "unknown"}
    assert one.put("owned", "b", properties={"by": "me"}).json()["entity"]["properties"] == {"by": "me"}
    assert one.put("owned", "c", properties={"by": None}).status_code == 422


def test_an_entity_that_was_there_before_does_not_get_the_default() -> None:
    one = talk()
    body = with_default()
    one.emulator.put_blueprint({**body, "schema": {"properties": {}}})
    one.put("owned", "a")
    one.emulator.put_blueprint(body)
    assert one.put("owned", "a", title="T").status_code == 422
