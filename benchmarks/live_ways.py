"""What else keeps Port near Coder, each at work until its block ends: `sync` by a loop or a schedule, Ocean's way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.checkout import Checkout
from benchmarks.errors import BenchError
from coderport.stack.project_file import ROOT

Rounds = Callable[[], int]
"""How many rounds have ended so far."""


@contextmanager
def syncing(project: Checkout, every: float) -> Iterator[Rounds]:
    """A `sync` each so many seconds, the first after as many; 0 for one as soon as the one before has ended."""
    with _again(lambda: project.command("sync"), every) as rounds:
        yield rounds


@contextmanager
def resyncing(project: Checkout, python: Path) -> Iterator[Rounds]:
    """Coder read whole and all of it upserted by Ocean's client, again and again; `python` is one that has Ocean.

    Both are processes that stay, as an integration of Ocean's does. Our reader and our mapping stand in for those that
    somebody would have to write.
    """
    folder, script = project.folder.parent, str(Path(__file__).with_name("in_ocean.py"))
    file, environment = str(folder / "resync.json"), project.environment
    with (
        _process([sys.executable, "-m", "benchmarks.mapped", file], ROOT, environment) as reader,
        # Not in our folder: Ocean takes a `pyproject.toml` that it finds for that of the integration.
        _process([str(python), script, file, "again"], folder, environment) as writer,
    ):

        def resync() -> None:
            for each in (reader, writer):
                _ask(each)

        with _again(resync, 0.0) as rounds:
            yield rounds


@contextmanager
def _again(round_: Callable[[], object], every: float) -> Iterator[Rounds]:
    """BenchError (or what else it raises) where a round fails."""
    stop, ended = threading.Event(), 0

    def work() -> None:
        nonlocal ended
        while not stop.wait(every):
            round_()
            ended += 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        try:
            yield lambda: ended
        finally:
            stop.set()
            running.result()


@contextmanager
def _process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that answers each line with a line, until its standard input closes."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(60)


def _ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin and process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    if not process.stdout.readline():
        raise BenchError(f"what keeps Port near Coder has ended: {process.args!r}")
