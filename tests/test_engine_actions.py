"""Through the real engine and over sockets: an action run, from the button in Port to the workspace and back.

`up` declares the actions, a run is triggered in the Port emulator, the webhook reaches the service, the build happens
in the Coder emulator, and the run has its log and its end. Then `up` finds Port as it should be.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Json, Lab, laboratory
from pydantic import SecretStr

from coderport.catalog.actions.bulk import STOP_OF_PERSON, STOP_OF_USER, UPDATE_OUTDATED
from coderport.catalog.actions.declared import DORMANT, create_from, form_of
from coderport.commands.sync import preview as preview_fast
from coderport.commands.sync import sync
from coderport.emulators.coder.records import Parameter
from coderport.emulators.port import EmulatedAgent, Problem
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.report.outcome import Outcome, Tally
from coderport.runner.service.runs import service_runner
from coderport.runner.service.server import running
from coderport.runner.service.settings import ServiceSettings
from coderport.settings import load_settings
from coderport.transport.patience import Patience

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
ROOT = Path(__file__).resolve().parents[1]


class Service:
    """The webhook service on a thread of its own, for the stack of a lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.url = ""

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._ready.wait(300), "the service did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    async def _serve(self) -> None:
        servers = self._lab.pair.describe()
        settings = load_settings(
            {
                "coderApiBaseUrl": servers["coder_url"],
                "coderSessionToken": servers["coder_token"],
                "portBaseUrl": servers["port_url"],
                "portClientId": servers["port_client_id"],
                "portClientSecret": servers["port_client_secret"],
                "actions": {"backend": "webhook", "url": "http://127.0.0.1:1/runs", "admins": ["root@example.com"]},
            },
            {},
        )
        service = ServiceSettings(
            port=0, database=self._folder / "runs.sqlite", secret=SecretStr(servers["port_client_secret"])
        )
        quick = Patience(poll_first=0.02, poll_most=0.1, log_seconds=0.05)
        async with running(service, service_runner(settings, "coderport/lab", patience=quick)) as url:
            self.url = url
            self._ready.set()
            await asyncio.to_thread(self._stop.wait)


class Desk(Lab):
    """A lab whose stack declares the actions, and a person at Port who presses their buttons."""

    webhook: dict[str, str]

    def press(self, action: str, *, by: str, entity: str | None = None, **inputs: Any) -> Json:
        """The run of the action, ended."""
        run = self.port.run_action(action, by=by, inputs=inputs, entity=entity)
        return self.port.wait_for_run(run["id"], timeout=300)

    def succeed(self, action: str, *, by: str, entity: str | None = None, **inputs: Any) -> Json:
        run = self.press(action, by=by, entity=entity, **inputs)
        assert run["status"] == "SUCCESS", (run.get("summary"), self.port.run_logs(run["id"]))
        return run

    def open_to_everybody(self, action: str) -> None:
        permissions = {"execute": {"roles": ["Member"], "policy": None}}
        self.talk(lambda port: port.patch_action_permissions(action, permissions))

    def form(self, action: str) -> Json:
        """The inputs of the action as Port holds it."""
        inputs: Json = self.action(action)["trigger"]["userInputs"]["properties"]
        return inputs

    def action(self, name: str) -> Json:
        """The action as Port holds it."""
        held = self.talk(lambda port: port.action(name))
        assert held is not None, f"no action {name} in Port"
        return held

    def talk(self, work: Callable[[PortClient], Awaitable[Json | None]]) -> Json | None:
        servers = self.pair.describe()

        async def run() -> Json | None:
            async with PortClient(
                servers["port_url"], servers["port_client_id"], servers["port_client_secret"]
            ) as port:
                return await work(port)

        return asyncio.run(run())

    def owner(self, workspace: str) -> str:
        return str(self.coder.user(self.coder.workspace(workspace).owner_id).email)

    def running(self) -> str:
        return next(each for each in sorted(self.ids()) if self.coder.workspace(each).running)

    def assert_port_is_as_it_should_be(self) -> None:
        """A further run writes no value into Port: what the runner wrote is what the program maps."""
        outcome, tally = self.up()
        assert outcome.port_writes == 0, tally.changes


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("actions")
    with laboratory(folder, cli, workspaces=10, templates=3, users=4) as lab:
        desk = Desk(folder, cli, lab.pair)
        for email in {desk.owner(each) for each in desk.coder.workspace_ids()} | {"stranger@example.com"}:
            desk.port.add_user(email)
        desk.port.add_user("root@example.com", roles=("Admin",))
        with Service(desk, folder) as service:
            desk.webhook = {"backend": "webhook", "url": f"{service.url}/runs"}
            desk.stack.configure({"actions": desk.webhook})
            desk.up()
            yield desk


def test_the_actions_are_declared_once(desk: Desk) -> None:
    assert "coder_create_workspace" in desk.port.objects()["actions"]
    assert {create_from(each) for each in desk.coder.template_ids()} <= set(desk.port.objects()["actions"])
    outcome, _ = desk.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0)


def test_a_created_workspace_belongs_to_the_person_and_is_the_same_entity_before_and_after_up(desk: Desk) -> None:
    person = desk.owner(desk.running())
    template = sorted(desk.coder.template_ids())[0]
    run = desk.succeed("coder_create_workspace", by=person, template=template, name="by-button")
    [identifier] = [each for each in desk.coder.workspace_ids() if desk.coder.workspace(each).name == "by-button"]
    assert desk.owner(identifier) == person
    before = desk.workspace(identifier)
    assert before["properties"]["status"] == "running"
    username = desk.coder.user(desk.coder.workspace(identifier).owner_id).username
    assert run["link"] == [f"{desk.pair.coder_url}/@{username}/by-button"]
    build = desk.coder.workspace(identifier).build.id
    assert [each["id"] for each in desk.port.runs(external_run_id=build)] == [run["id"]]
    assert desk.port.run_logs(run["id"])
    desk.up()
    after = desk.workspace(identifier)
    assert (after["properties"], after["relations"], after["createdAt"]) == (
        before["properties"], before["relations"], before["createdAt"]
    )  # fmt: skip
    desk.assert_port_is_as_it_should_be()


def test_a_workspace_is_created_from_a_template_s_own_form(desk: Desk) -> None:
    person, template = desk.owner(desk.running()), sorted(desk.coder.template_ids())[1]
    desk.succeed(create_from(template), by=person, name="from-form")
    [made] = [
        desk.coder.workspace(each)
        for each in desk.coder.workspace_ids()
        if desk.coder.workspace(each).name == "from-form"
    ]
    assert made.template_id == template
    desk.up()
    desk.assert_port_is_as_it_should_be()


@pytest.mark.parametrize(("action", "status"), [("stop", "stopped"), ("start", "running"), ("restart", "running")])
def test_a_workspace_is_stopped_started_and_restarted_by_its_owner(desk: Desk, action: str, status: str) -> None:
    identifier = next(each for each in sorted(desk.ids()) if desk.workspace(each)["title"].endswith("/by-button"))
    builds = len(desk.coder.workspace(identifier).builds)
    run = desk.succeed(f"coder_{action}_workspace", by=desk.owner(identifier), entity=identifier)
    assert desk.workspace(identifier)["properties"]["status"] == status
    assert len(desk.coder.workspace(identifier).builds) == builds + (2 if action == "restart" else 1)
    assert any(line["message"] != "" for line in desk.port.run_logs(run["id"]))
    desk.assert_port_is_as_it_should_be()


def test_an_outdated_workspace_is_updated_to_the_active_version(desk: Desk) -> None:
    identifier = desk.running()
    desk.coder.promote_version(desk.coder.workspace(identifier).template_id)
    desk.up()
    desk.succeed("coder_update_workspace", by=desk.owner(identifier), entity=identifier)
    assert desk.workspace(identifier)["properties"]["outdated"] is False
    desk.up()
    desk.assert_port_is_as_it_should_be()


def test_a_running_workspace_is_extended_and_scheduled(desk: Desk) -> None:
    identifier = desk.running()
    owner = desk.owner(identifier)
    desk.succeed(
        "coder_schedule_workspace", by=owner, entity=identifier, ttl_hours=8, autostart="CRON_TZ=UTC 30 9 * * 1-5"
    )
    assert desk.workspace(identifier)["properties"]["ttl_ms"] == 8 * 3_600_000
    desk.succeed("coder_restart_workspace", by=owner, entity=identifier)
    before = desk.coder.workspace(identifier).build.deadline
    desk.succeed("coder_extend_workspace", by=owner, entity=identifier, hours=10)
    after = desk.coder.workspace(identifier).build.deadline
    assert before is not None and after is not None and after > before
    desk.assert_port_is_as_it_should_be()


def test_a_dormant_workspace_is_woken(desk: Desk) -> None:
    identifier = desk.running()
    desk.coder.set_dormant(identifier)
    desk.up()
    desk.succeed("coder_wake_workspace", by=desk.owner(identifier), entity=identifier)
    assert desk.workspace(identifier)["properties"].get("dormant_at") is None
    desk.assert_port_is_as_it_should_be()


def test_a_workspace_is_deleted_by_its_name_and_its_entity_goes(desk: Desk) -> None:
    identifier = next(each for each in sorted(desk.ids()) if desk.workspace(each)["title"].endswith("/by-button"))
    owner = desk.owner(identifier)
    wrong = desk.press("coder_delete_workspace", by=owner, entity=identifier, confirmation="something-else")
    assert wrong["status"] == "FAILURE" and identifier in desk.coder.workspace_ids()
    desk.succeed("coder_delete_workspace", by=owner, entity=identifier, confirmation="by-button")
    assert identifier not in desk.coder.workspace_ids() and identifier not in desk.ids()
    desk.up()
    desk.assert_converged()


def test_nobody_else_stops_or_deletes_a_workspace(desk: Desk) -> None:
    identifier = desk.running()
    with pytest.raises(Problem, match="may not run"):
        desk.press("coder_stop_workspace", by="stranger@example.com", entity=identifier)
    desk.open_to_everybody("coder_stop_workspace")  # a hand edit in Port: the runner asks for itself
    run = desk.press("coder_stop_workspace", by="stranger@example.com", entity=identifier)
    assert run["status"] == "FAILURE" and desk.coder.workspace(identifier).running
    desk.up()
    made = desk.press(
        "coder_create_workspace", by="stranger@example.com", template=sorted(desk.coder.template_ids())[0], name="mine"
    )
    assert made["status"] == "FAILURE" and "stranger@example.com" in made["summary"]


def test_a_template_whose_parameters_change_changes_its_form(desk: Desk) -> None:
    template = sorted(desk.coder.template_ids())[0]
    asked_for = Parameter("region", description="Where it runs", default_value="eu")
    desk.coder.promote_version(template, parameters=(asked_for,))
    outcome, tally = desk.up()
    assert outcome.kinds.other.updated >= 1 and "action" in {change.kind for change in tally.changes}
    assert desk.form(create_from(template))["p_region"]["default"] == "eu"
    desk.coder.promote_version(template, parameters=())
    desk.up()
    assert "p_region" not in desk.form(create_from(template))
    desk.assert_port_is_as_it_should_be()


def test_a_deletion_waits_for_an_approval_where_the_settings_ask_for_one(desk: Desk) -> None:
    desk.stack.configure({"actions": {**desk.webhook, "approveDelete": "true", "admins[0]": "root@example.com"}})
    desk.up()
    identifier = next(each for each in sorted(desk.ids()) if desk.workspace(each)["title"].endswith("/from-form"))
    inputs = {"confirmation": "from-form"}
    run = desk.port.run_action("coder_delete_workspace", by=desk.owner(identifier), inputs=inputs, entity=identifier)
    assert run["status"] == "WAITING_FOR_APPROVAL" and identifier in desk.coder.workspace_ids()
    desk.port.approve(run["id"], by="root@example.com")
    assert desk.port.wait_for_run(run["id"], timeout=300)["status"] == "SUCCESS"
    assert identifier not in desk.coder.workspace_ids() and identifier not in desk.ids()
    desk.up()
    desk.assert_converged()


def test_runs_reach_the_service_through_port_s_agent_too(desk: Desk) -> None:
    desk.stack.configure({"actions": {**desk.webhook, "agent": "true"}})
    desk.up()
    identifier = desk.running()
    run = desk.port.run_action("coder_stop_workspace", by=desk.owner(identifier), inputs={}, entity=identifier)
    servers = desk.pair.describe()
    with EmulatedAgent(servers["port_url"], servers["port_client_id"], servers["port_client_secret"]):
        assert desk.port.wait_for_run(run["id"], timeout=300)["status"] == "SUCCESS"
    assert not desk.coder.workspace(identifier).running
    desk.assert_port_is_as_it_should_be()


def test_the_github_backend_s_own_command_line_brings_a_run_to_its_end(desk: Desk, tmp_path: Path) -> None:
    desk.stack.configure(
        {"actions": {"backend": "github", "repository": "acme/coderport", "workflow": "coder-action.yml"}}
    )
    desk.port.set_default_branch("acme/coderport", "trunk")
    desk.up()
    identifier = desk.running()
    run = desk.port.run_action("coder_stop_workspace", by=desk.owner(identifier), inputs={}, entity=identifier)
    [dispatched] = [each for each in desk.port.dispatches if each["inputs"] == {"run_id": run["id"]}]
    assert (dispatched["org"], dispatched["repo"], dispatched["workflow"]) == ("acme", "coderport", "coder-action.yml")
    assert dispatched["ref"] == "trunk"
    desk.port.settle()
    link = desk.port.run(run["id"])["link"]
    servers = desk.pair.describe()
    environment = {
        "PATH": os.environ["PATH"],
        "CODERPORT_RUN_ID": run["id"],
        "CODER_API_BASE_URL": servers["coder_url"],
        "CODER_SESSION_TOKEN": servers["coder_token"],
        "PORT_BASE_URL": servers["port_url"],
        "PORT_CLIENT_ID": servers["port_client_id"],
        "PORT_CLIENT_SECRET": servers["port_client_secret"],
        "CODERPORT_ACTIONS": json.dumps({"backend": "github", "repository": "acme/coderport"}),
    }
    config = tmp_path / "config.json"
    config.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "coderport", "run", "--stack", "lab", "--config", str(config)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended = desk.port.run(run["id"])
    assert (ended["status"], ended["link"]) == ("SUCCESS", link)
    external = f"gh_acme_coderport_{link[0].rpartition('/')[2]}"
    assert [each["id"] for each in desk.port.runs(external_run_id=external)] == [run["id"]]
    assert not desk.coder.workspace(identifier).running
    desk.assert_port_is_as_it_should_be()


def test_an_action_of_the_former_github_app_is_changed_in_place(desk: Desk) -> None:
    """As an older version of this project left it; its permissions and its runs stay with it."""
    desk.stack.configure({"actions": {"backend": "github", "repository": "acme/coderport"}})
    desk.up()
    stop = desk.action("coder_stop_workspace")
    dispatch = stop["invocationMethod"]["integrationActionExecutionProperties"]
    desk.port.behave(serves_github_app=True)
    kept = {key: stop[key] for key in ("identifier", "title", "icon", "description", "trigger", "publish")}
    former = {**kept, "invocationMethod": {"type": "GITHUB", **dispatch}}
    desk.talk(lambda port: port.replace_action("coder_stop_workspace", former))
    desk.port.behave(serves_github_app=False)
    _, tally = desk.up()
    assert [(each.operation, each.kind) for each in tally.changes] == [("updated", "action")]
    changed = desk.action("coder_stop_workspace")
    assert changed["invocationMethod"] == stop["invocationMethod"]
    assert (changed["createdAt"], changed["createdBy"]) == (stop["createdAt"], stop["createdBy"])
    desk.assert_port_is_as_it_should_be()


def test_a_missing_integration_is_told_before_anything_is_written(desk: Desk) -> None:
    desk.stack.configure({"actions": {"backend": "github", "repository": "acme/coderport"}})
    desk.up()
    actions = desk.port.objects()["actions"]
    desk.port.put_integration("second")
    for chosen, words in (
        (None, ["Port has 2 GitHub integrations", "--path coderport:actions.installationId second"]),
        ("gone", ["no integration gone", "--path coderport:actions.installationId github-ocean"]),
    ):
        settings = {"backend": "github", "repository": "acme/elsewhere"}
        desk.stack.configure({"actions": settings | ({"installationId": chosen} if chosen else {})})
        desk.coder.create_workspace(desk.coder.user(desk.coder.workspace(desk.running()).owner_id).username)
        runs: list[Callable[[], tuple[Outcome, Tally]]] = [
            desk.stack.preview,
            desk.stack.up,
            lambda: sync(desk.stack),
            lambda: preview_fast(desk.stack),
        ]
        for run in runs:
            desk.port.reset_requests()
            outcome, _ = run()
            assert outcome.exit_code == 2 and all(each in outcome.message for each in words), outcome.message
            assert desk.port.writes == 0
    desk.stack.configure({"actions": {"backend": "github", "repository": "acme/coderport", "installationId": "second"}})
    _, tally = desk.up()
    changed = [each.operation for each in tally.changes if each.kind == "action"]
    assert changed == ["updated"] * len(actions)
    assert desk.action("coder_stop_workspace")["invocationMethod"]["installationId"] == "second"
    desk.port.remove_integration("second")
    desk.stack.configure({"actions": {"backend": "github", "repository": "acme/coderport"}})
    desk.up()
    desk.assert_port_is_as_it_should_be()


def test_actions_that_are_switched_off_go_with_a_release(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.stack.configure({"actions": {"backend": "off"}})
    number = len(desk.port.objects()["actions"])
    assert f"--allow-deletions {number}" in desk.refused().message
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", str(number))
    desk.up()
    monkeypatch.delenv("CODERPORT_ALLOW_DELETIONS")
    assert desk.port.objects()["actions"] == []
    desk.assert_converged()
    assert TEMPLATE.identifier in desk.port.objects()["blueprints"]


def test_extra_actions_come_with_their_setting_and_bulk_works_through_the_service(desk: Desk) -> None:
    """A person's workspaces are stopped from their own entity, and the next run finds all as it should be."""
    desk.stack.configure(
        {
            "kinds": "user",
            "actions": {
                **desk.webhook,
                "admins[0]": "root@example.com",
                "extra[0]": "bulk",
                "extra[1]": "dormancy",
                "extra[2]": "presets",
            },
        }
    )
    before = set(desk.port.objects()["actions"])
    desk.up()
    new = set(desk.port.objects()["actions"]) - before
    assert {UPDATE_OUTDATED, STOP_OF_USER, DORMANT} <= new and STOP_OF_PERSON not in new
    assert {form.template_id for each in new if (form := form_of(each)) and form.preset} <= desk.coder.template_ids()
    someone = desk.coder.user(desk.coder.workspace(sorted(desk.ids())[0]).owner_id)
    theirs = [each for each in desk.ids() if desk.coder.workspace(each).owner_id == someone.id]
    desk.coder.start(theirs[0])
    with pytest.raises(Problem, match="may not run"):
        desk.press(STOP_OF_USER, by=someone.email, entity=someone.id, confirmation=someone.username)
    desk.succeed(STOP_OF_USER, by="root@example.com", entity=someone.id, confirmation=someone.username)
    assert not any(desk.coder.workspace(each).running for each in theirs)
    desk.assert_port_is_as_it_should_be()
