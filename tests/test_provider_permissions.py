"""The resource ActionPermissions: who may run and approve an action."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echoing_port import EchoingPort
from provider_driver import ACTION, PERMISSIONS, Aborted, Driver, stored

from coderport.provider.protocol import UNKNOWN

Json = dict[str, Any]
POLICY = {"queries": {}, "conditions": ["true"]}


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_action("stop")
    return port


def permissions(execute: Json | None = None, approve: Json | None = None) -> Json:
    default = {"roles": ["Admin", "Member"], "users": ["a@x", "b@x"], "teams": [], "ownedByTeam": False}
    parts = {"execute": {**default, **(execute or {})}, "approve": {"roles": ["Admin"], **(approve or {})}}
    return {"actionIdentifier": "stop", "permissions": parts}


def test_the_body_is_whole(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions({"policy": json.dumps(POLICY)}))
    (sent,) = driver.port.sent
    assert sent.route == "PATCH /v1/actions/stop/permissions"
    assert sent.body == {
        "execute": {
            "roles": ["Admin", "Member"],
            "users": ["a@x", "b@x"],
            "teams": [],
            "ownedByTeam": False,
            "policy": POLICY,
        },
        "approve": {"roles": ["Admin"], "users": [], "teams": [], "policy": None},
    }
    assert made.id == made.outputs["id"] == made.outputs["actionIdentifier"] == "stop"
    assert made.outputs["permissions"]["approve"] == {"roles": ["Admin"], "users": [], "teams": []}


def test_what_means_the_same_does_not_differ(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions({"policy": json.dumps(POLICY)}))
    held = driver.port.permissions["stop"]
    held["execute"]["users"].reverse()
    held["execute"].update(teams=None, policy=dict(reversed(POLICY.items())))
    del held["approve"]["users"]
    later = Driver(driver.port)
    assert later.diff(made) == set()
    seen = later.read(made)
    assert seen is not None
    assert (seen.inputs, seen.outputs) == (made.inputs, made.outputs)
    assert later.diff(made, permissions({"policy": json.dumps(POLICY, indent=2)})) == set()


@pytest.mark.parametrize(
    ("execute", "path"),
    [
        ({"roles": ["Admin"]}, "permissions.execute.roles"),
        ({"users": []}, "permissions.execute.users"),
        ({"ownedByTeam": None}, "permissions.execute.ownedByTeam"),
        ({"policy": "{}"}, "permissions.execute.policy"),
    ],
)
def test_a_change_is_named_and_made(driver: Driver, execute: Json, path: str) -> None:
    made = driver.create(PERMISSIONS, permissions())
    news = permissions(execute)
    assert driver.diff(made, news) == {path}
    changed = driver.update(made, news)
    assert Driver(driver.port).diff(changed) == set()
    assert [each.method for each in driver.port.writes] == ["PATCH", "PATCH"]


def test_a_hand_edit_is_shown_by_a_refresh_and_put_right_by_the_next_update(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    driver.port.permissions["stop"]["execute"].update(users=["eve@x"], policy=POLICY)
    later = Driver(driver.port)
    assert later.diff(made) == {"permissions.execute.users", "permissions.execute.policy"}
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs["permissions"]["execute"]["users"] == ["eve@x"]
    assert json.loads(seen.inputs["permissions"]["execute"]["policy"]) == POLICY
    later.update(seen, made.inputs)
    held = driver.port.permissions["stop"]["execute"]
    assert (held["users"], held["policy"]) == (["a@x", "b@x"], None)


def test_an_import_needs_only_the_id(driver: Driver) -> None:
    driver.create(PERMISSIONS, permissions())
    later = Driver(driver.port)
    seen = later.read(stored("stop", token=PERMISSIONS))
    assert seen is not None
    assert seen.id == "stop"
    assert later.diff(seen, permissions()) == set()
    assert later.read(stored("other", token=PERMISSIONS)) is None


def test_an_update_that_changes_nothing_sends_nothing(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    driver.update(made, permissions())
    assert [each.method for each in driver.port.sent] == ["PATCH"]


def test_port_is_asked_once(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    later = Driver(driver.port)
    for _ in range(3):
        assert later.diff(made) == set()
    assert driver.port.routes() == ["PATCH /v1/actions/stop/permissions", "GET /v1/actions/stop/permissions"]


def test_deleting_them_leaves_them_at_port(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    before = json.dumps(driver.port.permissions)
    driver.delete(made)
    assert json.dumps(driver.port.permissions) == before
    assert [each.method for each in driver.port.writes] == ["PATCH"]


def test_an_action_that_was_made_again_gets_its_permissions_again(driver: Driver) -> None:
    trigger = {"operation": "CREATE", "blueprintIdentifier": "b"}
    news = {"identifier": "stop", "selfServiceTrigger": trigger, "kafkaMethod": {}}
    action = driver.create(ACTION, news)
    made = driver.create(PERMISSIONS, permissions())
    driver.port.actions.clear()
    driver.port.permissions.clear()
    later = Driver(driver.port)
    assert later.diff(made) == {"actionIdentifier"}
    later.update(action, news)
    assert later.diff(made)
    later.update(made, made.inputs)
    assert Driver(driver.port).diff(made) == set()


def test_permissions_without_an_action_are_told(driver: Driver) -> None:
    driver.port.actions.clear()
    with pytest.raises(Aborted, match=r"the permissions of action stop.*not_found"):
        driver.create(PERMISSIONS, permissions())


def test_permissions_move_to_another_action(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    driver.port.add_action("halt")
    news = {**permissions(), "actionIdentifier": "halt"}
    assert driver.diff(made, news) == {"actionIdentifier"}
    moved = driver.update(made, news)
    assert driver.port.permissions["halt"]["execute"]["users"] == ["a@x", "b@x"]
    assert Driver(driver.port).diff(moved) == set()


@pytest.mark.parametrize(
    ("inputs", "property_", "reason"),
    [
        ({}, "actionIdentifier", "need an actionIdentifier"),
        ({"actionIdentifier": "a"}, "permissions", "need the part execute"),
        ({"actionIdentifier": "a", "permissions": {"execute": {}}}, "permissions", "need the part approve"),
        (permissions({"policy": "{"}), "permissions", "permissions.execute.policy is not JSON text"),
        (permissions(approve={"ownedByTeam": True}), "permissions", "permissions.approve.ownedByTeam is not an input"),
    ],
)
def test_an_input_that_cannot_be_accepted_is_named(driver: Driver, inputs: Json, property_: str, reason: str) -> None:
    failures = driver.check(PERMISSIONS, inputs)["failures"]
    assert any(each["property"] == property_ and reason in each["reason"] for each in failures), failures


def test_what_is_not_known_yet_is_taken_in_a_preview(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    for unknown in (
        permissions({"users": UNKNOWN}),
        {**permissions(), "permissions": UNKNOWN},
        {**permissions(), "permissions": {"execute": UNKNOWN, "approve": {}}},
    ):
        assert "failures" not in driver.check(PERMISSIONS, unknown)
        assert driver.diff(made, unknown)
        driver.create(PERMISSIONS, unknown, preview=True)
    assert [each.method for each in driver.port.writes] == ["PATCH"]
