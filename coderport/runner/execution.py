"""One run from its id to its end: who asked for what is taken from Port, asked of Coder, checked, done and reported.

Nothing but the run's id comes from the outside. Whatever happens in Coder, the run is ended exactly once; only where
Port itself cannot be told (or the journal not be written) an error is raised, and then `execute` may be called again:
with a journal it goes on with the build that it started, and never starts a second one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from coderport.catalog.values import is_id
from coderport.coder.builds import Builds
from coderport.coder.errors import CoderError, CoderForbidden, CoderGone, CoderNotFound
from coderport.coder.models import Workspace
from coderport.coder.people import People
from coderport.errors import CoderportError
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.runs import MOST_RUNS, Run, Runs
from coderport.runner import bulk, checks, operations
from coderport.runner.authorization import (
    Person,
    owner_of_new,
    person_of,
    require_approved,
    require_confirmed,
    require_ours,
    require_owner,
)
from coderport.runner.building import Bench, Steps
from coderport.runner.following import Follower, reason
from coderport.runner.hold import Hold, Standing
from coderport.runner.ledger import Ledger
from coderport.runner.operations import Done
from coderport.runner.refresh import refresh
from coderport.runner.reporting import Report
from coderport.runner.run_log import RunLog
from coderport.runner.values import (
    Claim,
    Ended,
    Journal,
    Operation,
    Order,
    Refused,
    RunClosed,
    RunContext,
    Step,
    Stopped,
)
from coderport.terminal.text import counted, first_of
from coderport.transport.patience import span

__all__ = ["Ended", "Journal", "RunContext", "Step", "claim_of", "execute", "open_runs"]

_logger = logging.getLogger(__name__)
_LONGEST_WAIT = 15.0
_NAMES = 10


async def execute(run_id: str, context: RunContext, *, journal: Journal | None = None) -> Ended:
    """Brings the run to its end. Raises PortError where Port could not be asked or told, and the journal's errors."""
    runs = Runs(context.port)
    run = await _known_run(run_id, context)
    order = checks.order_of(run) if run is not None else None
    if run is None or order is None:
        return Ended.NOT_OURS
    if run.waits_for_approval:
        return Ended.WAITING
    if not run.in_progress:
        return Ended.ALREADY_ENDED
    if journal is not None:
        kept = await journal.step(run_id)
        steps = Steps(journal, run_id, Step.of(kept), Ledger.of(kept))
        return await _Execution(run, order, context, runs, steps).to_its_end()
    hold = Hold(runs, run_id, context.patience, context.clock, context.claimant, context.say)
    taken = await hold.take()
    if taken is Standing.NONE:
        return Ended.ALREADY_ENDED
    log, resumed, ledger = RunLog(runs, order.operation in bulk.MANY), None, None
    if taken is Standing.AGAIN:  # what the former process began is this run's own
        kept = await log.step(run_id)
        resumed, ledger = Step.of(kept), Ledger.of(kept)
    async with hold.kept():
        return await _Execution(run, order, context, runs, Steps(log, run_id, resumed, ledger)).to_its_end()


async def claim_of(run_id: str, context: RunContext) -> Claim | None:
    """What the run acts on, and who asked for it. None for a run that is not ours.

    Raises PortError where Port could not be asked.
    """
    run = await _known_run(run_id, context)
    order = checks.order_of(run) if run is not None else None
    if run is None or order is None:
        return None
    if order.operation is Operation.CREATE:
        owner = "" if context.actions.fallback_user else run.created_by  # several people may create for the same user
        return Claim(f"new:{owner}/{str(order.inputs.get('name', '')).lower()}", run.created_by)
    if order.operation is Operation.STOP_OF_PERSON:
        return Claim(f"of:{str(order.inputs.get('person', '')).lower()}", run.created_by)
    return Claim(run.entity or f"run:{run_id}", run.created_by)


async def open_runs(context: RunContext) -> list[str]:
    """The runs of our actions that Port calls this service for and that are in progress, the oldest first."""
    runs = Runs(context.port)
    rows = await runs.open_ones()
    if len(rows) >= MOST_RUNS:  # more than Port tells at once: ask for those of each of our actions
        ours = [each for each in await context.port.actions() if checks.is_ours(each)]
        rows = [run for each in ours for run in await runs.open_ones(each)]
    rows = [run for run in rows if run.in_progress and checks.is_ours(run.action) and not run.by_integration]
    return [run.id for run in reversed(rows)]


async def _known_run(run_id: str, context: RunContext) -> Run | None:
    """The run; None where Port has not known it for a while."""
    runs, clock, patience = Runs(context.port), context.clock, context.patience
    began, wait = clock.monotonic(), patience.poll_first
    while True:
        run = await runs.run(run_id)
        if run is not None or clock.monotonic() - began >= patience.unknown_run:
            return run
        if wait == patience.poll_first:
            _logger.warning(
                "Port does not find run %s yet: asking again for %s",
                run_id,
                span(patience.unknown_run),
                extra={"run_id": run_id},
            )
        await clock.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


@dataclass(frozen=True)
class _Verdict:
    success: bool
    label: str
    summary: str
    link: str | None = None


class _Execution:
    """One attempt at one run."""

    def __init__(self, run: Run, order: Order, context: RunContext, runs: Runs, steps: Steps) -> None:
        self._run, self._order, self._context, self._runs, self._steps = run, order, context, runs, steps
        self._touched: str | None = None
        self._builds, self._people = Builds(context.coder), People(context.coder)
        self._report = Report(
            runs,
            run.id,
            context.patience,
            context.clock,
            owns_link=not run.by_integration and context.actions.backend != "github",
        )
        self._follower = Follower(self._builds, self._report, context.patience, context.clock, steps.logged)

    async def to_its_end(self) -> Ended:
        """Done, refreshed, reported."""
        try:
            verdict = await self._verdict()
            notes = await self._refreshed(self._run.id)
            summary = "\n\n".join(part for part in (verdict.summary, notes) if part)
            await self._report.line(summary)
            await self._report.end(success=verdict.success, label=verdict.label, summary=summary, link=verdict.link)
        except RunClosed:
            await self._refreshed(None)
            return Ended.ALREADY_ENDED
        return Ended.SUCCESS if verdict.success else Ended.FAILURE

    async def _verdict(self) -> _Verdict:
        """How the run ends; every failure is one, with a text for the person."""
        try:
            done = await self._done()
            return _Verdict(True, done.label, done.summary, done.link)
        except Refused as error:
            return _Verdict(False, error.label, await self._refused(error))
        except Stopped as error:
            return _Verdict(False, error.label, str(error))
        except CoderError as error:
            return _Verdict(False, "Failed", f"Coder could not do it: {reason(error)}")
        except CoderportError:
            raise  # Port cannot be asked, the run is closed, or the journal cannot be written
        except Exception:
            _logger.exception("a run broke off", extra={"run_id": self._run.id})
            return _Verdict(False, "Failed", "coderport itself failed. Its log says how; please tell those who run it.")

    async def _refused(self, error: Refused) -> str:
        """The refusal for a person; where the run had begun something before it was interrupted, with what that was."""
        resumed, parts = self._steps.resumed, self._steps.ledger.parts
        if resumed is None and not parts:
            return str(error)
        said = str(error).replace("Nothing was done: ", "").replace(" Nothing was done.", "")
        said = f"{said[0].upper()}{said[1:]}"
        if not parts:
            return (
                f"{said} This run had asked Coder for a build before it was interrupted: what was begun goes on there."
            )
        at_work = [workspace_id for workspace_id, part in parts.items() if part.outcome is None and part.step]
        for workspace_id in at_work:
            await refresh(self._context, workspace_id, self._run.id)
        done, failed = (len(self._steps.ledger.with_outcome(each)) for each in ("done", "failed"))
        begun = first_of(sorted(parts[each].name for each in at_work), _NAMES) or "none"
        return (
            f"{said} Before it was interrupted, this run had ended its work on {counted(done + failed, 'workspaces')} "
            f"({failed:,} failed). What it had begun goes on in Coder: {begun}."
        )

    async def _done(self) -> Done:
        await self._report.tell(label="Checking" if self._steps.resumed is None else "Going on")
        bench = await self._follower.patiently(self._bench)
        if self._steps.resumed is None:
            self._steps.resume(await self._follower.patiently(lambda: self._left_in_port(bench)))
        actions = self._context.actions
        person = await self._follower.patiently(lambda: person_of(self._run, self._runs, self._people, actions))
        if self._order.operation in bulk.MANY:
            return await bulk.work(bench, person, self._run)
        if self._order.operation is Operation.CREATE:
            return await operations.create(bench, person, of_sibling=await self._is_of_sibling(bench))
        workspace_id = await self._workspace_id(bench)
        try:
            workspace = await self._follower.patiently(lambda: self._workspace(workspace_id))
        except CoderGone:
            if self._order.operation is not Operation.DELETE:
                raise Refused("The workspace was deleted in Coder.") from None
            return await self._deleted_already(person, workspace_id)
        await self._require_allowed(person, workspace)
        self._touched = workspace_id
        return await operations.ON_WORKSPACE[self._order.operation](bench, workspace)

    async def _require_allowed(self, person: Person, workspace: Workspace) -> None:
        """Refused unless the person may do this to the workspace."""
        if self._order.operation not in operations.CONFIRMED:
            require_owner(person, workspace)
            return
        require_confirmed(person, workspace, self._order)
        if self._order.operation is Operation.DELETE:
            actions = self._context.actions
            await self._follower.patiently(lambda: require_approved(self._run, self._runs, actions))

    async def _deleted_already(self, person: Person, workspace_id: str) -> Done:
        """What somebody asked for who may have it; a run that was resumed has been judged before it deleted."""
        if self._steps.left_at("delete") is None:
            try:
                workspace = await self._follower.patiently(lambda: self._context.coder.deleted_workspace(workspace_id))
            except (CoderNotFound, CoderForbidden, CoderGone):
                raise Refused(
                    "The workspace is gone in Coder, and whose it was cannot be seen there any more. The next run of "
                    "coderport takes it out of the catalog."
                ) from None
            await self._require_allowed(person, workspace)
        self._touched = workspace_id
        return Done("Deleted", "The workspace was deleted in Coder already.")

    async def _bench(self) -> Bench:
        return Bench(
            order=self._order,
            context=self._context,
            builds=self._builds,
            people=self._people,
            report=self._report,
            follower=self._follower,
            steps=self._steps,
            deployment=await self._context.deployments.of(
                self._context.coder, self._context.clock.monotonic, self._context.patience.pause
            ),
        )

    async def _left_in_port(self, bench: Bench) -> Step | None:
        """The step of a run whose journal is lost: that of the newest build, if Port has it named for this run."""
        if not self._run.has_link or self._run.by_integration or self._order.operation in bulk.MANY:
            return None
        creates = self._order.operation is Operation.CREATE
        workspace_id = await self._created_id(bench) if creates else self._run.entity
        if workspace_id is None or not is_id(workspace_id):
            return None
        try:
            builds = await self._builds.builds(workspace_id, limit=1)
        except (CoderNotFound, CoderForbidden, CoderGone):
            return None
        if not builds or not await self._runs.is_named(self._run.id, builds[0].id):
            return None
        build = builds[0]
        phase = "create" if creates else build.transition
        restarts = self._order.operation in (Operation.RESTART, Operation.UPDATE)
        chained = phase == "stop" and bench.deployment.chains_builds and restarts
        return Step(phase, build.workspace_id, build.build_number - 1, build.id, chained=chained)

    async def _created_id(self, bench: Bench) -> str | None:
        """The workspace of the name that the run asks for, which it may have made."""
        actions = self._context.actions
        person = await person_of(self._run, self._runs, self._people, actions)
        owner = await owner_of_new(person, self._people, actions, self._context.port)
        held = await self._builds.workspace_by_name(owner.id, checks.workspace_name(self._order))
        return held.id if held is not None else None

    async def _is_of_sibling(self, bench: Bench) -> bool:
        """Whether a sibling keeps the template in the catalog, for the deployment that this runner serves.

        A template that was picked must be in the catalog; the action's own may be one that Port does not know yet.
        """
        template_id = checks.picked_template(self._order)
        held = (
            await self._context.port.entity(TEMPLATE.identifier, template_id)
            if self._order.form is not None
            else await require_ours(self._context.port, TEMPLATE, template_id, bench.deployment.id)
        )
        return (
            held is not None
            and self._context.is_sibling(held.properties.get("managed_by"))
            and (held.properties.get("coder_deployment") or "") == bench.deployment.id
        )

    async def _workspace_id(self, bench: Bench) -> str:
        """The workspace that the run was started on: one of this deployment that a stack of coderport keeps."""
        workspace_id = checks.started_on(self._run, WORKSPACE)
        await require_ours(self._context.port, WORKSPACE, workspace_id, bench.deployment.id)
        return workspace_id

    async def _workspace(self, workspace_id: str) -> Workspace:
        try:
            return await self._context.coder.workspace(workspace_id)
        except (CoderNotFound, CoderForbidden):
            raise Refused(
                "The workspace does not exist in Coder any more, or coderport's token may not see it."
            ) from None

    async def _refreshed(self, run_id: str | None) -> str:
        """The entity of what was acted on, brought up to date; nothing where nothing was."""
        step = self._steps.current
        workspace_id = self._touched or (step.workspace_id if step is not None else None)
        return await refresh(self._context, workspace_id, run_id) if workspace_id is not None else ""
