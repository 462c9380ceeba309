"""Where Port is not as desired: reported property by property, and corrected on request, without a full run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from coderport.catalog.agreement import Difference as Finding
from coderport.catalog.answers.values import TYPES
from coderport.catalog.values import Entity
from coderport.commands.acts import converge, write_page
from coderport.commands.acts import show as show_outcome
from coderport.commands.sync import MOST_TARGETS, count_unchanged, failed, keep_part, run_full, run_part
from coderport.errors import CoderportError, UnexpectedChanges
from coderport.guard.allowance import spent_after
from coderport.kinds.all import BLUEPRINTS
from coderport.planning.changes import going_of, values_of, why_of
from coderport.planning.difference import Difference
from coderport.planning.memory import Memory
from coderport.planning.plan import digests_of
from coderport.report.account import Account
from coderport.report.change import value_text
from coderport.report.outcome import Outcome, Tally, kind_of
from coderport.report.page import Row
from coderport.stack.comparison import Comparison, comparison_of
from coderport.stack.result import outcome_of
from coderport.stack.stack import Stack
from coderport.terminal.ending import Interrupted
from coderport.terminal.remedy import COMMAND
from coderport.terminal.text import line

SHOWN_DRIFT = 50
_STYLES: Mapping[str, str] = {"missing": "red", "changed": "yellow", "orphaned": "cyan"}


class Drifted(BaseModel):
    """One thing in Port that is not as desired.

    `values` has [held, desired] by property or relation, `$title` for the title, and of a missing entity all of it;
    for what is declared (a blueprint, an action, an answer), whose parts are not values, `findings` says it in words.
    The time is Port's text, of the last change whoever made it.
    """

    model_config = ConfigDict(frozen=True)

    drift: Literal["missing", "changed", "orphaned"]
    kind: str
    identifier: str
    title: str
    values: Mapping[str, tuple[Any, Any]] = {}
    findings: tuple[str, ...] = ()
    why: str = ""
    changed_by: str | None = None
    changed_at: str | None = None


class DriftOutcome(Outcome):
    """An outcome with what was found; after a repair it was found before."""

    drift: tuple[Drifted, ...]


def report_drift(
    name: str,
    *,
    repair: bool,
    console: Console,
    whole: bool = False,
    html: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Compares the stack's part of Port with what is desired and shows what drifted; `repair` corrects it.

    `whole` shows all of many; `html` is a file for the page of it.
    """

    def act(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally = drift(stack, repair=repair)
        _show(outcome, console, whole=whole)
        return outcome, tally

    outcome = converge(name, "Comparing Port with what is desired of", act, console, whole=whole, variables=variables)
    _offer(outcome, name, console)
    if html is not None:
        write_page(outcome, "drift", name, html, rows_of(outcome))
    return outcome


def reported(stack: Stack, console: Console, *, repair: bool) -> DriftOutcome:
    """The same for a stack that is open already."""
    outcome, tally = drift(stack, repair=repair)
    _show(outcome, console)
    show_outcome(outcome, tally, console)
    _offer(outcome, stack.name, console)
    return outcome


def _offer(outcome: Outcome, name: str, console: Console) -> None:
    if outcome.result == "drifted":
        console.print(f"To correct exactly that:\n  {COMMAND} drift --stack {name} --repair")


def rows_of(outcome: Outcome) -> tuple[Row, ...]:
    """What drifted, as rows of a page; nothing where the comparison failed."""
    return tuple(map(_row_of, outcome.drift)) if isinstance(outcome, DriftOutcome) else ()


def _row_of(each: Drifted) -> Row:
    note = ", ".join(filter(None, (each.why, _changed(each))))
    return Row(each.drift, each.kind, each.title, each.identifier, each.values, each.findings, note)


def _changed(each: Drifted) -> str:
    return f"last changed {each.changed_at or ''} by {each.changed_by}" if each.changed_by else ""


def drift(stack: Stack, *, repair: bool) -> tuple[DriftOutcome, Tally]:
    """Reports what in Port is missing, changed or orphaned, and with `repair` corrects exactly that.

    Never raises for a refusal or a failed read. A report is not refused: what the guard says to a run is a warning.
    """
    account = Account()
    tally = Tally(preview=not repair)
    rows: tuple[Drifted, ...] = ()
    try:
        releases = stack.releases()
        compared = comparison_of(stack, releases, account, keeps=repair)
        tally.warnings.extend(compared.plan.notes)
        found = compared.found.drift()
        rows = tuple(drifted(compared, found))
        if repair and rows:
            compared.insist()
            outcome, tally = _repaired(stack, compared, found, account)
            return _with(rows, outcome), tally
    except (CoderportError, Interrupted) as error:
        outcome, tally = failed(error, account, tally)
        return _with(rows, outcome), tally
    if compared.verdict.refused:
        tally.warnings.append(f"A run would be refused now.\n{compared.verdict.text()}")
    others = sum(row.kind in ("blueprint", "action", *TYPES) for row in rows)
    count_unchanged(tally, compared, ((row.kind, row.identifier) for row in rows), others)
    outcome = outcome_of(tally, account, None, "unchanged")
    if rows:
        outcome = outcome.model_copy(update={"result": "drifted", "exit_code": UnexpectedChanges.exit_code})
    return _with(rows, outcome), tally


def drifted(compared: Comparison, found: Difference) -> Iterator[Drifted]:
    """The rows of the report: blueprints, actions, answers, then entities; missing, changed, orphaned of each."""
    held = compared.plan.held
    for name, findings in found.blueprints.items():
        missing = name not in held.blueprints
        yield Drifted(
            drift="missing" if missing else "changed",
            kind="blueprint",
            identifier=name,
            title=name,
            findings=() if missing else _texts(findings),
        )
    for action in found.actions:
        yield Drifted(
            drift="missing" if action.missing else "changed",
            kind="action",
            identifier=action.action.identifier,
            title=action.action.title,
            findings=_texts(action.findings),
        )
    for answer in found.answers:
        yield Drifted(
            drift="missing" if answer.missing else "changed",
            kind=answer.answer.kind,
            identifier=answer.answer.identifier,
            title=answer.answer.title,
            findings=_texts(answer.findings),
        )
    for entity in found.missing:
        yield _row("missing", entity, values=values_of(entity))
    for changed in found.changed:
        yield _row(
            "changed",
            changed.entity,
            values=changed.values,
            changed_by=changed.held.updated_by,
            changed_at=changed.held.updated_at,
        )
    yield from _orphaned(compared)


def _orphaned(compared: Comparison) -> Iterator[Drifted]:
    """Ours in Port, in no state and not desired, with what is known of their end; also those without any proof."""
    for blueprint in BLUEPRINTS:
        name = blueprint.identifier
        held = compared.plan.held.entities.get(name, {})
        orphaned = going_of(compared.plan, name) & held.keys() - compared.memory.declared.get(name, frozenset())
        for identifier in sorted(orphaned):
            its = held[identifier]
            yield Drifted(
                drift="orphaned",
                kind=kind_of(name),
                identifier=identifier,
                title=its.title,
                why=why_of(compared.plan, name, identifier),
                changed_by=its.updated_by,
                changed_at=its.updated_at,
            )


def _repaired(stack: Stack, compared: Comparison, found: Difference, account: Account) -> tuple[Outcome, Tally]:
    memory = compared.memory
    if not compared.plan.memory.blueprints <= memory.blueprints:
        raise CoderportError(
            f"Stack {stack.name} has not declared its blueprints yet, so there is nothing to repair. First:\n"
            f"  python -m coderport up --stack {stack.name}"
        )
    if found.for_engine > MOST_TARGETS:
        return run_full(stack, f"{found.for_engine:,} resources have drifted", account)
    if found.blueprints and compared.found.going:
        return run_full(stack, "a blueprint has drifted, and something that refers to it is to go", account)
    if not memory.stack:
        return run_full(stack, "the state has no outputs of this version of coderport", account)
    if found.nothing:
        tally = Tally(preview=False)
        count_unchanged(tally, compared)
        return outcome_of(tally, account, None, "converged"), tally
    keep_part(stack, compared, found, account)
    going = {name: ids & found.orphans.get(name, frozenset()) for name, ids in compared.plan.living.items()}
    counts = {name: len(ids) for name, ids in going.items() if ids}
    after = replace(remembered(memory, found), spent=spent_after(memory.spent, counts, datetime.now(timezone.utc)))
    return run_part(stack, compared, found, after, account)


def remembered(memory: Memory, found: Difference) -> Memory:
    """What the stack has declared once the difference is corrected: what it had, and what was not in its state."""
    more = {name: frozenset(each.identifier for each in found.entities if each.blueprint == name) for name in _NAMES}
    actions = [each.action for each in found.actions]
    answers = [each.answer for each in found.answers]
    return replace(
        memory,
        actions=memory.actions | {each.identifier for each in actions},
        answers=memory.answers | {each.key for each in answers},
        digests={**memory.digests, **digests_of(found.entities, actions, answers)},
        declared={name: memory.declared.get(name, frozenset()) | ids for name, ids in more.items()},
    )


_NAMES = tuple(blueprint.identifier for blueprint in BLUEPRINTS)


def _row(drift: Literal["missing", "changed"], entity: Entity, **more: Any) -> Drifted:
    return Drifted(
        drift=drift, kind=kind_of(entity.blueprint), identifier=entity.identifier, title=entity.title, **more
    )


def _texts(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(map(str, findings))


def _with(rows: tuple[Drifted, ...], outcome: Outcome) -> DriftOutcome:
    return DriftOutcome(**outcome.model_dump(), exit_code=outcome.exit_code, drift=rows)


def _show(outcome: DriftOutcome, console: Console, *, whole: bool = False) -> None:
    """A block for each: it fits a terminal of any width. All of many with `whole`."""
    shown = outcome.drift if whole else outcome.drift[:SHOWN_DRIFT]
    for row in shown:
        note = "".join(f", {each}" for each in (row.why, _changed(row)) if each)
        console.print(line(f"{row.drift} {row.kind} {row.title}{note}"), style=_STYLES[row.drift])
        for key, (held, desired) in row.values.items() if whole or row.drift != "missing" else ():
            name = line(key.removeprefix("$"))
            console.print(f"    {name}: {value_text(held)} in Port, {value_text(desired)} desired")
        for text in row.findings:
            console.print(f"    {line(text)}")
    if len(outcome.drift) > len(shown):
        console.print(f"… and {len(outcome.drift) - len(shown):,} more (--all shows them)")
