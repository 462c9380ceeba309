"""The routes of runs: starting one, reading and changing it, logs, approval, and the agent's queue."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from coderport.emulators.port import runs
from coderport.emulators.port.approvals import approvers, decide
from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.invoking import start_approved
from coderport.emulators.port.people import person
from coderport.emulators.port.problems import Problem, invalid
from coderport.emulators.port.records import Json
from coderport.emulators.port.runs import Run, RunFilter, run_json, the_run
from coderport.emulators.port.shapes import member, one_of, only, strings, text, typed
from coderport.emulators.port.triggering import trigger

_MOST_RUNS: Final = 1000
_MOST_CLAIMS: Final = 100
_LEASE_MS: Final = 60_000
_SOURCES: Final = frozenset({"UI", "API", "AUTOMATION"})


def start_run(call: Call) -> Response:
    """202 with the run. Without `run_as` it is the client's own, which has no person."""
    body = call.body()
    only(body, {"properties", "entity"}, "body")
    inputs = member(body, "properties", dict, "body", required=True)
    entity = typed(body.get("entity"), str, "body.entity", nullable=True)
    email = call.query.get("run_as")
    by = person(call.store.users, email) if email else call.writer.client_id
    run = trigger(call.store, call.names["action"], inputs, entity, by, "API")
    return answer(202, run=run_json(call.store, run))


def read_runs(call: Call) -> Response:
    """The newest first, without paging: `limit` is all there is."""
    _check_version(call)
    limit = call.number("limit", _MOST_RUNS, 1, _MOST_RUNS)
    query = call.query
    chosen = RunFilter(
        entity=query.get("entity"),
        blueprint=query.get("blueprint"),
        active=call.flag("active"),
        user_email=query.get("user_email"),
        user_id=query.get("user_id"),
        external_run_id=query.get("external_run_id"),
        action=query.get("action"),
        source=frozenset(one_of(each, _SOURCES, "querystring.source") for each in call.several("source")),
    )
    exclude = call.several("exclude")
    matching = zip(chosen.matching(call.store), range(limit), strict=False)
    found = [_without(run_json(call.store, run), exclude) for run, _ in matching]
    return answer(runs=found)


def read_run(call: Call) -> Response:
    _check_version(call)
    return answer(run=run_json(call.store, _of(call)))


def patch_run(call: Call) -> Response:
    _check_version(call)
    run, body = _of(call), call.body()
    only(body, {"status", "statusLabel", "link", "summary", "externalRunId"}, "body")
    if "status" in body:
        one_of(body["status"], runs.RESULTS, "body.status")
    for key in ("statusLabel", "summary", "externalRunId"):
        typed(body.get(key), str, f"body.{key}", nullable=True)
    if body.get("link") is not None and not isinstance(body["link"], str):
        strings(body["link"], "body.link")
    runs.patch(call.store, run, body, call.writer.client_id)
    return answer(run=run_json(call.store, run))


def write_response(call: Call) -> Response:
    """What the agent passes on from the backend of a synchronous run; not in Port's reference, only in its agent."""
    run, body = _of(call), call.body()
    only(body, {"response"}, "body")
    if "response" not in body:
        raise invalid("body", "must have required property 'response'")
    runs.set_response(call.store, run, body["response"], call.writer.client_id)
    return answer(run=run_json(call.store, run))


def add_log(call: Call) -> Response:
    run, body = _of(call), call.body()
    only(body, {"message", "terminationStatus", "statusLabel"}, "body")
    text(body.get("message"), "body.message")
    if body.get("terminationStatus") is not None:
        one_of(body["terminationStatus"], runs.RESULTS, "body.terminationStatus")
    typed(body.get("statusLabel"), str, "body.statusLabel", nullable=True)
    return answer(201, runLog=runs.add_log(call.store, run, body, call.writer.client_id))


def read_logs(call: Call) -> Response:
    """A page of the log."""
    behaviour = call.store.behaviour
    limit = call.number("limit", behaviour.most_log_lines, 1, behaviour.most_log_lines)
    offset = call.number("offset", 0, 0, None)
    lines = _of(call).logs if behaviour.log_order == "oldest first" else _of(call).logs[::-1]
    return answer(runLogs=lines[offset : offset + limit])


def decide_approval(call: Call) -> Response:
    """A client of the API decides for the organization; a person does it in Port's pages (`PortEmulator.approve`)."""
    _check_version(call)
    run, body = _of(call), call.body()
    only(body, {"status", "description"}, "body")
    verdict = one_of(body.get("status"), {"APPROVE", "DECLINE"}, "body.status")
    description = typed(body.get("description"), str, "body.description", nullable=True)
    if decide(call.store, run, verdict, description, None, call.writer.client_id):
        start_approved(call.store, run)
    return answer(201, run=run_json(call.store, run))


def read_approvers(call: Call) -> Response:
    """Those who have decided; with `include_pending_approvers` the others, too."""
    run = _of(call)
    shown: list[Json] = [
        {"userId": who, "state": "APPROVED" if verdict == "APPROVE" else "DECLINED", "description": None}
        for who, verdict in run.approvals.items()
    ]
    if call.flag("include_pending_approvers"):
        waiting = [user.id for user in approvers(call.store, run) if user.id not in run.approvals]
        shown += [{"userId": who, "state": "PENDING", "description": None} for who in waiting]
    return answer(approvers=shown)


def claim_pending(call: Call) -> Response:
    """Runs for an agent or an integration; one that is not acknowledged in time can be claimed again.

    Port's agent asks by `invocationMethod`; Ocean leaves that out, and sends the `visibilityTimeoutMs` (30,000) for
    which a claimed run is hidden from others, and `exclude`. The minute without it is an assumption, and so is that
    `exclude` leaves members of the answer out, as it does where runs are listed.
    """
    body = call.body()
    only(body, {"installationId", "limit", "invocationMethod", "visibilityTimeoutMs", "exclude"}, "body")
    installation = member(body, "installationId", str, "body", required=True)
    limit = typed(body.get("limit", _MOST_CLAIMS), int, "body.limit")
    lease = typed(body.get("visibilityTimeoutMs", _LEASE_MS), int, "body.visibilityTimeoutMs") / 1000
    exclude = strings(body.get("exclude", []), "body.exclude")
    integration = installation in call.store.integrations
    kind = body.get("invocationMethod", "INTEGRATION_ACTION" if integration else "WEBHOOK")
    now = call.store.clock()
    claimed: list[Run] = []
    for run in call.store.runs.values():
        waits = run.claimed_until is not None and run.claimed_until <= now
        named = (run.payload or {}).get("installationId", installation) == installation
        if waits and named and run.definition["type"] == kind and len(claimed) < limit:
            run.claimed_until = now + lease
            claimed.append(run)
    return answer(runs=[_without(run_json(call.store, run), exclude) for run in claimed])


def acknowledge(call: Call) -> Response:
    """``{runIds}`` → how many of them were claimed; ``{runId}`` of one that was not is 409."""
    body = call.body()
    only(body, {"runIds", "runId"}, "body")
    single = body.get("runId")
    names = [text(single, "body.runId")] if single is not None else strings(body.get("runIds"), "body.runIds")
    count = 0
    for name in names:
        run = call.store.runs.get(name)
        if run is not None and run.claimed_until:
            run.claimed_until = None
            count += 1
    if single is not None and count == 0:
        raise Problem(409, "run_already_acknowledged", f'Action run "{single}" is not claimed')
    return answer(ackedCount=count)


def _without(run: Json, exclude: list[str]) -> Json:
    return {key: value for key, value in run.items() if key not in exclude}


def _of(call: Call) -> Run:
    return the_run(call.store, call.names["run"])


def _check_version(call: Call) -> None:
    """`version` is taken and changes nothing: what v1 and v2 answer differently is not documented."""
    one_of(call.query.get("version", "v2"), {"v1", "v2"}, "querystring.version")
