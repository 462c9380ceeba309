"""Behaviours of Port that changed, differ or are not known: each can be switched, and the switch does what it says."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from port_talk import DEPLOYMENT, SERVICE, Clock, Json, Talk, bulk, refused, talk

from coderport.emulators.kit import EmulatorError
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.seen import as_seen, fits

ENTITIES = "/blueprints/service/entities"


def behaving(**changes: Any) -> Talk:
    return talk(behaviour=Behaviour(**changes), clock=Clock())


def changed(one: Talk, **members: Any) -> Any:
    return one("PUT", "/blueprints/deployment", {**DEPLOYMENT, **members})


# ---------------------------------------------------------------- answers


def test_what_was_never_written_comes_back_as_null() -> None:
    one = behaving()
    one.put("deployment", "d")
    expected: Json = {"properties": {"state": None}, "relations": {"of": None, "needs": None}}
    page = one("POST", "/blueprints/deployment/entities/search", {}).json()["entities"]
    found = one("POST", "/entities/search", {"combinator": "and", "rules": []}).json()["entities"]
    written = one("PUT", "/blueprints/deployment/entities/d", {"title": "D"}).json()["entity"]
    for entity in (one.get("deployment", "d"), *page, *found, written):
        assert {key: entity[key] for key in expected} == expected


def test_it_can_be_absent_or_an_empty_list_as_well() -> None:
    one = behaving(unset_property="absent", unset_relation="absent", unset_many_relation="empty", unset_label="null")
    one.put("deployment", "d")
    entity = one.get("deployment", "d")
    assert (entity["properties"], entity["relations"]) == ({}, {"needs": []})
    assert (entity["title"], entity["icon"]) == (None, None)


def test_the_emulator_shows_those_who_look_into_it_what_was_written() -> None:
    one = behaving()
    one.put("deployment", "d")
    stored: Json = {"properties": {}, "relations": {}, "title": None, "icon": None}
    assert one.emulator.entity("deployment", "d") == {**one.get("deployment", "d"), **stored}


@pytest.mark.parametrize("key", ["icon", "title", "team"])
def test_a_label_is_null_in_a_patch_only(key: str) -> None:
    one = behaving()
    one.put("service", "a", icon="Box", title="A", team="x")
    refused(one.put("service", "a", **{key: None}), 422, "invalid_request")
    refused(one("PUT", f"{ENTITIES}/a", {key: None}), 422, "invalid_request")
    assert bulk(one, "service", {"identifier": "a", key: None}, upsert="true")[1]["errors"][0]["statusCode"] == 422
    assert not one("PATCH", f"{ENTITIES}/a", {key: None}).json()["entity"].get(key)
    one.emulator.behaviour = Behaviour(takes_null_label=True)
    assert one.put("service", "a", **{key: None}).status_code == 200


def test_a_refusal_carries_details_where_port_is_known_to_send_them() -> None:
    schema = {"properties": {"state": {"type": "string", "format": "url"}}}
    assert changed(behaving(), schema=schema).json()["details"] == {"property": "state"}
    assert "details" not in changed(behaving(error_details=False), schema=schema).json()


def test_an_entity_that_is_not_there_is_named_with_its_blueprint() -> None:
    one = behaving()
    message = refused(one("GET", f"{ENTITIES}/x"), 404, "not_found")
    assert message == 'Entity "x" does not exist in blueprint "service"'
    message = refused(one("GET", "/blueprints/none/entities/x"), 404, "not_found")
    assert message == 'Blueprint with identifier "none" was not found'


# ---------------------------------------------------------------- blueprints


@pytest.mark.parametrize(
    "state", [{"type": "string", "format": "url"}, {"type": "string", "format": "email"}, {"type": "string"}]
)
def test_a_format_can_be_neither_given_nor_changed_nor_taken(state: Json) -> None:
    one = behaving()
    before = {"type": "string", "format": "markdown"} if state.get("format") != "url" else {"type": "string"}
    one.emulator.put_blueprint({**DEPLOYMENT, "identifier": "other", "schema": {"properties": {"state": before}}})
    body = {**DEPLOYMENT, "identifier": "other", "schema": {"properties": {"state": state}}}
    refused(one("PUT", "/blueprints/other", body), 422, "forbidden_format_change")
    patch = {"schema": {"properties": {"state": state}}}
    refused(one("PATCH", "/blueprints/other", patch), 422, "forbidden_format_change")
    one.emulator.behaviour = Behaviour(format_is_permanent=False)
    assert one("PUT", "/blueprints/other", body).status_code == 200


@pytest.mark.parametrize(
    ("flag", "members"),
    [
        ("type_is_permanent", {"schema": {"properties": {"state": {"type": "number"}}}}),
        ("target_is_permanent", {"relations": {"of": {**DEPLOYMENT["relations"]["of"], "target": "deployment"}}}),
        ("many_is_permanent", {"relations": {"of": {**DEPLOYMENT["relations"]["of"], "many": True}}}),
    ],
)
def test_what_else_of_a_blueprint_is_permanent_is_a_switch(flag: str, members: Json) -> None:
    refused(changed(behaving(), **members), 422, "invalid_request")
    assert changed(behaving(**{flag: False}), **members).status_code == 200


def test_a_new_blueprint_may_be_written_by_its_moderators() -> None:
    for moderators, roles in ((True, ["Admin", "fresh-moderator"]), (False, ["Admin"])):
        one = behaving(moderators=moderators)
        one("POST", "/blueprints", {**SERVICE, "identifier": "fresh"})
        permissions = one("GET", "/blueprints/fresh/permissions").json()["permissions"]["entities"]
        assert [permissions[key]["roles"] for key in ("register", "update", "unregister")] == [roles] * 3
        assert permissions["read"]["roles"] == ["Admin", "Member"]


def test_permissions_on_fields_that_the_blueprint_lacks_are_refused_by_name() -> None:
    one = behaving()
    body: Json = {"entities": {"updateProperties": {"x": {}, "state": {}}, "updateRelations": {"y": {}, "of": {}}}}
    reply = one("PATCH", "/blueprints/deployment/permissions", body)
    assert refused(reply, 422, "invalid_permissions") == "You cannot update permissions on unknown fields"
    assert reply.json()["details"] == {"invalidProperties": ["x"], "invalidRelations": ["y"]}


def test_the_route_of_a_blueprints_actions_is_gone_in_some_organizations() -> None:
    assert behaving()("GET", "/blueprints/service/actions").json() == {"ok": True, "actions": []}
    one = behaving(lists_blueprint_actions=False)
    assert one("GET", "/blueprints/service/actions").status_code == 410


# ---------------------------------------------------------------- writes


def test_an_identifier_may_hold_an_apostrophe() -> None:
    assert behaving().put("service", "o'brien/dev").status_code == 201
    refused(behaving(apostrophe=False).put("service", "o'brien/dev"), 422, "invalid_request")


@pytest.mark.parametrize(("status", "error"), [(422, "invalid_request"), (413, "bad_request")])
def test_the_size_of_a_bulk_call_is_announced_and_may_be_another(status: Any, error: str) -> None:
    one = behaving(max_bulk_upserts=3, max_bulk_deletes=2, bulk_too_large=status)
    items = [{"identifier": name} for name in "abcd"]
    refused(one("POST", f"{ENTITIES}/bulk", {"entities": items}), status, error)
    assert bulk(one, "service", *items[:3])[1]["maxBulkSize"] == 3
    path = "/blueprints/service/bulk/entities/delete"
    refused(one("POST", path, {"entities": list("abc")}), status, error)
    assert one("POST", path, {"entities": ["a"]}).json() == {"ok": True, "deletedEntities": ["a"], "maxBulkSize": 2}


def test_the_size_need_not_be_announced() -> None:
    one = behaving(announces_bulk_size=False)
    assert "maxBulkSize" not in bulk(one, "service", {"identifier": "a"})[1]


def test_an_item_may_not_see_those_of_its_own_call() -> None:
    one = behaving(bulk_sees_itself=False)
    one.emulator.put_blueprint(
        {**SERVICE, "relations": {"next": {"title": "N", "target": "service", "required": False, "many": False}}}
    )
    items: list[Json] = [{"identifier": "b"}, {"identifier": "c", "relations": {"next": "b"}}]
    assert [error["statusCode"] for error in bulk(one, "service", *items, upsert="true")[1]["errors"]] == [404]
    assert bulk(one, "service", *items, upsert="true")[0] == 200


def test_one_bad_item_may_keep_the_others_out() -> None:
    items: list[Json] = [{"identifier": "a"}, {"identifier": "b", "properties": {"cost": "x"}}]
    one = behaving(bulk_is_atomic=True)
    status, body = bulk(one, "service", *items)
    assert (status, body["entities"], [error["index"] for error in body["errors"]]) == (207, [], [1])
    assert one.emulator.entities("service") == []
    assert bulk(one, "service", items[0])[0] == 200


@pytest.mark.parametrize("moves", [True, False])
def test_a_write_without_a_change_may_leave_the_time_as_it_was(moves: bool) -> None:
    clock = Clock()
    one = talk(behaviour=Behaviour(moves_updated_at=moves), clock=clock)
    one.put("service", "a", title="A")
    before = one.get("service", "a")["updatedAt"]
    clock.now += 60
    one.put("service", "a", title="A")
    assert (one.get("service", "a")["updatedAt"] != before) is moves
    one.put("service", "a", title="B")
    assert one.get("service", "a")["updatedAt"] != before


URLS = {
    "https://coder.example.com/@a/b": True,
    "https://8.8.8.8/x": True,
    "https://coder.exämple.com": True,
    "http://coder:3000/@a/b": False,
    "http://localhost/x": False,
    "http://10.1.2.3/x": False,
    "https://192.168.0.1": False,
    "http://127.0.0.1:3000": False,
    "ssh://coder.example.com": False,
    "https://coder.example.com/a b": False,
}


@pytest.mark.parametrize(("url", "passes"), URLS.items())
def test_a_strict_validator_takes_a_url_with_a_public_host_only(url: str, passes: bool) -> None:
    assert behaving(strict_formats=True).put("service", "a", properties={"url": url}).is_success is passes


@pytest.mark.parametrize(
    ("kind", "value", "passes"),
    [
        ({"type": "string", "format": "email"}, "o'brien@example.com", True),
        ({"type": "string", "format": "email"}, "root@localhost", False),
        ({"type": "string", "format": "user"}, "a b@example.com", False),
        ({"type": "string", "format": "date-time"}, "2024-01-01T00:00:00Z", True),
        ({"type": "string", "format": "date-time"}, "2024-01-01", False),
        ({"type": "string", "format": "date-time"}, "2024-01-01T00:00:00", False),
        ({"type": "object", "format": "labeled-url"}, {"url": "http://coder/x"}, False),
        ({"type": "array", "items": {"type": "string", "format": "url"}}, ["https://a.example", "http://b"], False),
        ({"type": "string", "format": "markdown"}, "anything", True),
    ],
)
def test_a_strict_validator_holds_other_formats_too(kind: Json, value: Any, passes: bool) -> None:
    one = behaving(strict_formats=True)
    one.emulator.put_blueprint({**SERVICE, "identifier": "other", "schema": {"properties": {"x": kind}}})
    reply = one.put("other", "a", properties={"x": value})
    assert reply.is_success is passes
    if not passes:
        assert "must match format" in refused(reply, 422, "blueprint_schema_mismatch")


# ---------------------------------------------------------------- reads


def test_a_new_entity_is_found_by_a_search_a_moment_later() -> None:
    clock = Clock()
    one = talk(behaviour=Behaviour(search_delay=2.0), clock=clock)
    one.put("service", "a")
    assert one.found("service") == [] and one.get("service", "a")["identifier"] == "a"
    assert one("GET", "/blueprints/service/entities-count").json()["count"] == 1
    clock.now += 2.1
    assert one.found("service") == ["a"]


def test_a_search_can_be_counted() -> None:
    one = behaving()
    for name in "abc":
        one.put("service", name)
    query = {"combinator": "or", "rules": [{"property": "$identifier", "operator": "in", "value": ["a", "c", "x"]}]}
    assert one("POST", f"{ENTITIES}/search/count", {"query": query}).json() == {"ok": True, "count": 2}
    assert one("POST", f"{ENTITIES}/search/count", {}).json()["count"] == 3
    assert one.emulator.writes == 3


def test_a_search_finds_by_the_time_of_the_last_change() -> None:
    one = behaving()
    one.put("service", "a")
    for operator, found in ((">", ["a"]), ("<", [])):
        rule = {"property": "$updatedAt", "operator": operator, "value": "2020-01-01T00:00:00.000Z"}
        assert one.found("service", rule) == found


@pytest.mark.parametrize(
    ("include", "shown"),
    [
        (["$identifier", "cost"], {"identifier": "a", "properties": {"cost": 1}}),
        (["$title", "properties.cost"], {"title": "A", "properties": {"cost": 1}}),
        (["identifier"], {"identifier": "a"}),
    ],
)
def test_a_search_includes_by_bare_names(include: list[str], shown: Json) -> None:
    one = behaving()
    one.put("service", "a", title="A", properties={"cost": 1, "tier": "gold"})
    assert one("POST", f"{ENTITIES}/search", {"include": include}).json()["entities"] == [shown]
    left_out = one("POST", f"{ENTITIES}/search", {"exclude": include}).json()["entities"][0]
    assert not set(shown) - {"properties"} & set(left_out)


def test_bare_names_are_a_switch() -> None:
    one = behaving(short_include=False)
    one.put("service", "a", properties={"cost": 1})
    assert one("POST", f"{ENTITIES}/search", {"include": ["$identifier", "cost"]}).json()["entities"] == [{}]


def test_the_unpaged_list_of_very_many_ends_at_the_gateway() -> None:
    one = behaving(most_unpaged=2)
    for name in "abc":
        assert one("GET", ENTITIES).status_code == 200
        one.put("service", name)
    reply = one("GET", ENTITIES)
    assert reply.status_code == 504 and "json" not in reply.headers["content-type"]
    assert len(one("POST", f"{ENTITIES}/search", {}).json()["entities"]) == 3


def test_stored_calculations_are_of_the_last_write() -> None:
    calculation = {"calculation": "now", "type": "number"}
    at = {"deep": {"calculation": ".relations.of.title", "type": "string"}, "when": calculation}
    one = behaving(calculations="stored")
    one.put("service", "s", title="S")
    one.emulator.put_blueprint({**DEPLOYMENT, "calculationProperties": at})
    one.put("deployment", "d", relations={"of": "s"})
    first, second = (one.get("deployment", "d")["properties"] for _ in "ab")
    assert first == second and first["deep"] is None and first["when"] is not None
    one.put("deployment", "d", relations={"of": "s"})
    assert one.get("deployment", "d")["properties"]["when"] > first["when"]
    one.emulator.put_blueprint(
        {**DEPLOYMENT, "calculationProperties": {**at, "two": {**calculation, "calculation": "2"}}}
    )
    assert one.get("deployment", "d")["properties"]["two"] == 2


def test_kept_calculations_follow_a_write_a_moment_later() -> None:
    clock = Clock()
    one = talk(behaviour=Behaviour(calculations_delay=2.0), clock=clock)
    long = {"long": {"calculation": ".title | length", "type": "number"}}
    one.emulator.put_blueprint({**DEPLOYMENT, "calculationProperties": long})
    for title, before in (("one", None), ("three", 3)):
        one.put("deployment", "d", title=title)
        assert one.get("deployment", "d")["properties"]["long"] == before
        clock.now += 2.1
        assert one.get("deployment", "d")["properties"]["long"] == len(title)


def test_people_carry_whether_an_identity_provider_manages_them() -> None:
    for has, shown in ((True, {"managedByScim": False}), (False, {})):
        one = behaving(users_have_scim=has)
        one.emulator.add_user("a@example.com")
        assert one("GET", "/users", fields="managedByScim").json()["users"] == [shown]
        assert ("managedByScim" in one("GET", "/users/a@example.com").json()["user"]) is has


@pytest.mark.parametrize("says", [True, False])
def test_a_429_says_when_to_come_again(says: bool) -> None:
    one = talk(behaviour=Behaviour(retry_after=says), rate_limits=0.001, clock=Clock())
    replies = [one("GET", "/organization") for _ in range(30)]
    limited = next(reply for reply in replies if reply.status_code == 429)
    assert (limited.headers.get("retry-after") is not None) is says
    assert limited.headers["x-ratelimit-remaining"] == "0"


def test_the_budget_of_a_change_of_one_entity_is_a_switch() -> None:
    limits = []
    for budget in ("entities", "single upsert"):
        one = behaving(single_write_budget=budget)
        one.put("service", "a")
        limits.append(one("PUT", f"{ENTITIES}/a", {}).headers["x-ratelimit-limit"])
    assert limits == ["35000", "10000"]


# ---------------------------------------------------------------- from a recording


def test_a_behaviour_follows_from_what_probes_saw() -> None:
    probes: list[Json] = [
        {"behaviour": "unset_property", "result": "different", "seen": "absent"},
        {"behaviour": "max_bulk_upserts", "result": "same", "seen": 20},
        {"behaviour": "moves_updated_at", "result": "not asked", "seen": "no requests left"},
        {"behaviour": "search_delay", "result": "different", "seen": 1.5},
        {"behaviour": "bulk_too_large", "result": "different", "seen": "POST /x answered 500"},
        {"behaviour": None, "result": "different", "seen": 3},
    ]
    assert as_seen(Behaviour(), probes) == replace(Behaviour(), unset_property="absent", search_delay=1.5)
    with pytest.raises(EmulatorError, match="does not know"):
        as_seen(Behaviour(), [{"behaviour": "unheard_of", "result": "same", "seen": 1}])


def test_every_default_is_a_value_of_its_field() -> None:
    for field in fields(Behaviour):
        as_json = sorted(field.default) if isinstance(field.default, frozenset) else field.default
        assert fits(Behaviour, field.name, as_json), field.name
    for name, value in (
        ("unset_property", "sometimes"), ("moves_updated_at", 1), ("max_bulk_upserts", True),
        ("permissions_name_unknown", True), ("permissions_name_unknown", ["users", "groups"]),
    ):  # fmt: skip
        assert not fits(Behaviour, name, value)


@pytest.mark.parametrize("taken", [[], ["users"], ["teams", "users"], ["roles", "teams", "users"]])
def test_whom_permissions_may_name_is_taken_over_by_kind_for_blueprints_and_actions_each(taken: list[str]) -> None:
    probes = [
        {"behaviour": "permissions_name_unknown", "result": "different", "seen": taken},
        {"behaviour": "action_permissions_name_unknown", "result": "different", "seen": ["roles"]},
    ]
    one = talk(behaviour=as_seen(Behaviour(), probes))
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}}}
    one("POST", "/actions", {"identifier": "act", "trigger": trigger, "invocationMethod": {"type": "KAFKA"}})
    for key in ("users", "teams", "roles"):
        grant = {key: ["nobody"]}
        entities = one("PATCH", "/blueprints/service/permissions", {"entities": {"register": grant}})
        assert (entities.status_code == 200) == (key in taken)
        action = one("PATCH", "/actions/act/permissions", {"execute": grant})
        assert (action.status_code == 200) == (key == "roles")
