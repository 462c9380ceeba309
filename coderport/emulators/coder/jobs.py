"""Provisioner jobs: what a build, a version's import and a dry run have in common, found by id and newest first."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from datetime import datetime

from coderport.emulators.coder.records import Build, DryRun, Version
from coderport.emulators.coder.written import derived_id

Work = Build | DryRun
"""What a provisioner daemon does while the clock runs."""
Job = Build | DryRun | Version
"""What has a job. A version's is its import, which is over once the version is `imported`."""


def job_id(job: Job) -> str:
    """The id of its job; a dry run is nothing else."""
    return job.id if isinstance(job, DryRun) else derived_id(job.id, "job")


class JobIndex:
    """The jobs of each organization by age, so that the newest cost as much as they are many."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._ages: dict[str, list[tuple[datetime, str]]] = {}
        self._organizations: dict[str, str] = {}
        self._last: dict[str, Job] = {}

    def add(self, organization_id: str, job: Job) -> None:
        """Take a job up; one that is there already stays where it is."""
        id = job_id(job)
        if id not in self._jobs:
            self._jobs[id], self._organizations[id] = job, organization_id
            insort(self._ages.setdefault(organization_id, []), (job.created_at, id))

    def find(self, organization_id: str, id: str) -> Job | None:
        """A job of the organization by its id."""
        return self._jobs[id] if self._organizations.get(id) == organization_id else None

    def count(self, organization_id: str) -> int:
        """How many jobs an organization has had."""
        return len(self._ages.get(organization_id, ()))

    def newest_first(self, organization_id: str) -> Iterator[Job]:
        """All jobs of an organization."""
        return (self._jobs[id] for _, id in reversed(self._ages.get(organization_id, [])))

    def ended(self, job: Job, daemon_id: str) -> None:
        """Note that a daemon has done a job."""
        self._last[daemon_id] = job

    def last_of(self, daemon_id: str) -> Job | None:
        """What a daemon did last."""
        return self._last.get(daemon_id)
