"""Probes of Port's actions, their permissions and their runs.

The throwaway actions are webhooks that wait for an agent, so their runs stay open and leave Port; one calls Port's own
token route, which refuses it.
"""

from __future__ import annotations

import time
from typing import Any, Final

from coderport.conformance.port_bench import PortBench, taken_unknown
from coderport.conformance.port_entity_probes import kinds
from coderport.conformance.probe import NotAsked, Probe
from coderport.conformance.talk import Answer

_OPEN: Final = "none: an assumption"
_LIVE: Final = "seen live on 2026-09-24 (Banca-Agente-IA-demo/agentic-standard, action_run.py)"
_OLD_TABLE: Final = "error table of Port's OpenAPI, July 2025"
_OPENAPI: Final = "Port's OpenAPI, August 2026"
_MOST_SECONDS: Final = 15
_DELIVERY_LOOKS: Final = 16
"""How often the run of a webhook is looked at: for half a minute, because Port sends webhooks in its own time."""


def _body(bench: PortBench, word: str, method: dict[str, Any], inputs: dict[str, Any] | None = None) -> dict[str, Any]:
    trigger = {
        "type": "self-service",
        "operation": "CREATE",
        "userInputs": {"properties": inputs or {}, "required": []},
    }
    title = "Throwaway of coderport conformance"
    return {"identifier": _name(bench, word), "title": title, "trigger": trigger, "invocationMethod": method}


def _name(bench: PortBench, word: str) -> str:
    return bench.name(f"action_{word}")


def _webhook(bench: PortBench, *, agent: bool, body: Any = None) -> dict[str, Any]:
    url = f"{bench.talk.base_url}/v1/auth/access_token"
    return {"type": "WEBHOOK", "url": url, "agent": agent, "synchronized": False, "method": "POST", "body": body or {}}


def _action(bench: PortBench, word: str, method: dict[str, Any], inputs: dict[str, Any] | None = None) -> str:
    def make() -> str:
        bench.ask("POST", "/actions", _body(bench, word, method, inputs)).expect(200, 201)
        return _name(bench, word)

    return bench.shared(f"action {word}", make)


def _waiting(bench: PortBench) -> str:
    """An action whose runs wait for an agent."""
    return _action(bench, "waits", _webhook(bench, agent=True))


def _run(bench: PortBench, action: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = bench.ask("POST", f"/actions/{action}/runs", {"properties": properties or {}})
    found: dict[str, Any] = answer.expect(200, 201, 202).member("run")
    return found


def _ended(bench: PortBench) -> str:
    """The id of a run that has ended, with a log of three lines."""

    def make() -> str:
        run = _run(bench, _waiting(bench))["id"]
        for message in ("first", "second", "third"):
            bench.ask("POST", f"/actions/runs/{run}/logs", {"message": message}).expect(200, 201)
            time.sleep(0.02)
        bench.ask("PATCH", f"/actions/runs/{run}", {"status": "SUCCESS", "externalRunId": bench.prefix}).expect(200)
        return str(run)

    return bench.shared("ended run", make)


def _taken(bench: PortBench) -> Any:
    _waiting(bench)
    return bench.ask("POST", "/actions", _body(bench, "waits", _webhook(bench, agent=True))).verdict


def _unknown_member(bench: PortBench) -> Any:
    body = {**_body(bench, "odd", _webhook(bench, agent=True)), "nobodyKnowsThis": 1}
    return bench.ask("POST", "/actions", body).verdict


def _github_app(bench: PortBench) -> Any:
    where = {"org": "conformance-example", "repo": "r", "workflow": "w.yml", "workflowInputs": {}}
    body = _body(bench, "github", {"type": "GITHUB", **where, "reportWorkflowStatus": True})
    return bench.ask("POST", "/actions", body).status < 400


def _permissions_delay(bench: PortBench) -> Any:
    path = f"/actions/{_name(bench, 'fresh')}/permissions"

    def there() -> bool:
        answer = bench.ask("GET", path)
        return answer.status == 200 and bool(answer.body.get("permissions"))

    def make() -> float | str:
        bench.ask("POST", "/actions", _body(bench, "fresh", _webhook(bench, agent=True))).expect(200, 201)
        return bench.seconds_until(there)

    return bench.shared("fresh action", make)


def _patched(bench: PortBench, **execute: Any) -> Answer:
    return bench.ask("PATCH", f"/actions/{_name(bench, 'fresh')}/permissions", {"execute": execute})


def _name_unknown(bench: PortBench) -> Any:
    waited = _permissions_delay(bench)
    if isinstance(waited, str):
        raise NotAsked(f"a new action has no permissions: {waited}")
    return taken_unknown(lambda key, names: _patched(bench, **{key: names}))


def _started(bench: PortBench) -> Any:
    return bench.ask("POST", f"/actions/{_waiting(bench)}/runs", {"properties": {}}).status


def _unknown_input(bench: PortBench) -> Any:
    return bench.ask("POST", f"/actions/{_waiting(bench)}/runs", {"properties": {"nobody_has_this": 1}}).verdict


def _patch_ended(bench: PortBench) -> Any:
    return bench.ask("PATCH", f"/actions/runs/{_ended(bench)}", {"status": "FAILURE"}).verdict


def _end_answers_with_run(bench: PortBench) -> Any:
    run = _run(bench, _waiting(bench))["id"]
    reply = bench.ask("PATCH", f"/actions/runs/{run}", {"status": "FAILURE"}, version="v2").expect(200)
    held = reply.member("run")
    return [held["id"] == run, held["status"]]


def _log_after_end(bench: PortBench) -> Any:
    return bench.ask("POST", f"/actions/runs/{_ended(bench)}/logs", {"message": "late"}).verdict


def _patch_unknown(bench: PortBench) -> Any:
    run = _run(bench, _waiting(bench))["id"]
    verdict = bench.ask("PATCH", f"/actions/runs/{run}", {"nobodyKnowsThis": 1}).verdict
    bench.ask("PATCH", f"/actions/runs/{run}", {"status": "FAILURE"})
    return verdict


def _by_external_id(bench: PortBench) -> Any:
    run = _ended(bench)
    rows = bench.ask("GET", "/actions/runs", external_run_id=bench.prefix, version="v2").expect(200).member("runs")
    return [row["id"] == run for row in rows]


def _log_order(bench: PortBench) -> Any:
    rows = bench.ask("GET", f"/actions/runs/{_ended(bench)}/logs").expect(200).member("runLogs")
    order = [row["message"] for row in rows if row["message"] in ("first", "second", "third")]
    named = {"first second third": "oldest first", "third second first": "newest first"}
    return named.get(" ".join(order), order)


def _log_page(bench: PortBench) -> Any:
    """The longest page that is not refused."""
    path = f"/actions/runs/{_ended(bench)}/logs"
    for limit in (1000, 500, 300, 200, 100, 51, 50):
        if bench.ask("GET", path, limit=limit).status == 200:
            return limit
    return "not even 50"


def _refused_webhook(bench: PortBench) -> Any:
    run = _run(bench, _action(bench, "refused", _webhook(bench, agent=False)))["id"]
    status = "IN_PROGRESS"
    for attempt in range(_DELIVERY_LOOKS):
        status = bench.ask("GET", f"/actions/runs/{run}", version="v2").expect(200).member("run")["status"]
        if status != "IN_PROGRESS":
            return status
        time.sleep(min(3.0, 0.25 * (attempt + 1)))
    bench.ask("PATCH", f"/actions/runs/{run}", {"status": "FAILURE"})
    return status


def _input_entity(bench: PortBench) -> Any:
    bench.put(kinds(bench), "chosen", title="C", properties={"text": "a"}).expect(200, 201)
    inputs = {"who": {"type": "string", "format": "entity", "blueprint": kinds(bench)}}
    method = _webhook(bench, agent=True, body={"who": "{{ .inputs.who }}"})
    run = _run(bench, _action(bench, "chooses", method, inputs), {"who": "chosen"})
    bench.ask("PATCH", f"/actions/runs/{run['id']}", {"status": "FAILURE"})
    who = ((run.get("payload") or {}).get("body") or {}).get("who")
    if not isinstance(who, dict):
        return f"{who!r}"
    return "whole" if "properties" in who else "brief"


def _created_by(bench: PortBench) -> Any:
    """Who an impersonated run says has made it; only people can make one, in Port's pages."""
    rows = bench.ask("GET", "/actions/runs", limit=100, version="v2").expect(200).member("runs")
    told = {row["createdBy"] == row["impersonatedUserId"] for row in rows if row.get("impersonatedUserId")}
    if not told:
        raise NotAsked(
            "none of the last 100 runs has impersonatedUserId: use View as in Port, run an action, ask again"
        )
    return "the person who is impersonated" if told == {True} else "the person who acts"


def _automation(bench: PortBench) -> Any:
    return bench.ask("POST", f"/actions/{bench.name('nowhere')}/runs", {"properties": {}}).verdict


def _version(bench: PortBench) -> Any:
    _waiting(bench)
    rows = bench.ask("GET", "/actions", version="v2").expect(200).member("actions")
    mine = [row for row in rows if row["identifier"] == _waiting(bench)]
    return [row["trigger"]["type"] for row in mine]


ACTION_PROBES: tuple[Probe[PortBench], ...] = (
    Probe(
        "action.taken", "Is a second action of one identifier a conflict?", _OLD_TABLE, "409 identifier_taken", _taken
    ),
    Probe(
        "action.unknown-member",
        "Is an unknown member of an action refused?",
        _OPENAPI,
        "422 invalid_request",
        _unknown_member,
    ),
    Probe(
        "action.listed", "Does the list of actions have the shape of version 2?", _OPENAPI, ["self-service"], _version
    ),
    Probe(
        "action.github-app",
        "Is the former GitHub backend (`type: GITHUB`) still taken?",
        "Port's docs: deprecated from 15 July 2026",
        False,
        _github_app,
        "serves_github_app",
    ),
    Probe(
        "action.permissions-delay",
        "After how many seconds has a new action permissions?",
        "Terraform provider, client.go; port-k8s-exporter: not always at once",
        float(_MOST_SECONDS),
        _permissions_delay,
        "permissions_delay",
        at_most=True,
    ),
    Probe(
        "action.permissions-name-unknown",
        "Whom may an action's permissions name although there is none of that name?",
        _OPEN,
        ["roles", "teams", "users"],
        _name_unknown,
        "action_permissions_name_unknown",
        is_open=True,
    ),
    Probe("run.started", "With which status is a run started?", _OLD_TABLE, 202, _started),
    Probe(
        "run.of-nothing", "Is a run of an action that does not exist a 404?", _OLD_TABLE, "404 not_found", _automation
    ),
    Probe(
        "run.unknown-input",
        "Is an input refused that the form does not have?",
        _OLD_TABLE,
        "422 user_inputs_schema_invalid",
        _unknown_input,
    ),
    Probe(
        "run.end-answers-with-run",
        "Does the answer to a run's end have the run, ended?",
        _OPENAPI,
        [True, "FAILURE"],
        _end_answers_with_run,
    ),
    Probe("run.patch-ended", "Is a change of an ended run refused?", _LIVE, "422 run_exhausted", _patch_ended),
    Probe(
        "run.log-after-end", "Is a log line of an ended run refused?", _OLD_TABLE, "422 run_exhausted", _log_after_end
    ),
    Probe("run.unknown-member", "Is an unknown member of a run refused?", _LIVE, "422 invalid_request", _patch_unknown),
    Probe(
        "run.external-id", "Are runs found by their external id?", "Ocean, mixins/actions.py", [True], _by_external_id
    ),
    Probe(
        "run.log-order", "In which order is a run's log answered?", _OPEN, "oldest first", _log_order, "log_order", True
    ),
    Probe(
        "run.log-page",
        "How many lines may one page of a log have?",
        _OPEN,
        50,
        _log_page,
        "most_log_lines",
        is_open=True,
    ),
    Probe(
        "run.refused-webhook",
        "What becomes of a run whose asynchronous webhook answers 4xx?",
        "none: an assumption (Port's agent fails it)",
        "FAILURE",
        _refused_webhook,
        "refused_webhook",
        is_open=True,
    ),
    Probe(
        "run.input-entity",
        "Is an entity that a person chose whole in the payload?",
        "measured on a live Port on 2026-09-25 (Banca-Agente-IA-demo/agentic-standard, unit_request.py)",
        "whole",
        _input_entity,
        "input_entity",
    ),
    Probe(
        "run.created-by-under-view-as",
        "Whom does `createdBy` of an impersonated run name?",
        _OPEN,
        "the person who acts",
        _created_by,
        is_open=True,
    ),
)
