"""The incremental run: what a full `up` would do, at the price of the difference.

It reads, proves, maps and guards as `up` does, without the engine. Only what differs is then put right, by the engine
in a targeted run; where a part will not do, a full `up` runs instead, and the reason is said.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from time import perf_counter

from coderport.account import Account, Failure
from coderport.catalog.agreement import Difference as Finding
from coderport.catalog.blueprints import BLUEPRINTS
from coderport.comparison import Comparison, comparison_of
from coderport.difference import Difference, part_of, targets_of
from coderport.errors import CoderportError
from coderport.memory import Memory
from coderport.orphans import delete_orphans
from coderport.outcome import Change, Counts, Outcome, Tally, kind_of
from coderport.settings import load_releases
from coderport.stack import Stack, judged

MOST_TARGETS = 1000
"""The engine looks for each target among all resources, so its work grows with their product; a full run's does not."""

_MISFIT = ("could not be found in the stack", "was not specified in --target")
"""What the engine says where the state does not hold what the stack remembers (CLI 3.250)."""


def sync(stack: Stack) -> tuple[Outcome, Tally]:
    """Makes Port match Coder; never raises for a refusal, a failed read or a failed resource."""
    account, start = Account(), perf_counter()
    tally = Tally(preview=False)
    try:
        releases = load_releases(os.environ)
        compared = comparison_of(stack, releases, account)
        compared.insist()
        if compared.misfits:
            return full(stack, "; ".join(compared.misfits), account)
        if compared.found.for_engine > MOST_TARGETS:
            return full(stack, f"{compared.found.for_engine} resources differ", account)
        account.orphans = {name: len(ids) for name, ids in compared.found.orphans.items()}
        if any(account.orphans.values()):
            asyncio.run(delete_orphans(compared.plan, compared.settings, account))
    except CoderportError as error:
        return failed(error, account, tally, start)
    tally.warnings.extend(compared.plan.notes)
    if not compared.found.for_engine:
        outcome = judged(tally, account, None, "converged", perf_counter() - start)
    else:
        outcome, tally = run_part(stack, compared, compared.found, compared.plan.memory, account)
        tally.warnings.extend(compared.plan.notes)
        if misfit := misfit_of(tally):
            return full(stack, misfit, account, tally)
    count_unchanged(tally, compared)
    return outcome, tally


def preview(stack: Stack) -> tuple[Outcome, Tally]:
    """What `sync` would do now, judged by the same guard and without the engine; writes nothing."""
    account, start = Account(), perf_counter()
    tally = Tally(preview=True)
    try:
        releases = load_releases(os.environ)
        compared = comparison_of(stack, releases, account)
        compared.insist()
    except CoderportError as error:
        return failed(error, account, tally, start)
    tally.warnings.extend(compared.plan.notes)
    tally.warnings.extend(f"The next run is a full one: {reason}." for reason in compared.misfits)
    account.orphans = {name: len(ids) for name, ids in compared.found.orphans.items()}
    for change in changes(compared):
        tally.count(change)
    count_unchanged(tally, compared)
    return judged(tally, account, None, "changes", perf_counter() - start), tally


def run_part(
    stack: Stack, compared: Comparison, found: Difference, after: Memory, account: Account
) -> tuple[Outcome, Tally]:
    """Lets the engine put right what was found; `after` is what the stack remembers if all of it went well."""
    from coderport.program import program_of_part  # loads port_pulumi, which takes longer than a sync without changes

    program = program_of_part(part_of(compared.plan, found), compared.settings, compared.memory, after)
    return stack.up_part(program, targets_of(found), account)


def misfit_of(tally: Tally) -> str:
    """Why the engine could not run the part on this state; empty where that was not what went wrong."""
    said = next((text for text in tally.errors if any(sign in text for sign in _MISFIT)), "")
    return said and f"the state is not what the stack remembers ({said})"


def full(stack: Stack, reason: str, account: Account, before: Tally | None = None) -> tuple[Outcome, Tally]:
    """A full `up` where a part will not do, and why; what the run of the part had to say, `before`, is said as well."""
    outcome, tally = stack.up(account=account)
    said = before.warnings if before else []
    tally.warnings[:] = dict.fromkeys([*said, f"This was a full run: {reason}.", *tally.warnings])
    return outcome, tally


def failed(error: CoderportError, account: Account, tally: Tally, start: float) -> tuple[Outcome, Tally]:
    """The end of a run that an error stopped before the engine began; what it asked until then counts."""
    account.failure = Failure(exit_code=error.exit_code, message=str(error))
    account.orphans = {}
    return judged(tally, account, None, "unchanged", perf_counter() - start), tally


def changes(compared: Comparison) -> Iterator[Change]:
    """The steps of the engine that the difference comes to; what is only unrecorded changes nothing in Port."""
    found, held = compared.found, compared.plan.held
    for name, findings in found.blueprints.items():
        yield Change("updated" if name in held.blueprints else "created", "blueprint", name, _details(findings))
    for action in found.actions:
        title = action.action.title
        yield Change("created" if action.missing else "updated", "action", title, _details(action.findings))
    for identifier in sorted(found.leaving_actions):
        yield Change("deleted", "action", identifier)
    for entity in found.missing:
        if entity.identifier in compared.memory.declared.get(entity.blueprint, frozenset()):
            yield Change("updated", kind_of(entity.blueprint), entity.title, ("gone from Port",))
        else:
            yield Change("created", kind_of(entity.blueprint), entity.title)
    for changed in found.changed:
        details = tuple(sorted(key.removeprefix("$") for key in changed.values))
        yield Change("updated", kind_of(changed.entity.blueprint), changed.entity.title, details)
    for blueprint in BLUEPRINTS:
        for identifier in sorted(found.leaving.get(blueprint.identifier, ())):
            was = held.entities.get(blueprint.identifier, {}).get(identifier)
            yield Change("deleted", kind_of(blueprint.identifier), was.title if was else identifier)


def _details(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.path.split(".", 1)[-1] for each in findings))


def count_unchanged(tally: Tally, compared: Comparison, differing: Iterable[str] = ()) -> None:
    """The engine counts only what it was pointed at: all else that is desired was left as it is.

    `differing` are identifiers that differ and were left so, because a report changes nothing.
    """
    left = frozenset(differing)
    for blueprint, ids in compared.plan.memory.declared.items():
        counts: Counts = getattr(tally.kinds, kind_of(blueprint))
        counts.unchanged = len(ids - left) - counts.created - counts.updated
