"""The deployment's records, found by id, and its workspaces in the order that Coder lists them."""

from __future__ import annotations

import heapq
import random
import string
import threading
import uuid
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from coderport.emulators.coder.flavour import Flavour
from coderport.emulators.coder.jobs import JobIndex, Work
from coderport.emulators.coder.records import (
    PREBUILDS_USER_ID,
    Build,
    DryRun,
    Group,
    Organization,
    Proxy,
    Template,
    Token,
    User,
    Version,
    Workspace,
)
from coderport.emulators.coder.written import derived_id
from coderport.emulators.kit import Clock

if TYPE_CHECKING:
    from coderport.emulators.coder.audit import Entry

Place = tuple[bool, str, str, str]
"""Where a workspace stands in the list: not running, owner, name (lower case), id."""
Part = Literal["all", "organization", "template", "owner"]

_TOKEN_LETTERS = string.ascii_letters + string.digits


class State:
    """Everything the deployment knows. Whoever reads or changes it holds `lock`.

    Workspaces are kept sorted, once overall and once for each organization, template and owner, so that a
    page costs its own length and not the deployment's. After a change of a workspace's owner, name, latest
    build or deletion, `place` puts it where it now belongs.
    """

    def __init__(self, seed: int, flavour: Flavour, clock: Clock, licensed: bool) -> None:
        self.lock = threading.RLock()
        self.rng = random.Random(seed)
        self.flavour = flavour
        self.clock = clock
        self.licensed = licensed
        self.noted: Callable[[Any], None] = lambda entry: None
        """Hears of each line of the audit log."""
        self.renames = False
        """Whether templates made from now on let workspaces be renamed."""
        self.deployment_id = self.new_id()
        self.organizations: dict[str, Organization] = {}
        self.deleted_organizations: dict[str, Organization] = {}
        """Deleted ones are in no list and have no name any more; their rows stay (coder/coder#16166)."""
        self.groups: dict[str, Group] = {}
        self.proxies: dict[str, Proxy] = {}
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.templates: dict[str, Template] = {}
        self.versions: dict[str, Version] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.builds: dict[str, Build] = {}
        self.provisioners = 3
        self.pending_seconds = 0.02
        self.running_seconds = 0.05
        self.fail_builds: list[str] = []
        """Errors for the next builds, first come first served."""
        self.agent_seconds = 0.0
        """How long an agent takes from its build's end until it is ready; 0 is ready at once."""
        self.agent_ends: list[str] = []
        """How the agents of the next starts end up instead of ready, first come first served."""
        self.build_log: tuple[str, ...] = ()
        """Lines that builds log while they are applied."""
        self.queue: dict[str, Work] = {}
        """Pending builds and dry runs in the order in which they came."""
        self.at_work: dict[str, str] = {}
        """The ids of the running ones: each keeps one provisioner daemon busy, whose id is beside it."""
        self.dry_runs: dict[str, DryRun] = {}
        self.jobs = JobIndex()
        self.stats_at = 0.0
        self.priced = False
        """Whether answers take as long as a real server's."""
        self.log_ids = 0
        self.audit: list[Entry] = []
        """Oldest first."""
        self._daemon_ids: list[str] = []
        self._audit_number = 0
        self._places: dict[str, Place] = {}
        self._parts: dict[tuple[Part, str], list[Place]] = {}
        self._standing: dict[str, tuple[tuple[Part, str], ...]] = {}
        self._owned: dict[tuple[str, str], str] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._due_number = 0
        self._moment: float | None = None

    @property
    def daemon_ids(self) -> list[str]:
        """The provisioner daemons that are there, each for one job at a time."""
        for number in range(len(self._daemon_ids), self.provisioners):
            self._daemon_ids.append(derived_id(self.deployment_id, f"daemon {number}"))
        return self._daemon_ids[: self.provisioners]

    # ------------------------------------------------------------ making things

    def new_id(self) -> str:
        """The next UUID of the seeded sequence."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def new_audit_id(self) -> str:
        """An id for the audit log, whose lines come and go without a change of the ids of all else."""
        self._audit_number += 1
        return derived_id(self.deployment_id, f"audit {self._audit_number}")

    def new_token(self, user_id: str, **narrowed: object) -> str:
        """A session token for the user: ten letters of key id, a dash, twenty-two of secret."""
        key = "".join(self.rng.choices(_TOKEN_LETTERS, k=10))
        secret = "".join(self.rng.choices(_TOKEN_LETTERS, k=22))
        self.tokens[key] = Token(user_id, secret, **narrowed)  # type: ignore[arg-type]
        return f"{key}-{secret}"

    def now(self) -> datetime:
        """The clock's time, in the microseconds that PostgreSQL keeps."""
        return datetime.fromtimestamp(self.time(), timezone.utc)

    def time(self) -> float:
        """The clock's time; for what `advance` lets happen, the moment at which it was due."""
        return self.clock() if self._moment is None else self._moment

    # ------------------------------------------------------------ finding things

    def organization(self, name: str) -> Organization | None:
        """By id, name or the word ``default``."""
        found = self.organizations.get(name.lower())
        if found is not None:
            return found
        for organization in self.organizations.values():
            if organization.name.lower() == name.lower() or (name == "default" and organization.is_default):
                return organization
        return None

    def user(self, name: str) -> User | None:
        """By id or username; an e-mail address finds nobody, as on a real server."""
        found = self.users.get(name.lower())
        if found is not None:
            return found
        return next(
            (user for user in self.users.values() if user.username.lower() == name.lower() and not user.deleted), None
        )

    def queue_place(self, build: Work) -> int:
        """How many jobs, itself included, wait before a provisioner is free; 0 for one that need not wait."""
        if build.id not in self.queue or len(self.at_work) < self.provisioners:
            return 0
        return list(self.queue).index(build.id) + 1

    def workspace_of(self, owner_id: str, name: str, include_deleted: bool = False) -> Workspace | None:
        """By owner and name.

        With `include_deleted`, the newest deleted one of that name where none is alive.
        """
        found = self._owned.get((self.users[owner_id].username.lower(), name.lower()))
        if found is not None:
            return self.workspaces[found]
        if not include_deleted:
            return None
        deleted = (
            workspace
            for workspace in self.workspaces.values()
            if workspace.deleted and workspace.owner_id == owner_id and workspace.name.lower() == name.lower()
        )
        return max(deleted, key=lambda workspace: workspace.created_at, default=None)

    def versions_of(self, template_id: str) -> list[Version]:
        """A template's versions, newest last."""
        return [version for version in self.versions.values() if version.template_id == template_id]

    # ------------------------------------------------------------ the list's order

    def place(self, workspace: Workspace) -> None:
        """Put the workspace where it belongs in the order now, or take it out if it is deleted."""
        self.displace(workspace)
        if workspace.deleted:
            return
        owner = self.users[workspace.owner_id]
        place = (not workspace.running, owner.username.lower(), workspace.name.lower(), workspace.id)
        parts = _parts(workspace)
        for part in parts:
            insort(self._parts.setdefault(part, []), place)
        self._places[workspace.id], self._standing[workspace.id] = place, parts
        self._owned[place[1:3]] = workspace.id

    def place_all(self) -> None:
        """As `place` for every workspace, in one sort: for seeding."""
        for workspace in self.workspaces.values():
            if workspace.deleted:
                continue
            owner = self.users[workspace.owner_id].username.lower()
            place = (not workspace.running, owner, workspace.name.lower(), workspace.id)
            self._places[workspace.id], self._standing[workspace.id] = place, _parts(workspace)
            self._owned[place[1:3]] = workspace.id
        for place in sorted(self._places.values()):
            for part in self._standing[place[3]]:
                self._parts.setdefault(part, []).append(place)
        for build in sorted(self.builds.values(), key=lambda build: build.created_at):
            self.jobs.add(self.workspaces[build.workspace_id].organization_id, build)
            if build.worker_id is not None:
                self.jobs.ended(build, build.worker_id)

    def displace(self, workspace: Workspace) -> None:
        """Take the workspace out of the order."""
        place = self._places.pop(workspace.id, None)
        if place is None:
            return
        for part in self._standing.pop(workspace.id):
            places = self._parts[part]
            del places[bisect_left(places, place)]
        if self._owned.get(place[1:3]) == workspace.id:
            del self._owned[place[1:3]]

    def listed(self, part: Part = "all", key: str = "") -> list[Place]:
        """The places of the undeleted workspaces of one organization, template or owner, in Coder's order."""
        return self._parts.get((part, key), [])

    def merged(self, part: Part, keys: Iterable[str]) -> list[Place]:
        """As `listed` for several keys of one kind, still in order."""
        lists = [self.listed(part, key) for key in keys]
        return lists[0] if len(lists) == 1 else list(heapq.merge(*lists))

    def undeleted(self) -> Iterator[Workspace]:
        """The undeleted workspaces in Coder's order."""
        return (self.workspaces[place[3]] for place in self.listed())

    # ------------------------------------------------------------ time

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen once the clock is that much further."""
        self._due_number += 1
        heapq.heappush(self._due, (self.time() + seconds, self._due_number, what))

    def advance(self) -> None:
        """Let happen what is due by now; every request and mutation begins with it."""
        now = self.clock()
        try:
            while self._due and self._due[0][0] <= now:
                self._moment, _, happens = heapq.heappop(self._due)
                happens()
        finally:
            self._moment = None
        if now - self.stats_at >= 3600:
            self.refresh_stats()

    def refresh_stats(self) -> None:
        """Count each template's active users anew.

        A real server does so hourly and reports the old count between.
        """
        self.stats_at = self.clock()
        for template in self.templates.values():
            owners = {place[1] for place in self.listed("template", template.id)}
            if template.active_user_count != len(owners):
                template.active_user_count = len(owners)


def _parts(workspace: Workspace) -> tuple[tuple[Part, str], ...]:
    return (
        ("all", ""),
        ("organization", workspace.organization_id),
        ("template", workspace.template_id),
        ("owner", workspace.owner_id),
    )


def prebuilds_user(at: datetime) -> User:
    """The system user that owns prebuilt workspaces; it is never listed."""
    return User(PREBUILDS_USER_ID, "prebuilds", "prebuilds@system", "Prebuilds Owner", at, at, system=True)
