"""How a run reaches whoever carries it out: payloads, signed webhooks, the agent, workflows, entities."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from port_runs import ADMIN, MEMBER, ON_ENTITY, action, refusal, refused, started
from port_talk import Json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from coderport.emulators.kit import serve
from coderport.emulators.port import EmulatedAgent, PortEmulator, signature

GOOD: Json = {"name": "abc"}


class Backend:
    """A webhook's receiver: keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.text = 200, "{}"
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.got.append((request.method, dict(request.headers), await request.body()))
        response: Response = PlainTextResponse(self.text, self.status)
        await response(scope, receive, send)


@pytest.fixture
def backend() -> Iterator[Backend]:
    receiver = Backend()
    with serve(receiver) as served:
        receiver.url = served.url
        yield receiver


def webhook(url: str, **changes: Any) -> Json:
    method = {"type": "WEBHOOK", "url": url, "body": {"run_id": "{{ .run.id }}"}, **changes}
    return action(invocationMethod=method)


def ran(emulator: PortEmulator, **inputs: Any) -> Json:
    """The run of `make` once its invocation is over."""
    run = emulator.run_action("make", by=MEMBER, inputs={**GOOD, **inputs})
    emulator.settle()
    return emulator.run(run["id"])


# ---------------------------------------------------------------- payloads


def test_the_payload_sees_what_port_documents() -> None:
    payload = {
        "all": "{{ keys }}",
        "inputs": "{{ .inputs }}",
        "picked": "{{ .inputs.service.title }}",
        "mail": "{{ .trigger.by.user.email }}",
        "by": "{{ .trigger.by.userId }}",
        "org": "{{ .trigger.by.orgId }}",
        "operation": "{{ .trigger | [.operation, .origin] }}",
        "action": "{{ .action }}",
        "run": "{{ .run }}",
        "key": '{{ .secrets["the-key"] }}',
    }
    emulator, _ = started(action(invocationMethod={"type": "KAFKA", "payload": payload}))
    emulator.set_secret("the-key", "hush")
    run = ran(emulator, service="up")
    seen = run["payload"]["payload"]
    assert seen.pop("all") == ["action", "entity", "event", "inputs", "run", "secrets", "trigger"]
    whole = seen.pop("inputs")["service"]
    assert (whole["identifier"], whole["title"], whole["properties"]["tier"]) == ("up", "Up", "gold")
    assert seen == {
        "picked": "Up",
        "mail": MEMBER,
        "by": run["createdBy"],
        "org": emulator.organization_id,
        "operation": ["CREATE", "UI"],
        "action": {"identifier": "make", "blueprint": "service", "encryptedProperties": []},
        "run": {"id": run["id"]},
        "key": "hush",
    }


def test_an_entity_that_was_chosen_may_reach_the_payload_in_brief() -> None:
    method = {"type": "KAFKA", "payload": "{{ .inputs.service }}"}
    emulator, _ = started(action(invocationMethod=method))
    emulator.behave(input_entity="brief")
    brief = {"identifier": "up", "title": "Up", "icon": None, "blueprint": "service"}
    assert ran(emulator, service="up")["payload"]["payload"] == brief


def test_the_payload_of_an_action_on_an_entity_sees_the_entity() -> None:
    method = {"type": "KAFKA", "payload": {"id": "{{ .entity.identifier }}", "tier": "{{ .entity.properties.tier }}"}}
    emulator, one = started(action("stop", trigger=ON_ENTITY, invocationMethod=method))
    run = emulator.run_action("stop", by=MEMBER, entity="up")
    assert run["payload"]["payload"] == {"id": "up", "tier": "gold"}
    own = one("POST", "/actions/stop/runs", {"properties": {}, "entity": "up"}).json()["run"]
    assert own["createdBy"] == emulator.client_id


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ({"url": "{{ .nothing }}"}, "invalid_evaluated_invocation_method"),
        ({"url": "ftp://127.0.0.1"}, "invalid_evaluated_invocation_method"),
        ({"url": "http://127.0.0.1", "agent": "{{ .inputs.name }}"}, "invalid_evaluated_invocation_method"),
        ({"url": "http://127.0.0.1", "body": {"a": "{{ ( }}"}}, "evaluate_invocation_method_error"),
    ],
)
def test_an_invocation_that_cannot_be_made_is_refused_and_no_run_is_left(method: Json, error: str) -> None:
    emulator, _ = started(action(invocationMethod={"type": "WEBHOOK", **method}))
    assert refusal(lambda: emulator.run_action("make", by=MEMBER, inputs=GOOD)) == (422, error)
    assert emulator.runs() == []


def test_after_an_approval_it_fails_the_run() -> None:
    emulator, _ = started(action(requiredApproval=True, invocationMethod={"type": "WEBHOOK", "url": "{{ null }}"}))
    name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
    run = emulator.approve(name, by=ADMIN)
    assert run["status"] == "FAILURE" and "no http(s) URL" in run["summary"]


# ---------------------------------------------------------------- webhooks


def test_a_webhook_is_signed_over_its_raw_body(backend: Backend) -> None:
    body = {"run_id": "{{ .run.id }}", "name": "{{ .inputs.name }}", "more": "{{ .inputs.more }}"}
    headers = {"RUN_ID": "{{ .run.id }}", "X-None": "{{ null }}", "X-Size": "{{ .inputs.size }}"}
    emulator, _ = started(webhook(f"{backend.url}/hook", body=body, headers=headers))
    run = ran(emulator, more={"ü": "é"})
    method, sent, raw = backend.got[0]
    assert method == "POST" and json.loads(raw) == {"run_id": run["id"], "name": "abc", "more": {"ü": "é"}}
    text = sent["x-port-timestamp"].encode() + b"." + raw
    expected = base64.b64encode(hmac.new(emulator.client_secret.encode(), text, hashlib.sha256).digest()).decode()
    assert sent["x-port-signature"] == f"v1,{expected}"
    assert abs(int(sent["x-port-timestamp"]) - time.time()) < 60
    assert (sent["run_id"], sent["x-size"], sent["content-type"]) == (run["id"], "2", "application/json")
    assert "x-none" not in sent
    assert run["status"] == "IN_PROGRESS" and run["payload"]["headers"] == {"RUN_ID": run["id"], "X-Size": "2"}
    assert [(each["run_id"], each["status"]) for each in emulator.deliveries] == [(run["id"], 200)]


def test_the_reply_of_a_synchronous_webhook_ends_the_run(backend: Backend) -> None:
    emulator, one = started(webhook(backend.url, synchronized=True))
    backend.text = '{"made": 1}'
    run = ran(emulator)
    assert (run["status"], run["response"]) == ("SUCCESS", {"made": 1})
    backend.status, backend.text = 422, "no"
    run = ran(emulator)
    assert (run["status"], run["response"]) == ("FAILURE", "no") and "422" in run["summary"]
    refused(one("PATCH", f"/actions/runs/{run['id']}", {"status": "SUCCESS"}), 422, "run_exhausted")


def test_a_synchronous_run_is_not_ended_by_hand() -> None:
    release = threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(release.wait)
        await PlainTextResponse("{}")(scope, receive, send)

    with serve(slow) as served:
        emulator, one = started(webhook(served.url, synchronized=True))
        name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
        refused(one("PATCH", f"/actions/runs/{name}", {"status": "SUCCESS"}), 422, "run_synchronized_error")
        last = {"message": "m", "terminationStatus": "SUCCESS"}
        refused(one("POST", f"/actions/runs/{name}/logs", last), 422, "run_synchronized_error")
        assert one("PATCH", f"/actions/runs/{name}", {"statusLabel": "going"}).status_code == 200
        release.set()
        assert emulator.wait_for_run(name)["status"] == "SUCCESS"


def test_a_webhook_that_fails_or_is_not_there_fails_the_run(backend: Backend) -> None:
    emulator, _ = started(webhook(backend.url))
    backend.status = 503
    assert ran(emulator)["status"] == "FAILURE"
    gone, _ = started(webhook("http://127.0.0.1:9"))
    run = ran(gone)
    assert run["status"] == "FAILURE" and "could not be reached" in run["summary"]


def test_a_backend_may_end_the_run_before_it_has_answered(backend: Backend) -> None:
    """A late failure of the transport changes nothing about a run that its backend has ended."""
    emulator, one = started(webhook(backend.url))
    name = ran(emulator)["id"]
    one("PATCH", f"/actions/runs/{name}", {"status": "SUCCESS"})
    backend.status = 500
    emulator.redeliver(name)
    emulator.settle()
    assert emulator.run(name)["status"] == "SUCCESS" and len(backend.got) == 2


def test_many_runs_at_once_are_all_sent_once(backend: Backend) -> None:
    emulator, _ = started(webhook(backend.url))
    names = {emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"] for _ in range(100)}
    emulator.settle()
    assert sorted(json.loads(raw)["run_id"] for _, _, raw in backend.got) == sorted(names)


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "https://hooks.example.com", "http://coder.internal", "http://x"])
def test_the_emulator_sends_to_loopback_only(url: str) -> None:
    emulator, _ = started(webhook(url))
    found = refusal(lambda: emulator.run_action("make", by=MEMBER, inputs=GOOD))
    assert found == (403, "not_resolvable_destination")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1", "private_destination"),
        ("http://localhost:1", "private_destination"),
        ("http://10.1.2.3", "private_destination"),
        ("http://[fd00::1]/", "private_destination"),
        ("http://169.254.169.254/", "private_destination"),
        ("http://coder.internal", "private_destination"),
        ("http://coder", "not_resolvable_destination"),
    ],
)
def test_ports_cloud_refuses_private_hosts_but_not_for_the_agent(url: str, error: str) -> None:
    emulator, _ = started(webhook(url), {**webhook(url, agent=True), "identifier": "inside"}, strict_destinations=True)
    assert refusal(lambda: emulator.run_action("make", by=MEMBER, inputs=GOOD)) == (403, error)
    assert emulator.run_action("inside", by=MEMBER, inputs=GOOD)["payload"]["agent"] is True


# ---------------------------------------------------------------- the agent


def test_runs_for_the_agent_wait_to_be_claimed_and_acknowledged(backend: Backend) -> None:
    emulator, one = started(webhook(backend.url, agent=True))
    name = ran(emulator)["id"]
    assert backend.got == []
    claim = {"installationId": "_PORT_EXEC_AGENT", "limit": 10, "invocationMethod": "WEBHOOK"}
    claimed = one("POST", "/actions/runs/claim-pending", claim).json()["runs"]
    assert [run["id"] for run in claimed] == [name] and claimed[0]["payload"]["body"] == {"run_id": name}
    assert one("POST", "/actions/runs/claim-pending", claim).json()["runs"] == []
    assert one("PATCH", "/actions/runs/ack", {"runIds": [name, "r_absent"]}).json()["ackedCount"] == 1
    assert one("PATCH", "/actions/runs/ack", {"runIds": [name]}).json()["ackedCount"] == 0
    assert one("PATCH", "/actions/runs/ack", {"runId": name}).status_code == 409


def test_a_claim_that_is_not_acknowledged_lapses() -> None:
    now = [1000.0]
    emulator, one = started(webhook("http://127.0.0.1:9", agent=True), clock=lambda: now[0])
    name = ran(emulator)["id"]
    claim = {"installationId": "i", "limit": 1}
    for _ in range(2):
        assert [run["id"] for run in one("POST", "/actions/runs/claim-pending", claim).json()["runs"]] == [name]
        now[0] += 61


def agent_of(emulator: PortEmulator, url: str) -> EmulatedAgent:
    return EmulatedAgent(url, emulator.client_id, emulator.client_secret)


def test_the_agent_forwards_a_body_of_its_own_and_signs_it_as_compact_json(backend: Backend) -> None:
    """As the public agent does: signed without spaces, sent with them, and the action's headers are in the body."""
    emulator, _ = started(webhook(f"{backend.url}/hook", agent=True, headers={"X-A": "b"}))
    name = ran(emulator)["id"]
    with emulator.serve() as served:
        agent = agent_of(emulator, served.url)
        assert agent.poll() == 1 and agent.poll() == 0
        agent.stop()
    ((_, headers, raw),) = backend.got
    body = json.loads(raw)
    assert body["run_id"] == name == body["context"]["runId"] and body["headers"] == {"X-A": "b"}
    assert body["payload"]["action"]["invocationMethod"]["url"] == f"{backend.url}/hook" and "x-a" not in headers
    stamp = headers["x-port-timestamp"]
    compact = json.dumps(body, separators=(",", ":")).encode()
    assert headers["x-port-signature"] == signature(emulator.client_secret, stamp, compact)
    assert headers["x-port-signature"] != signature(emulator.client_secret, stamp, raw)
    assert emulator.run(name)["status"] == "IN_PROGRESS" and emulator.run_logs(name)


def test_the_agent_reports_synchronous_runs_and_failures(backend: Backend) -> None:
    emulator, _ = started(webhook(backend.url, agent=True, synchronized=True))
    with emulator.serve() as served, agent_of(emulator, served.url):
        backend.text = '{"made": 1}'
        name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
        run = emulator.wait_for_run(name)
        assert (run["status"], run["response"]) == ("SUCCESS", {"made": 1})
        backend.status = 500
        name = emulator.run_action("make", by=MEMBER, inputs=GOOD)["id"]
        assert emulator.wait_for_run(name)["status"] == "FAILURE"


# ---------------------------------------------------------------- workflows, entities


def workflow(installation: str = "github-ocean", **changes: Any) -> Json:
    inputs = {"run_id": "{{ .run.id }}", "size": "{{ .inputs.size }}", "none": "{{ null }}"}
    where = {"org": "acme", "repo": "coder", "workflow": "run.yml", "workflowInputs": inputs}
    return action(
        invocationMethod={
            "type": "INTEGRATION_ACTION",
            "installationId": installation,
            "integrationActionType": "dispatch_workflow",
            "integrationActionExecutionProperties": {**where, "reportWorkflowStatus": True, **changes},
        }
    )


def test_a_workflow_is_dispatched_on_the_default_branch_and_its_end_reported() -> None:
    emulator, _ = started(workflow())
    emulator.set_default_branch("acme/coder", "trunk")
    run = ran(emulator)
    assert emulator.dispatches == [
        {
            "run_id": run["id"], "org": "acme", "repo": "coder", "workflow": "run.yml", "ref": "trunk",
            "inputs": {"run_id": run["id"], "size": "2"}, "report_status": True,
        }
    ]  # fmt: skip
    assert run["status"] == "IN_PROGRESS"
    emulator.finish_workflow(run["id"], code=1)
    assert emulator.run(run["id"])["status"] == "FAILURE"


def test_an_input_names_another_branch() -> None:
    emulator, _ = started(workflow(workflowInputs={"ref": "v1"}))
    ran(emulator)
    assert [(each["ref"], each["inputs"]) for each in emulator.dispatches] == [("v1", {})]


def test_the_integration_names_the_run_and_ends_it_by_that_name() -> None:
    emulator, one = started(workflow())
    run = ran(emulator)
    external = "gh_acme_coder_10000000001"
    assert run["link"] == ["https://github.com/acme/coder/actions/runs/10000000001"]
    found = one("GET", "/actions/runs", external_run_id=external).json()["runs"]
    assert [each["id"] for each in found] == [run["id"]]
    other = ran(emulator)
    one("PATCH", f"/actions/runs/{run['id']}", {"externalRunId": "mine"})
    for each in (run, other):
        emulator.finish_workflow(each["id"])
    assert [emulator.run(each["id"])["status"] for each in (run, other)] == ["IN_PROGRESS", "SUCCESS"]


@pytest.mark.parametrize(
    "install",
    [
        pytest.param(lambda port: port.remove_integration("github-ocean"), id="gone"),
        pytest.param(lambda port: port.put_integration("github-ocean", processes_actions=False), id="no actions"),
        pytest.param(lambda port: port.put_integration("github-ocean", "gitlab"), id="of another kind"),
    ],
)
def test_a_run_waits_for_ever_where_no_integration_takes_it(install: Any) -> None:
    emulator, _ = started(workflow())
    install(emulator)
    emulator.on_dispatch(lambda dispatch: 0)
    assert ran(emulator)["status"] == "IN_PROGRESS"
    assert emulator.dispatches == []


def test_an_integration_without_live_events_ends_nothing() -> None:
    emulator, _ = started(workflow())
    emulator.put_integration("github-ocean", hears_events=False)
    emulator.on_dispatch(lambda dispatch: 0)
    assert ran(emulator)["status"] == "IN_PROGRESS"


def test_an_integration_of_ones_own_claims_its_runs_and_no_others() -> None:
    emulator, one = started(workflow("own"))
    emulator.put_integration("own", processes_actions=False)
    emulator.put_integration("other", processes_actions=False)
    run = ran(emulator)
    body = {"installationId": "other", "limit": 20, "visibilityTimeoutMs": 30_000}
    assert one("POST", "/actions/runs/claim-pending", body).json()["runs"] == []
    body = {**body, "installationId": "own", "exclude": ["properties"]}
    claimed = one("POST", "/actions/runs/claim-pending", body).json()["runs"]
    assert [(each["id"], "properties" in each) for each in claimed] == [(run["id"], False)]
    assert one("POST", "/actions/runs/claim-pending", body).json()["runs"] == []


def test_integrations_are_listed_and_read() -> None:
    emulator, one = started()
    emulator.put_integration("quiet", processes_actions=False, hears_events=None)
    rows = one("GET", "/integration").json()["integrations"]
    assert [each["installationId"] for each in rows] == ["github-ocean", "quiet"]
    chosen = one("GET", "/integration", actionsProcessingEnabled="true").json()["integrations"]
    assert [each["installationId"] for each in chosen] == ["github-ocean"]
    assert one("GET", "/integration/quiet").json()["integration"] == rows[1]
    assert "spec" not in rows[1]
    refused(one("GET", "/integration/absent"), 404, "not_found")
    refused(one("GET", "/integration/quiet", byField="logIngestId"), 404, "not_found")


def test_the_former_github_app_is_refused_unless_it_is_served() -> None:
    method = {"type": "GITHUB", "org": "acme", "repo": "coder", "workflow": "run.yml", "workflowInputs": {}}
    emulator, one = started(workflow())
    refused(one("POST", "/actions", action(identifier="old", invocationMethod=method)), 422, "invalid_request")
    refused(one("PUT", "/actions/make", action(invocationMethod=method)), 422, "invalid_request")
    emulator.behave(serves_github_app=True)
    assert one("PUT", "/actions/make", action(invocationMethod=method)).status_code == 200
    emulator.on_dispatch(lambda dispatch: 0)
    run = ran(emulator)
    assert (run["status"], run["link"]) == ("SUCCESS", [])


def test_a_hook_stands_for_github_and_may_run_a_command() -> None:
    emulator, _ = started(workflow())

    def github(dispatch: Json) -> int:
        script = "import os, sys; sys.exit(0 if os.environ['SIZE'] == '2' else 3)"
        command = [sys.executable, "-c", script]
        return subprocess.run(command, env={"SIZE": dispatch["inputs"]["size"]}, check=False).returncode

    emulator.on_dispatch(github)
    assert ran(emulator)["status"] == "SUCCESS"
    assert ran(emulator, size=3)["status"] == "FAILURE"


@pytest.mark.parametrize(("report", "status"), [(False, "IN_PROGRESS"), (None, "IN_PROGRESS"), (True, "SUCCESS")])
def test_the_end_of_a_workflow_is_reported_only_if_the_action_says_so(report: bool | None, status: str) -> None:
    emulator, _ = started(workflow(reportWorkflowStatus=report))
    emulator.on_dispatch(lambda dispatch: 0)
    assert ran(emulator)["status"] == status


def test_a_status_that_the_workflow_has_set_itself_stays() -> None:
    emulator, one = started(workflow())

    def github(dispatch: Json) -> int:
        one("PATCH", f"/actions/runs/{dispatch['run_id']}", {"status": "FAILURE", "summary": "quota"})
        return 0

    emulator.on_dispatch(github)
    run = ran(emulator)
    assert (run["status"], run["summary"]) == ("FAILURE", "quota")


def test_a_hook_that_breaks_fails_the_run_and_one_without_an_end_leaves_it() -> None:
    emulator, _ = started(workflow())

    def broken(dispatch: Json) -> int:
        raise OSError("no runner")

    emulator.on_dispatch(broken)
    assert ran(emulator)["status"] == "FAILURE"
    emulator.on_dispatch(lambda dispatch: None)
    assert ran(emulator)["status"] == "IN_PROGRESS"


def test_an_action_can_write_an_entity_and_ends_with_it() -> None:
    mapping = {"identifier": "{{ .inputs.name }}", "properties": {"cost": "{{ .inputs.size }}"}}
    method = {"type": "UPSERT_ENTITY", "blueprintIdentifier": "service", "mapping": mapping}
    emulator, one = started(action(invocationMethod=method))
    run = ran(emulator)
    assert run["status"] == "SUCCESS" and one.get("service", "abc")["properties"]["cost"] == 2
    assert emulator.run_entities(run["id"]) == [{"blueprint": "service", "identifier": "abc", "action": "CREATE"}]
    one("PUT", "/actions/make", action(invocationMethod={**method, "mapping": {"properties": {"absent": 1}}}))
    assert ran(emulator)["status"] == "FAILURE"
