"""How far a run is, for those who wait for it: a live display for a person, a line per phase for a log.

A run tells whoever watches this process (`watcher`), and most runs are watched by nobody. That is a variable of the
module and no argument, because the program runs inside of the command but is called by the Automation API, in a
thread of its own, where neither arguments nor context variables reach.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from coderport.terminal.text import counted
from coderport.terminal.volume import is_quiet

ENGINE = "engine"
"""From the moment that the program declares; other phases are those of the account."""

WORDS = {
    "read_port": "reading Port",
    "read_permissions": "reading permissions",
    "read_pointers": "reading what leads to what goes",
    "read_relations": "reading relations",
    "read_coder": "reading Coder",
    "judge": "judging",
    "compare": "comparing",
    "delete": "deleting",
    "adopt": "coming over",
    ENGINE: "declaring",
}
"""What a phase is called. One without words is made of others, and not shown."""

_UNTOLD = "waiting for Pulumi"
_BAR, _WIDE = 16, 70
"""Columns of a bar, and of a terminal that has room for it."""

Advance = Callable[[str, int, int | None], None]
"""Takes what is counted ("workspaces"), how many of them are done, and of how many, or None where nobody knows."""


class Progress(Protocol):
    """What a run tells. Phases may be under way side by side, and are told from any thread."""

    def began(self, phase: str, what: str = "", total: int | None = None) -> None:
        """A phase begins, with what it will count and of how many where that is known already."""

    def advanced(self, phase: str, what: str, done: int, total: int | None = None) -> None:
        """So many are done now. Without a total the one that was told before holds."""

    def ended(self, phase: str) -> None:
        """A phase is over, well or not; nothing where it never began."""

    def said(self, text: str) -> None:
        """Something that a person who waits should know now."""


class Silent:
    """Shows nothing."""

    def began(self, phase: str, what: str = "", total: int | None = None) -> None:
        """Nothing."""

    def advanced(self, phase: str, what: str, done: int, total: int | None = None) -> None:
        """Nothing."""

    def ended(self, phase: str) -> None:
        """Nothing."""

    def said(self, text: str) -> None:
        """Nothing."""


@dataclass
class _Phase:
    """One that is under way; `counts` is how many of what are done."""

    start: float = field(default_factory=perf_counter)
    counts: dict[str, int] = field(default_factory=dict)

    def summed_up(self) -> str:
        """`50 templates, 3,000 workspaces, 1.9 s`."""
        parts = [counted(done, what) for what, done in [*self.counts.items()]]
        return ", ".join([*parts, f"{perf_counter() - self.start:.1f} s"])


class Lines:
    """One plain line at the end of each phase: its name, what it counted, seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: dict[str, _Phase] = {}

    def began(self, phase: str, what: str = "", total: int | None = None) -> None:
        """Remembers when."""
        if phase in WORDS:
            self._open[phase] = _Phase()

    def advanced(self, phase: str, what: str, done: int, total: int | None = None) -> None:
        """Remembers how many."""
        if under_way := self._open.get(phase):
            under_way.counts[what] = done

    def ended(self, phase: str) -> None:
        """Prints the line."""
        if over := self._open.pop(phase, None):
            self._console.print(f"{WORDS[phase]}: {over.summed_up()}")

    def said(self, text: str) -> None:
        """Prints the line."""
        self._console.print(Text(text))


class Display:
    """A bar for each phase, with done of total, rate and time left. It is gone when the run is over."""

    def __init__(self, console: Console) -> None:
        bar = (BarColumn(bar_width=_BAR),) if console.width >= _WIDE else ()
        self._bars = RichProgress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            *bar,
            _Figures(
                table_column=Column()
            ),  # the one that is cut where there is no room: what is under way stays whole
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        self._open: dict[str, tuple[_Phase, TaskID]] = {}
        # Something has to move also while the CLI starts, or a person thinks that nothing does.
        self._untold = self._bars.add_task(_UNTOLD, total=None, what="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """On the console until the end of the block."""
        with self._bars:
            yield

    def refresh(self) -> None:
        """Brings the console up to date now; it does so by itself five times a second."""
        self._bars.refresh()

    def began(self, phase: str, what: str = "", total: int | None = None) -> None:
        """Shows its bar."""
        if phase in WORDS:
            self._bars.update(self._untold, visible=False)
            self._open[phase] = _Phase(), self._bars.add_task(WORDS[phase], total=total, what=what)

    def advanced(self, phase: str, what: str, done: int, total: int | None = None) -> None:
        """Moves its bar."""
        if (found := self._open.get(phase)) is None:
            return
        under_way, bar = found
        under_way.counts[what] = done
        task = next(task for task in self._bars.tasks if task.id == bar)
        if task.fields["what"] != what:  # rate and time left are those of the new kind from here on
            task.total = total
            self._bars.reset(bar, completed=done, what=what)
        known = task.total if total is None else total
        self._bars.update(bar, completed=done, total=None if known is None else max(known, done))

    def ended(self, phase: str) -> None:
        """Sums it up beside a full bar."""
        if found := self._open.pop(phase, None):
            over, bar = found
            self._bars.update(bar, completed=1, total=1, summary=over.summed_up())
            self._bars.update(self._untold, visible=not self._open)

    def said(self, text: str) -> None:
        """Prints it above the bars."""
        self._bars.console.print(Text(text))


class _Figures(ProgressColumn):
    """`3,000 of 10,000 workspaces · 850/s · 0:08 left` while it is under way; how much and how long afterwards."""

    def render(self, task: Task) -> Text:
        done, total, what = int(task.completed), task.total, task.fields["what"]
        if "summary" in task.fields:
            return _cut(task.fields["summary"])
        parts = [f"{done:,} of {int(total):,} {what}" if total is not None else counted(done, what)] if what else []
        if task.speed:
            parts.append(f"{task.speed:,.0f}/s" if task.speed >= 10 else f"{task.speed:.1f}/s")
        left = task.time_remaining
        parts.append(f"{_minutes(task.elapsed or 0.0)}" if left is None else f"{_minutes(left)} left")
        return _cut(" · ".join(parts))


def _cut(figures: str) -> Text:
    """One line, whatever room there is."""
    return Text(figures, no_wrap=True, overflow="ellipsis")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


_watcher: Progress = Silent()


def watcher() -> Progress:
    """Whoever watches the run of this process now."""
    return _watcher


@contextmanager
def watched(by: Progress) -> Iterator[None]:
    """Whatever runs within the block, in any thread, tells `by`. One at a time: a process runs one command."""
    global _watcher
    before, _watcher = _watcher, by
    try:
        yield
    finally:
        _watcher = before


@contextmanager
def shown_on(console: Console, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Shows what runs within the block: live where a person looks at the console, else as lines; `--quiet`: not."""
    if is_quiet():
        yield
    elif console.file.isatty() and not console.is_dumb_terminal and not environ.get("CI"):
        display = Display(console)
        with display.shown(), watched(display):
            yield
    else:
        with watched(Lines(console)):
            yield
