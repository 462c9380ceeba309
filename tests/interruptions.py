"""Runs that are interrupted, through real processes, and what became of each: the rows of docs/interruptions.md."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from at_terminal import Terminal
from checkout import Checkout, Command

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.emulators.port import PortEmulator
from coderport.engine import CliInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "interruptions.md"
RESULTS = ROOT / "benchmarks" / "results" / "interruptions.json"
BEGIN, END = "<!-- interruptions -->", "<!-- end of interruptions -->"

SUMMARY = "summary.json"
OLD = '{"result": "of an earlier run"}\n'
UP = ("up", "--stack", "shell", "--summary", SUMMARY)
_PATIENCE = 300.0
_STARTS = re.compile(r"(Ended|What this prints|The stack \S+ is locked|The summary cannot|To do exactly)")


@dataclass(frozen=True)
class Ended:
    """How a command ended: the exit code (as a shell has it) and all that it printed, on either stream."""

    code: int
    said: str


@dataclass(frozen=True)
class Row:
    """One interruption: what the person or machine did, and how the command and the next run ended.

    `lock` and `summary` are in words; `summary` tells the file of `--summary`, where one of an earlier run lay.
    `next_run` is the result of an `up` right after it, with its exit code.
    """

    interruption: str
    code: int
    words: str
    lock: str
    summary: str
    next_run: str


def locks(checkout: Checkout) -> list[Path]:
    """The locks in the backend."""
    return [each for each in (checkout.folder.parent / "state").rglob("locks/**/*.json") if each.is_file()]


@contextmanager
def held(server: CoderEmulator | PortEmulator, path: str, method: str | None = None) -> Iterator[Callable[[], None]]:
    """Requests to the path wait; the value returns once one does. Afterwards each is answered at once."""
    number = server.faults.add(Fault(kind="latency", method=method, path=path, delay_ms=6_000))

    def struck() -> None:
        until(lambda: any(each["number"] == number and each["hit"] for each in server.faults.standing()), path)

    yield struck
    server.faults.clear()


def until(true: Callable[[], object], what: str) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _told(command: Command, *numbers: int) -> Ended:
    for number in numbers:
        command.tell(number)
    code = command.ended()
    return Ended(code, "\n".join(command.lines))


def _pipe(checkout: Checkout) -> Ended:
    with held(checkout.pair.coder, "/workspaces") as reads:
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as stdout:
            run = Command(checkout, *UP, stdout=stdout)
        with os.fdopen(reading) as stdin:
            stdin.readline()
        reads()
    return _told(run)


def _as_it_starts(checkout: Checkout) -> Ended:
    run = Command(checkout, *UP)
    run.says("Converging stack shell")
    return _told(run, signal.SIGINT)


def _while_it_reads(checkout: Checkout) -> Ended:
    with held(checkout.pair.coder, "/workspaces") as reads:
        run = Command(checkout, *UP)
        reads()
        return _told(run, signal.SIGINT)


def _at_the_question(checkout: Checkout) -> Ended:
    terminal = Terminal([sys.executable, "-m", "coderport", *UP], checkout.folder, checkout.environment)
    terminal.says("[y/N]")
    terminal.types("\x03")
    return Ended(terminal.ended(), terminal.shown)


def _at_the_first_write(checkout: Checkout) -> Ended:
    with held(checkout.pair.port, "/blueprints", "POST") as writes:
        run = Command(checkout, *UP)
        writes()
        return _told(run, signal.SIGINT)


def _among_entities(checkout: Checkout, *numbers: int, path: str = "/entities/bulk", **environment: str) -> Ended:
    with held(checkout.pair.port, path, "POST") as writes:
        run = Command(checkout, *UP, environment={**checkout.environment, **environment})
        writes()
        return _told(run, *numbers)


def _twice(checkout: Checkout) -> Ended:
    with held(checkout.pair.port, "/blueprints", "POST") as writes:
        run = Command(checkout, *UP)
        writes()
        while run.process.poll() is None:  # two that come before the first is taken are one
            run.tell(signal.SIGINT)
            time.sleep(0.3)
        return _told(run)


def _as_github_cancels(checkout: Checkout) -> Ended:
    """SIGINT, and SIGTERM when it has not ended after a while; each to the step's first process alone."""
    with held(checkout.pair.port, "/entities/bulk", "POST") as writes:
        run = Command(checkout, *UP, environment={**checkout.environment, "CI": "true"})
        writes()
        run.tell(signal.SIGINT)
        time.sleep(1)
        return _told(run, signal.SIGTERM)


def _full(checkout: Checkout) -> Ended:
    with open("/dev/full", "w", encoding="utf-8") as full:
        return _told(Command(checkout, *UP, stdout=full))


def _closed(checkout: Checkout) -> Ended:
    command = f"exec {shlex.quote(sys.executable)} -m coderport {' '.join(UP)} >&-"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=checkout.folder,
        env=checkout.environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    return Ended(done.returncode, done.stderr)


def _two(checkout: Checkout) -> Ended:
    """What the second says while the first is among its writes."""
    with held(checkout.pair.port, "/entities/bulk", "POST") as writes:
        first = Command(checkout, *UP[:3])
        writes()
        first.tell(signal.SIGSTOP)
        try:
            second = _told(Command(checkout, *UP))
        finally:
            first.tell(signal.SIGCONT)
    assert first.ended() == 0, first.lines
    return second


INTERRUPTIONS: Mapping[str, Callable[[Checkout], Ended]] = {
    "`up \\| head -1`": _pipe,
    "Ctrl-C as it starts": _as_it_starts,
    "Ctrl-C while it reads": _while_it_reads,
    "Ctrl-C at the question of `up`": _at_the_question,
    "Ctrl-C at the first write": _at_the_first_write,
    "Ctrl-C while entities are written": lambda checkout: _among_entities(checkout, signal.SIGINT),
    "Ctrl-C, and again": _twice,
    "SIGTERM while entities are written": lambda checkout: _among_entities(checkout, signal.SIGTERM),
    "A job that GitHub cancels (`CI`): SIGINT, then SIGTERM": _as_github_cancels,
    "A full disk behind standard output": _full,
    "Standard output closed (`up >&-`)": _closed,
    "A second `up` beside the first": _two,
}


def interrupted(name: str, folder: Path, cli: CliInfo) -> Row:
    """Does it to a first `up` of a stack of its own, and then lets the next run."""
    folder.mkdir(parents=True)
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        checkout = Checkout(folder, cli, pair)
        summary = checkout.folder / SUMMARY
        summary.write_text(OLD)
        ended = INTERRUPTIONS[name](checkout)
        left = len(locks(checkout))
        lock = "given back" if not left else f"{left} left behind"
        kept = _summary(summary)
        again = checkout.run("up", "--stack", "shell", "--json")
        assert again.returncode == 0, again.stdout + again.stderr
        result = json.loads(again.stdout.strip().splitlines()[-1])["result"]
        if "was cleared" in again.stdout + again.stderr:
            lock = "left behind; the next run clears it"
        return Row(name, ended.code, _words(ended.said), lock, kept, f"{result} ({again.returncode})")


def _summary(file: Path) -> str:
    if not file.exists():
        return "none"
    text = file.read_text(encoding="utf-8")
    assert text != OLD, "the summary of an earlier run stays"
    return str(json.loads(text)["result"])


def _words(said: str) -> str:
    """The sentence that says how it ended, with the numbers that differ from run to run left out."""
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "")
    lines = [each.strip() for each in said.splitlines()]
    found = next((each for each in lines if _STARTS.match(each)), "")
    return re.sub(r"\d+ requests? that writes?", "N requests that write", found)


def written(rows: list[Row]) -> None:
    """Keeps the rows, and shows them on their page."""
    RESULTS.write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{rest.split(END)[1]}")


def kept() -> list[Row]:
    """The rows of the last time."""
    return [Row(**each) for each in json.loads(RESULTS.read_text())]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| What happens | Exit code | It says | Lock | `--summary` | The next `up` |",
        "|---|---:|---|---|---|---|",
        *(f"| {' | '.join(str(cell) or '–' for cell in asdict(each).values())} |" for each in rows),
    ]
    return "\n".join(lines)
