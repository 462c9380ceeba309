"""Where Port is not as desired: reported property by property, and corrected on request, without a full run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from coderport.catalog.agreement import Difference as Finding
from coderport.catalog.answers.values import TYPES
from coderport.catalog.values import Entity
from coderport.commands.acts import converge
from coderport.commands.sync import MOST_TARGETS, count_unchanged, failed, full, keep_part, run_part
from coderport.errors import CoderportError, UnexpectedChanges
from coderport.kinds.all import BLUEPRINTS
from coderport.planning.difference import Difference
from coderport.planning.memory import Memory
from coderport.planning.plan import digests_of
from coderport.report.account import Account
from coderport.report.outcome import Outcome, Tally, kind_of
from coderport.settings import load_releases
from coderport.stack.comparison import Comparison, comparison_of
from coderport.stack.stack import Stack, judged
from coderport.terminal.ending import Interrupted
from coderport.terminal.screen import Screen
from coderport.terminal.text import line

SHOWN_DRIFT = 50
LOG_WIDTH = 160


class Drifted(BaseModel):
    """One thing in Port that is not as desired.

    `values` has [held, desired] by property or relation, `$title` for the title; for what is declared (a blueprint, an
    action, an answer), whose parts are not values, `findings` says it in words. The time is Port's text, of the last
    change whoever made it.
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


def report_drift(name: str, *, repair: bool, console: Console) -> Outcome:
    """Compares the stack's part of Port with what is desired and shows what drifted; with `repair` puts it right."""

    def act(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally = drift(stack, repair=repair)
        if outcome.drift:
            # A log is taken for 80 columns wide, in which the table would fold.
            log = Screen(file=console.file, width=LOG_WIDTH, soft_wrap=False)
            (console if console.is_terminal else log).print(_drift_table(outcome.drift[:SHOWN_DRIFT]))
        if len(outcome.drift) > SHOWN_DRIFT:
            console.print(f"… and {len(outcome.drift) - SHOWN_DRIFT} more (--json has all)")
        return outcome, tally

    return converge(name, "Comparing Port with what is desired of", act, console)


def drift(stack: Stack, *, repair: bool) -> tuple[DriftOutcome, Tally]:
    """Reports what in Port is missing, changed or orphaned, and with `repair` puts right exactly that.

    Never raises for a refusal or a failed read. A report is not refused: what the guard says to a run is a warning.
    """
    account = Account()
    tally = Tally(preview=not repair)
    rows: tuple[Drifted, ...] = ()
    try:
        releases = load_releases(os.environ)
        compared = comparison_of(stack, releases, account)
        found = compared.found.drift()
        rows = tuple(drifted(compared, found))
        if repair and rows:
            compared.insist()
            outcome, tally = _repaired(stack, compared, found, account)
            return _with(rows, outcome), tally
    except (CoderportError, Interrupted) as error:
        outcome, tally = failed(error, account, tally)
        return _with(rows, outcome), tally
    tally.warnings.extend(compared.plan.notes)
    if compared.verdict.refused:
        tally.warnings.append(f"A run would be refused now.\n{compared.verdict.text()}")
    others = sum(row.kind in ("blueprint", "action", *TYPES) for row in rows)
    count_unchanged(tally, compared, ((row.kind, row.identifier) for row in rows), others)
    outcome = judged(tally, account, None, "unchanged")
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
        yield _row("missing", entity)
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
    """Ours in Port, in no state and not desired, with what is known of their end; also those that no proof lets go."""
    for blueprint in BLUEPRINTS:
        name = blueprint.identifier
        kind, held = compared.plan.disappearing.get(name), compared.plan.held.entities.get(name, {})
        if kind is None:
            continue
        reasons = dict.fromkeys(kind.gone, "deleted in Coder")
        reasons |= {key: f"alive in Coder, {why.value}" for key, why in kind.left_out.items()}
        reasons |= dict.fromkeys(kind.unproven, "not shown by Coder, which does not say that it was deleted either")
        for identifier in sorted(reasons.keys() & held.keys() - compared.memory.declared.get(name, frozenset())):
            its = held[identifier]
            yield Drifted(
                drift="orphaned",
                kind=kind_of(name),
                identifier=identifier,
                title=its.title,
                why=reasons[identifier],
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
        return full(stack, f"{found.for_engine} resources have drifted", account)
    if found.blueprints and compared.found.going:
        return full(stack, "a blueprint has drifted, and something that refers to it is to go", account)
    if not memory.stack:
        return full(stack, "the state has no outputs of this version of coderport", account)
    if found.nothing:
        tally = Tally(preview=False)
        count_unchanged(tally, compared)
        return judged(tally, account, None, "converged"), tally
    keep_part(stack, compared, found, account)
    after = replace(remembered(memory, found), spent=compared.plan.memory.spent)
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


def _drift_table(rows: Sequence[Drifted]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("drift", "", "property", "in Port", "desired", "last changed"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        changed = f"{row.changed_at or ''} by {row.changed_by}" if row.changed_by else ""
        cells = [(key.removeprefix("$"), _shown(held), _shown(wanted)) for key, (held, wanted) in row.values.items()]
        cells += [("", text, "") for text in (*row.findings, row.why) if text]
        first, *more = cells or [("", "", "")]
        table.add_row(*map(line, (row.drift, f"{row.kind} {row.title}", *first, changed)))
        for each in more:
            table.add_row(*map(line, ("", "", *each, "")))
    return table


def _shown(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)
