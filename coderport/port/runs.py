"""Port's action runs: what was asked for and by whom, and telling what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.terminal.text import short

IN_PROGRESS = "IN_PROGRESS"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
WAITING_FOR_APPROVAL = "WAITING_FOR_APPROVAL"

_APPROVED = frozenset({"APPROVED", "APPROVE"})
"""`approval.state` is an open text in Port's OpenAPI; a request to approve says APPROVE."""

EXHAUSTED = "run_exhausted"
"""The code with which Port refuses what is told of a run that has ended."""

MOST_RUNS = 1000
"""Port's limit for one list of runs."""

_V2 = {"version": "v2"}
_LOGS_PER_PAGE = 50
_USERS = "/v1/users?fields=id&fields=email"


@dataclass(frozen=True)
class Run:
    """A run of an action as Port holds it.

    `created_by` is the id that Port has for whoever pressed the button (`auth0|…`), or a client id; `entity` is the
    identifier of the entity it was started on, None for one that creates.
    """

    id: str
    status: str
    action: str
    created_by: str
    blueprint: str | None = None
    entity: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    has_link: bool = False
    """Whether a link was told: of a run that nobody but us carries out, by us when a build was begun."""
    impersonated: bool = False
    """Whether somebody acted as another person ("View as") when it was started or approved."""
    by_integration: bool = False
    """Whether one of Port's integrations carries it out: that sets its link and external id, and ends it by the id."""
    approved: bool = False
    """Whether somebody approved it: `approval.state` of the run; where all approvers must, it was begun by the last."""
    approver: str = ""
    """The id of whoever approved it, as `created_by`; empty where the run does not say."""

    @property
    def waits_for_approval(self) -> bool:
        """Whether it begins once somebody has approved it."""
        return self.status == WAITING_FOR_APPROVAL

    @property
    def in_progress(self) -> bool:
        """Whether it still takes logs, entities and an end."""
        return self.status == IN_PROGRESS

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Run:
        """A run of an answer of Port; older answers have the action's identifier where newer ones have an object."""
        identifier, status, action = row.get("id"), row.get("status"), _identifier(row.get("action"))
        if not isinstance(identifier, str) or not isinstance(status, str) or action is None:
            raise PortError("Port sent an action run without an id, an action or a status")
        inputs = row.get("properties") or {}
        if not isinstance(inputs, Mapping):
            raise PortError(f"Port sent the action run {short(identifier)} with inputs that are no object")
        approval = _mapping(row.get("approval"))
        return cls(
            approved=str(approval.get("state")) in _APPROVED,
            approver=str(approval.get("userId") or ""),
            id=identifier,
            status=status,
            action=action,
            created_by=str(row.get("createdBy") or ""),
            blueprint=_identifier(row.get("blueprint")),
            entity=_identifier(row.get("entity")),
            inputs=dict(inputs),
            has_link=bool(row.get("link")),
            impersonated=_acted_as_another(row) or _acted_as_another(approval),
            by_integration=_mapping(row.get("payload")).get("type") == "INTEGRATION_ACTION",
        )


@dataclass(frozen=True)
class LogEntry:
    """One entry of a run's log; `created_at` is Port's time of it, as it sent it."""

    id: str
    message: str
    created_at: str


class Runs:
    """The runs of one Port organization."""

    def __init__(self, client: PortClient) -> None:
        self._session = client._session

    async def run(self, run_id: str) -> Run | None:
        """One run, or None where Port knows none of that id."""
        try:
            reply = await self._session.call("GET", _path(run_id), f"reading run {run_id}", query=_V2)
        except PortRejected as error:
            if error.status == 404:
                return None
            raise
        return Run.from_json(reply.member("run"))

    async def open_ones(self, action: str | None = None) -> list[Run]:
        """The runs in progress, of one action or of all, the newest first: MOST_RUNS at most, without pages."""
        query = {**_V2, "active": "true", "limit": str(MOST_RUNS), **({"action": action} if action is not None else {})}
        reply = await self._session.call("GET", "/v1/actions/runs", "reading the open runs", query=query)
        return [
            Run.from_json(row)
            for row in reply.rows("runs")
            if isinstance(row, Mapping) and _identifier(row.get("action"))
        ]

    async def is_named(self, run_id: str, external_id: str) -> bool:
        """Whether this external id was told of the run; a run's own answer does not have it."""
        query = {**_V2, "external_run_id": external_id}
        reply = await self._session.call("GET", "/v1/actions/runs", f"looking for run {run_id}", query=query)
        return any(isinstance(row, Mapping) and row.get("id") == run_id for row in reply.rows("runs"))

    async def patch(
        self,
        run_id: str,
        *,
        status: str | None = None,
        label: str | None = None,
        link: str | None = None,
        summary: str | None = None,
        external_id: str | None = None,
    ) -> None:
        """Tell what became of a run; each thing given replaces what was told before.

        A `status` of SUCCESS or FAILURE ends it for good; one that has ended is refused (PortRejected). PortError where
        Port does not answer with the run, ended so (OpenAPI): nobody knows then whether it has ended.
        """
        told = {"status": status, "statusLabel": label, "link": link, "summary": summary, "externalRunId": external_id}
        body = {key: value for key, value in told.items() if value is not None}
        reply = await self._session.call("PATCH", _path(run_id), f"reporting on run {run_id}", query=_V2, body=body)
        if status is not None and (held := Run.from_json(reply.member("run")).status) != status:
            raise PortError(f"Port answers that run {run_id}, which was to end with {status}, is {short(held)}")

    async def log(self, run_id: str, message: str) -> None:
        """Append to a run's log; 422 `run_exhausted` once it has ended. A repeat after a lost answer may double it."""
        path, what = f"{_path(run_id)}/logs", f"writing the log of run {run_id}"
        await self._session.call("POST", path, what, body={"message": message})

    async def logs(self, run_id: str) -> list[LogEntry]:
        """The run's log, all of it, in the order in which Port sends it (which it does not document)."""
        path, what = f"{_path(run_id)}/logs", f"reading the log of run {run_id}"
        found: dict[str, LogEntry] = {}
        while True:
            query = {"limit": str(_LOGS_PER_PAGE), "offset": str(len(found))}
            rows = (await self._session.call("GET", path, what, query=query)).rows("runLogs")
            before = len(found)
            for row in rows:
                entry = LogEntry(str(row.get("id")), str(row.get("message")), str(row.get("createdAt")))
                found[entry.id] = entry
            if len(rows) < _LOGS_PER_PAGE or len(found) == before:
                return list(found.values())

    async def email_of(self, run: Run) -> str | None:
        """The e-mail of the person who started the run; None if it was no person of the organization.

        A run names them by Port's id, and `GET /v1/users` has the e-mail beside the id. Nothing in the run's inputs
        or in its payload has a say.
        """
        return await self._email(run.created_by)

    async def approver_left(self, run: Run) -> bool:
        """Whether the run was approved by a person who is in the organization no more.

        The ids of people have a bar (`auth0|…`), those of the API's clients have none: a client is no person who could
        leave.
        """
        return "|" in run.approver and await self._email(run.approver) is None

    async def _email(self, user_id: str) -> str | None:
        if not user_id:
            return None
        reply = await self._session.call("GET", _USERS, "reading the users")
        for row in reply.rows("users"):
            email = row.get("email") if isinstance(row, Mapping) else None
            if isinstance(email, str) and email and user_id in (row.get("id"), email):
                return email
        return None


def _path(run_id: str) -> str:
    return f"/v1/actions/runs/{quote(run_id, safe='')}"


def _acted_as_another(row: object) -> bool:
    """Port's OpenAPI has both members, and says nowhere which of the two people `createdBy` is."""
    return any(_mapping(row).get(key) is not None for key in ("impersonatedUserId", "impersonatedBy"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _identifier(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("identifier")
    return value if isinstance(value, str) and value else None
