"""Operations on many workspaces: each is a part of the run, with the checks and builds of the operation on one.

What goes wrong on one workspace ends its part and no other. A workspace whose part has ended is not touched again by
the run, also where another process goes on with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from coderport.catalog.actions.bulk import STOP_OF_PERSON
from coderport.coder.builds import ACTIVE
from coderport.coder.errors import CoderError, CoderForbidden, CoderGone, CoderNotFound
from coderport.coder.models import CoderPerson, Workspace
from coderport.coder.reading.listing import listed
from coderport.errors import CoderportError
from coderport.kinds.template import TEMPLATE
from coderport.kinds.user import USER
from coderport.kinds.workspace import WORKSPACE
from coderport.port.runs import Run, Runs
from coderport.runner import checks, operations
from coderport.runner.authorization import Person, require_admin, require_ours
from coderport.runner.building import Bench
from coderport.runner.following import Follower, reason
from coderport.runner.ledger import Outcome
from coderport.runner.operations import Done
from coderport.runner.refresh import refresh
from coderport.runner.relay import side_by_side
from coderport.runner.reporting import Quiet, masked
from coderport.runner.values import Clock, CoderAway, Failed, Operation, Refused, Stopped

MANY = frozenset({Operation.UPDATE_OUTDATED, Operation.STOP_OF_USER, Operation.STOP_OF_PERSON})
"""The operations on many workspaces."""
AT_ONCE = 5
"""Workspaces of one run that are at work in Coder: others wait for the same provisioners."""

_LONGEST_REASON = 300
_UNCLAIMED = "prebuilt, and claimed by nobody: it belongs to Coder"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is to be done with which workspaces. `query` is a search of Coder's that finds at least these.

    Of those that it `belongs` to, the `wanted` ones need it; `spared` says why one of them is left alone all the same,
    "" for one that is not.
    """

    what: str
    done: str
    query: str
    belongs: Callable[[Workspace], bool]
    wanted: Callable[[Workspace], bool]
    spared: Callable[[Workspace], str]
    operation: Operation


async def work(bench: Bench, person: Person, run: Run) -> Done:
    """Brings a run on many workspaces to its end; Failed if it failed on one of them."""
    require_admin(person)
    if bench.order.operation is Operation.UPDATE_OUTDATED:
        return await _each(bench, run, await _update_of_template(bench, run))
    return await _each(bench, run, await _stop_of_person(bench, run))


async def _update_of_template(bench: Bench, run: Run) -> Task:
    checks.require_known(bench.order, {"confirmation", "include_stopped"})
    stopped_too = checks.flag(bench.order, "include_stopped", default=True)
    template_id = checks.started_on(run, TEMPLATE)
    await require_ours(bench.context.port, TEMPLATE, template_id, bench.deployment.id)
    template = await bench.patiently(lambda: operations.template_of(bench, template_id))
    whole = f"{template.organization_name}/{template.name}"
    checks.require_named(bench.order, {template.name, whole}, "template")

    def spared(workspace: Workspace) -> str:
        if workspace.is_prebuild:
            return _UNCLAIMED
        if workspace.dormant_at is not None:
            return "dormant"
        return "stopped" if checks.is_stopped(workspace) and not stopped_too else ""

    return Task(
        f"outdated workspaces of the template {template.name}",
        "updated",
        f'template:"{template.name}"',
        lambda workspace: workspace.template_id == template_id,
        lambda workspace: workspace.outdated,
        spared,
        Operation.UPDATE,
    )


async def _stop_of_person(bench: Bench, run: Run) -> Task:
    user = await (_person_named(bench) if run.action == STOP_OF_PERSON else _user_of(bench, run))
    checks.require_named(bench.order, {user.username}, "user")
    return Task(
        f"workspaces of {user.username}",
        "stopped",
        f'owner:"{user.username}"',
        lambda workspace: workspace.owner_id == user.id,
        lambda workspace: not checks.is_stopped(workspace),
        lambda workspace: _UNCLAIMED if workspace.is_prebuild else "",
        Operation.STOP,
    )


async def _user_of(bench: Bench, run: Run) -> CoderPerson:
    checks.require_known(bench.order, {"confirmation"})
    user_id = checks.started_on(run, USER)
    await require_ours(bench.context.port, USER, user_id, bench.deployment.id)
    user = await bench.patiently(lambda: bench.people.user(user_id))
    if user is None:
        raise Refused("The user does not exist in Coder any more, or coderport's token may not see them.")
    return user


async def _person_named(bench: Bench) -> CoderPerson:
    checks.require_known(bench.order, {"person", "confirmation"})
    email = checks.person_named(bench.order)
    found = await bench.patiently(lambda: bench.people.by_email(email))
    if len(found) != 1:
        number = "No Coder user has" if not found else "Several Coder users have"
        raise Refused(f"{number} the e-mail {email}. Nothing was done.")
    return found[0]


async def _each(bench: Bench, run: Run, task: Task) -> Done:
    """The task on each of its workspaces, and what became of them."""
    ledger, report = bench.steps.ledger, bench.report
    rows, missing = await bench.patiently(lambda: listed(bench.context.coder, task.query))
    mine = {each.id: each for each in rows.values() if task.belongs(each) and task.wanted(each)}
    spared = {each.id: why for each in mine.values() if (why := task.spared(each)) and each.id not in ledger.parts}
    for each in mine.values():
        if each.id not in spared:
            ledger.part(each.id, _name(each))
    going = [workspace_id for workspace_id, part in ledger.parts.items() if part.outcome is None]
    await report.line(f"{_headed(task)} {len(going):,} to be {task.done}, {AT_ONCE} at a time.")
    for workspace_id, why in sorted(spared.items(), key=lambda item: _name(mine[item[0]])):
        await report.line(f"{_name(mine[workspace_id])}: left alone ({why}).")
    await report.flush()
    parts = _Parts(bench, run, task)
    await side_by_side(bench.context.clock, (partial(parts.work, each) for each in going), AT_ONCE)
    return _result(bench, task, len(spared), missing)


def _result(bench: Bench, task: Task, spared: int, missing: int) -> Done:
    ledger = bench.steps.ledger
    done, failed, left = (ledger.with_outcome(each) for each in ("done", "failed", "left"))
    said = [f"{len(done):,} {task.done}"]
    if failed:
        said.append(f"{len(failed):,} failed")
    if left or spared:
        said.append(f"{len(left) + spared:,} left alone, as the log says")
    text = f"{_headed(task)} {', '.join(said)}."
    if failed:
        text += "\n\n" + "\n".join(f"{each.name}: {each.said or 'failed; the log says how'}" for each in failed)
    if missing:
        text += (
            f"\n\nCoder counts {missing} more than it shows to coderport's token, so some may not have been "
            f"{task.done}. Press the button again."
        )
    if failed or missing:
        raise Failed(text)
    return Done(task.done.capitalize(), text)


class _Parts:
    """The parts of one run, which end in its ledger and in its log."""

    def __init__(self, bench: Bench, run: Run, task: Task) -> None:
        self._bench, self._run, self._task = bench, run, task
        self._away: CoderAway | None = None

    async def work(self, workspace_id: str, clock: Clock) -> None:
        """One workspace, from reading it to its line in the log. RunClosed where somebody ended the run."""
        steps, report = self._bench.steps, self._bench.report
        outcome, said = await self._outcome(workspace_id, self._bench_of(workspace_id, clock))
        await steps.part_ended(workspace_id, outcome, masked(said)[:_LONGEST_REASON])
        word = {"done": "", "failed": "failed: ", "left": "left alone: "}[outcome]
        await report.line(f"{steps.ledger.parts[workspace_id].name}: {word}{said}")
        ended = sum(part.outcome is not None for part in steps.ledger.parts.values())
        await report.tell(label=f"{ended} of {len(steps.ledger.parts)}")

    def _bench_of(self, workspace_id: str, clock: Clock) -> Bench:
        """The operation on one workspace works with it as with that of a run of its own."""
        bench, context = self._bench, replace(self._bench.context, clock=clock)
        report = Quiet(Runs(context.port), self._run.id, context.patience, clock)
        return replace(
            bench,
            order=replace(bench.order, operation=self._task.operation, inputs={}),
            context=context,
            report=report,
            follower=Follower(bench.builds, report, context.patience, clock, None),
            steps=bench.steps.of_part(workspace_id),
        )

    async def _outcome(self, workspace_id: str, bench: Bench) -> tuple[Outcome, str]:
        """How it ended, and a sentence on it; every failure of this workspace's is one."""
        if self._away is not None:
            return "failed", "not begun, because Coder did not answer."
        try:
            try:
                workspace = await self._free(workspace_id, bench)
                if bench.steps.resumed is None:
                    await require_ours(bench.context.port, WORKSPACE, workspace_id, bench.deployment.id)
                    self._require_meant(workspace)
            except Refused as error:
                return "left", str(error)
            except (CoderGone, CoderNotFound, CoderForbidden):
                return "left", "It is gone in Coder, or coderport's token may not see it any more."
            done = await operations.ON_WORKSPACE[self._task.operation](bench, workspace)
            outcome: tuple[Outcome, str] = "done", done.summary
        except CoderAway as error:
            self._away = error
            return "failed", str(error)
        except Stopped as error:
            outcome = "failed", str(error)
        except CoderError as error:
            outcome = "failed", f"Coder could not do it: {reason(error)}"
        except CoderportError:
            raise  # Port cannot be asked, the run is closed, or the journal cannot be written
        except Exception:
            _logger.exception("a part of a run broke off", extra={"run_id": self._run.id, "workspace": workspace_id})
            outcome = "failed", "coderport itself failed. Its log says how; please tell those who run it."
        notes = await refresh(bench.context, workspace_id, self._run.id)
        return outcome[0], " ".join(part for part in (outcome[1], notes) if part)

    async def _free(self, workspace_id: str, bench: Bench) -> Workspace:
        """The workspace once nothing is being built of it; a part that began something goes on with that."""
        clock, patience = bench.context.clock, bench.context.patience
        began = clock.monotonic()
        while True:
            workspace = await bench.patiently(lambda: bench.context.coder.workspace(workspace_id))
            if bench.steps.resumed is not None or workspace.latest_build.job.status not in ACTIVE:
                return workspace
            if clock.monotonic() - began >= patience.build:
                raise Failed("It was being built for longer than anybody waits.")
            await clock.sleep(patience.poll_most)

    def _require_meant(self, workspace: Workspace) -> None:
        """Refused if it is, as Coder has it now, none of those that were meant."""
        if not self._task.belongs(workspace):
            raise Refused(f"It is none of the {self._task.what} any more.")
        if why := self._task.spared(workspace):
            raise Refused(f"It is {why}.")


def _headed(task: Task) -> str:
    return f"{task.what[0].upper()}{task.what[1:]}:"


def _name(workspace: Workspace) -> str:
    return f"{workspace.owner_name}/{workspace.name}"
