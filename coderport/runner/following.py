"""Following a build to its end, and its agents until they are ready, while its log goes to the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from coderport.coder.builds import Agent, Builds, WatchedBuild
from coderport.coder.errors import (
    CoderAnswerError,
    CoderBadRequest,
    CoderError,
    CoderRateLimited,
    CoderRedirected,
    CoderServerError,
    CoderStatusError,
    CoderUnreachable,
)
from coderport.runner.reporting import Report
from coderport.runner.values import Clock, CoderAway, Failed
from coderport.transport.patience import Patience

AWAY = (CoderUnreachable, CoderServerError, CoderRateLimited, CoderAnswerError, CoderRedirected)
"""What a Coder that restarts, or the gateway in front of it, answers for a while."""

_WAITING = frozenset({"", "created", "starting"})
_SHOWN_LEVELS = frozenset({"", "info", "warn", "error"})
_LABELS = {"start": "Starting", "stop": "Stopping", "delete": "Deleting"}

T = TypeVar("T")
Logged = Callable[[int], Awaitable[None]]


class Follower:
    """Follows builds for one run.

    `logged` is told the id of the last line of a log that Port has; without it no build's log goes to the run.
    """

    def __init__(self, builds: Builds, report: Report, patience: Patience, clock: Clock, logged: Logged | None) -> None:
        self._builds, self._report, self._patience, self._clock, self._logged = builds, report, patience, clock, logged

    async def to_its_end(self, build_id: str, *, log_after: int = 0) -> WatchedBuild:
        """The build once its job has ended, whichever way.

        Failed where Coder stays away, where no provisioner takes the build (it is cancelled then) and where it takes
        longer than anybody waits; the last leaves it running.
        """
        began = self._clock.monotonic()
        unwanted_since: float | None = None
        log = _Log(self._builds, self._report, build_id, log_after, self._logged) if self._logged else None
        wait = self._patience.poll_first
        while True:
            build = await self.patiently(lambda: self._builds.build(build_id))
            if log is not None:
                await self.patiently(log.forward)
            if build.ended:
                if log is not None:
                    await log.finish()
                return build
            now = self._clock.monotonic()
            if _nobody_takes(build):
                unwanted_since = now if unwanted_since is None else unwanted_since
                await self._report.tell(label="Waiting for a provisioner")
                if now - unwanted_since >= self._patience.no_provisioner and await self._given_up(build):
                    raise Failed(
                        "No provisioner takes the build: none that is connected to Coder fits its tags. It was "
                        "cancelled. Ask those who run Coder to start one."
                    )
            else:
                unwanted_since = None
                await self._report.tell(label=_label(build))
            if now - began >= self._patience.build:
                raise Failed(
                    f"Build {build.build_number} has not ended after {_span(now - began)}. It goes on in Coder."
                )
            await self._clock.sleep(wait)
            wait = min(wait * 1.5, self._patience.poll_most)

    async def until_ready(self, build: WatchedBuild) -> None:
        """Returns when every agent of a successful start is ready; Failed if one cannot be, or takes too long."""
        began, build_id = self._clock.monotonic(), build.id
        wait = self._patience.poll_first
        while True:
            agents = [agent for agent in build.agents if not agent.parent_id]
            broken = [agent for agent in agents if not _waits(agent) and agent.lifecycle != "ready"]
            if broken:
                raise Failed(f"The workspace was built, but {_named(broken)} did not become ready.")
            late = [agent for agent in agents if agent.lifecycle != "ready"]
            if not late:
                return
            if self._clock.monotonic() - began >= self._patience.agents:
                raise Failed(
                    f"The workspace was built, but {_named(late)} did not become ready within "
                    f"{_span(self._patience.agents)}."
                )
            await self._report.tell(label="Waiting for the agent")
            await self._report.flush_if_due()
            await self._clock.sleep(wait)
            wait = min(wait * 1.5, self._patience.poll_most)
            build = await self.patiently(lambda: self._builds.build(build_id))

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a harmless question, asked again while Coder is away; Failed once that took too long."""
        away_since: float | None = None
        while True:
            try:
                answer = await ask()
            except AWAY as error:
                now = self._clock.monotonic()
                if away_since is None:
                    away_since = now
                    await self._report.line(f"Coder does not answer ({reason(error)}). Trying again …")
                    await self._report.flush()
                if now - away_since >= self._patience.coder_away:
                    raise CoderAway(
                        f"Coder has not answered for {_span(now - away_since)}. What was begun there goes on; look "
                        "at the workspace once Coder is back."
                    ) from None
                await self._clock.sleep(self._patience.poll_most)
            else:
                if away_since is not None:
                    await self._report.line("Coder answers again.")
                return answer

    async def _given_up(self, build: WatchedBuild) -> bool:
        """Cancel a pending build; False if somebody took it at the last moment."""
        try:
            await self._builds.cancel(build.id, expect="pending")
        except CoderBadRequest:
            return False
        except CoderStatusError as error:
            if error.status == 412:
                return False
            raise Failed(
                "No provisioner takes the build: none that is connected to Coder fits its tags. It could not be "
                f"cancelled ({error.reason}) and will begin once there is one."
            ) from None
        except CoderError as error:
            raise Failed(f"No provisioner takes the build, and Coder does not answer: {error}") from None
        return True


class _Log:
    """A build's log on its way to the run, each line once."""

    def __init__(self, builds: Builds, report: Report, build_id: str, after: int, logged: Logged) -> None:
        self._builds, self._report, self._build_id, self._logged = builds, report, build_id, logged
        self._read = self._kept = after
        self._stage = ""

    async def forward(self) -> None:
        """Hand the new lines to the report, and note how far Port has them."""
        for line in await self._builds.build_logs(self._build_id, after=self._read):
            self._read = max(self._read, line.id)
            if line.log_level not in _SHOWN_LEVELS:
                continue
            if line.stage and line.stage != self._stage:
                self._stage = line.stage
                await self._report.line(f"── {line.stage}")
            if line.output.strip():
                mark = "" if line.log_level in ("", "info") else f"{line.log_level}: "
                await self._report.line(mark + line.output.rstrip())
        if await self._report.flush_if_due():
            await self._keep()

    async def finish(self) -> None:
        """Send what is left."""
        if await self._report.flush():
            await self._keep()

    async def _keep(self) -> None:
        if self._kept < self._read:
            self._kept = self._read
            await self._logged(self._read)


def reason(error: CoderError) -> str:
    """Why Coder said no, in its own words where it has any."""
    return error.reason if isinstance(error, CoderStatusError) else str(error)


def _nobody_takes(build: WatchedBuild) -> bool:
    return build.job.status == "pending" and build.provisioners is not None and build.provisioners.count == 0


def _label(build: WatchedBuild) -> str:
    if build.job.status == "pending":
        place = f" ({build.job.queue_position} of {build.job.queue_size})" if build.job.queue_position else ""
        return f"Queued{place}"
    if build.job.status == "canceling":
        return "Being cancelled"
    return _LABELS.get(build.transition, "Building")


def _waits(agent: Agent) -> bool:
    return agent.lifecycle in _WAITING and agent.status != "timeout"


def _named(agents: list[Agent]) -> str:
    states = ", ".join(f"{agent.name or 'agent'} ({agent.lifecycle or agent.status or 'unknown'})" for agent in agents)
    return f"its agent{'s' if len(agents) > 1 else ''} {states}"


def _span(seconds: float) -> str:
    return f"{round(seconds / 60)} minutes" if seconds >= 120 else f"{round(seconds)} seconds"
