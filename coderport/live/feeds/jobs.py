"""The feed of provisioner jobs: every build of an organization leaves one, whoever asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from coderport.catalog.values import Ref
from coderport.coder.notices import ListedJob, Notices
from coderport.kinds.workspace import WORKSPACE
from coderport.live.values import CREATED, DELETED, Event, Hint

LIMIT = 50
MOST = 800
"""Jobs are asked for by this many at most, so that no answer is larger than a page of workspaces."""

BUILT = frozenset(
    {CREATED, DELETED, "status", "build_transition", "build_reason", "build_initiator", "latest_build_number"}
    | {"latest_build_at", "template_version", "version", "daily_cost", "deadline", "max_deadline"}
)
"""Properties of a workspace that a build changes."""
TOUCHED = frozenset({"updated_at", "last_used_at", "next_start_at", "outdated", "healthy", "failing_agents"})
"""Further ones that it may change."""


class JobsFeed:
    """The newest jobs of one organization, back to what is known, and those that were active and are older.

    Jobs come by the time at which they were made, so one that ends late is not among the newest: those that were
    active are remembered and looked for. Where jobs are gone that have to be there, their workspaces are looked at, and
    everything is read again: whether Coder has gone back to an older state is told by the numbers of builds alone.
    """

    name = "jobs"
    covers = "every build: created, started, stopped, failed, deleted workspaces"
    properties = MappingProxyType({WORKSPACE.identifier: BUILT})
    also = TOUCHED
    round = 1

    def __init__(self, notices: Notices, organization_id: str) -> None:
        self._notices, self._organization = notices, organization_id
        self.place = organization_id
        self._known: dict[str, str] = {}
        self._active: dict[str, str] = {}
        self._built: tuple[str, ...] = ()
        self._limit = LIMIT
        self._looked = False
        self._last: ListedJob | None = None
        self.gap = False

    async def look(self) -> tuple[Hint, ...]:
        """Hints for all jobs whose status is new. `gap` says whether there were more than could be asked for."""
        jobs = await self._newest()
        doubted: list[Hint] = []
        if self._is_older(jobs) and self._is_older(await self._notices.jobs(self._organization, limit=MOST)):
            self.gap, self._last = True, None
            doubted = [_hint(each, None) for each in self._built]
        seen = {job.id for job in jobs}
        if lost := self._active.keys() - seen:
            older = await self._notices.jobs(self._organization, limit=MOST, active=True)
            jobs = (*jobs, *(job for job in older if job.id not in seen))
            # What is active no longer has ended: only its workspace is known of it, and that is enough.
            ended = [_hint(self._active[each], None) for each in sorted(lost - {job.id for job in older})]
        else:
            ended = []
        hints = [_hint(job.workspace_id, job) for job in jobs if job.workspace_id and self._is_news(job)]
        self._active = {job.id: job.workspace_id for job in jobs if job.active and job.workspace_id}
        self._known = {job.id: job.status for job in jobs}
        self._built = tuple(dict.fromkeys(job.workspace_id for job in jobs[:LIMIT] if job.workspace_id))
        self._looked = True
        dated = [job for job in jobs if job.created_at is not None]
        self._last = max(dated, key=lambda job: (job.created_at, job.id), default=None) or self._last
        # The next answer should reach back to the oldest active one, so that one request is enough.
        reach = max((at + 1 for at, job in enumerate(jobs) if job.active), default=0)
        self._limit = LIMIT if reach < LIMIT else min(MOST, 2 * reach)
        return (*doubted, *hints, *ended)

    async def _newest(self) -> tuple[ListedJob, ...]:
        """Back to a job that is known; the first time it is only the newest."""
        limit = self._limit
        while True:
            jobs = await self._notices.jobs(self._organization, limit=limit)
            reaches = len(jobs) < limit or not self._looked or any(job.id in self._known for job in jobs)
            self.gap = not reaches and limit >= MOST
            if reaches or self.gap:
                return jobs
            limit = min(MOST, 2 * limit)

    def _is_older(self, jobs: Sequence[ListedJob]) -> bool:
        """Whether the newest job that was known is gone from where it has to be: Coder deletes none of so late."""
        last = self._last
        if last is None or any(job.id == last.id for job in jobs):
            return False
        older = [job for job in jobs if job.created_at and last.created_at and job.created_at < last.created_at]
        return bool(older) or len(jobs) < LIMIT

    def _is_news(self, job: ListedJob) -> bool:
        return self._known.get(job.id) != job.status


def _hint(workspace_id: str, job: ListedJob | None) -> Hint:
    return Hint(Ref(WORKSPACE.identifier, workspace_id), Event("jobs", job.changed_at if job else None))
