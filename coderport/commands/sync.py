"""The incremental run: what a full `up` would do, at the price of the difference.

It reads, proves, maps and guards as `up` does, without the engine. Only what differs is then corrected, by the engine
in a targeted run; where a part will not do, a full `up` runs instead, and the reason is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import resource_name
from coderport.commands.history import store_of
from coderport.errors import CoderportError
from coderport.history.images import deleted_of
from coderport.history.keeping import keep
from coderport.planning.changes import outlook, why_of
from coderport.planning.difference import Difference, part_of, targets_of
from coderport.planning.memory import Memory
from coderport.planning.planfile import stamps_of
from coderport.report.account import Account, Failure
from coderport.report.change import Change
from coderport.report.outcome import Counts, Outcome, Tally, kind_of
from coderport.stack.comparison import Comparison, comparison_of
from coderport.stack.result import outcome_of
from coderport.stack.stack import Stack
from coderport.terminal import ending
from coderport.terminal.ending import Interrupted, told

MOST_TARGETS = 1000
"""The engine looks for each target among all resources, so its work grows with their product; a full run's does not."""

_MISFITS = {
    "could not be found in the stack": "the state is not what the stack remembers",
    "was not specified in --target": "the state holds more that refers to what differs",
}
"""What the engine says (CLI 3.250) of a part that does not fit the state, and what that means."""


def sync(stack: Stack) -> tuple[Outcome, Tally]:
    """Makes Port match Coder; never raises for a refusal, a failed read or a failed resource."""
    account = Account()
    tally = Tally(preview=False)
    try:
        releases = stack.releases()
        compared = comparison_of(stack, releases, account)
        tally.warnings.extend(compared.plan.notes)
        compared.insist()
        if compared.misfits:
            return run_full(stack, "; ".join(compared.misfits), account)
        if compared.found.for_engine > MOST_TARGETS:
            return run_full(stack, f"{compared.found.for_engine:,} resources differ", account)
        keep_part(stack, compared, compared.found, account)
    except (CoderportError, Interrupted) as error:
        return failed(error, account, tally)
    if compared.found.nothing:
        count_unchanged(tally, compared)
        return outcome_of(tally, account, None, "converged"), tally
    return run_part(stack, compared, compared.found, compared.plan.memory, account)


def preview(stack: Stack, account: Account | None = None) -> tuple[Outcome, Tally]:
    """What `sync` would do now, judged by the same guard and without the engine; writes nothing.

    `account` takes in what was found.
    """
    account = account or Account()
    tally = Tally(preview=True)
    try:
        releases = stack.releases()
        compared = comparison_of(stack, releases, account)
        outlook(compared.plan, compared.permissions, whole=True).leave_in(account)
        account.stamps = stamps_of(compared.plan, account.changes, compared.permissions)
        tally.warnings.extend(compared.plan.notes)
        compared.insist()
    except (CoderportError, Interrupted) as error:
        return failed(error, account, tally)
    tally.warnings.extend(f"The next run is a full one: {reason}." for reason in compared.misfits)
    account.orphans = {name: sorted(ids) for name, ids in compared.found.orphans.items()}
    for change in changes(compared, account.changes):
        tally.count(change)
    count_unchanged(tally, compared)
    return outcome_of(tally, account, None, "changes"), tally


def keep_part(stack: Stack, compared: Comparison, found: Difference, account: Account) -> None:
    """Keeps what a run over the difference changes and deletes in Port, in the stack's history."""
    ending.run(
        keep(
            part_of(compared.plan, found),
            compared.memory,
            {
                name: ids & (found.leaving.get(name, frozenset()) | found.orphans.get(name, frozenset()))
                for name, ids in deleted_of(compared.plan).items()
            },
            compared.settings,
            account,
            how="part",
            stack=stack.managed_by,
            store=store_of(stack, compared.settings, compared.plan.memory),
            now=datetime.now(timezone.utc),
            leaving_actions=found.leaving_actions,
            leaving_answers=found.leaving_answers,
            leaving_blueprints=found.leaving_blueprints,
            permissions=compared.permissions,
        )
    )


def run_part(
    stack: Stack, compared: Comparison, found: Difference, after: Memory, account: Account
) -> tuple[Outcome, Tally]:
    """Lets the engine correct what was found, or all where that part does not fit the state.

    `after` is what the stack remembers if all of the part went well.
    """
    from coderport.program.main import (
        program_of_part,  # loads port_pulumi, which takes longer than a sync without changes
    )

    if not found.for_engine:  # only orphans go, under the engine's lock: it has to be pointed at something
        if not compared.plan.entities:
            return run_full(stack, "entities go that no state holds, and nothing else is desired", account)
        found = replace(found, unrecorded=compared.plan.entities[-1:])
    program = program_of_part(part_of(compared.plan, found), compared.settings, compared.memory, after)
    outcome, tally = stack.up_part(program, targets_of(found), account)
    tally.warnings.extend(compared.plan.notes)
    if account.failure is None and (misfit := misfit_of(tally)):
        return run_full(stack, misfit, account, tally)
    if outcome.exit_code == 0 or outcome.unread:
        count_unchanged(tally, compared)
    return outcome.model_copy(update={"kinds": tally.kinds}), tally


def misfit_of(tally: Tally) -> str:
    """Why the engine could not run the part on this state; empty where that was not what went wrong."""
    return next((reason for text in tally.errors for sign, reason in _MISFITS.items() if sign in text), "")


def run_full(stack: Stack, reason: str, account: Account, before: Tally | None = None) -> tuple[Outcome, Tally]:
    """A full `up` where a part will not do, and why; what the run of the part did and said, `before`, counts too."""
    outcome, tally = stack.up(account=account, before=before)
    tally.warnings[:] = dict.fromkeys([f"This was a full run: {reason}.", *tally.warnings])
    return outcome, tally


def failed(error: CoderportError | Interrupted, account: Account, tally: Tally) -> tuple[Outcome, Tally]:
    """The end of a run that was stopped before the engine began; what it asked and did until then counts."""
    message = told(error.cause, account.port_writes) if isinstance(error, Interrupted) else str(error)
    account.failure = Failure(exit_code=error.exit_code, message=message)
    return outcome_of(tally, account, None, "unchanged"), tally


def changes(compared: Comparison, foreseen: Mapping[str, Change]) -> Iterator[Change]:
    """The steps of the engine that the difference comes to: what is `foreseen` in Port, by `type::name`, and what only
    enters or leaves the state. Orphans are none: the engine does not know them.
    """
    found, plan = compared.found, compared.plan
    orphans = {f"{ENTITY}::{resource_name(name, each)}" for name, ids in found.orphans.items() for each in ids}
    yield from (change for key, change in foreseen.items() if key not in orphans)
    for action in (each.action for each in found.actions if not each.missing and not each.findings):
        yield Change("adopted", "action", action.title, (), action.identifier)
    for answer in (each.answer for each in found.answers if not each.missing and not each.findings):
        yield Change("adopted", answer.kind, answer.title, (), answer.identifier)
    for entity in found.unrecorded:
        yield Change("adopted", kind_of(entity.blueprint), entity.title, (), entity.identifier)
    for name, ids in found.leaving.items():
        for identifier in sorted(ids - plan.held.entities.get(name, {}).keys()):
            yield Change("deleted", kind_of(name), identifier, (), identifier, why=why_of(plan, name, identifier))


def count_unchanged(
    tally: Tally, compared: Comparison, differing: Iterable[tuple[str, str]] = (), others: int = 0
) -> None:
    """The engine counts only what it was pointed at: all else that is desired was left as it was.

    `differing` are entities, by kind and identifier, that differ and were left so, because a report changes nothing;
    `others` is how many blueprints, actions and answers do.
    """
    left, kinds = frozenset(differing), tally.kinds
    for blueprint, ids in compared.plan.memory.declared.items():
        kind = kind_of(blueprint)
        counts: Counts = getattr(kinds, kind)
        seen = counts.created + counts.adopted + counts.updated + counts.unchanged
        tally.count_unseen(kind, "unchanged", sum((kind, each) not in left for each in ids) - seen)
    seen = kinds.other.created + kinds.other.adopted + kinds.other.updated + kinds.other.unchanged
    plan = compared.plan
    declared = len(plan.blueprints) + 2 * len(plan.actions) + len(plan.answers)  # each action with its permissions
    tally.count_unseen("other", "unchanged", declared - others - seen)
