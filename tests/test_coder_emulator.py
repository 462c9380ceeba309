"""The emulated Coder deployment is unkind in the ways that the real one is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.records import PREBUILDS_USER_ID, Option, Parameter
from coderport.emulators.coder.seed import SECRET_MARK
from coderport.emulators.coder.written import read_time, stamp
from coderport.emulators.kit import EmulatorError, Served, serve

WORDS = [
    "id", "owner", "template", "name", "status", "has-agent", "dormant", "last_used_after", "outdated", "organization",
    "param", "ids", "deleted", "deprecated", "author", "author_id", "exact_name", "search", "role", "created_after",
]  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Api:
    """A deployment being served, and a client with its owner's token."""

    def __init__(self, emulator: CoderEmulator, served: Served, clock: Clock) -> None:
        self.emulator, self.clock = emulator, clock
        self.http = httpx.Client(base_url=served.url)

    def request(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> httpx.Response:
        headers = {"Coder-Session-Token": token or self.emulator.token} | kwargs.pop("headers", {})
        return self.http.request(method, f"/api/v2{path}", headers=headers, **kwargs)

    def get(self, path: str, token: str | None = None, **params: Any) -> Any:
        response = self.request("GET", path, token, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, path: str, token: str | None = None, **params: Any) -> int:
        return self.request("GET", path, token, params=params).status_code

    def rows(self, token: str | None = None, **params: Any) -> list[Any]:
        rows: list[Any] = self.get("/workspaces", token, **params)["workspaces"]
        return rows

    def names(self, q: str, token: str | None = None) -> set[str]:
        return {f"{row['owner_name']}/{row['name']}" for row in self.rows(token, q=q)}

    def build(self, workspace: str, token: str | None = None, **body: Any) -> httpx.Response:
        return self.request("POST", f"/workspaces/{workspace}/builds", token, json=body)

    def may(self, kind: str, action: str, token: str | None = None, **of: Any) -> bool:
        check = {"object": {"resource_type": kind, **of}, "action": action}
        response = self.request("POST", "/authcheck", token, json={"checks": {"it": check}})
        assert response.status_code == 200, response.text
        answer: bool = response.json()["it"]
        return answer


Deploy = Callable[..., Api]


@pytest.fixture
def deploy() -> Iterator[Deploy]:
    """Serves a deployment with the settings that a test names."""
    running: list[tuple[Api, Served]] = []

    def start(**settings: Any) -> Api:
        clock = Clock()
        emulator = CoderEmulator(7, clock=clock, **settings)
        served = emulator.serve()
        running.append((Api(emulator, served, clock), served))
        return running[-1][0]

    yield start
    for api, served in running:
        api.http.close()
        served.stop()


@pytest.fixture
def api(deploy: Deploy) -> Api:
    return deploy(workspaces=30, templates=4, organizations=2, users=8)


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


# ---------------------------------------------------------------- the list


def test_running_ones_come_first_then_owner_then_name(api: Api) -> None:
    rows = api.rows()
    keys = [(row["latest_build"]["status"] != "running", row["owner_name"], row["name"]) for row in rows]
    assert keys == sorted(keys)
    assert len({key[0] for key in keys}) == 2


def test_the_order_holds_through_every_kind_of_change(api: Api) -> None:
    emulator = api.emulator
    first, *_, last = [row["id"] for row in api.rows()]
    emulator.stop(first)
    emulator.start(last)
    emulator.rename_workspace(last, "aaa")
    emulator.set_user(emulator.state.users[emulator.workspace(first).owner_id].username, username="zz-last")
    emulator.create_workspace(template=next(iter(emulator.template_ids())))
    emulator.delete_workspace(api.rows()[3]["id"])
    rows = api.rows()
    keys = [(row["latest_build"]["status"] != "running", row["owner_name"], row["name"]) for row in rows]
    assert keys == sorted(keys)
    assert {row["id"] for row in rows} == emulator.workspace_ids()
    assert api.names("owner:zz-last") == {f"zz-last/{row['name']}" for row in rows if row["owner_name"] == "zz-last"}


def test_own_favourites_come_before_everything(api: Api) -> None:
    me = api.emulator.create_workspace("admin", running=False, favorite=True)
    other = api.emulator.create_workspace("admin", "docker", running=False)
    rows = api.rows()
    assert (rows[0]["id"], rows[0]["favorite"]) == (me, True)
    assert rows[-1]["id"] == other or not rows[1]["favorite"]
    token = api.emulator.create_token("owner")
    assert api.rows(token)[0]["id"] != me
    assert not any(row["favorite"] for row in api.rows(token))


def test_pages_and_what_is_past_the_end(api: Api) -> None:
    everything = [row["id"] for row in api.rows()]
    assert len(everything) == 30
    assert [row["id"] for row in api.rows(limit=0)] == everything
    pages = [api.get("/workspaces", limit=7, offset=offset) for offset in range(0, 35, 7)]
    assert [row["id"] for page in pages for row in page["workspaces"]] == everything
    assert {page["count"] for page in pages} == {30}
    assert api.get("/workspaces", limit=7, offset=900) == {"workspaces": [], "count": 30}


@pytest.mark.parametrize(
    "params",
    [
        {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"limit": 2**31}, {"q": "foo:bar"}, {"q": "deleted:true"},
        {"q": "a:b:c"}, {"q": "name:"}, {"q": "dormant:perhaps"}, {"q": "status:asleep"}, {"q": "id:nope"},
        {"q": "last_used_after:yesterday"}, {"q": "organization:nowhere"}, {"q": "a/b/c"}, {"q": "owner:a owner:b"},
    ],
)  # fmt: skip
def test_a_bad_query_is_400_with_validations(api: Api, params: dict[str, Any]) -> None:
    answer = api.request("GET", "/workspaces", params=params)
    assert answer.status_code == 400
    assert answer.json()["validations"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    q=st.text('ab:" ,/=-1', max_size=12)
    | st.sampled_from(WORDS).flatmap(lambda key: st.text('a:" 1,', max_size=5).map(lambda value: f"{key}:{value}"))
)
def test_no_query_breaks_the_server(api: Api, q: str) -> None:
    for path in ("/workspaces", "/templates", "/users"):
        answer = api.request("GET", path, params={"q": q})
        assert answer.status_code in (200, 400), (path, q, answer.text)
        answer.json()


def test_every_key_of_q_narrows_as_the_rows_say(api: Api) -> None:
    emulator = api.emulator
    rows = api.rows()
    by_id = {row["id"]: row for row in rows}
    some = rows[5]
    at = some["last_used_at"]
    cases: list[tuple[str, Callable[[Any], bool]]] = [
        (f"id:{rows[0]['id']},{rows[1]['id']},{NOBODY}", lambda row: row in rows[:2]),
        (f"owner:{some['owner_name'].upper()}", lambda row: row["owner_name"] == some["owner_name"]),
        (f"template:{some['template_name']}", lambda row: row["template_name"] == some["template_name"]),
        ("name:ev", lambda row: "ev" in row["name"]),
        ("DEV", lambda row: "dev" in row["name"]),
        (f"{some['owner_name']}/{some['name']}", lambda row: row is some),
        ("status:stopped", lambda row: row["latest_build"]["status"] == "stopped"),
        ("status:failed", lambda row: row["latest_build"]["status"] == "failed"),
        ("has-agent:connected", lambda row: row["latest_build"]["status"] == "running"),
        ("dormant:true", lambda row: row["dormant_at"] is not None),
        ("dormant:false", lambda row: True),
        (f'last_used_after:"{at}"', lambda row: row["last_used_at"] >= at),
        (f'last_used_before:"{at}"', lambda row: row["last_used_at"] <= at),
        ("outdated:true", lambda row: row["outdated"]),
        ("outdated:false", lambda row: not row["outdated"]),
        ("organization:research", lambda row: row["organization_name"] == "research"),
        (f"organization:{some['organization_id']}", lambda row: row["organization_id"] == some["organization_id"]),
        ("param:region", lambda row: True),
        ("param:region=us", lambda row: False),
        ("organization:research status:running name:dev", lambda row: row["organization_name"] == "research"
            and row["latest_build"]["status"] == "running" and "dev" in row["name"]),
        (f"owner:{some['owner_name']} template:{some['template_name']}", lambda row: (
            row["owner_name"], row["template_name"]) == (some["owner_name"], some["template_name"])),
        ("owner:me", lambda row: row["owner_name"] == "admin"),
        ("owner:nobody", lambda row: False),
    ]  # fmt: skip
    for q, wanted in cases:
        answer = api.get("/workspaces", q=q)
        expected = [row["id"] for row in by_id.values() if wanted(row)]
        assert [row["id"] for row in answer["workspaces"]] == expected, q
        assert answer["count"] == len(expected), q
    assert sum(1 for row in rows if row["dormant_at"]) == len(api.names("dormant:true")) > 0
    emulator.set_workspace(some["id"], failing_agents=[some["latest_build"]["resources"][0]["agents"][0]["id"]])
    assert [row["id"] for row in api.rows(q="has-agent:disconnected")] == [some["id"]]
    assert not api.rows(q="has-agent:disconnected")[0]["health"]["healthy"]


def test_rows_hold_what_must_not_be_mirrored(api: Api) -> None:
    running = next(row for row in api.rows() if row["latest_build"]["status"] == "running")
    text = json.dumps(running)
    for where in ("environment", "metadata", "script", "command"):
        assert f"{SECRET_MARK}-{where}" in text


def test_rows_follow_what_shows_in_them(api: Api) -> None:
    emulator = api.emulator
    row = api.rows()[0]
    emulator.set_template(row["template_id"], display_name="Renamed", icon="/x.svg")
    emulator.promote_version(row["template_id"])
    emulator.set_user(row["owner_name"], username="renamed")
    emulator.set_workspace(row["id"], ttl_ms=None, autostart_schedule="")
    after = next(again for again in api.rows() if again["id"] == row["id"])
    assert (after["template_display_name"], after["owner_name"], after["outdated"]) == ("Renamed", "renamed", True)
    assert "ttl_ms" not in after
    assert "autostart_schedule" not in after
    assert after == api.get(f"/workspaces/{row['id']}")


# ---------------------------------------------------------------- weak tokens


def test_a_member_sees_fewer_rows_with_200(api: Api) -> None:
    rows = api.rows()
    owner = rows[0]["owner_name"]
    token = api.emulator.create_token(user=owner)
    own = api.get("/workspaces", token)
    assert {row["owner_name"] for row in own["workspaces"]} == {owner}
    assert own["count"] == len(own["workspaces"]) < len(rows)
    assert not api.may("workspace", "read", token)
    other = next(row for row in rows if row["owner_name"] != owner)
    assert api.status(f"/workspaces/{other['id']}", token) == 404
    assert api.names(f"owner:{other['owner_name']}", token) == set()


def test_an_unreadable_templates_rows_leave_the_page_but_not_the_count(api: Api) -> None:
    emulator = api.emulator
    row = api.rows()[0]
    token = emulator.create_token(user=row["owner_name"])
    before = api.get("/workspaces", token, limit=5)
    emulator.set_template(row["template_id"], readers=[])
    after = api.get("/workspaces", token, limit=5)
    assert after["count"] == before["count"]
    assert {kept["id"] for kept in after["workspaces"]} == {
        kept["id"] for kept in before["workspaces"] if kept["template_id"] != row["template_id"]
    }
    assert len(after["workspaces"]) < len(before["workspaces"])
    assert api.status(f"/workspaces/{row['id']}", token) == 403
    assert row["template_id"] not in {template["id"] for template in api.get("/templates", token)}
    assert api.status(f"/templates/{row['template_id']}", token) == 404
    assert api.status(f"/workspaces/{row['id']}") == 200


ROLES = {
    "owner": {"workspace", "workspace_dormant", "template", "organization", "user"},
    "template-admin": {"workspace", "template", "organization", "user"},
    "auditor": {"template", "organization", "user"},
    "user-admin": {"organization", "user"},
    "member": set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_authcheck_tells_the_truth_about_a_role(api: Api, role: str) -> None:
    token = api.emulator.create_token(role)
    for kind in ("workspace", "workspace_dormant", "template", "organization", "user"):
        assert api.may(kind, "read", token) is (kind in ROLES[role]), kind
    everything = api.get("/workspaces")["count"]
    assert (api.get("/workspaces", token)["count"] == everything) is ("workspace" in ROLES[role])
    assert api.may("workspace", "start", token) is (role == "owner")
    assert len(api.get("/organizations", token)) == (1 if role == "member" else 2)
    assert (api.get("/users", token)["count"] == api.get("/users")["count"]) is ("user" in ROLES[role])


def test_an_organization_admin_rules_in_one_organization(api: Api) -> None:
    token = api.emulator.create_token("organization-admin", organization="research")
    research, default = (api.emulator.organization(name).id for name in ("research", "default"))
    assert {row["organization_name"] for row in api.rows(token)} == {"research"}
    assert api.get("/workspaces", token)["count"] == len(api.rows(q="organization:research"))
    assert [found["name"] for found in api.get("/organizations", token)] == ["research"]
    for action in ("read", "start", "delete"):
        assert api.may("workspace", action, token, organization_id=research)
        assert not api.may("workspace", action, token, organization_id=default)
        assert not api.may("workspace", action, token)
        assert api.may("workspace", action, token, any_org=True)
    assert api.may("workspace_dormant", "read", token, organization_id=research)
    assert {template["organization_name"] for template in api.get("/templates", token)} == {"research"}


@pytest.mark.parametrize(("flavour", "allowed"), [("2.20", False), ("newest", True)])
def test_old_servers_keep_dormant_workspaces_from_template_admins(deploy: Deploy, flavour: str, allowed: bool) -> None:
    api = deploy(flavour=flavour)
    token = api.emulator.create_token("template-admin")
    id = api.rows()[0]["id"]
    api.emulator.set_dormant(id)
    assert id in {row["id"] for row in api.rows(token)}
    assert api.status(f"/workspaces/{id}", token) == (200 if allowed else 404)
    assert api.may("workspace_dormant", "read", token) is allowed
    api.emulator.delete_workspace(id)
    assert api.status(f"/workspaces/{id}", token) == (410 if allowed else 404)


def test_scopes_and_allow_lists_narrow_a_token(api: Api) -> None:
    emulator = api.emulator
    everything = api.get("/workspaces")["count"]
    token = emulator.create_token(scopes=["workspace:read", "organization:read"])
    blind = api.get("/workspaces", token)
    assert (blind["count"], blind["workspaces"]) == (everything, [])
    assert not api.may("template", "read", token)
    assert api.get("/templates", token) == []
    token = emulator.create_token(scopes=["template:read"])
    assert api.get("/workspaces", token)["count"] == 0
    row = api.rows()[0]
    token = emulator.create_token(allow_list=[f"workspace:{row['id']}", "template:*"])
    assert [seen["id"] for seen in api.rows(token)] == [row["id"]]
    assert not api.may("workspace", "read", token)
    assert api.may("workspace", "read", token, resource_id=row["id"])


def test_authcheck_refuses_what_it_cannot_judge(api: Api) -> None:
    check = {"object": {"resource_type": "workspace", "resource_id": NOBODY}, "action": "read"}
    many = {str(number): check for number in range(11)}
    assert api.request("POST", "/authcheck", json={"checks": many}).status_code == 400
    assert api.request("POST", "/authcheck", json={"checks": {"x": {"action": "read"}}}).status_code == 400
    assert api.request("POST", "/authcheck", content=b"{").status_code == 400


# ---------------------------------------------------------------- templates


def test_templates_hide_deprecated_ones_on_newer_servers(deploy: Deploy) -> None:
    for flavour, hidden in (("2.13", False), ("2.20", False), ("2.29", True), ("newest", True)):
        api = deploy(flavour=flavour)
        api.emulator.deprecate("docker", "gone soon")
        names = {template["name"] for template in api.get("/templates")}
        assert ("docker" not in names) is hidden
        only = {template["name"] for template in api.get("/templates", q="deprecated:true")}
        assert only == (names if flavour == "2.13" else {"docker"})


def test_a_deployment_without_a_licence_takes_deprecation_without_effect(deploy: Deploy) -> None:
    api = deploy(licensed=False)
    template = api.get("/templates")[0]
    answer = api.request("PATCH", f"/templates/{template['id']}", json={"deprecation_message": "no"})
    assert (answer.status_code, answer.json()["deprecated"]) == (200, False)


def test_template_queries(api: Api) -> None:
    api.emulator.create_template("docker-large", display_name="Docker, large", organization="research")
    author = api.get("/users/me")["id"]
    some = api.get("/templates", q="exact_name:docker")[0]
    for q, names in (
        ("name:docker", {"docker", "docker-large"}),
        ("exact_name:docker", {"docker"}),
        ("docker", {"docker", "docker-large"}),
        ('exact_display_name:"docker, large"', {"docker-large"}),
        (f"ids:{some['id']}", {"docker"}),
        ("organization:research name:docker", {"docker-large"}),
        ("author:nobody", set()),
        ("deleted:true", set()),
        (f"author_id:{author} name:docker", {"docker", "docker-large"}),
        ("author:me name:large", {"docker-large"}),
    ):
        assert {template["name"] for template in api.get("/templates", q=q)} == names, q
    assert api.status("/templates", q="colour:red") == 400
    research = {template["name"] for template in api.get("/organizations/research/templates")}
    assert "docker-large" in research
    assert "docker" not in research
    assert api.get("/organizations/research/templates/docker-large")["display_name"] == "Docker, large"


def test_a_template_in_use_stays_and_a_deleted_one_is_only_listed(api: Api) -> None:
    used = api.rows()[0]["template_id"]
    assert api.request("DELETE", f"/templates/{used}").status_code == 400
    id = api.emulator.create_template("short-lived")
    assert api.request("DELETE", f"/templates/{id}", api.emulator.create_token("member")).status_code == 403
    assert api.request("DELETE", f"/templates/{id}").status_code == 200
    assert api.status(f"/templates/{id}") == 404
    assert [template["id"] for template in api.get("/templates", q="deleted:true")] == [id]
    assert id not in {template["id"] for template in api.get("/templates")}


def test_promoting_a_version_makes_workspaces_outdated(api: Api) -> None:
    row = next(row for row in api.rows() if not row["outdated"])
    path = f"/templates/{row['template_id']}/versions"
    first = api.get(path)[0]["id"]
    assert api.request("PATCH", path, json={"id": first}).status_code == 200
    after = api.get(f"/workspaces/{row['id']}")
    assert (after["template_active_version_id"], after["outdated"]) == (first, True)
    assert api.request("PATCH", path, json={"id": NOBODY}).status_code == 404
    assert api.get(f"/templateversions/{first}")["template_id"] == row["template_id"]


def test_active_users_are_counted_once_an_hour(api: Api) -> None:
    template = api.get("/templates")[0]
    api.emulator.create_workspace("admin", template["id"])
    assert api.get(f"/templates/{template['id']}")["active_user_count"] == template["active_user_count"]
    api.clock.now += 3601
    assert api.get(f"/templates/{template['id']}")["active_user_count"] == template["active_user_count"] + 1


def test_presets_have_go_names_or_are_null(api: Api) -> None:
    version = api.get("/templates")[0]["active_version_id"]
    preset = api.get(f"/templateversions/{version}/presets")[0]
    assert preset["Parameters"] == [{"Name": "region", "Value": "eu"}, {"Name": "cpu", "Value": "4"}]
    id = api.emulator.create_template("plain")
    bare = api.emulator.promote_version(id, presets=())
    assert api.get(f"/templateversions/{bare}/presets") is None
    api.emulator.promote_version(id, imported=False)
    version = api.get(f"/templates/{id}")["active_version_id"]
    assert api.status(f"/templateversions/{version}/rich-parameters") == 425


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


def test_parameters_are_judged_by_their_kind(api: Api) -> None:
    id = api.emulator.create_template("form")
    api.emulator.promote_version(
        id,
        parameters=(
            Parameter("text", validation_regex="^[a-z]+$", validation_error="lower case", default_value="a"),
            Parameter("number", "number", validation_min=1, validation_max=4, default_value="2"),
            Parameter("grows", "number", validation_monotonic="increasing", default_value="5"),
            Parameter("switch", "bool", default_value="false"),
            Parameter("list", "list(string)", default_value="[]"),
            Parameter("choice", options=(Option("A", "a"), Option("B", "b")), default_value="a"),
            Parameter("fixed", mutable=False, default_value="x"),
            Parameter("once", ephemeral=True, default_value=""),
        ),
    )

    def create(**values: str) -> httpx.Response:
        given = [{"name": name, "value": value} for name, value in values.items()]
        body = {"name": "w", "template_id": id, "rich_parameter_values": given}
        return api.request("POST", "/users/me/workspaces", json=body)

    for name, value in (
        ("text", "A"),
        ("number", "0"),
        ("number", "5"),
        ("number", "many"),
        ("switch", "yes"),
        ("list", "a,b"),
        ("choice", "c"),
    ):
        answer = create(**{name: value})
        assert answer.status_code == 400, (name, value)
        assert name in answer.json()["message"]
    workspace = create(fixed="y", once="now", list='["a","b"]', unknown="dropped").json()["id"]
    api.clock.now += 5

    def start(**values: str) -> int:
        given = [{"name": name, "value": value} for name, value in values.items()]
        answer = api.build(workspace, transition="start", rich_parameter_values=given)
        api.clock.now += 5
        return answer.status_code

    assert (start(fixed="z"), start(grows="4"), start(grows="6")) == (400, 400, 201)
    latest = api.get(f"/workspaces/{workspace}")["latest_build"]["id"]
    values = {item["name"]: item["value"] for item in api.get(f"/workspacebuilds/{latest}/parameters")}
    assert values == {
        "text": "a", "number": "2", "grows": "6", "switch": "false", "list": '["a","b"]', "choice": "a", "fixed": "y",
        "once": "",
    }  # fmt: skip


def test_a_role_that_only_reads_does_not_build(api: Api) -> None:
    row = api.rows(q="status:running")[0]
    assert api.build(row["id"], api.emulator.create_token("template-admin"), transition="stop").status_code == 403
    assert api.build(row["id"], api.emulator.create_token("auditor"), transition="stop").status_code == 404
    assert api.build(row["id"], api.emulator.create_token(user=row["owner_name"]), transition="stop").status_code == 201


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
        httpx.Client(base_url=control.url) as http,
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
        names = httpx.get(f"{control.url}/mutate").json()["mutations"]
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
