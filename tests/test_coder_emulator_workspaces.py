"""One workspace of the emulated Coder: read by id, created, and built."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from coder_talk import Api, Deploy

from coderport.emulators.coder.records import PREBUILDS_USER_ID, Parameter
from coderport.emulators.coder.workspace_routes import is_workspace_name

NOBODY = "00000000-0000-4000-8000-000000000000"


# ---------------------------------------------------------------- one workspace


def test_410_is_for_deleted_ones_only(api: Api) -> None:
    row = api.rows()[0]
    path = f"/workspaces/{row['id']}"
    api.emulator.delete_workspace(row["id"])
    assert api.status(path) == 410
    assert api.get(path, include_deleted="true")["latest_build"]["status"] == "deleted"
    assert api.status(f"/workspaces/{NOBODY}") == 404
    assert api.status("/workspaces/nope") == 400
    assert api.status(path, api.emulator.create_token("auditor")) == 404
    assert row["id"] not in {seen["id"] for seen in api.rows()}
    assert api.rows(q=f"id:{row['id']}") == []
    by_name = f"/users/{row['owner_name']}/workspace/{row['name']}"
    assert api.status(by_name) == 404
    assert api.get(by_name, include_deleted="true")["id"] == row["id"]


def test_a_claimed_prebuild_keeps_its_id(deploy: Deploy) -> None:
    api = deploy(flavour="2.29", prebuilds=2)
    before = next(row for row in api.rows() if row["is_prebuild"])
    assert before["owner_id"] == PREBUILDS_USER_ID
    assert api.get("/workspaces")["count"] == 14
    assert all(user["username"] != "prebuilds" for user in api.get("/users")["users"])
    refused = api.request("PUT", f"/workspaces/{before['id']}/ttl", json={"ttl_ms": 3_600_000})
    assert refused.status_code == 409
    assert api.emulator.claim_prebuild("admin", "mine", before["id"]) == before["id"]
    after = api.get(f"/workspaces/{before['id']}")
    assert (after["owner_name"], after["name"], after["is_prebuild"]) == ("admin", "mine", False)
    assert after["created_at"] == before["created_at"]


def test_creating_with_a_preset_claims_a_prebuilt_workspace(deploy: Deploy) -> None:
    api = deploy(flavour="2.29", prebuilds=1)
    pooled = next(row for row in api.rows() if row["is_prebuild"])
    version = pooled["template_active_version_id"]
    preset = api.get(f"/templateversions/{version}/presets")[0]["ID"]
    body = {"name": "mine", "template_version_id": version, "template_version_preset_id": preset}
    created = api.request("POST", "/users/me/workspaces", json=body)
    assert (created.status_code, created.json()["id"]) == (201, pooled["id"])


def test_settings(api: Api) -> None:
    id = api.rows()[0]["id"]
    path = f"/workspaces/{id}"

    def put(what: str, **body: Any) -> int:
        return api.request("PUT", f"{path}/{what}", json=body).status_code

    assert put("ttl", ttl_ms=7_230_000) == 204
    assert api.get(path)["ttl_ms"] == 7_200_000
    assert put("ttl", ttl_ms=5) == 400
    assert put("ttl", ttl_ms="long") == 400
    assert put("ttl", ttl_ms=None) == 204
    assert "ttl_ms" not in api.get(path)
    assert put("autostart", schedule="CRON_TZ=UTC 30 9 * * 1-5") == 204
    assert api.get(path)["next_start_at"].endswith("T09:30:00Z")
    assert put("autostart", schedule="every day") == 400
    assert put("autostart", schedule="99 9 * * *") == 400
    assert put("autostart") == 204
    assert "autostart_schedule" not in api.get(path)
    assert put("autoupdates", automatic_updates="always") == 204
    assert put("autoupdates", automatic_updates="sometimes") == 400
    assert [put("dormant", dormant=True), put("dormant", dormant=True), put("dormant", dormant=False)] == [
        200,
        304,
        200,
    ]
    assert api.request("PUT", f"{path}/favorite").status_code == 403


def test_renames_are_switched_off_unless_the_template_allows_them(api: Api) -> None:
    row = api.rows()[0]
    path = f"/workspaces/{row['id']}"

    def rename(name: str) -> int:
        return api.request("PATCH", path, json={"name": name}).status_code

    assert (rename(row["name"]), rename("other")) == (204, 400)
    api.emulator.set_template(row["template_id"], allow_workspace_renames=True)
    taken = api.emulator.workspace(api.emulator.create_workspace(row["owner_name"], name="taken")).name
    assert (rename("other"), rename(taken), rename("-bad-")) == (204, 409, 400)
    assert api.get(path)["name"] == "other"
    api.emulator.delete_workspace(row["id"])
    assert rename("again") == 405


def test_extending(api: Api) -> None:
    row = next(row for row in api.rows(q="status:running") if row["latest_build"]["deadline"])
    path = f"/workspaces/{row['id']}/extend"
    now = api.emulator.state.now()

    def extend(at: str) -> int:
        return api.request("PUT", path, json={"deadline": at}).status_code

    assert extend(now.isoformat()) == 400
    assert extend(now.replace(year=now.year + 1).isoformat()) == 200
    assert extend("tomorrow") == 400
    api.emulator.set_build(row["id"], deadline=None)
    assert extend("2031-01-01T00:00:00Z") == 409
    api.emulator.stop(row["id"])
    assert extend("2031-01-01T00:00:00Z") == 409


# ---------------------------------------------------------------- creating


def test_creating_and_its_refusals(api: Api) -> None:
    template = api.get("/templates", q="exact_name:docker")[0]

    def create(user: str = "admin", token: str | None = None, **body: Any) -> httpx.Response:
        return api.request("POST", f"/users/{user}/workspaces", token, json={"template_id": template["id"], **body})

    made = create(name="fresh", ttl_ms=3_600_000, autostart_schedule="0 9 * * 1-5")
    assert made.status_code == 201
    assert (made.json()["latest_build"]["status"], made.json()["latest_build"]["resources"]) == ("pending", [])
    assert made.json()["ttl_ms"] == 3_600_000
    for status, body in (
        (409, {"name": "FRESH"}), (400, {"name": "Bad_Name-"}), (400, {"name": "new"}), (400, {"name": "x" * 33}),
        (400, {}), (400, {"name": "a", "ttl_ms": 5}), (400, {"name": "a", "autostart_schedule": "daily"}),
        (400, {"name": "a", "automatic_updates": "sometimes"}), (400, {"name": "a", "template_id": NOBODY}),
        (400, {"name": "a", "template_version_id": template["active_version_id"]}), (400, {"name": 7}),
        (400, {"name": "a", "rich_parameter_values": [{"name": "cpu", "value": "99"}]}),
        (400, {"name": "a", "rich_parameter_values": [{"name": "region", "value": "mars"}]}),
        (400, {"name": "a", "rich_parameter_values": {"cpu": "2"}}),
    ):  # fmt: skip
        assert create(**body).status_code == status, body
    assert create("nobody", name="a").status_code == 400
    assert create("admin", api.emulator.create_token("member"), name="a").status_code == 400
    assert create("admin", api.emulator.create_token("template-admin"), name="a").status_code == 403
    api.emulator.deprecate(template["id"])
    assert create(name="late").status_code == 400


# ---------------------------------------------------------------- builds


def test_a_build_goes_on_with_the_clock(deploy: Deploy) -> None:
    api = deploy(pending_seconds=5, running_seconds=10)
    row = next(row for row in api.rows(q="status:running"))
    begun = api.build(row["id"], transition="stop")
    assert (begun.status_code, begun.json()["status"], begun.json()["template_version_name"]) == (201, "pending", "")
    path = f"/workspacebuilds/{begun.json()['id']}"
    assert api.build(row["id"], transition="start").status_code == 409
    seen, logged = [], []
    for _ in range(4):
        build = api.get(path)
        seen.append((build["status"], build["job"]["status"]))
        logged.append(len(api.get(f"{path}/logs")))
        api.clock.now += 5.5
    assert seen == [
        ("pending", "pending"), ("stopping", "running"), ("stopping", "running"), ("stopped", "succeeded"),
    ]  # fmt: skip
    assert logged == sorted(logged)
    assert logged[0] == 0 < logged[1] < logged[2] < logged[3]
    lines = api.get(f"{path}/logs")
    assert api.get(f"{path}/logs", after=lines[1]["id"]) == lines[2:]
    assert api.status(f"{path}/logs", follow="false") == 426
    assert {item["name"] for item in api.get(f"{path}/parameters")} == {"cpu", "region", "dotfiles"}
    assert api.get(f"/workspaces/{row['id']}/builds")[0]["id"] == begun.json()["id"]
    number = begun.json()["build_number"]
    by_number = f"/users/{row['owner_name']}/workspace/{row['name']}/builds/{number}"
    assert api.get(by_number)["id"] == begun.json()["id"]


def test_builds_can_be_told_to_fail(api: Api) -> None:
    row = api.rows(q="status:stopped dormant:false")[0]
    if row["dormant_at"]:
        api.emulator.set_dormant(row["id"], False)
    api.emulator.fail_next_builds("terraform apply: quota exceeded")
    build = api.build(row["id"], transition="start").json()
    api.clock.now += 1
    after = api.get(f"/workspacebuilds/{build['id']}")
    assert (after["status"], after["job"]["error"]) == ("failed", "terraform apply: quota exceeded")
    assert any(line["log_level"] == "error" for line in api.get(f"/workspacebuilds/{build['id']}/logs"))


def test_without_provisioners_a_build_waits(api: Api) -> None:
    api.emulator.set_provisioners(0)
    row = api.rows(q="status:running")[0]
    build = api.build(row["id"], transition="stop").json()
    api.clock.now += 600
    waiting = api.get(f"/workspacebuilds/{build['id']}")
    assert (waiting["status"], waiting["matched_provisioners"]["count"]) == ("pending", 0)
    api.emulator.set_provisioners(1)
    api.clock.now += 1
    assert api.get(f"/workspacebuilds/{build['id']}")["status"] == "stopped"


def test_cancelling(deploy: Deploy) -> None:
    api = deploy(pending_seconds=5, running_seconds=10)
    row = api.rows(q="status:running")[0]

    def cancel(build: str, token: str | None = None, **params: Any) -> int:
        return api.request("PATCH", f"/workspacebuilds/{build}/cancel", token, params=params).status_code

    first = api.build(row["id"], transition="stop").json()["id"]
    assert cancel(first, expect_status="running") == 412
    assert cancel(first, expect_status="pending") == 200
    assert (api.get(f"/workspacebuilds/{first}")["status"], cancel(first)) == ("canceled", 400)
    second = api.build(row["id"], transition="stop").json()["id"]
    api.clock.now += 6
    api.emulator.set_template(row["template_id"], allow_user_cancel_workspace_jobs=False)
    assert cancel(second, api.emulator.create_token(user=row["owner_name"])) == 403
    assert (cancel(second), cancel(second)) == (200, 400)
    assert api.get(f"/workspacebuilds/{second}")["status"] == "canceling"
    api.clock.now += 60
    assert api.get(f"/workspacebuilds/{second}")["status"] == "canceled"


@pytest.mark.parametrize(("flavour", "dormant", "deleted"), [("2.20", 403, 403), ("2.29", 201, 409)])
def test_starting_what_sleeps_or_is_gone(deploy: Deploy, flavour: str, dormant: int, deleted: int) -> None:
    api = deploy(flavour=flavour)
    id = api.rows(q="status:stopped")[0]["id"]
    api.emulator.set_dormant(id)
    assert api.build(id, transition="start").status_code == dormant
    assert (api.get(f"/workspaces/{id}")["dormant_at"] is None) is (dormant == 201)
    api.clock.now += 10
    assert api.build(id, transition="delete").status_code == 201
    api.clock.now += 10
    assert api.build(id, transition="start").status_code == deleted


@pytest.mark.parametrize(("flavour", "following"), [("2.20", "stopped"), ("newest", "running")])
def test_only_new_servers_know_what_follows_a_build(deploy: Deploy, flavour: str, following: str) -> None:
    api = deploy(flavour=flavour)
    row = api.rows(q="status:running")[0]
    api.build(row["id"], transition="stop", on_success={"transition": "start"})
    api.clock.now += 30
    after = api.get(f"/workspaces/{row['id']}")["latest_build"]
    assert after["status"] == following


def test_what_follows_a_build_names_a_version_of_its_template_with_the_right_to_update_that(deploy: Deploy) -> None:
    api = deploy(flavour="newest")
    owners = ((row, api.emulator.create_token(user=row["owner_name"])) for row in api.rows(q="status:running"))
    one, owner = next((row, token) for row, token in owners if not api.may("template", "update", token))
    former = one["latest_build"]["template_version_id"]
    api.emulator.promote_version(one["template_id"])
    other = next(each["template_active_version_id"] for each in api.rows() if each["template_id"] != one["template_id"])

    def stopped(version: str | None, token: str | None = None) -> int:
        following = {"transition": "start", "template_version_id": version}
        return api.build(one["id"], token, transition="stop", on_success=following).status_code

    assert stopped(former, owner) == 403
    assert [stopped("12345678-0000-4000-8000-000000000000"), stopped(other)] == [400, 400]
    assert api.get(f"/workspaces/{one['id']}")["latest_build"]["status"] == "running"
    for version, token in ((former, None), (None, owner)):
        assert stopped(version, token) == 201
        api.clock.now += 30
        assert api.status("/buildinfo") == 200
        build = api.get(f"/workspaces/{one['id']}")["latest_build"]
        assert build["status"] == "running"
        assert (build["template_version_id"] == former) == (version is not None)


@pytest.mark.parametrize(("flavour", "status"), [("2.20", 201), ("2.29", 400)])
def test_a_new_required_parameter_fails_the_build_or_the_request(deploy: Deploy, flavour: str, status: int) -> None:
    api = deploy(flavour=flavour)
    row = api.rows(q="status:stopped")[0]
    api.emulator.set_dormant(row["id"], False)
    version = api.emulator.promote_version(row["template_id"], parameters=(Parameter("team", required=True),))
    asked = api.build(row["id"], transition="start", template_version_id=version)
    assert asked.status_code == status
    if status == 201:
        api.clock.now += 10
        assert "team" in api.get(f"/workspacebuilds/{asked.json()['id']}")["job"]["error"]


def test_a_role_that_only_reads_does_not_build(api: Api) -> None:
    row = api.rows(q="status:running")[0]
    assert api.build(row["id"], api.emulator.create_token("template-admin"), transition="stop").status_code == 403
    assert api.build(row["id"], api.emulator.create_token("auditor"), transition="stop").status_code == 404
    assert api.build(row["id"], api.emulator.create_token(user=row["owner_name"]), transition="stop").status_code == 201


@pytest.mark.parametrize("name", ["dev\n", "dev\nx", "-dev", "dev-", "a--b", "new", "Create", "a" * 33, ""])
def test_a_name_that_coder_does_not_take_is_none(name: str) -> None:
    assert not is_workspace_name(name)
    assert is_workspace_name("dev-2") and is_workspace_name("a" * 32)
