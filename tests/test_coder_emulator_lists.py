"""What the emulated Coder lists, in which order, and what a weak token sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from coder_talk import Api, Deploy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coderport.emulators.coder.seed import SECRET_MARK

WORDS = [
    "id", "owner", "template", "name", "status", "has-agent", "dormant", "last_used_after", "outdated", "organization",
    "param", "ids", "deleted", "deprecated", "author", "author_id", "exact_name", "search", "role", "created_after",
]  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"


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


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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


def asked_token(api: Api, **body: Any) -> httpx.Response:
    return api.request("POST", "/users/me/keys/tokens", json=body)


def test_a_token_that_is_asked_for_sees_what_its_allow_list_names(deploy: Deploy) -> None:
    api = deploy(flavour="newest")
    one, other = (row["id"] for row in api.rows()[:2])
    for entries, seen, shown in (
        ([{"type": "workspace", "id": one}, "template:*"], {one}, {f"workspace:{one}", "template:*"}),
        (
            [f"*:{other}", f"workspace:{one}", "template:*"],
            {one, other},
            {f"*:{other}", f"workspace:{one}", "template:*"},
        ),
        ([f"workspace:{one}", "workspace:*", "template:*"], None, {"workspace:*", "template:*"}),
        ([f"workspace:{one}", "*:*"], None, {"*:*"}),
        ([], None, {"*:*"}),
    ):
        key = asked_token(api, allow_list=entries).json()["key"]
        everything = {row["id"] for row in api.rows()}
        assert {row["id"] for row in api.rows(key)} == (everything if seen is None else seen)
        held = api.get(f"/users/me/keys/{key.partition('-')[0]}")
        assert {f"{each['type']}:{each['id']}" for each in held["allow_list"]} == shown


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"scopes": ["workspace:read", "workspace:paint"]}, "API key scope"),
        ({"scopes": ["audit_log:read"]}, "API key scope"),
        ({"scope": "some"}, "API key scope"),
        ({"allow_list": ["paint:*"]}, "unknown resource type"),
        ({"allow_list": [{"type": "workspace", "id": "mine"}]}, "must be UUID"),
        ({"allow_list": [{"type": "workspace"}]}, "object with type/id"),
        ({"allow_list": ["workspace"]}, "type and id"),
        ({"allow_list": [f"workspace:{NOBODY}"] * 129}, "max allowed is 128"),
    ],
)
def test_a_token_with_a_scope_or_an_object_that_is_none_is_refused(
    deploy: Deploy, body: dict[str, Any], detail: str
) -> None:
    answer = asked_token(deploy(flavour="newest"), **body)
    assert answer.status_code == 400 and detail in answer.json()["detail"]


def test_a_token_that_nobody_named_has_a_name(api: Api) -> None:
    keys = [asked_token(api).json()["key"].partition("-")[0] for _ in range(3)]
    names = [api.get(f"/users/me/keys/{key}")["token_name"] for key in keys]
    assert all(names) and len(set(names)) == 3


@pytest.mark.parametrize(("flavour", "status"), [("2.30", 404), ("2.34", 204), ("newest", 204)])
def test_a_key_expires_by_request_where_the_server_knows_that(deploy: Deploy, flavour: str, status: int) -> None:
    api = deploy(flavour=flavour)
    key = asked_token(api).json()["key"]
    assert api.request("PUT", f"/users/me/keys/{key.partition('-')[0]}/expire").status_code == status
    assert api.status("/users/me", key) == (200 if status == 404 else 401)


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


def test_a_deleted_organization_is_shown_by_its_id_and_neither_listed_nor_shown_by_its_name(api: Api) -> None:
    made = api.emulator.create_organization("passing")
    assert api.get("/organizations/passing")["id"] == made
    api.emulator.delete_organization(made)
    assert api.get(f"/organizations/{made}")["name"] == "passing"
    assert api.request("GET", "/organizations/passing").status_code == 404
    assert made not in {each["id"] for each in api.get("/organizations")}


def test_members_of_groups_come_without_roles_and_organizations(api: Api) -> None:
    api.emulator.set_licensed(True)
    api.emulator.create_group("platform", members=[api.emulator.create_user("one")])
    groups = api.get("/groups")
    assert {each["name"] for each in groups} >= {"platform", "Everyone"}
    members = [member for each in groups for member in each["members"]]
    assert members and not any({"roles", "organization_ids"} & member.keys() for member in members)
