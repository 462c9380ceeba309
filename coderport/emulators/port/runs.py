"""Runs of actions: what one is, what may be changed about it, and when it is closed for good.

A run that has ended (`SUCCESS`, `FAILURE`, `DECLINED`) takes no change, log line or entity any more. The documented
refusals are 422 `run_exhausted` of a log and 400 `run_exhausted` of an entity; for a change of the run itself Port only
says that it is possible until the run has finished, and 422 `run_exhausted` is this emulator's reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coderport.emulators.port.people import by_id
from coderport.emulators.port.problems import Problem, invalid, not_found
from coderport.emulators.port.records import Json, Key
from coderport.emulators.port.store import Store

IN_PROGRESS: Final = "IN_PROGRESS"
WAITING: Final = "WAITING_FOR_APPROVAL"
DECLINED: Final = "DECLINED"
RESULTS: Final = frozenset({"SUCCESS", "FAILURE"})
ENDED: Final = RESULTS | {DECLINED}


@dataclass
class Run:
    """One run. `by` is a user's id, or the id of the client that started it as itself."""

    id: str
    action: Json
    blueprint: Json | None
    entity: Json | None
    properties: Json
    source: str
    by: str
    created_at: str
    status: str = IN_PROGRESS
    status_label: str | None = None
    link: tuple[str, ...] = ()
    summary: str | None = None
    external_id: str | None = None
    payload: Json | None = None
    response: Any = None
    approval: Json | None = None
    approvals: dict[str, str] = field(default_factory=dict)
    """Who has decided what so far: `APPROVE` by user id, where all approvers must agree."""
    ended_at: str | None = None
    updated_at: str = ""
    updated_by: str = ""
    logs: list[Json] = field(default_factory=list)
    affected: dict[Key, str] = field(default_factory=dict)
    """Entities that were written for the run, each with the last thing done: CREATE, UPDATE or DELETE."""
    impersonated_id: str | None = None
    """The user that `by` acted as ("View as"); that `by` is the person who really pressed is an assumption."""
    claimed_until: float | None = None
    """For an agent: 0 waits to be claimed, a time waits to be acknowledged, None is nobody's to claim."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def definition(self) -> Json:
        """How the action was invoked: its invocation method when the run was started."""
        found: Json = self.action["invocationMethod"]
        return found

    @property
    def by_agent(self) -> bool:
        return bool((self.payload or {}).get("agent"))

    @property
    def synchronized(self) -> bool:
        return bool((self.payload or {}).get("synchronized"))


def the_run(store: Store, run_id: str) -> Run:
    """The run, or 404."""
    found = store.runs.get(run_id)
    if found is None:
        raise not_found("Action run", run_id)
    return found


def writable_run(store: Store, run_id: str) -> Run:
    """The run that an entity is to be tied to: 404 if there is none, 400 `run_exhausted` unless it is in progress."""
    run = the_run(store, run_id)
    if run.status != IN_PROGRESS:
        raise Problem(400, "run_exhausted", f'Action run "{run_id}" is not in progress: it is {run.status}')
    return run


def run_json(store: Store, run: Run) -> Json:
    """The run as the API answers it: what it does not have yet is absent, where Port's OpenAPI knows no null."""
    absent = {"blueprint", "entity", "summary", "response", "endedAt", "impersonatedUserId"}
    return {key: value for key, value in whole_json(store, run).items() if value is not None or key not in absent}


def whole_json(store: Store, run: Run) -> Json:
    """The run with None for what it does not have."""
    action = run.action
    return {
        "id": run.id,
        "status": run.status,
        "statusLabel": run.status_label,
        "action": {**_named(action), "deleted": action["identifier"] not in store.actions},
        "properties": run.properties,
        "requiredApproval": action.get("requiredApproval", False),
        "source": run.source,
        "link": list(run.link),
        "approval": run.approval,
        "payload": run.payload,
        "createdAt": run.created_at,
        "updatedAt": run.updated_at,
        "createdBy": run.by,
        "updatedBy": run.updated_by,
        "blueprint": run.blueprint and {**run.blueprint, "deleted": _is_gone(store, run.blueprint)},
        "entity": run.entity and {**run.entity, "deleted": _is_gone(store, run.blueprint, run.entity)},
        "summary": run.summary,
        "response": run.response,
        "endedAt": run.ended_at,
        "impersonatedUserId": run.impersonated_id,
    }


def _named(body: Mapping[str, Any]) -> Json:
    return {key: body.get(key) for key in ("identifier", "title", "icon")}


def _is_gone(store: Store, blueprint: Json | None, entity: Json | None = None) -> bool:
    held = store.blueprints.get((blueprint or {}).get("identifier", ""))
    return held is None or (entity is not None and entity["identifier"] not in held.rows.by_identifier)


def changed(store: Store, run: Run, by: str) -> None:
    """Stamp a change and wake those who wait for one."""
    run.updated_at, run.updated_by = store.now(), by
    store.changed.notify_all()


def end(store: Store, run: Run, status: str, by: str, summary: str | None = None) -> None:
    """Close the run for good; a run that has ended stays as it is."""
    if run.ended:
        return
    run.status, run.ended_at, run.claimed_until = status, store.now(), None
    if summary is not None:
        run.summary = summary
    changed(store, run, by)


def patch(store: Store, run: Run, change: Json, by: str) -> None:
    """Take over status, label, links, summary and external id; each given key replaces what was there.

    While the run waits for approval the only status is FAILURE, which withdraws the request.
    """
    _refuse_ended(run)
    status = change.get("status")
    if status is not None:
        _refuse_synchronized(run)
        if run.status == WAITING and status != "FAILURE":
            raise invalid("body.status", "of a run that waits for approval can only be set to FAILURE")
    if "statusLabel" in change:
        run.status_label = change["statusLabel"]
    if "link" in change:
        link = change["link"]
        run.link = () if link is None else (link,) if isinstance(link, str) else tuple(link)
    if "summary" in change:
        run.summary = change["summary"]
    if "externalRunId" in change:
        run.external_id = change["externalRunId"]
    if status is not None:
        end(store, run, status, by)
    changed(store, run, by)


def add_log(store: Store, run: Run, entry: Json, by: str) -> Json:
    """Append a line; with a `terminationStatus` it is the last one and ends the run."""
    _refuse_ended(run)
    status = entry.get("terminationStatus")
    if status is not None:
        _refuse_synchronized(run)
    line: Json = {
        "id": store.new_id("rl_"),
        "runId": run.id,
        "message": entry["message"],
        "createdBy": by,
        "createdAt": store.now(),
    }
    run.logs.append(line)
    if entry.get("statusLabel") is not None:
        run.status_label = entry["statusLabel"]
    if status is not None:
        end(store, run, status, by)
    changed(store, run, by)
    return line


def set_response(store: Store, run: Run, response: Any, by: str) -> None:
    """Keep what the backend of a synchronous run answered."""
    _refuse_ended(run)
    run.response = response
    changed(store, run, by)


def _refuse_ended(run: Run) -> None:
    if run.ended:
        raise Problem(422, "run_exhausted", f'Action run "{run.id}" has already ended: it is {run.status}')


def _refuse_synchronized(run: Run) -> None:
    """A synchronous run ends with its reply; the agent, which reports for Port, may set it."""
    if run.synchronized and not run.by_agent:
        raise Problem(422, "run_synchronized_error", f'The status of synchronous run "{run.id}" cannot be set by hand')


@dataclass(frozen=True)
class RunFilter:
    """Which runs a list wants; None is any."""

    entity: str | None = None
    blueprint: str | None = None
    active: bool = False
    user_email: str | None = None
    user_id: str | None = None
    external_run_id: str | None = None
    action: str | None = None
    source: frozenset[str] = frozenset()

    def matching(self, store: Store) -> Iterable[Run]:
        """The newest first."""
        for run in reversed(store.runs.values()):
            if self._fits(store, run):
                yield run

    def _fits(self, store: Store, run: Run) -> bool:
        email = None
        if self.user_email is not None:
            user = by_id(store.users, run.by)
            email = user.email if user else None
        pairs = (
            (self.entity, (run.entity or {}).get("identifier")),
            (self.blueprint, (run.blueprint or {}).get("identifier")),
            (self.user_email, email),
            (self.user_id, run.by),
            (self.external_run_id, run.external_id),
            (self.action, run.action["identifier"]),
        )
        if any(wanted is not None and wanted != held for wanted, held in pairs):
            return False
        return (not self.active or run.status == IN_PROGRESS) and (not self.source or run.source in self.source)
