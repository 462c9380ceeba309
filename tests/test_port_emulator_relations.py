"""Relations of the emulated Port's entities: their targets, what deletions and renames do to them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from port_talk import DEPLOYMENT, SERVICE, Clock, Json, Talk, bulk, refused, talk

from coderport.emulators.port import PortEmulator, Problem

# ---------------------------------------------------------------- relations


def test_relations_need_their_targets_and_their_shape() -> None:
    one = talk()
    one.put("service", "s")
    assert "nothing" in refused(one.put("deployment", "d", relations={"of": "nothing"}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"needs": ["s", "nothing"]}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"of": ["s"]}), 422, "relation_many_violation")
    refused(one.put("deployment", "d", relations={"needs": "s"}), 422, "relation_many_violation")
    refused(one.put("deployment", "d", relations={"other": "s"}), 422, "blueprint_schema_mismatch")
    assert one.emulator.entity("deployment", "d") is None
    assert one.put("deployment", "d", relations={"of": None, "needs": []}).status_code == 201
    assert one.get("deployment", "d")["relations"] == {"of": None, "needs": []}


def test_missing_targets_are_created_bare_if_asked() -> None:
    one = talk()
    body = {"identifier": "d", "relations": {"of": "x", "needs": ["y", "x", "y"]}}
    query = {"create_missing_related_entities": "true"}
    assert one("POST", "/blueprints/deployment/entities", body, **query).status_code == 201
    assert [(row["identifier"], row["properties"]) for row in one.emulator.entities("service")] == [
        ("x", {}),
        ("y", {}),
    ]
    wrong = {"identifier": "e", "properties": {"state": 1}, "relations": {"of": "z"}}
    refused(one("POST", "/blueprints/deployment/entities", wrong, **query), 422, "blueprint_schema_mismatch")
    assert one.emulator.entity("service", "z") is None


def test_a_required_relation_cannot_be_missing_or_removed() -> None:
    one = talk()
    relations = {"of": {"title": "Of", "target": "service", "required": True, "many": False}}
    one.emulator.put_blueprint({**DEPLOYMENT, "relations": relations})
    one.put("service", "s")
    refused(one.put("deployment", "d"), 422, "required_relation")
    assert one.put("deployment", "d", relations={"of": "s"}).status_code == 201
    path = "/blueprints/deployment/entities/d"
    assert one("PATCH", path, {"title": "D"}).status_code == 200
    refused(one("PATCH", path, {"relations": {"of": None}}), 403, "required_relation")
    refused(one("PUT", path, {}), 403, "required_relation")
    refused(one.put("deployment", "d", relations={"of": None}), 403, "required_relation")


def test_an_entity_may_relate_to_itself() -> None:
    one = talk()
    relations = {"next": {"title": "Next", "target": "service", "required": False, "many": False}}
    one.emulator.put_blueprint({**SERVICE, "relations": relations})
    assert one.put("service", "a", relations={"next": "a"}).status_code == 201
    one("PATCH", "/blueprints/service/entities/a", {"identifier": "b"})
    assert one.get("service", "b")["relations"] == {"next": "b"}
    assert one("DELETE", "/blueprints/service/entities/b").status_code == 200


def test_a_search_may_stand_in_the_place_of_an_identifier() -> None:
    one = talk()
    for name, value in (("a", "gold"), ("b", "silver"), ("c", "gold")):
        one.put("service", name, properties={"tier": value})

    def with_tier(value: str) -> Json:
        return {"combinator": "and", "rules": [{"property": "tier", "operator": "=", "value": value}]}

    relations = {"of": with_tier("silver"), "needs": with_tier("gold")}
    reply = one.put("deployment", "d", relations=relations)
    assert reply.json()["entity"]["relations"] == {"of": "b", "needs": ["a", "c"]}
    refused(one.put("deployment", "d", relations={"of": with_tier("none")}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"of": with_tier("gold")}), 422, "relation_many_violation")
    path = "/blueprints/service/entities"
    merge = {"upsert": "true", "merge": "true"}
    assert (
        one("POST", path, {"identifier": with_tier("silver"), "title": "B"}, **merge).json()["entity"]["title"] == "B"
    )
    refused(one("POST", path, {"identifier": with_tier("gold")}, **merge), 422, "invalid_request")
    status, body = bulk(one, "service", {"identifier": with_tier("none")}, **merge)
    assert status == 207 and body["errors"][0]["identifier"] == "unknown"


# ---------------------------------------------------------------- deleting


def chain() -> Talk:
    """A service, a deployment that requires it, and a check that requires the deployment."""
    one = talk()
    required = {"title": "Of", "target": "service", "required": True, "many": False}
    one.emulator.put_blueprint({**DEPLOYMENT, "relations": {"of": required}})
    check = {"identifier": "check", "title": "Check", "schema": {"properties": {}}}
    one.emulator.put_blueprint({**check, "relations": {"of": {**required, "target": "deployment"}}})
    one.put("service", "s")
    one.put("service", "free")
    one.put("deployment", "d", relations={"of": "s"})
    one.put("check", "c", relations={"of": "d"})
    return one


def test_what_others_require_is_deleted_only_with_them() -> None:
    one = chain()
    path = "/blueprints/service/entities/s"
    assert "delete_dependents=true" in refused(one("DELETE", path), 403, "has_dependents")
    refused(one("DELETE", "/blueprints/service/all-entities"), 403, "has_dependents")
    assert one("DELETE", path, delete_dependents="true").json() == {"ok": True}
    assert one.emulator.objects()["blueprints"] == {"service": 1, "deployment": 0, "check": 0}
    refused(one("DELETE", path), 404, "not_found")


def test_a_bulk_deletion_with_a_dependent_deletes_nothing() -> None:
    one = chain()
    path = "/blueprints/service/bulk/entities/delete"
    refused(one("POST", path, {"entities": ["free", "s"]}), 403, "has_dependents")
    assert one.emulator.entity("service", "free") is not None
    reply = one("POST", path, {"entities": ["free", "unknown", "free"]})
    assert reply.json() == {"ok": True, "deletedEntities": ["free"], "maxBulkSize": 100}
    reply = one("POST", path, {"entities": ["s"]}, delete_dependents="true")
    assert reply.json() == {"ok": True, "deletedEntities": ["s"], "maxBulkSize": 100}
    assert one.emulator.entities("check") == []


def test_a_bulk_deletion_names_one_to_a_hundred() -> None:
    one = talk()
    path = "/blueprints/service/bulk/entities/delete"
    for names in ([], [f"a{number}" for number in range(101)], [5], "a", None):
        refused(one("POST", path, {"entities": names}), 422, "invalid_request")
    refused(one("POST", "/blueprints/none/bulk/entities/delete", {"entities": ["a"]}), 404, "not_found")
    assert one("POST", path, {"entities": ["unknown"]}).json() == {
        "ok": True,
        "deletedEntities": [],
        "maxBulkSize": 100,
    }


def test_relations_that_are_not_required_lose_what_was_deleted() -> None:
    clock = Clock()
    one = talk(clock=clock)
    for name in "abc":
        one.put("service", name)
    one.put("deployment", "d", relations={"of": "a", "needs": ["a", "b", "c", "a"]})
    before = one.get("deployment", "d")["updatedAt"]
    clock.now += 5
    one("POST", "/blueprints/service/bulk/entities/delete", {"entities": ["a", "c"]})
    entity = one.get("deployment", "d")
    assert entity["relations"] == {"of": None, "needs": ["b"]} and entity["updatedAt"] == before


# ---------------------------------------------------------------- histories

NAMES = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.one_of(st.none(), NAMES), st.lists(NAMES, max_size=3)),
        st.tuples(st.just("delete"), NAMES, st.booleans(), st.none()),
        st.tuples(st.just("rename"), NAMES, NAMES, st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS)
def test_after_any_history_every_relation_has_its_target_and_pages_have_every_entity(steps: list[Any]) -> None:
    emulator = PortEmulator()
    body: Json = {"identifier": "node", "title": "Node", "schema": {"properties": {}}}
    emulator.put_blueprint(body)
    body["relations"] = {
        "one": {"title": "One", "target": "node", "required": False, "many": False},
        "many": {"title": "Many", "target": "node", "required": False, "many": True},
    }
    emulator.put_blueprint(body)
    one = Talk(emulator)
    expected: dict[str, Json] = {}
    for kind, name, other, several in steps:
        if kind == "put":
            relations = {"one": other, "many": several}
            try:
                emulator.put_entity("node", {"identifier": name, "relations": relations})
            except Problem:
                continue
            expected[name] = relations
        elif kind == "delete" and name in expected:
            emulator.delete_entity("node", name)
            del expected[name]
            expected = {key: _pointed(value, name, None) for key, value in expected.items()}
        elif kind == "rename" and name in expected and other not in expected:
            assert one("PATCH", f"/blueprints/node/entities/{name}", {"identifier": other}).status_code == 200
            place = list(expected)
            place[place.index(name)] = other
            values = [_pointed(value, name, other) for value in expected.values()]
            expected = dict(zip(place, values, strict=True))
    assert {row["identifier"]: row["relations"] for row in emulator.entities("node")} == expected
    seen, start = [], None
    while True:
        page = one("POST", "/blueprints/node/entities/search", {"limit": 1, "from": start}).json()
        seen += [row["identifier"] for row in page["entities"]]
        start = page.get("next")
        if start is None:
            break
    assert seen == [row["identifier"] for row in emulator.entities("node")]


def _pointed(relations: Json, old: str, new: str | None) -> Json:
    many = [new if name == old else name for name in relations["many"]]
    return {
        "one": new if relations["one"] == old else relations["one"],
        "many": [name for name in many if name is not None],
    }
