"""`make bench`: what a run costs, beside what else there is, in one run on one machine.

    python -m benchmarks [--small] [--sizes N …] [--only PART …]

Rows are written as they are measured. A run that names its parts or sizes adds to what is there already; `--render`
measures nothing, and judges and draws that again.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter

from rich.console import Console

from benchmarks import curves, page
from benchmarks.churn import churn
from benchmarks.errors import RivalMissing
from benchmarks.goals import MAIN, goals, ratios
from benchmarks.live import FULL as LIVE
from benchmarks.live import SMALL as LIVE_SMALL
from benchmarks.live import Load, keep_measured
from benchmarks.measuring import Notebook
from benchmarks.priced import before, priced
from benchmarks.project import project
from benchmarks.rivals import at_once, ocean, one_by_one
from benchmarks.rows import Results, Row
from coderport.engine import CliInfo, drop_real_life, obtain_cli
from coderport.stack.project_file import ROOT

RESULTS = ROOT / "benchmarks" / "results"
PARTS = ("project", "prices", "before", "memory", "one-by-one", "ocean", "churn", "live")


@dataclass(frozen=True)
class Extent:
    """How much is measured; `one_by_one` is a number of entities, `documented` says whether docs/scale.md shows it."""

    sizes: tuple[int, ...]
    one_by_one: int
    reads: int
    results: Path
    documented: bool
    live: Load


FULL = Extent((1_000, 10_000, 20_000), 10_050, 20, RESULTS / "latest.json", True, LIVE)
SMALL = Extent((200, 1_000), 200, 5, RESULTS / "small.json", False, LIVE_SMALL)


def main() -> int:
    """Measures what was asked for; 1 if a part failed. Whether goals are met is shown, not judged."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[0])
    options.add_argument("--small", action="store_true", help="small sizes, some ten minutes, a results' file apart")
    options.add_argument("--sizes", type=int, nargs="+", metavar="N", help="only these numbers of workspaces")
    options.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    options.add_argument("--render", action="store_true", help="measure nothing, judge and draw what was measured")
    chosen = options.parse_args()
    extent = SMALL if chosen.small else FULL
    console = Console(highlight=False, soft_wrap=True)
    drop_real_life(os.environ)
    results = Results(extent.results, fresh=not (chosen.sizes or chosen.only or chosen.render))
    notebook = Notebook(results, console)
    failures: list[str] = []
    if not chosen.render:
        cli = obtain_cli(console.print)
        results.put(_machine(cli))
        sizes = tuple(sorted(chosen.sizes or extent.sizes))
        for what, part in _parts(extent, sizes, chosen.only or PARTS, notebook, cli):
            begun = perf_counter()
            try:
                part()
            except RivalMissing as error:
                console.print(f"{what} is left out: {error}", style="yellow", markup=False)
            except Exception as error:  # an hour of other figures must not be lost for whatever it is
                failures.append(f"{what}: {error}")
                console.print(f"{what} could not be measured: {error}", style="red", markup=False)
            console.print(f"{what}: {perf_counter() - begun:.0f} s", style="dim")
    results.put_judged([*ratios(results.figures()), *goals(results.figures())])
    rows = list(results)
    page.show(rows, console if console.is_terminal else Console(width=120))
    if extent.documented:
        _document(rows)
    console.print(f"Rows: {extent.results.relative_to(ROOT)}; what each run's time was made of is beside them.")
    for failure in failures:
        console.print(failure, style="red", markup=False)
    return 1 if failures else 0


def _parts(
    extent: Extent, sizes: Sequence[int], only: Sequence[str], notebook: Notebook, cli: CliInfo
) -> list[tuple[str, Callable[[], object]]]:
    """What is to be measured, in order: size by size, so that an interrupted benchmark has whole sizes."""
    main = MAIN if MAIN in sizes else max(sizes)
    found: list[tuple[str, int, Callable[[], object]]] = []
    for size in sizes:
        # What does nothing tells little more at sizes beyond the goals', and takes as long.
        found.append(("project", size, partial(project, size, notebook, cli, idle=size <= main)))
        if size <= main:
            found.append(("prices", size, partial(priced, size, notebook, cli)))
        if size == main:
            found.append(("before", size, partial(before, size, notebook, cli)))
            found.append(("memory", size, partial(at_once, size, notebook, cli)))
        found.append(("ocean", size, partial(ocean, size, notebook)))
        found.append(("one-by-one", size, partial(one_by_one, size, notebook, extent.one_by_one)))
        if size == main:
            found.append(("churn", size, partial(churn, size, notebook, extent.reads)))
            found.append(("live", extent.live.workspaces, partial(keep_measured, extent.live, notebook)))
    return [(f"{part} at {size:,}", measure) for part, size, measure in found if part in only]


def _machine(cli: CliInfo) -> list[Row]:
    """Where this was measured."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    known: tuple[tuple[str, float | str], ...] = (
        ("cores", os.cpu_count() or 0),
        ("memory", round(pages / 1e9)),
        ("Python", platform.python_version()),
        ("Pulumi CLI", cli.version),
        ("measured on", date.today().isoformat()),
    )
    return [Row(f"machine: {name}", None, value, "GB" if name == "memory" else "") for name, value in known]


def _document(rows: Sequence[Row]) -> None:
    """The tables and the curves of docs/scale.md."""
    page.write(ROOT / "docs" / "scale.md", rows)
    for file, title, unit, what in page.DRAWINGS:
        if drawn := curves.curves(rows, what):
            (ROOT / "docs" / file).write_text(curves.svg(title, unit, drawn))


if __name__ == "__main__":
    sys.exit(main())
