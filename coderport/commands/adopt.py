"""What the command `adopt` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Literal

from rich.console import Console

from coderport.adoption.applying import Done, apply
from coderport.adoption.following import Next
from coderport.adoption.plan import after
from coderport.adoption.reading import Reading, read
from coderport.adoption.report import AdoptionOutcome, Report, counts_of, report_of, row
from coderport.adoption.screen import show_adoption
from coderport.adoption.values import T, W
from coderport.adoption.verdict import verdict_on
from coderport.commands.acts import converge, saying_what_it_made
from coderport.commands.history import store_of
from coderport.commands.sync import failed
from coderport.errors import CoderportError
from coderport.planning.plan import Plan, judge, refusal
from coderport.report.account import Account
from coderport.report.outcome import Outcome, Tally, kind_of
from coderport.settings import Releases, Settings
from coderport.stack.result import outcome_of
from coderport.stack.stack import Stack
from coderport.terminal import ending
from coderport.terminal.ending import Interrupted, writes_text
from coderport.terminal.remedy import CLI, COMMAND


def come_over(
    name: str, *, apply_it: bool, again: str, console: Console, variables: Mapping[str, str] | None = None
) -> Outcome:
    """Takes an older catalog over, or shows what that does; `again` is the command line that does it."""

    def act(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally, following = adopt(stack, apply_it=apply_it)
        show_adoption(outcome, following, console, applied=apply_it, again=again)
        return outcome, tally

    headline = "Coming over with" if apply_it else "Looking at what coming over does with"
    return converge(name, headline, saying_what_it_made(act), console, create=True, variables=variables)


def adopt(stack: Stack, *, apply_it: bool) -> tuple[AdoptionOutcome, Tally, Next | None]:
    """Shows, or with `apply_it` does, what takes an older catalog over.

    Never raises for a refusal, a failed read or a failed write: the outcome says so, and what was done until then.
    """
    account, done = Account(), Done()
    tally = Tally(preview=not apply_it)
    report: Report | None = None
    following: Next | None = None
    try:
        releases, settings = stack.releases(), stack.settings()
        now = datetime.now(timezone.utc)
        with stack.held(for_writing=apply_it) as notes:
            tally.warnings.extend(notes)
            reading = ending.run(read(stack, settings, account, now))
            with account.phase("judge"):
                following = _next(reading, settings, stack, now)
                report = report_of(reading, settings, following.plan)
                allowed = releases.allow_deletions
                verdict = verdict_on(reading.adoption, settings.guard, stack.name, allow_deletions=allowed)
            if verdict.refused:
                raise refusal(verdict)
            if apply_it and not reading.adoption.nothing:
                store = store_of(stack, settings, reading.past.memory)
                ending.run(apply(reading, settings, account, done, store=store, stack=stack.managed_by, now=now))
            elif not apply_it:
                done = Done(
                    settled=list(reading.adoption.families),
                    moved=list(reading.adoption.moves),
                    deleted=[*reading.adoption.siblings, *reading.adoption.gone],
                )
        for blueprint, number in counts_of(reading.adoption).items():
            tally.count_unseen(kind_of(blueprint), "unchanged", number)
    except (CoderportError, Interrupted) as error:
        _count(tally, done)
        outcome, tally = failed(error, account, tally)
        if account.port_writes:
            outcome = outcome.model_copy(update={"message": f"{outcome.message}\n{_rest(account, done)}"})
        return _with(outcome, report, done), tally, None
    _count(tally, done)
    if done.stayed:
        tally.warnings.append(
            f"{len(done.stayed):,} entities that were to go or to lead elsewhere have been changed or related to "
            "meanwhile, and stay. The same command judges them again."
        )
    outcome = outcome_of(tally, account, None, "converged" if apply_it else "changes")
    return _with(outcome, report, done), tally, following


def _rest(account: Account, done: Done) -> str:
    """What follows an adoption that is not whole."""
    kept = f" What it was about to change is kept as {done.run}." if done.run else ""
    return (
        f"The adoption is not whole: it ended after {writes_text(account.port_writes)} to Port. "
        f"The same command does the rest.{kept}"
    )


def _next(reading: Reading, settings: Settings, stack: Stack, now: datetime) -> Next:
    """What the next `up` makes of Port as the adoption leaves it, and the commands for it."""
    held = replace(reading.past.held, entities=after(reading.adoption, reading.past.held.entities))
    past = replace(reading.past, held=held)

    def judged_with(its: Settings) -> tuple[Plan, str]:
        plan, verdict = judge(its, Releases(), past, reading.inventory, reading.forms, now, reading.of_siblings)
        return plan, verdict.text()

    up = f"{COMMAND} up --stack {stack.name}"
    plan, refused = judged_with(settings)
    if not refused:
        return Next(plan, (up,))
    with_it, still = judged_with(settings.model_copy(update={"take_over": True}))
    if still:
        return Next(with_it, (up,), still)
    take_over = f"{CLI} config set --stack {stack.name} coderport:takeOver"
    return Next(with_it, (f"{take_over} true", up, f"{take_over} false"))


def _count(tally: Tally, done: Done) -> None:
    for kind, operation, number in _counted(done):
        tally.count_unseen(kind, operation, number)


def _counted(done: Done) -> Iterator[tuple[str, Literal["updated", "deleted"], int]]:
    settled = {each.template for each in done.settled if each.changed}
    yield "template", "updated", len(settled)
    for move in done.moved:
        if move.entity.blueprint not in (T, W):
            yield "other", "updated", 1
        elif move.identifier not in settled:
            yield kind_of(move.entity.blueprint), "updated", 1
    for entity in done.deleted:
        yield kind_of(entity.blueprint), "deleted", 1


def _with(outcome: Outcome, report: Report | None, done: Done) -> AdoptionOutcome:
    if report is not None and done.stayed:
        report = report.model_copy(update={"stayed": tuple(row(each, "changed meanwhile") for each in done.stayed)})
    told = outcome.model_dump()
    return AdoptionOutcome(**told, exit_code=outcome.exit_code, adoption=report, history=done.run)
