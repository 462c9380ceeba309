"""The tables that people read: on the screen, and in docs/scale.md between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import names
from benchmarks.goals import main_size
from benchmarks.names import figure
from benchmarks.processes import PROGRAM
from benchmarks.rows import RATIO, Figures, Row

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

DRAWINGS = (
    ("curves-time.svg", "What a run takes: seconds by the number of workspaces", "s", names.WALL),
    (
        "curves-requests.svg",
        "What a run asks of Port: requests by the number of workspaces",
        "",
        names.PORT_REQUESTS,
    ),
)
"""File beside the page, title, unit, and the figure that is drawn."""

CASES = (
    names.FIRST,
    names.AGAIN,
    names.SYNC,
    names.SYNC_CHANGED,
    names.DRIFT,
    names.DRIFTED,
    names.IDLE_FIRST,
    names.IDLE_AGAIN,
    names.AT_ONCE,
    names.READS,
    names.BARE,
    names.ONE_BY_ONE,
    names.OCEAN,
    names.OCEAN_CHANGED,
    *map(names.priced, (names.FIRST, names.AGAIN, names.SYNC, names.SYNC_CHANGED, names.READS)),
    *map(names.before, (names.FIRST, names.AGAIN, names.SYNC, names.SYNC_CHANGED)),
)
"""In the order of the table: this project, then what stands beside it."""


def measured_table(rows: Iterable[Row]) -> list[list[str]]:
    """A heading and a line for each case: seconds at each size, requests and memory at the size of the goals.

    `≈` marks what was extrapolated.
    """
    figures = Figures(rows)
    sizes, main = figures.sizes(figure(names.FIRST, names.WALL)), main_size(figures)
    if main is None:
        return []
    heading = ["", *(f"{size:,}" for size in sizes), "Port requests", "Coder requests", "MB"]
    lines = []
    for case in CASES:
        seconds = [_seconds(figures, case, size) for size in sizes]
        wanted = (names.PORT_REQUESTS, names.CODER_REQUESTS, names.memory(PROGRAM))
        others = [_count(figures.number(figure(case, what), main)) for what in wanted]
        if any(seconds):
            lines.append([case, *seconds, *others])
    return [heading, *lines]


def goals_table(rows: Iterable[Row]) -> list[list[str]]:
    """A heading and a line for each goal."""
    lines = [
        [
            row.name.removeprefix("goal · "),
            f"{row.workspaces:,}",
            _number(row.value),
            f"{_number(row.goal)} {row.unit}",
            "yes" if row.met else "**no**",
        ]
        for row in rows
        if row.goal is not None
    ]
    return [["", "workspaces", "measured", "at most", "met"], *lines] if lines else []


def ratios_table(rows: Iterable[Row]) -> list[list[str]]:
    """A heading and a line for each ratio."""
    lines = [
        [row.name.removeprefix(RATIO), f"{row.workspaces:,}", f"{row.value:,} ×"]
        for row in rows
        if row.name.startswith(RATIO)
    ]
    return [["", "workspaces", "as much"], *lines] if lines else []


def markdown(rows: Sequence[Row]) -> str:
    """What stands between the marks in docs/scale.md."""
    if not rows:
        return "Not measured yet: `make bench` does it.\n"
    figures = Figures(rows)
    main = main_size(figures)
    machine = {
        name: figures.text(f"machine: {name}") for name in ("cores", "memory", "Python", "Pulumi CLI", "measured on")
    }
    ocean, in_bulk = figures.text("Ocean's client: version"), figures.text("Ocean's client: writes in bulk")
    words = [
        f"Measured on {machine['measured on']} with {machine['cores']} cores and {machine['memory']} GB of memory, "
        f"Python {machine['Python']}, Pulumi CLI {machine['Pulumi CLI']}; the emulators answer after 20 ms on the same "
        "cores. With *real prices* Coder's answers take as long as those of a real one, by what is asked."
    ]
    if ocean:
        manner = "in bulk" if in_bulk == "yes" else "entity by entity"
        words.append(f"Ocean's client is port-ocean {ocean}, which writes {manner}.")
    parts = [
        " ".join(words),
        f"Seconds by the number of workspaces, with 50 templates; requests and memory of the program at {main:,}:",
        _markdown(measured_table(rows)),
        "\n".join(f"![{title}]({file})" for file, title, _, _ in DRAWINGS),
        "Side by side:",
        _markdown(ratios_table(rows)),
        "The goals, and what came of them:",
        _markdown(goals_table(rows)),
    ]
    return "\n\n".join(parts) + "\n"


def write(page: Path, rows: Sequence[Row]) -> None:
    """Puts the tables between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}{END}{after}", encoding="utf-8")


def between_marks(page: Path) -> str:
    """What stands between the marks of the page now."""
    return page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].removeprefix("\n")


def show(rows: Sequence[Row], console: Console) -> None:
    """The tables on the screen."""
    tables = (("Seconds", measured_table(rows)), ("Ratios", ratios_table(rows)), ("Goals", goals_table(rows)))
    for title, lines in tables:
        if not lines:
            continue
        table = Table(title=title, title_justify="left")
        for column, heading in enumerate(lines[0]):
            table.add_column(heading, justify="right" if column else "left")
        for line in lines[1:]:
            style = "red" if line[-1] == "**no**" else ""
            table.add_row(*(cell.replace("**", "") for cell in line), style=style)
        console.print(table)


def _seconds(figures: Figures, case: str, size: int) -> str:
    seconds = figures.number(figure(case, names.WALL), size)
    if seconds is not None:
        return f"{seconds:,.1f}"
    extrapolated = figures.number(figure(case, names.EXTRAPOLATED), size)
    return "" if extrapolated is None else f"≈ {extrapolated:,.0f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _number(value: float | str | None) -> str:
    """At most three digits behind the point, and none that say nothing."""
    return f"{float(value or 0):,.3f}".rstrip("0").rstrip(".")


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    ruler = ["---", *("---:" for _ in lines[0][1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], ruler, *lines[1:]))
