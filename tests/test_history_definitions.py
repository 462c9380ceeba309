"""An undo of actions, permissions and answers: what goes back, and what somebody changed since stays and is named."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

import pytest

from coderport.history.definitions import NEW_ACTION, SINCE, definitions_back, permissions_back
from coderport.history.images import DefinitionImage

Json = dict[str, Any]
STOP, CARD = "coder_stop_workspace", "scorecard/coder_health"
ACTION: Json = {
    "identifier": STOP,
    "title": "Stop",
    "trigger": {
        "type": "self-service",
        "operation": "CREATE",
        "userInputs": {
            "properties": {"name": {"type": "string"}, "template": {"type": "string"}},
            "required": ["template", "name"],
            "order": ["template", "name"],
        },
    },
    "invocationMethod": {"type": "WEBHOOK", "url": "https://runner.example.com"},
}
RIGHTS: Json = {
    "execute": {"users": ["a@x.org", "b@x.org"], "roles": ["Admin"], "teams": [], "ownedByTeam": False, "policy": None},
    "approve": {"users": [], "roles": ["Admin"], "teams": [], "policy": None},
}
PLACE, OF_RIGHTS = ("action", STOP), ("permissions", STOP)


def changed(body: Json, path: str, value: Any) -> Json:
    body = deepcopy(body)
    *parents, last = path.split(".")
    inner = body
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return body


def images(before: tuple[Json | None, Json | None], after: tuple[Json | None, Json | None]) -> list[DefinitionImage]:
    """Those of the action and of its permissions."""
    kinds: tuple[Literal["action", "permissions"], ...] = ("action", "permissions")
    return [DefinitionImage(kind, STOP, was, then) for kind, was, then in zip(kinds, before, after, strict=True)]


CREATED = images((None, None), (ACTION, RIGHTS))
DELETED = images((ACTION, RIGHTS), (None, None))
# As the provider writes it, and Port answers: other orders, stamps, defaults and what is empty.
AS_WRITTEN = {**changed(ACTION, "trigger.userInputs.required", ["name", "template"]), "id": "x", "createdBy": "y"}
AS_WRITTEN |= {"publish": True, "description": None}
RIGHTS_AS_WRITTEN = changed(RIGHTS, "execute.users", ["b@x.org", "a@x.org"])


def test_an_order_that_means_nothing_is_no_change() -> None:
    define, stays = definitions_back(CREATED, {PLACE: AS_WRITTEN, OF_RIGHTS: RIGHTS_AS_WRITTEN})
    assert [(each.kind, each.before) for each in define] == [("action", None)] and not stays
    before = changed(ACTION, "title", "Halt"), changed(RIGHTS, "execute.roles", ["Member", "Admin"])
    both = images(before, (ACTION, RIGHTS))
    define, stays = definitions_back(both, {PLACE: AS_WRITTEN, OF_RIGHTS: RIGHTS_AS_WRITTEN})
    assert [each.kind for each in define] == ["action", "permissions"] and not stays
    held = {PLACE: before[0], OF_RIGHTS: changed(before[1], "execute.roles", ["Admin", "Member"])}
    assert definitions_back(both, held) == ((), []), "that is undone already"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "by hand"),
        ("trigger.userInputs.order", ["name", "template"]),
        ("trigger.userInputs.required", ["name"]),
        ("trigger.userInputs.properties.name", {"type": "string", "default": "x"}),
        ("invocationMethod.url", "https://elsewhere.example.com"),
        ("description", "by hand"),
    ],
)
def test_an_action_that_somebody_changed_stays(path: str, value: Any) -> None:
    define, stays = definitions_back(CREATED, {PLACE: changed(AS_WRITTEN, path, value), OF_RIGHTS: RIGHTS})
    assert not define and stays == [(f"action {STOP}", SINCE)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("execute.roles", ["Admin", "Member"]),
        ("execute.users", ["a@x.org"]),
        ("execute.policy", {"queries": {}, "conditions": ["true"]}),
        ("execute.ownedByTeam", True),
        ("approve.users", ["c@x.org"]),
    ],
)
def test_an_action_whose_permissions_somebody_changed_stays_and_is_named(path: str, value: Any) -> None:
    held = {PLACE: AS_WRITTEN, OF_RIGHTS: changed(RIGHTS, path, value)}
    define, stays = definitions_back(CREATED, held)
    assert not define and stays == [(f"action {STOP}", "stays: somebody changed its permissions since")]


def test_an_action_of_which_no_permissions_were_kept_stays() -> None:
    define, stays = definitions_back(CREATED[:1], {PLACE: AS_WRITTEN, OF_RIGHTS: RIGHTS})
    assert not define and "an older version kept its record" in stays[0][1]


def test_a_run_that_was_killed_before_it_gave_permissions_is_undone_too() -> None:
    define, stays = definitions_back(CREATED, {PLACE: AS_WRITTEN, OF_RIGHTS: NEW_ACTION})
    assert [each.kind for each in define] == ["action"] and not stays


def test_a_deleted_action_comes_back_with_its_permissions_also_after_an_undo_that_was_cut_off() -> None:
    define, stays = definitions_back(DELETED, {})
    assert [each.kind for each in define] == ["action", "permissions"] and not stays
    define, stays = definitions_back(DELETED, {PLACE: AS_WRITTEN, OF_RIGHTS: NEW_ACTION})
    assert [each.kind for each in define] == ["permissions"] and not stays
    assert definitions_back(DELETED, {PLACE: AS_WRITTEN, OF_RIGHTS: RIGHTS_AS_WRITTEN}) == ((), [])


def test_another_action_of_that_name_keeps_its_permissions() -> None:
    theirs = changed(ACTION, "title", "theirs")
    define, stays = definitions_back(DELETED, {PLACE: theirs, OF_RIGHTS: NEW_ACTION})
    assert not define and {what for what, _ in stays} == {f"action {STOP}", f"permissions {STOP}"}


def test_permissions_go_back_whole_what_was_not_there_is_emptied() -> None:
    now = changed(RIGHTS, "execute.policy", {"queries": {}, "conditions": ["true"]})
    body = permissions_back({"execute": {"roles": ["Admin"]}, "approve": {}}, now)
    assert body["execute"] == {"roles": ["Admin"], "users": [], "teams": [], "ownedByTeam": None, "policy": None}
    assert body["approve"] == {"users": [], "roles": [], "teams": [], "policy": None}


def test_what_is_mandatory_on_a_blueprint_is_a_set_and_that_of_others_stays_in_it() -> None:
    before = {"identifier": "b", "schema": {"properties": {}, "required": ["theirs"]}}
    after = {"identifier": "b", "title": "B", "schema": {"properties": {}, "required": ["ours", "mine"]}}
    image = DefinitionImage("blueprint", "b", before, after)

    def back(required: list[str]) -> int:
        held = {"identifier": "b", "title": "B", "schema": {"properties": {}, "required": required}}
        return len(definitions_back([image], {("blueprint", "b"): held})[0])

    assert back(["theirs", "mine", "ours"]) == back(["ours", "mine"]) == 1
    assert back(["theirs", "mine", "ours", "since"]) == back(["theirs", "mine"]) == 0


def test_a_scorecard_that_somebody_changed_stays() -> None:
    body = {"identifier": "coder_health", "title": "Health", "rules": [{"identifier": "a"}, {"identifier": "b"}]}
    image = DefinitionImage("answer", CARD, None, body)
    place = ("answer", CARD)
    assert definitions_back([image], {place: body})[0]
    assert definitions_back([image], {place: {**body, "rules": body["rules"][:1]}}) == ((), [(f"answer {CARD}", SINCE)])
