"""Runs of actions: who may start one, what becomes of it, and that it is closed for good once it has ended."""

from __future__ import annotations

import threading

import pytest
from port_runs import ADMIN, MEMBER, ON_ENTITY, OTHER, RUNNING, action, refusal, refused, started
from port_talk import Json

from coderport.emulators.kit import EmulatorError

GOOD: Json = {"name": "abc"}


def test_a_person_runs_an_action() -> None:
    emulator, one = started(action())
    run = emulator.run_action("make", by=MEMBER, inputs={**GOOD, "service": "up"})
    user = one("GET", f"/users/{MEMBER}").json()["user"]
    assert run["id"].startswith("r_") and len(run["id"]) == 18
    assert run["createdBy"] == user["id"] and user["id"].startswith("auth0|")
    assert (run["status"], run["source"], run["link"]) == ("IN_PROGRESS", "UI", [])
    assert not any(run[key] for key in ("endedAt", "summary", "response", "entity", "impersonatedUserId"))
    assert run["action"] == {"identifier": "make", "title": "Make", "icon": None, "deleted": False}
    assert run["blueprint"] == {"identifier": "service", "title": "Service", "icon": None, "deleted": False}
    assert run["payload"] == {"type": "KAFKA", "payload": {"run": run["id"]}}
    answered = one("GET", f"/actions/runs/{run['id']}", version="v2").json()["run"]
    assert answered == {key: value for key, value in run.items() if value is not None or key in answered}
    assert not {"endedAt", "summary", "response", "entity", "impersonatedUserId"} & answered.keys()


def test_a_users_e_mail_can_be_found_by_the_id_that_a_run_names() -> None:
    emulator, one = started(action())
    run = emulator.run_action("make", by=MEMBER, inputs=GOOD)
    users = one("GET", "/users", fields=["id", "email"]).json()["users"]
    assert {"id": run["createdBy"], "email": MEMBER} in users and all(set(user) == {"id", "email"} for user in users)
    assert [found["id"] for found in one("GET", "/actions/runs", user_email=MEMBER).json()["runs"]] == [run["id"]]
    refused(one("GET", f"/users/{run['createdBy']}"), 404, "not_found")
    refused(one("GET", "/users", fields="password"), 422, "invalid_request")


def test_the_api_starts_a_run_as_a_person_or_as_the_client_itself() -> None:
    emulator, one = started(action())
    reply = one("POST", "/actions/make/runs", {"properties": GOOD}, run_as=MEMBER)
    assert reply.status_code == 202
    assert reply.json()["run"]["createdBy"] == emulator.add_user(MEMBER)["id"]
    assert reply.json()["run"]["source"] == "API"
    assert one("POST", "/actions/make/runs", {"properties": GOOD}).json()["run"]["createdBy"] == emulator.client_id
    refused(one("POST", "/actions/make/runs", {"properties": GOOD}, run_as="no@corp"), 404, "not_found")
    refused(one("POST", "/actions/make/runs", {"properties": GOOD, "by": MEMBER}), 422, "invalid_request")
    refused(one("POST", "/actions/absent/runs", {"properties": GOOD}), 404, "not_found")


def test_an_automation_is_not_run_by_hand() -> None:
    automation = {**action("later"), "trigger": {"type": "automation", "event": {"type": "ENTITY_CREATED"}}}
    emulator, _ = started(automation)
    assert refusal(lambda: emulator.run_action("later", by=MEMBER)) == (422, "run_non_self_service_error")


def test_an_action_on_an_entity_needs_one_that_passes_its_condition() -> None:
    emulator, _ = started(action("stop", trigger={**ON_ENTITY, "condition": RUNNING}))

    def stop(entity: str | None) -> Json:
        return emulator.run_action("stop", by=MEMBER, entity=entity)

    assert refusal(lambda: stop(None)) == (422, "missing_self_service_action_entity")
    assert refusal(lambda: stop("absent")) == (404, "not_found")
    assert refusal(lambda: stop("down")) == (422, "entity_does_not_pass_condition")
    run = stop("up")
    assert run["entity"] == {"identifier": "up", "title": "Up", "icon": None, "deleted": False}
    emulator.delete_entity("service", "up")
    assert emulator.run(run["id"])["entity"]["deleted"] is True


# ---------------------------------------------------------------- permissions


USERS = {"users": {"combinator": "and", "rules": [{"property": "$blueprint", "operator": "=", "value": "_user"}]}}
"""A policy has one query at least."""


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"roles": ["Admin"]}, {ADMIN}),
        ({"roles": [], "users": [OTHER]}, {OTHER}),
        ({"roles": [], "teams": ["blue"]}, {MEMBER}),
        ({"roles": ["Admin"], "ownedByTeam": True}, {ADMIN, MEMBER}),
        ({"roles": []}, set()),
        (
            {"policy": {"queries": USERS, "conditions": ['.user.email == "otto@corp"', ".entity.team == .nothing"]}},
            {OTHER},
        ),
        (
            {"policy": {
                "queries": {"mine": {"combinator": "and", "rules": [
                    {"property": "$identifier", "operator": "=", "value": "{{ .entity.identifier }}"},
                    {"property": "$team", "operator": "containsAny", "value": "{{ .user.teamsIdentifiers }}"},
                ]}},
                "conditions": [".results.mine.entities | length > 0"],
            }},
            {MEMBER},
        ),
        ({"policy": {"queries": USERS, "conditions": ["(", "true"]}}, {MEMBER, OTHER, ADMIN}),
    ],
)  # fmt: skip
def test_who_may_run_an_action(rule: Json, allowed: set[str]) -> None:
    emulator, one = started(action("stop", trigger=ON_ENTITY))
    assert one("PATCH", "/actions/stop/permissions", {"execute": rule}).status_code == 200
    for person in (MEMBER, OTHER, ADMIN):
        if person in allowed:
            assert emulator.run_action("stop", by=person, entity="up")["status"] == "IN_PROGRESS"
        else:
            found = refusal(lambda person=person: emulator.run_action("stop", by=person, entity="up"))
            assert found == (403, "missing_permissions")


# ---------------------------------------------------------------- reporting


def test_a_run_takes_labels_links_and_logs_until_it_has_ended() -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    one("PATCH", f"/actions/runs/{name}", {"statusLabel": "Building", "link": "http://a", "externalRunId": "build-1"})
    one("PATCH", f"/actions/runs/{name}", {"link": ["http://b", "http://c"], "summary": "so far"})
    run = emulator.run(name)
    assert (run["status"], run["statusLabel"], run["summary"]) == ("IN_PROGRESS", "Building", "so far")
    assert run["link"] == ["http://b", "http://c"]
    assert [found["id"] for found in emulator.runs(external_run_id="build-1")] == [name]
    reply = one("POST", f"/actions/runs/{name}/logs", {"message": "one"})
    assert reply.status_code == 201
    assert set(reply.json()["runLog"]) == {"id", "runId", "message", "createdBy", "createdAt"}
    last = {"message": "two", "terminationStatus": "SUCCESS", "statusLabel": "Up"}
    assert one("POST", f"/actions/runs/{name}/logs", last).status_code == 201
    assert [line["message"] for line in emulator.run_logs(name)] == ["one", "two"]
    page = one("GET", f"/actions/runs/{name}/logs", limit=1, offset=1).json()["runLogs"]
    assert [line["message"] for line in page] == ["two"]
    refused(one("GET", f"/actions/runs/{name}/logs", limit=51), 422, "invalid_request")
    run = emulator.run(name)
    assert (run["status"], run["statusLabel"]) == ("SUCCESS", "Up") and run["endedAt"] is not None


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE"])
def test_an_ended_run_is_closed_for_good(status: str) -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    assert one("PATCH", f"/actions/runs/{name}", {"status": status}).json()["run"]["status"] == status
    ended = emulator.run(name)
    refused(one("PATCH", f"/actions/runs/{name}", {"status": "SUCCESS"}), 422, "run_exhausted")
    refused(one("PATCH", f"/actions/runs/{name}", {"link": "http://late"}), 422, "run_exhausted")
    refused(one("POST", f"/actions/runs/{name}/logs", {"message": "late"}), 422, "run_exhausted")
    refused(one("PATCH", f"/actions/runs/{name}/approval", {"status": "APPROVE"}), 422, "run_not_waiting_for_approval")
    for method, path, body in (
        ("POST", "/blueprints/service/entities", {"identifier": "late"}),
        ("PATCH", "/blueprints/service/entities/up", {"title": "late"}),
        ("PUT", "/blueprints/service/entities/up", {"title": "late"}),
        ("DELETE", "/blueprints/service/entities/up", None),
        ("POST", "/blueprints/service/entities/bulk", {"entities": [{"identifier": "late"}]}),
        ("POST", "/blueprints/service/bulk/entities/delete", {"entities": ["up"]}),
    ):
        refused(one(method, path, body, run_id=name), 400, "run_exhausted")
    assert emulator.run(name) == ended and emulator.run_logs(name) == []
    assert one.get("service", "up")["title"] == "Up"


def test_a_malformed_report_is_refused() -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    changes: tuple[Json, ...] = (
        {"status": "DONE"}, {"status": "IN_PROGRESS"}, {"link": 1}, {"logs": []}, {"statusLabel": 1},
    )  # fmt: skip
    for body in changes:
        refused(one("PATCH", f"/actions/runs/{name}", body), 422, "invalid_request")
    lines: tuple[Json, ...] = (
        {}, {"message": 1}, {"message": "m", "terminationStatus": "DONE"}, {"message": "m", "level": 1},
    )  # fmt: skip
    for body in lines:
        refused(one("POST", f"/actions/runs/{name}/logs", body), 422, "invalid_request")
    refused(one("PATCH", "/actions/runs/r_absent", {}), 404, "not_found")


def test_entities_that_are_written_for_a_run_are_tied_to_it() -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    tied = {"run_id": name}
    one("POST", "/blueprints/service/entities", {"identifier": "new"}, **tied)
    one(
        "POST",
        "/blueprints/service/entities/bulk",
        {"entities": [{"identifier": "bulk"}, {"no": 1, "icon": 2}]},
        **tied,
    )
    one("PATCH", "/blueprints/service/entities/up", {"title": "x"}, **tied)
    one("DELETE", "/blueprints/service/entities/down", **tied)
    one("POST", "/blueprints/service/entities", {"identifier": "try"}, validation_only="true", **tied)
    assert {(each["identifier"], each["action"]) for each in emulator.run_entities(name)} == {
        ("new", "CREATE"), ("bulk", "CREATE"), ("up", "UPDATE"), ("down", "DELETE"),
    }  # fmt: skip
    refused(one("POST", "/blueprints/service/entities", {"identifier": "x"}, run_id="r_absent"), 404, "not_found")


def test_runs_are_listed_newest_first_and_filtered() -> None:
    emulator, one = started(action(), action("stop", trigger=ON_ENTITY))
    made = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    stopped = emulator.run_action("stop", by=OTHER, entity="up")["id"]
    one("PATCH", f"/actions/runs/{made}", {"status": "FAILURE", "externalRunId": "7"})

    def listed(**query: object) -> list[str]:
        return [run["id"] for run in one("GET", "/actions/runs", **query).json()["runs"]]

    assert listed() == [stopped, made] and listed(limit=1) == [stopped]
    assert (
        listed(active="true") == [stopped] == listed(entity="up") == listed(action="stop") == listed(user_email=OTHER)
    )
    assert listed(external_run_id="7") == [made] and listed(source="API") == [] and listed(blueprint="deployment") == []
    assert listed(source=["API", "UI"]) == [stopped, made]
    refused(one("GET", "/actions/runs", limit=1001), 422, "invalid_request")


def test_a_deleted_action_leaves_its_runs() -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    one("DELETE", "/actions/make")
    assert emulator.run(name)["action"]["deleted"] is True
    assert one("PATCH", f"/actions/runs/{name}", {"status": "SUCCESS"}).status_code == 200


def test_waiting_for_a_run_ends_with_it() -> None:
    emulator, one = started(action())
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    with pytest.raises(EmulatorError, match="still IN_PROGRESS"):
        emulator.wait_for_run(name, timeout=0)
    found: list[Json] = []
    waiter = threading.Thread(target=lambda: found.append(emulator.wait_for_run(name)))
    waiter.start()
    one("PATCH", f"/actions/runs/{name}", {"status": "SUCCESS"})
    waiter.join()
    assert found[0]["status"] == "SUCCESS"


# ---------------------------------------------------------------- approval


def test_a_run_that_needs_approval_waits_for_an_approver() -> None:
    emulator, one = started(action(requiredApproval=True))
    run = emulator.run_action("make", by=MEMBER, inputs=GOOD)
    assert (run["status"], run["payload"]) == ("WAITING_FOR_APPROVAL", None)
    refused(one("POST", "/blueprints/service/entities", {"identifier": "x"}, run_id=run["id"]), 400, "run_exhausted")
    assert refusal(lambda: emulator.approve(run["id"], by=OTHER)) == (403, "missing_permissions")
    approved = emulator.approve(run["id"], by=ADMIN, description="fine")
    assert approved["status"] == "IN_PROGRESS" and approved["payload"]["payload"] == {"run": run["id"]}
    assert approved["approval"]["state"] == "APPROVED" and approved["approval"]["description"] == "fine"
    assert refusal(lambda: emulator.approve(run["id"], by=ADMIN)) == (422, "run_not_waiting_for_approval")


def test_a_person_may_act_as_another_with_the_others_rights_and_the_run_says_so() -> None:
    emulator, one = started(action(requiredApproval=True))
    users = {each["email"]: each["id"] for each in one("GET", "/users").json()["users"]}
    run = emulator.run_action("make", by=ADMIN, view_as=MEMBER, inputs=GOOD)
    assert (run["createdBy"], run["impersonatedUserId"]) == (users[ADMIN], users[MEMBER])
    assert refusal(lambda: emulator.approve(run["id"], by=ADMIN, view_as=OTHER)) == (403, "missing_permissions")
    approved = emulator.approve(run["id"], by=OTHER, view_as=ADMIN)
    assert approved["approval"] == {
        "userId": users[OTHER], "impersonatedUserId": users[ADMIN], "state": "APPROVED"
    }  # fmt: skip
    assert emulator.run_action("make", by=MEMBER, inputs=GOOD)["impersonatedUserId"] is None


def test_a_declined_run_has_ended() -> None:
    emulator, _ = started(action(requiredApproval=True))
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    declined = emulator.decline(name, by=ADMIN)
    assert declined["status"] == "DECLINED" and declined["endedAt"] is not None
    assert emulator.wait_for_run(name, timeout=0)["status"] == "DECLINED"


def test_all_approvers_must_agree_where_the_action_says_so() -> None:
    emulator, one = started(action(requiredApproval={"type": "ALL"}))
    one("PATCH", "/actions/make/permissions", {"approve": {"roles": ["Admin"], "users": [OTHER]}})
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    assert emulator.approve(name, by=OTHER)["status"] == "WAITING_FOR_APPROVAL"
    pending = one("GET", f"/actions/runs/{name}/approvers", include_pending_approvers="true").json()["approvers"]
    assert sorted(each["state"] for each in pending) == ["APPROVED", "PENDING"]
    assert emulator.approve(name, by=ADMIN)["status"] == "IN_PROGRESS"


def test_a_policy_lists_the_approvers_by_e_mail() -> None:
    emulator, one = started(action(requiredApproval=True))
    policy = {"queries": USERS, "conditions": [f'["{OTHER}", "{MEMBER}"] - [.trigger.user.email]']}
    one("PATCH", "/actions/make/permissions", {"approve": {"policy": policy}})
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    for person in (MEMBER, ADMIN):
        assert refusal(lambda person=person: emulator.approve(name, by=person)) == (403, "missing_permissions")
    assert emulator.approve(name, by=OTHER)["status"] == "IN_PROGRESS"


def test_the_api_approves_and_a_request_can_be_withdrawn() -> None:
    emulator, one = started(action(requiredApproval=True))
    first, second = (emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"] for _ in range(2))
    reply = one("PATCH", f"/actions/runs/{first}/approval", {"status": "APPROVE", "description": "by a robot"})
    assert (reply.status_code, reply.json()["run"]["status"]) == (201, "IN_PROGRESS")
    refused(one("PATCH", f"/actions/runs/{second}", {"status": "SUCCESS"}), 422, "invalid_request")
    assert one("PATCH", f"/actions/runs/{second}", {"status": "FAILURE"}).json()["run"]["status"] == "FAILURE"
    assert refusal(lambda: emulator.approve(second, by=ADMIN)) == (422, "run_not_waiting_for_approval")
