"""The emulated Coder deployment is unkind in the ways that the real one is: transport, users, versions, control."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import httpx
import pytest
from coder_talk import Api, Deploy
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.written import read_time, stamp
from coderport.emulators.kit import EmulatorError, serve

# ---------------------------------------------------------------- transport


def test_the_same_seed_is_the_same_deployment() -> None:
    one, same, other = CoderEmulator(3), CoderEmulator(3), CoderEmulator(4)
    assert (one.token, one.deployment_id, one.workspace_ids()) == (
        same.token,
        same.deployment_id,
        same.workspace_ids(),
    )
    assert not one.workspace_ids() & other.workspace_ids()


def test_what_surrounds_the_api(api: Api) -> None:
    assert api.http.get("/healthz").text == "OK"
    page = api.http.get("/workspaces")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    unknown = api.request("GET", "/nope")
    assert (unknown.status_code, unknown.json()) == (404, {"message": "Route not found."})
    assert api.request("DELETE", "/workspaces").status_code == 405


def test_build_info_needs_no_token(api: Api) -> None:
    answer = api.http.get("/api/v2/buildinfo")
    assert answer.json()["version"] == answer.headers["x-coder-build-version"] == "v2.20.0"
    assert answer.json()["dashboard_url"] == api.emulator.url


@pytest.mark.parametrize("token", ["x", "x-y", "short-" + "b" * 22, "a" * 10 + "-" + "b" * 22, "a" * 10 + "-b"])
def test_a_token_that_is_no_good_is_401_with_a_reason(api: Api, token: str) -> None:
    answer = api.request("GET", "/users/me", token)
    assert answer.status_code == 401
    assert answer.json()["detail"]
    assert "www-authenticate" in answer.headers


def test_a_token_ends_with_its_user_its_time_or_its_secret(api: Api) -> None:
    emulator = api.emulator
    token = emulator.create_token("member", expires_at=emulator.state.now())
    assert api.status("/users/me", token) == 401
    token = emulator.create_token("member")
    assert api.status("/users/me", token) == 200
    assert api.status("/users/me", token[:-1] + ("a" if token[-1] != "a" else "b")) == 401
    emulator.set_user(api.get("/users/me", token)["username"], status="suspended")
    assert api.status("/users/me", token) == 401
    token = emulator.create_token("auditor")
    emulator.revoke_token(token)
    assert api.status("/users/me", token) == 401


def test_the_token_goes_in_a_header(api: Api) -> None:
    token = api.emulator.token
    assert api.http.get("/api/v2/users/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert api.http.get("/api/v2/users/me").status_code == 401


def test_the_rate_limit_is_for_each_user_and_path(deploy: Deploy) -> None:
    api = deploy(rate_limit=3)
    answers = [api.request("GET", "/organizations") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].headers["retry-after"] == "60"
    assert "more than 3 requests in 1m0s" in answers[3].json()["message"]
    assert api.request("GET", "/templates").status_code == 200
    assert api.request("GET", "/organizations", api.emulator.create_token("auditor")).status_code == 200
    bypass = {"X-Coder-Bypass-Ratelimit": "true"}
    assert api.request("GET", "/organizations", headers=bypass).status_code == 200
    member = api.emulator.create_token("member")
    assert api.request("GET", "/organizations", member, headers=bypass).status_code == 428
    api.clock.now += 120
    assert api.request("GET", "/organizations").status_code == 200


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_times_are_written_as_go_does_and_read_back(at: datetime) -> None:
    written = stamp(at)
    assert read_time(written) == at
    assert "0Z" not in written.partition(".")[2]


# ---------------------------------------------------------------- users


def test_users_are_found_by_part_of_their_email_and_counted_0_past_the_end(api: Api) -> None:
    found = api.get("/users", q="admin@example.com")
    assert ([user["username"] for user in found["users"]], found["count"]) == (["admin"], 1)
    everybody = api.get("/users")
    names = [user["username"] for user in everybody["users"]]
    assert names == sorted(names)
    assert everybody["count"] == len(names) == 8
    page = api.get("/users", limit=3, offset=3)
    assert ([user["username"] for user in page["users"]], page["count"]) == (names[3:6], 8)
    assert api.get("/users", limit=3, offset=100) == {"users": [], "count": 0}
    after = api.get("/users", after_id=everybody["users"][1]["id"], limit=2)
    assert [user["username"] for user in after["users"]] == names[2:4]
    assert api.get("/users", q="role:owner")["count"] == 1
    assert api.status("/users", q="colour:red") == 400
    assert api.get("/users/ADMIN")["username"] == "admin"
    assert api.status("/users/admin@example.com") == 400


# ---------------------------------------------------------------- flavours


@pytest.mark.parametrize("licensed", [True, False])
def test_a_deleted_user_is_in_no_list_and_still_read_by_id(deploy: Deploy, licensed: bool) -> None:
    api = deploy(licensed=licensed)
    gone = api.emulator.create_user("gone")
    token = api.emulator.create_token("member", user="gone")
    workspace = api.emulator.create_workspace("gone", name="theirs")
    with pytest.raises(EmulatorError, match="has workspaces"):
        api.emulator.delete_user("gone")
    api.emulator.delete_workspace(workspace)
    api.emulator.delete_user("gone")
    assert api.get("/users", q="gone@example.com") == {"users": [], "count": 0}
    organization = api.emulator.organization("default").id
    assert gone not in {each["user_id"] for each in api.get(f"/organizations/{organization}/members")}
    assert api.get(f"/users/{gone}")["email"] == "gone@example.com"
    assert api.status("/users/gone") in (400, 404) and api.status("/users/me", token) == 401
    [row] = api.get("/audit", q="resource_type:user action:delete")["audit_logs"]
    assert row["resource_id"] == gone and ("email" in row["diff"]) == licensed
    assert api.emulator.create_user("gone") != gone


def test_the_newest_server_bounds_the_limit(deploy: Deploy) -> None:
    api = deploy(flavour="newest", workspaces=1003, templates=2)
    assert [api.status("/workspaces", limit=limit) for limit in (0, 1, 1000, 1001)] == [400, 200, 200, 400]
    answer = api.get("/workspaces")
    assert (len(answer["workspaces"]), answer["count"]) == (1000, 1003)


def test_fields_come_and_go_with_the_version(deploy: Deploy) -> None:
    keys = {}
    for flavour in ("2.13", "2.20", "2.29", "newest"):
        api = deploy(flavour=flavour)
        keys[flavour] = set(api.rows()[0])
    assert {"organization_name", "next_start_at"} & keys["2.13"] == set()
    assert {"is_prebuild", "latest_app_status", "task_id"} & keys["2.20"] == set()
    assert {"is_prebuild", "latest_app_status", "task_id"} <= keys["2.29"]
    assert {"is_prebuild", "latest_app_status"} <= keys["newest"]
    assert "task_id" not in keys["newest"]
    old = deploy(flavour="2.13")
    assert old.status("/workspaces", q="organization:coder") == 400
    with pytest.raises(EmulatorError, match="flavour"):
        CoderEmulator(flavour="1.0")


# ---------------------------------------------------------------- a busy deployment


def test_rows_move_between_pages(api: Api) -> None:
    api.emulator.churn_between_lists(8)
    seen = [row["id"] for offset in range(0, 30, 5) for row in api.rows(limit=5, offset=offset)]
    assert len(seen) == 30
    assert len(set(seen)) < 30


def test_a_row_can_leave_unseen_behind_a_true_count(api: Api) -> None:
    first_page = {row["id"] for row in api.rows(limit=10)}
    running = api.rows(limit=10)[0]["id"]

    def once() -> None:
        api.emulator.clear_list_faults()
        api.emulator.delete_workspace(running)
        api.emulator.create_workspace("admin", "docker", "zzz", running=False)

    api.emulator.between_lists(once)
    pages = [api.get("/workspaces", limit=10, offset=offset) for offset in (0, 10, 20)]
    distinct = {row["id"] for page in pages for row in page["workspaces"]}
    assert {page["count"] for page in pages} == {30}
    assert len(distinct) == 30
    assert running in distinct & first_page
    assert api.emulator.workspace_ids() - distinct


def test_dropped_rows_and_wrong_counts(api: Api) -> None:
    row = api.rows()[2]
    api.emulator.drop_rows(row["id"])
    api.emulator.set_count_off(-3)
    answer = api.get("/workspaces", limit=5)
    assert (len(answer["workspaces"]), answer["count"]) == (4, 27)
    api.emulator.clear_list_faults()
    assert len(api.get("/workspaces", limit=5)["workspaces"]) == 5


def test_churn_runs_in_the_background_until_it_is_stopped(api: Api) -> None:
    emulator = api.emulator
    builds = len(emulator.state.builds)
    emulator.start_churn(500)
    while len(emulator.state.builds) < builds + 5:
        api.rows(limit=1)
    emulator.stop_churn()
    assert len(api.rows()) == 30


# ---------------------------------------------------------------- control


def test_control_is_apart_from_the_api(api: Api) -> None:
    emulator = api.emulator
    with (
        serve(Starlette(routes=emulator.control_routes())) as control,
        httpx.Client(timeout=300, base_url=control.url) as http,
    ):
        made = http.post("/mutate", json={"do": "create_workspace", "args": ["admin"], "with": {"name": "by-control"}})
        assert api.get(f"/workspaces/{made.json()['result']}")["name"] == "by-control"
        assert http.post("/mutate", json={"do": "stop", "args": ["admin/by-control"]}).status_code == 200
        assert api.names("status:stopped name:by-control") == {"admin/by-control"}
        assert http.post("/mutate", json={"do": "stop", "args": ["admin/nothing"]}).status_code == 400
        assert http.post("/mutate", json={"do": "serve"}).status_code == 400
        assert http.delete("/requests").json()["routes"]["GET /api/v2/workspaces/{workspace}"] == 1
        old = emulator.deployment_id
        seeded = http.post("/seed", json={"seed": 9, "workspaces": 5}).json()
        assert seeded["token"] == emulator.token and seeded["deployment_id"] == emulator.deployment_id != old
        assert api.get("/workspaces")["count"] == 5 == len(http.get("/objects").json()["workspaces"])
        assert http.post("/churn", json={"per_second": 100}).status_code == 200
        assert http.delete("/churn").status_code == 200
    assert api.request("POST", "/mutate", json={"do": "stop"}).status_code == 404
    assert api.http.get("/mutate").headers["content-type"].startswith("text/html")


def test_every_mutation_that_control_names_exists(api: Api) -> None:
    with serve(Starlette(routes=api.emulator.control_routes())) as control:
        names = httpx.get(f"{control.url}/mutate", timeout=300).json()["mutations"]
    assert all(callable(getattr(api.emulator, name)) for name in names)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda emulator: emulator.workspace("admin/none"),
        lambda emulator: emulator.set_template("docker", colour="red"),
        lambda emulator: emulator.create_user("x", roles=["emperor"]),
        lambda emulator: emulator.delete_template("docker"),
        lambda emulator: emulator.claim_prebuild("admin", "mine"),
    ],
)
def test_a_wrong_mutation_says_what_is_wrong(wrong: Callable[[CoderEmulator], object]) -> None:
    with pytest.raises(EmulatorError):
        wrong(CoderEmulator())
