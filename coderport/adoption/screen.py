"""An adoption as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console

from coderport.adoption.following import Next
from coderport.adoption.report import AdoptionOutcome, Moved, Renamed, Report, Row
from coderport.terminal.text import line

SHOWN = 10


def show_adoption(
    outcome: AdoptionOutcome, following: Next | None, console: Console, *, applied: bool, again: str
) -> None:
    """What is renamed, goes, is taken over and stays; `again` is the command line that does what was only shown."""
    report = outcome.adoption
    if report is None:
        return
    for headline, lines in _sections(report):
        if lines:
            console.print(headline, style="bold")
            for text in lines[:SHOWN]:
                console.print(f"  {text}")
            if len(lines) > SHOWN:
                console.print(f"  … and {len(lines) - SHOWN} more (--json has all)")
    if following is None:
        return
    if not (report.renamed or report.moved or report.gone):
        console.print("Nothing in Port has to be renamed or deleted.")
    elif not applied:
        console.print(f"This is what it would do. Nothing was changed. To do it:\n  {again}")
    elif outcome.history:
        console.print(f"What was changed and deleted is kept as {outcome.history}: `undo` takes it back.")
    if following.refused:
        console.print(f"The next `up` would be refused:\n{following.refused}", style="yellow")
    elif following.created or following.changed or following.deleted or report.taken_over:
        console.print(
            f"{'The next' if applied else 'After that the next'} `up` creates {following.created} entities, changes "
            f"{following.changed} and deletes {following.deleted}:"
        )
        for command in following.commands:
            console.print(f"  {command}")


def _sections(report: Report) -> Iterator[tuple[str, Sequence[str]]]:
    settled = [each for each in report.renamed if each.identifier != each.template or each.takes]
    yield (
        f"{len(settled):,} templates renamed in place, so that relations to them stay:",
        [_renamed(each) for each in settled],
    )
    yield (
        f"{len(report.siblings):,} siblings deleted, of other versions of the same templates:",
        [f"{line(each.title)} ({line(each.identifier)})" for each in report.siblings],
    )
    yield (
        f"{len(report.moved):,} entities whose relations move from a sibling to the one that stays:",
        [f"{_named(each)}: {line(', '.join(each.relations))}" for each in report.moved],
    )
    yield f"{len(report.gone):,} entities deleted, of what Coder has deleted:", [_named(each) for each in report.gone]
    taken_over = Counter(each.blueprint for each in report.taken_over)
    yield "Taken over by the next `up`, as they are:", [f"{number:,} of {name}" for name, number in taken_over.items()]
    yield (
        "What the next `up` does with definitions:",
        [f"{each.kind} {line(each.identifier)}: {line(each.next_up)}" for each in report.definitions],
    )
    yield (
        f"{len(report.left):,} entities left as they are:",
        [f"{_named(each)}: {line(each.why)}" for each in report.left],
    )


def _renamed(each: Renamed) -> str:
    takes = f"; takes {', '.join(each.takes)} of its siblings" if each.takes else ""
    if each.identifier == each.template:
        return line(f"{each.title} ({each.template}) stays{takes}")
    return line(f"{each.title}: {each.identifier} becomes {each.template} ({each.why}{takes})")


def _named(each: Row | Moved) -> str:
    return line(f"{each.blueprint} {each.title or each.identifier} ({each.identifier})")
