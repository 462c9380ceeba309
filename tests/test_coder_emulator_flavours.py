"""What differs between the versions that the emulated server can be, flag by flag."""

from __future__ import annotations

from typing import Any

import pytest
from coder_talk import Api, Deploy
from typer.testing import CliRunner

from coderport.commands.cli import app
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.flavour import DIFFERENCES, NEWEST, flags, flavour
from coderport.emulators.coder.records import Parameter, Preset
from coderport.emulators.kit import EmulatorError

ESR = "2.34"


def test_every_flag_stands_once_in_the_table_with_a_source() -> None:
    assert sorted(flags()) == sorted(each.flag for each in DIFFERENCES)
    assert all(each.source and each.about for each in DIFFERENCES)


def test_a_flavour_is_any_version_from_the_oldest_to_the_newest() -> None:
    assert flavour(ESR).version == "v2.34.0"
    assert flavour("newest").version == f"v2.{NEWEST[1]}.0"
    for name in ("2.12", f"2.{NEWEST[1] + 1}", "3.0", "2", "2.x", ""):
        with pytest.raises(EmulatorError, match=r"2\.13 to 2\."):
            flavour(name)


def test_a_single_flag_is_turned_by_a_behaviour_and_an_unknown_one_is_refused() -> None:
    assert flavour("2.20", {"builds_chain": True}).builds_chain
    with pytest.raises(EmulatorError, match="no flag colour"):
        CoderEmulator(behaviour={"colour": True})


def test_the_esr_has_tasks_and_no_chained_builds_and_the_newest_the_other_way_round(deploy: Deploy) -> None:
    for name, tasks, chains in (("2.20", False, False), (ESR, True, False), ("newest", False, True)):
        api = deploy(flavour=name)
        row = api.rows(q="status:running")[0]
        assert ("task_id" in row, "has_ai_task" in row["latest_build"]) == (tasks, tasks)
        assert api.status("/workspaces", q="has-ai-task:true") == (200 if tasks else 400)
        if name != "2.20":
            reason = api.build(row["id"], transition="stop", reason="task_manual_pause").status_code
            assert reason == (201 if tasks else 400)
            api.clock.now += 5
        other = api.rows(q="status:running")[1]
        api.build(other["id"], transition="stop", on_success={"transition": "start"})
        api.clock.now += 5
        assert api.get(f"/workspaces/{other['id']}")["latest_build"]["status"] == ("running" if chains else "stopped")


# ---------------------------------------------------------------- builds


@pytest.mark.parametrize(("name", "start", "stop", "delete"), [("2.20", 201, 201, 201), (ESR, 409, 409, 201)])
def test_what_is_deleted_may_be_deleted_again(deploy: Deploy, name: str, start: int, stop: int, delete: int) -> None:
    api = deploy(flavour=name)
    for transition, status in (("start", start), ("stop", stop), ("delete", delete)):
        row = api.rows(q="status:running")[0]
        api.emulator.delete_workspace(row["id"])
        assert api.build(row["id"], transition=transition).status_code == status
        api.clock.now += 5
        assert api.status(f"/workspaces/{row['id']}") == 410


@pytest.mark.parametrize("name", ["2.20", ESR, "newest"])
def test_without_the_right_a_build_is_403_to_who_reads_and_404_to_who_does_not(deploy: Deploy, name: str) -> None:
    api = deploy(flavour=name)
    row = api.rows(q="status:running")[0]
    reader = api.emulator.create_token("template-admin")
    for transition, action in (("start", "update"), ("stop", "update"), ("delete", "delete")):
        answer = api.build(row["id"], reader, transition=transition)
        assert answer.status_code == 403
        assert answer.json()["message"] == f"You do not have permission to {action} this workspace."
        assert answer.json()["detail"].startswith("You don't have permission to view this content.")
    assert api.build(row["id"], api.emulator.create_token("auditor"), transition="stop").status_code == 404


def test_a_version_that_does_not_fit_is_refused_in_coders_words(api: Api) -> None:
    row = api.rows(q="status:running")[0]
    other = next(each for each in api.get("/templates") if each["id"] != row["template_id"])
    nobody = "00000000-0000-4000-8000-000000000000"
    for version, message in (
        (nobody, "template version does not exist"),
        (other["active_version_id"], "template version doesn't match template"),
    ):
        answer = api.build(row["id"], transition="start", template_version_id=version)
        assert (answer.status_code, answer.json()["message"]) == (400, message)
    version = api.emulator.promote_version(row["template_id"], imported=False)
    answer = api.build(row["id"], transition="start", template_version_id=version)
    assert answer.status_code == 406 and "Wait for it to complete importing!" in answer.json()["message"]


# ---------------------------------------------------------------- presets and prebuilds


def pool(deploy: Deploy, name: str, **settings: Any) -> tuple[Api, dict[str, Any]]:
    """A deployment with one prebuilt workspace, and its row."""
    api = deploy(flavour=name, prebuilds=1, **settings)
    return api, next(row for row in api.rows() if row["owner_name"] == "prebuilds")


def create(api: Api, template: str, **body: Any) -> dict[str, Any]:
    answer = api.request("POST", "/users/me/workspaces", json={"name": "w", "template_id": template, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def given(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def test_a_prebuild_is_claimed_by_values_from_2_26_on(deploy: Deploy) -> None:
    for name, claimed in (("2.25", False), ("2.26", True), (ESR, True), ("newest", True)):
        api, row = pool(deploy, name)
        made = create(api, row["template_id"], rich_parameter_values=given(region="eu", cpu="4"))
        assert (made["id"] == row["id"]) is claimed
        assert (made["created_at"] == row["created_at"]) is claimed


def test_values_that_fit_no_preset_claim_nothing(deploy: Deploy) -> None:
    api, row = pool(deploy, ESR)
    made = create(api, row["template_id"], rich_parameter_values=given(region="eu", cpu="8"))
    assert made["id"] != row["id"] and made["latest_build"]["template_version_preset_id"] is None


def test_the_largest_fitting_preset_is_taken_and_one_without_values_fits_always(deploy: Deploy) -> None:
    api = deploy(flavour=ESR)
    template = api.emulator.create_template("presets")
    presets = (Preset("00000000-0000-4000-8000-000000000001", "any", {}),
               Preset("00000000-0000-4000-8000-000000000002", "small", {"cpu": "2"}),
               Preset("00000000-0000-4000-8000-000000000003", "exact", {"cpu": "2", "region": "eu"}))  # fmt: skip
    parameters = (Parameter("cpu", "number", default_value="1"), Parameter("region", default_value="us"))
    api.emulator.promote_version(template, presets=presets, parameters=parameters)
    for number, (values, expected) in enumerate(
        [({"cpu": "2", "region": "eu"}, 2), ({"cpu": "2"}, 1), ({"region": "eu"}, 0)]
    ):
        made = create(api, template, name=f"w{number}", rich_parameter_values=given(**values))
        assert made["latest_build"]["template_version_preset_id"] == presets[expected].id


def test_a_later_build_has_the_preset_that_its_values_match_and_not_the_one_before(deploy: Deploy) -> None:
    api, row = pool(deploy, ESR)
    made = create(api, row["template_id"], rich_parameter_values=given(region="eu", cpu="4"))
    preset = made["latest_build"]["template_version_preset_id"]
    api.clock.now += 5
    same = api.build(made["id"], transition="stop").json()
    api.clock.now += 5
    other = api.build(made["id"], transition="start", rich_parameter_values=given(cpu="8")).json()
    assert preset and same["template_version_preset_id"] == preset
    assert other["template_version_preset_id"] is None


def test_a_claim_takes_the_licence_a_ready_agent_and_the_active_version(deploy: Deploy) -> None:
    values = given(region="eu", cpu="4")
    api, row = pool(deploy, ESR, licensed=False)
    assert create(api, row["template_id"], rich_parameter_values=values)["id"] != row["id"]
    api, row = pool(deploy, ESR)
    api.emulator.set_build(row["id"], agents="starting")
    assert create(api, row["template_id"], rich_parameter_values=values)["id"] != row["id"]
    api, row = pool(deploy, ESR)
    old = row["latest_build"]["template_version_id"]
    api.emulator.promote_version(row["template_id"])
    body = {"name": "w", "template_version_id": old, "rich_parameter_values": values}
    assert api.request("POST", "/users/me/workspaces", json=body).json()["id"] != row["id"]


def test_a_claimed_prebuild_begins_anew(deploy: Deploy) -> None:
    api, row = pool(deploy, ESR)
    api.emulator.set_workspace(row["id"], ttl_ms=1, autostart_schedule="0 1 * * 1")
    made = create(api, row["template_id"], rich_parameter_values=given(region="eu", cpu="4"), ttl_ms=3_600_000)
    assert made["id"] == row["id"] and made["ttl_ms"] == 3_600_000
    assert made.get("autostart_schedule") is None and made["next_start_at"] is None
    assert made["last_used_at"] != row["last_used_at"]


def test_a_preset_is_ignored_by_servers_before_2_22(deploy: Deploy) -> None:
    for name, cpu in (("2.20", "2"), (ESR, "4")):
        api = deploy(flavour=name)
        template = next(each for each in api.get("/templates") if not each["deprecated"])
        preset = api.get(f"/templateversions/{template['active_version_id']}/presets")[0]["ID"]
        made = create(api, template["id"], template_version_preset_id=preset)
        values = api.get(f"/workspacebuilds/{made['latest_build']['id']}/parameters")
        assert {"name": "cpu", "value": cpu} in values


# ---------------------------------------------------------------- sharing


def test_a_workspace_is_shared_used_and_taken_back(deploy: Deploy) -> None:
    api = deploy(flavour=ESR)
    row = api.rows(q="status:running")[0]
    friend = api.emulator.create_user("friend")
    hers = api.emulator.create_token(user="friend")
    assert api.status(f"/workspaces/{row['id']}", hers) == 404
    path = f"/workspaces/{row['id']}/acl"
    shared = api.request("PATCH", path, json={"user_roles": {friend: "use"}})
    assert shared.status_code == 204, shared.text
    assert [user["username"] for user in api.get(path)["users"]] == ["friend"]
    seen = api.get(f"/workspaces/{row['id']}", hers)
    assert [(actor["name"], actor["roles"]) for actor in seen["shared_with"]] == [("friend", ["use"])]
    assert {each["id"] for each in api.rows(hers, q="shared:true")} == {row["id"]}
    assert {each["id"] for each in api.rows(q="shared_with_user:friend")} == {row["id"]}
    assert api.build(row["id"], hers, transition="delete").status_code == 403
    assert api.build(row["id"], hers, transition="stop").status_code == 201
    api.clock.now += 5
    assert api.request("PATCH", path, json={"user_roles": {friend: "admin"}}).status_code == 204
    assert api.request("PATCH", path, hers, json={"user_roles": {friend: "owner"}}).status_code == 400
    assert api.request("DELETE", path).status_code == 204
    assert api.status(f"/workspaces/{row['id']}", hers) == 404
    assert api.status(f"/workspaces/{row['id']}/acl") == 200 and api.rows(q="shared:true") == []


def test_older_servers_know_nothing_of_sharing(deploy: Deploy) -> None:
    api = deploy(flavour="2.20")
    row = api.rows(q="status:running")[0]
    api.emulator.create_user("friend")
    friend = api.emulator.state.user("friend")
    assert friend is not None
    api.emulator.set_workspace(row["id"], shared_with=[{"id": friend.id, "actor_type": "user", "name": "friend",
                                                        "roles": ["use"]}])  # fmt: skip
    assert api.status(f"/workspaces/{row['id']}/acl") == 404
    assert api.status(f"/workspaces/{row['id']}", api.emulator.create_token(user="friend")) == 404
    assert api.status("/workspaces", q="shared:true") == 400


# ---------------------------------------------------------------- the list


def test_agents_are_asked_for_by_a_list_that_nobody_checks(api: Api) -> None:
    running = {row["id"] for row in api.rows(q="status:running")}
    assert {row["id"] for row in api.rows(q="has-agent:connected")} == running
    assert {row["id"] for row in api.rows(q="has-agent:connected,disconnected")} == running
    assert api.rows(q="has-agent:asleep") == []
    first = sorted(running)[0]
    api.emulator.set_build(first, agents="timeout")
    assert {row["id"] for row in api.rows(q="has-agent:timeout")} == {first}
    stopped = api.rows(q="status:stopped")[0]["id"]
    assert stopped not in {row["id"] for row in api.rows(q="has-agent:connecting,connected,disconnected,timeout")}


def test_the_command_that_emulates_takes_a_version() -> None:
    result = CliRunner().invoke(app, ["emulate", "--free-ports", "--coder-version", "2.99"])
    assert result.exit_code == 1 or isinstance(result.exception, EmulatorError)
    assert "2.13 to 2.37, or newest" in (result.output + str(result.exception))
