"""Coder's own command line works on the emulated server: each command from its first request to its last."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from command_line import CommandFailed, CommandLine

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.records import Parameter
from coderport.emulators.kit import Served


@pytest.fixture(params=["2.20", "2.34", "newest"])
def coder(request: pytest.FixtureRequest) -> Iterator[tuple[CoderEmulator, Served]]:
    emulator = CoderEmulator(3, flavour=request.param, workspaces=6, templates=2, renames=True)
    emulator.create_workspace("admin", "python-data-science", "mine")
    with emulator.serve() as served:
        yield emulator, served


@pytest.fixture
def cli(coder: tuple[CoderEmulator, Served]) -> Iterator[CommandLine]:
    line = CommandLine(coder[1].url, coder[0].token)
    yield line
    line.close()


def of(cli: CommandLine, owner: str) -> CommandLine:
    """The command line of somebody else, by a token that they were given."""
    key = cli.ask("POST", f"/users/{owner}/keys", 201)["key"]
    return CommandLine(cli._url, key)


# ---------------------------------------------------------------- workspaces


def test_a_workspace_is_created_stopped_started_restarted_and_deleted(cli: CommandLine) -> None:
    made = cli.create("fresh", "python-data-science", cpu="4", region="us")
    assert (made["build_number"], made["status"], made["job"]["status"]) == (1, "running", "succeeded")
    assert cli.stop("fresh")["status"] == "stopped"
    assert cli.start("fresh")["status"] == "running"
    restarted = cli.restart("fresh")
    assert (restarted["build_number"], restarted["status"]) == (5, "running")
    assert cli.delete("fresh")["status"] == "deleted"
    with pytest.raises(CommandFailed, match="404"):
        cli.workspace("fresh")


def test_a_dormant_workspace_is_woken_by_its_start(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    coder[0].stop("admin/mine")
    coder[0].set_dormant("admin/mine")
    assert cli.start("mine")["status"] == "running"
    assert cli.workspace("mine")["dormant_at"] is None
    assert cli.start("mine")["build_number"] == 3  # it runs already


def test_a_server_from_2_36_on_restarts_in_one_request(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    if coder[0].state.flavour.builds_chain:
        assert cli.restart_by_server("mine")["build_number"] == 3
        assert cli.workspace("mine")["latest_build"]["status"] == "running"


def test_an_outdated_workspace_is_updated_and_another_is_left(
    coder: tuple[CoderEmulator, Served], cli: CommandLine
) -> None:
    assert cli.update("mine") is None
    version = coder[0].promote_version("python-data-science")
    updated = cli.update("mine")
    assert updated is not None and updated["template_version_id"] == version and updated["status"] == "running"


def test_a_value_that_the_template_refuses_ends_the_creation_at_its_plan(cli: CommandLine) -> None:
    with pytest.raises(CommandFailed, match=r"dry-run workspace: failed .*value 99 is more than the maximum 16"):
        cli.create("fresh", "python-data-science", cpu="99")
    cli.ask("GET", "/users/me/workspace/fresh", 404)


def test_a_plan_asks_only_for_the_values_that_are_given(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    """The command leaves out what is fixed at creation when it starts a workspace again."""
    fixed = (Parameter("team", required=True, mutable=False), Parameter("size", "number", default_value="1"))
    coder[0].promote_version("python-data-science", parameters=fixed)
    cli.create("fresh", "python-data-science", team="red")
    assert cli.restart("fresh")["status"] == "running"


def test_a_build_that_fails_ends_its_command_with_the_error(
    coder: tuple[CoderEmulator, Served], cli: CommandLine
) -> None:
    coder[0].fail_next_builds("exit status 1: quota exceeded")
    with pytest.raises(CommandFailed, match="failed: exit status 1: quota exceeded"):
        cli.stop("mine")


def test_a_workspace_is_renamed_shown_scheduled_and_listed(cli: CommandLine) -> None:
    cli.rename("mine", "ours")
    assert [resource["type"] for resource in cli.show("ours")] == ["docker_container", "docker_volume"]
    scheduled = cli.schedule("ours", "CRON_TZ=UTC 30 9 * * 1-5", 8)
    assert scheduled["ttl_ms"] == 8 * 3_600_000 and scheduled["next_start_at"]
    assert {row["name"] for row in cli.list_workspaces("owner:me")} == {"ours"}
    assert len(cli.list_workspaces()) == 7


def test_the_state_is_pulled_and_pushed(cli: CommandLine) -> None:
    pulled = json.loads(cli.state_pull("mine"))
    assert {resource["type"] for resource in pulled["resources"]} == {"docker_container", "docker_volume"}
    assert cli.state_push("mine", b'{"version": 4, "pushed": true}')["build_number"] == 2
    assert cli.state_pull("mine") == b'{"version": 4, "pushed": true}'


def test_state_is_for_those_who_may_change_the_template(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    coder[0].create_user("dana")
    coder[0].create_workspace("dana", "python-data-science", "hers")
    dana = of(cli, "dana")
    assert dana.stop("hers")["status"] == "stopped"
    with pytest.raises(CommandFailed, match="state: 404"):
        dana.state_pull("hers")
    with pytest.raises(CommandFailed, match=r"403 .*Only template managers may provide custom state"):
        dana.state_push("hers", b"{}")
    dana.close()


# ---------------------------------------------------------------- the log


def test_a_log_is_followed_by_cookie_or_header_and_from_a_line_on(cli: CommandLine) -> None:
    path = f"/workspacebuilds/{cli.stop('mine')['id']}/logs"
    lines = cli.follow(path)
    assert lines == cli.follow(path, by_cookie=False) == cli.ask("GET", path, 200)
    assert [line["stage"] for line in lines] == [
        "Setting up", "Planning infrastructure", "Stopping workspace", "Stopping workspace", "Cleaning Up",
    ]  # fmt: skip
    assert cli.follow(path, after=lines[1]["id"]) == lines[2:]


def test_a_log_is_refused_over_http_before_it_is_followed(
    coder: tuple[CoderEmulator, Served], cli: CommandLine
) -> None:
    path = f"/workspacebuilds/{cli.stop('mine')['id']}/logs"
    coder[0].create_user("dana")
    for token, status in (("", 401), ("x-y", 401), (cli.ask("POST", "/users/dana/keys", 201)["key"], 404)):
        stranger = CommandLine(cli._url, token)
        with pytest.raises(CommandFailed, match=f": {status}$"):
            stranger.follow(path, by_cookie=False)
        stranger.close()
    with pytest.raises(CommandFailed, match=r": 404$"):
        cli.follow("/nowhere")


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ({"kind": "status", "status": 503}, ": 503$"),
        ({"kind": "drop_connection"}, "did not receive"),
        ({"kind": "cut"}, "did not receive"),
    ],
)
def test_a_fault_breaks_the_following_of_a_log(
    coder: tuple[CoderEmulator, Served], cli: CommandLine, fault: dict[str, object], end: str
) -> None:
    path = f"/workspacebuilds/{cli.stop('mine')['id']}/logs"
    coder[0].faults.add(fault, path=r"/logs\?follow", times=1)
    with pytest.raises(Exception, match=end):
        cli.follow(path)
    assert cli.follow(path)
    assert coder[0].log.count("GET /api/v2/workspacebuilds/{build}/logs") >= 2


# ---------------------------------------------------------------- the rest


def test_the_sources_of_a_template_are_pulled(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    before = cli.templates_pull("python-data-science")
    assert set(before) == {"README.md", "main.tf"} and 'name = "cpu"' in before["main.tf"]
    name = coder[0].state.versions[coder[0].template("python-data-science").active_version_id].name
    coder[0].promote_version("python-data-science", parameters=(Parameter("disk", "number", required=True),))
    assert 'name = "disk"' in cli.templates_pull("python-data-science")["main.tf"]
    assert cli.templates_pull("python-data-science", name) == before


def test_sources_are_for_those_who_may_change_templates(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    coder[0].create_user("dana")
    dana = of(cli, "dana")
    with pytest.raises(CommandFailed, match=r"/files/.*404"):
        dana.templates_pull("python-data-science")
    dana.close()


def test_tokens_are_created_listed_used_and_removed(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    assert cli.tokens_list() == []
    key = cli.tokens_create("ci")
    (token,) = cli.tokens_list()
    assert (token["token_name"], token["login_type"], token["username"]) == ("ci", "token", "admin")
    assert key.partition("-")[0] == token["id"] and key.partition("-")[2] not in json.dumps(token)
    used = CommandLine(cli._url, key)
    assert used.users_list()
    with pytest.raises(CommandFailed, match="409"):
        cli.tokens_create("ci")
    if coder[0].state.flavour.keys_expire:
        cli.tokens_expire("ci")
    else:
        with pytest.raises(CommandFailed, match="404"):
            cli.tokens_expire("ci")
        cli.tokens_remove("ci")
    assert cli.tokens_list() == []
    with pytest.raises(CommandFailed, match="401"):
        used.users_list()
    used.close()


def test_a_token_for_one_workspace_sees_that_one(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    mine = cli.workspace("mine")["id"]
    key = cli.tokens_create("narrow", allow=[f"workspace:{mine}", "template:*"])
    narrow = CommandLine(cli._url, key)
    seen = {row["id"] for row in narrow.ask("GET", "/workspaces", 200)["workspaces"]}
    assert seen == ({mine} if coder[0].state.flavour.prebuild_fields else coder[0].workspace_ids())
    narrow.close()


def test_provisioners_and_their_jobs_are_listed(cli: CommandLine) -> None:
    build = cli.stop("mine")
    newest = cli.provisioner_jobs_list()[0]
    assert (newest["id"], newest["status"], newest["type"]) == (build["job"]["id"], "succeeded", "workspace_build")
    assert newest["metadata"]["workspace_name"] == "mine"
    assert cli.provisioner_jobs_list(status="pending,running") == []
    daemons = cli.provisioner_list()
    assert {daemon["status"] for daemon in daemons} == {"idle"} and len(daemons) == 3
    assert build["job"]["id"] in {daemon["previous_job"]["id"] for daemon in daemons}


def test_people_and_templates_are_listed(cli: CommandLine) -> None:
    assert "admin" in {user["username"] for user in cli.users_list()}
    assert {template["name"] for template in cli.templates_list()} == {"python-data-science", "kubernetes"}
    assert "admin" in {member["username"] for member in cli.members_list()}


def test_members_are_added_given_roles_and_removed(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    """`coder organizations members add`, `edit-roles` and `remove`."""
    labs = coder[0].create_organization("labs")
    person = coder[0].create_user("new-here")
    added = cli.ask("POST", f"/organizations/{labs}/members/new-here", 200)
    assert (added["user_id"], added["organization_id"], added["roles"]) == (person, labs, [])
    again = cli.ask("POST", f"/organizations/{labs}/members/new-here", 400)
    assert again["message"] == "Organization member already exists in this organization"
    path = f"/organizations/{labs}/members/{person}"
    changed = cli.ask("PUT", f"{path}/roles", 200, {"roles": ["organization-admin"]})
    assert [role["name"] for role in changed["roles"]] == ["organization-admin"]
    assert "is not a supported role" in cli.ask("PUT", f"{path}/roles", 400, {"roles": ["boss"]})["message"]
    assert [role["name"] for role in cli.ask("GET", path, 200)["roles"]] == ["organization-admin"]
    assert cli.ask("PUT", f"/organizations/{labs}/members/me/roles", 404, {"roles": []})  # no member of it
    cli.ask("DELETE", path, 204)
    cli.ask("GET", path, 404)
    lines = [entry.action for entry in coder[0].state.audit if entry.resource_type == "organization_member"]
    assert lines == ["create", "write", "delete"]


def test_members_are_changed_by_those_who_may(coder: tuple[CoderEmulator, Served], cli: CommandLine) -> None:
    labs = coder[0].create_organization("labs")
    coder[0].create_user("new-here")
    coder[0].create_user("keeper", organizations={"labs": ["organization-user-admin"]})
    coder[0].create_user("reader", organizations={"labs": ["organization-auditor"]})
    coder[0].create_user("plain", organizations={"labs": []})
    keeper, reader, plain = of(cli, "keeper"), of(cli, "reader"), of(cli, "plain")
    refused = pytest.raises(CommandFailed, match=r"40[04]")  # older ones call a user that may not be read no username
    with refused:
        plain.ask("POST", f"/organizations/{labs}/members/new-here", 200)
    coder[0].set_user("new-here", organizations={labs: frozenset()})
    for each in (reader, plain):
        with refused:
            each.ask("DELETE", f"/organizations/{labs}/members/new-here", 204)
    reader.ask("PUT", f"/organizations/{labs}/members/new-here/roles", 403, {"roles": ["organization-admin"]})
    keeper.ask("PUT", f"/organizations/{labs}/members/new-here/roles", 200, {"roles": ["organization-auditor"]})
    own = keeper.ask("PUT", f"/organizations/{labs}/members/me/roles", 400, {"roles": ["organization-admin"]})
    assert own["message"] == "You cannot change your own organization roles."
    keeper.ask("DELETE", f"/organizations/{labs}/members/new-here", 204)
    for each in (keeper, reader, plain):
        each.close()


def test_groups_say_what_they_would_take_without_a_licence() -> None:
    emulator = CoderEmulator(3, licensed=False, workspaces=1, templates=1)
    with emulator.serve() as served:
        cli = CommandLine(served.url, emulator.token)
        organization = cli.organization()["id"]
        for path in ("/groups", f"/organizations/{organization}/groups"):
            answer = cli.ask("GET", path, 403)
            assert answer == {"message": "Template RBAC is a Premium feature. Contact sales!"}
        assert cli.ask("GET", "/entitlements", 200)["has_license"] is False
        cli.close()
