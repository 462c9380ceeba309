"""Beginning a build exactly once, and following it: what the journal and a lost answer have to do with each other.

Before a request that makes something, its phase is recorded; after it, what it made. A request whose answer was lost
(or whose process was killed) is looked for among the workspace's builds before it is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from coderport.coder.builds import Builds, NewWorkspace, ThenStart, WatchedBuild
from coderport.coder.errors import CoderConflict, CoderRateLimited
from coderport.coder.models import Workspace
from coderport.coder.people import People
from coderport.runner.deployment import Deployment
from coderport.runner.following import AWAY, Follower
from coderport.runner.ledger import Ledger, Outcome, PartJournal
from coderport.runner.reporting import Report
from coderport.runner.values import Failed, Journal, Order, RunContext, Step

TRIES = 5
"""For a request that Coder lost each time."""

_ENDS = {"start": "started", "stop": "stopped", "delete": "deleted"}

T = TypeVar("T")


class Steps:
    """The journal of one run. `resumed` is the step that an earlier process left, None for a run that begins.

    A run on many workspaces has a `ledger` instead, and steps of its own for each of them.
    """

    def __init__(self, journal: Journal, run_id: str, resumed: Step | None, ledger: Ledger | None = None) -> None:
        self._journal, self._run_id = journal, run_id
        self.resumed = self.current = resumed
        self.ledger = ledger or Ledger()

    def of_part(self, workspace_id: str) -> Steps:
        """The steps of one workspace of the ledger."""
        journal = PartJournal(self.ledger, workspace_id, self._journal)
        return Steps(journal, self._run_id, Step.of(self.ledger.parts[workspace_id].step))

    async def part_ended(self, workspace_id: str, outcome: Outcome, said: str) -> None:
        """Keep for good how one workspace's part ended."""
        self.ledger.ended(workspace_id, outcome, said)
        await self._journal.record(self._run_id, self.ledger.text())

    def resume(self, step: Step | None) -> None:
        """Goes on from a step that was found elsewhere than in the journal."""
        self.resumed = self.current = step

    async def record(self, step: Step) -> None:
        """Keep it for good; raises whatever the journal raises, and then nothing may be begun."""
        await self._journal.record(self._run_id, step.text())
        self.current = step

    async def logged(self, log_after: int) -> None:
        """Port has the log of the current step's build up to this line."""
        if self.current is not None:
            await self.record(replace(self.current, log_after=log_after))

    def left_at(self, *phases: str) -> Step | None:
        """The step that was left, if it is one of these phases."""
        return self.resumed if self.resumed is not None and self.resumed.phase in phases else None


@dataclass(frozen=True)
class Bench:
    """What an operation works with: the order, both sides, and the record of what was begun."""

    order: Order
    context: RunContext
    builds: Builds
    people: People
    report: Report
    follower: Follower
    steps: Steps
    deployment: Deployment

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to something that may be asked twice, also from a Coder that is away for a while."""
        return await self.follower.patiently(ask)

    def link(self, workspace: Workspace) -> str:
        """The workspace's page in Coder."""
        return self.deployment.page(workspace.owner_name, workspace.name)

    async def build(
        self,
        phase: str,
        workspace: Workspace,
        transition: str,
        *,
        version_id: str | None = None,
        parameters: Mapping[str, str] | None = None,
        then_start: ThenStart | None = None,
        checked: str | None = None,
    ) -> WatchedBuild:
        """One build of the workspace, begun once and followed to its end; Failed unless it succeeds.

        `checked` is kept with the step for a run that is resumed.
        """

        async def send() -> str:
            queued = await self.builds.post_build(
                workspace.id, transition, version_id=version_id, parameters=parameters, then_start=then_start
            )
            return queued.id

        async def found(after: int) -> str | None:
            rows = await self.patiently(lambda: self.builds.builds(workspace.id))
            me = self.deployment.my_id
            new = [row for row in rows if row.build_number > after and row.transition == transition]
            mine = [row for row in new if row.initiator_id == me]
            return min(mine, key=lambda row: row.build_number).id if mine else None

        step = self.steps.left_at(phase)
        if step is None or step.build_id is None:
            resumed = step is not None
            if step is None:
                after = await self._newest(workspace.id)
                step = Step(phase, workspace.id, after=after, chained=then_start is not None, checked=checked)
                await self.steps.record(step)
            after = step.after
            step = replace(step, build_id=await self._once(send, lambda: found(after), resumed=resumed))
            await self.steps.record(step)
        return await self.followed(step, workspace)

    async def follow_next_start(self, workspace: Workspace, after: int) -> bool:
        """Follows the start that Coder begins by itself after build `after`; False if it begins none for a while."""
        clock, patience = self.context.clock, self.context.patience
        began = clock.monotonic()
        while True:
            rows = await self.patiently(lambda: self.builds.builds(workspace.id))
            begun = [row for row in rows if row.build_number > after and row.transition == "start"]
            if begun:
                first = min(begun, key=lambda row: row.build_number)
                step = Step("start", workspace.id, after=after, build_id=first.id)
                await self.steps.record(step)
                await self.followed(step, workspace)
                return True
            if clock.monotonic() - began >= patience.next_build:
                return False
            await clock.sleep(patience.poll_first)

    async def create(self, owner_id: str, template_id: str, wanted: NewWorkspace) -> Workspace:
        """A new workspace, asked for once and followed to the end of its first build; Failed unless that succeeds."""
        resumed = self.steps.resumed is not None
        await self.steps.record(Step("create"))
        workspace = await self._once(
            lambda: self.builds.create_workspace(owner_id, wanted),
            lambda: self.made_before(owner_id, wanted.name, template_id),
            resumed=resumed,
        )
        step = Step("create", workspace.id, build_id=workspace.latest_build.id)
        await self.steps.record(step)
        await self.followed(step, workspace)
        return workspace

    async def made_before(self, owner_id: str, name: str, template_id: str) -> Workspace | None:
        """The workspace that a request of ours made whose answer nobody has: of that name, and begun by our token."""
        held = await self.patiently(lambda: self.builds.workspace_by_name(owner_id, name))
        if held is None or held.template_id != template_id or held.latest_build.initiator_id != self.deployment.my_id:
            return None
        return held

    async def created_before(self, owner_id: str, name: str, template_id: str) -> Workspace | None:
        """The workspace that this run made before it was resumed, followed as a new one is; None if it made none."""
        step = self.steps.left_at("create")
        if step is None:
            return None
        known = step.workspace_id
        if known is not None:
            workspace = await self.patiently(lambda: self.context.coder.workspace(known))
        else:
            made = await self.made_before(owner_id, name, template_id)
            if made is None:
                return None
            workspace = made
            step = Step("create", made.id, build_id=made.latest_build.id)
            await self.steps.record(step)
        await self.followed(step, workspace)
        return workspace

    async def followed(self, step: Step, workspace: Workspace) -> WatchedBuild:
        """The step's build once it has succeeded, and its agents are ready where that is waited for."""
        assert step.build_id is not None, "only a build that was begun is followed"
        await self.report.tell(link=self.link(workspace), external_id=step.build_id)
        build = await self.follower.to_its_end(step.build_id, log_after=step.log_after)
        if build.job.status == "canceled":
            raise Failed(f"Build {build.build_number} ({build.transition}) was cancelled in Coder.")
        if not build.succeeded:
            error = build.job.error or "Coder gives no reason; its log may"
            raise Failed(f"Build {build.build_number} ({build.transition}) failed: {error}")
        await self.report.line(f"Build {build.build_number}: {_ENDS.get(build.transition, build.transition)}.")
        if build.transition == "start" and self.context.actions.wait_for_agent:
            await self.follower.until_ready(build)
        return build

    async def _newest(self, workspace_id: str) -> int:
        rows = await self.patiently(lambda: self.builds.builds(workspace_id, limit=1))
        return rows[0].build_number if rows else 0

    async def _once(
        self, send: Callable[[], Awaitable[T]], found: Callable[[], Awaitable[T | None]], *, resumed: bool
    ) -> T:
        """What the request made; looked for before each sending but a first one, so that it is never made twice.

        RunClosed where somebody has ended the run in Port by the time that it would be sent.
        """
        unsure = resumed
        for _ in range(TRIES):
            if unsure:
                made = await found()
                if made is not None:
                    return made
            await self.report.require_open()
            try:
                return await send()
            except CoderRateLimited as error:
                patience = self.context.patience
                asked = patience.poll_most if error.retry_after is None else error.retry_after
                if asked > patience.limited:
                    raise
                await self.context.clock.sleep(max(asked, patience.pause))
            except AWAY:
                unsure = True
                await self.report.line("Coder's answer was lost. Looking whether it did what it was asked for …")
                await self.context.clock.sleep(self.context.patience.pause)
            except CoderConflict:
                made = await found() if unsure else None
                if made is None:
                    raise
                return made
        if unsure and (made := await found()) is not None:
            return made
        raise Failed(f"Coder did not answer {TRIES} requests, and did nothing of what they asked for.")
