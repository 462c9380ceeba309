"""How far `live` is behind a busy Coder that answers at the prices of a real one.

    python -m benchmarks.live            # 10,000 workspaces, 5 builds a second, ten minutes
    python -m benchmarks.live --small    # 300 workspaces, 2 builds a second, one minute

Emulators in this process, the project's own `up` and `live` in others. The lag is measured from outside: from the time
at which something happens in Coder to the moment at which Port holds it, looked at every 20 ms. Then the same happens
with something else in place of `live`: a `sync` every ten minutes, one that begins again whenever it has ended, and
Ocean's client with all that Coder has, again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks import names
from benchmarks.checkout import STACK, Checkout, checkout
from benchmarks.curves import Curve, svg
from benchmarks.errors import BenchError, RivalMissing
from benchmarks.live_ways import Rounds, resyncing, syncing
from benchmarks.measuring import Notebook
from benchmarks.page import BEGIN, END
from benchmarks.processes import processor_seconds
from benchmarks.rivals import ocean_python
from benchmarks.rows import Results, Row
from benchmarks.servers import Servers
from coderport.emulators.pair import Pair
from coderport.emulators.port.emulator import PortEmulator
from coderport.engine import obtain_cli
from coderport.kinds.workspace import WORKSPACE
from coderport.stack.project_file import ROOT

RESULTS = Path(__file__).resolve().parent / "results"
LOOK_SECONDS = 0.02
RENAME_SECONDS = 5.0
LATENCY_MS = 20
PATIENCE = 120.0
"""Seconds after which an event counts as one that never arrives."""
W = WORKSPACE.identifier


@dataclass
class Lags:
    """Seconds from an event in Coder to Port, sorted when asked; `late` are events that never arrived."""

    seconds: list[float] = field(default_factory=list)
    late: int = 0

    def percentile(self, share: float) -> float | None:
        """So many of all were not slower."""
        found = sorted(self.seconds)
        return round(found[min(len(found) - 1, int(len(found) * share))], 2) if found else None


class Watched:
    """What has happened in Coder and is not yet in Port; after `patience` (s) it counts as never."""

    def __init__(self, pair: Pair, patience: float = PATIENCE) -> None:
        self._pair, self.patience = pair, patience
        self._open: list[tuple[float, str, str, object, Lags]] = []
        self._lock = threading.Lock()

    def expect(self, workspace: str, name: str, value: object, lags: Lags) -> None:
        """From now on Port should come to hold that value of the workspace's property."""
        with self._lock:
            # Of two events of one workspace Port may never hold the first.
            self._open = [each for each in self._open if each[1:3] != (workspace, name)]
            self._open.append((time.monotonic(), workspace, name, value, lags))

    def look(self) -> None:
        """Takes note of what has arrived."""
        with self._lock:
            waiting, self._open = self._open, []
        still = []
        for at, workspace, name, value, lags in waiting:
            held = self._pair.port.entity(W, workspace)
            if held is not None and held["properties"].get(name) == value:
                lags.seconds.append(time.monotonic() - at)
            elif time.monotonic() - at > self.patience:
                lags.late += 1
            else:
                still.append((at, workspace, name, value, lags))
        with self._lock:
            self._open += still

    def __len__(self) -> int:
        return len(self._open)


@contextmanager
def living(project: Checkout) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`live` as a process, ready, with the URL that it answers at."""
    log = project.folder.parent / "live.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "coderport", "live", "--stack", STACK],
            cwd=project.folder,
            env={**project.environment, "CODERPORT_LIVE_PORT": "0"},
            stderr=errors,
            text=True,
        )
    try:
        url = _until(lambda: re.search(r'"url": "([^"]+)"', log.read_text(encoding="utf-8")), process, log)[1]
        _until(lambda: httpx.get(f"{url}/readyz").status_code == 200, process, log)
        yield process, url
    finally:
        process.terminate()
        process.wait(60)


def _until(found: Callable[[], object], process: subprocess.Popen[str], log: Path) -> re.Match[str]:
    deadline = time.monotonic() + 600
    while not (value := found()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"live does not come up: {log.read_text(encoding='utf-8')[-500:]}")
        time.sleep(0.1)
    return value  # type: ignore[return-value]


def happen(pair: Pair, watched: Watched, seconds: float, per_second: float) -> tuple[Lags, Lags]:
    """Builds and renames for so long; the lags of each."""
    chance = random.Random(7)
    ids = sorted(pair.coder.workspace_ids())
    builds, renames = Lags(), Lags()
    end, renamed = time.monotonic() + seconds, time.monotonic()
    following, number = time.monotonic(), 0
    while (now := time.monotonic()) < end:
        if now >= following:
            following += 1 / per_second
            one = chance.choice(ids)
            act = pair.coder.stop if pair.coder.workspace(one).build.transition == "start" else pair.coder.start
            act(one)
            watched.expect(one, "latest_build_number", pair.coder.workspace(one).build.number, builds)
        if now - renamed >= RENAME_SECONDS:
            renamed, number = now, number + 1
            one = chance.choice(ids)
            pair.coder.rename_workspace(one, f"renamed-{number}")
            watched.expect(one, "name", f"renamed-{number}", renames)
        watched.look()
        time.sleep(LOOK_SECONDS)
    deadline = time.monotonic() + watched.patience
    while len(watched) and time.monotonic() < deadline:
        watched.look()
        time.sleep(LOOK_SECONDS)
    return builds, renames


@dataclass(frozen=True)
class Beside:
    """What the same happenings looked like with something else in place of `live`; requests are of a whole minute."""

    way: str
    seconds: float
    rounds: int
    builds: int
    builds_p50: float | None
    builds_p99: float | None
    builds_late: int
    coder_requests_most: int
    port_requests: float


@dataclass(frozen=True)
class Measured:
    """What one run of the benchmark saw. Requests are per minute, the most of any; memory is the peak."""

    workspaces: int
    per_second: float
    seconds: float
    builds: int
    builds_p50: float | None
    builds_p99: float | None
    builds_late: int
    renames: int
    renames_p99: float | None
    renames_late: int
    coder_requests_most: int
    idle_core: float
    idle_coder_requests: float
    memory_mb: float
    port_requests: float
    beside: tuple[Beside, ...]


@dataclass(frozen=True)
class Load:
    """A Coder of so many workspaces, with builds for so long; `name` is that of the results' files.

    `scheduled` is the time between two runs of `sync` on a schedule, of which one is waited for.
    """

    name: str
    workspaces: int
    seconds: float
    per_second: float
    looped_seconds: float
    scheduled: float


FULL = Load("live", 10_000, 600.0, 5.0, 300.0, 600.0)
SMALL = Load("live-small", 300, 60.0, 2.0, 20.0, 20.0)


def keep_measured(load: Load, notebook: Notebook) -> Measured:
    """Measures, keeps the figures and the curve in files of their own, and puts the rows into the notebook."""
    found, lags = measure(load, notebook)
    drawn = lag_curve(lags)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{load.name}.json").write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{load.name}.svg").write_text(drawn, encoding="utf-8")
    if load is FULL:
        _document(found, drawn)
    notebook.put(rows_of(found))
    return found


def _document(found: Measured, drawn: str) -> None:
    """Shows the curve in docs/live.md, between the marks there."""
    (ROOT / "docs" / "live-lag.svg").write_text(drawn, encoding="utf-8")
    document = ROOT / "docs" / "live.md"
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    shown = (
        f"{BEGIN}\n![The lag of builds: one of so many is slower](live-lag.svg)\n\n"
        f"{found.workspaces:,} workspaces at the prices of a real Coder, {found.per_second:g} builds a second for "
        f"{found.seconds / 60:g} minutes: half of the builds were in Port within {found.builds_p50} s, "
        f"99 of 100 within {found.builds_p99} s. "
        f"Coder had {found.coder_requests_most} requests in a minute at most.\n"
        + "".join(
            f"With {each.way} ({each.rounds} in {each.seconds / 60:g} minutes) it was {each.builds_p50} s and "
            f"{each.builds_p99} s; Coder had {each.coder_requests_most} requests in a minute at most, Port "
            f"{each.port_requests:g} in a minute (with `live` {found.port_requests:g}).\n"
            for each in found.beside
        )
        + f"{END}"
    )
    document.write_text(f"{before}{shown}{rest.partition(END)[2]}", encoding="utf-8")


def rows_of(found: Measured) -> Iterator[Row]:
    """The figures of `live`; goals are judged by `benchmarks.goals`, at the size that they are set for."""
    values: tuple[tuple[str, float | None, str], ...] = (
        (names.LAG_HALF, found.builds_p50, "s"),
        (names.LAG_MOST, found.builds_p99, "s"),
        (names.LATE, found.builds_late, "builds"),
        (names.RENAMES_MOST, found.renames_p99, "s"),
        (names.A_MINUTE, found.coder_requests_most, "requests"),
        (names.IDLE_CORE, found.idle_core, "of a core"),
        (names.memory("service"), found.memory_mb, "MB"),
        *((f"{names.LAG_HALF}, {each.way}", each.builds_p50, "s") for each in found.beside),
        *((f"{names.LAG_MOST}, {each.way}", each.builds_p99, "s") for each in found.beside),
    )
    for what, value, unit in values:
        if value is not None:
            yield Row(names.figure(names.LIVE, what), found.workspaces, value, unit)


def lag_curve(lags: Mapping[str, Lags]) -> str:
    """The drawing of what share of the events is slower than how many seconds, by the way; the first is `live`."""
    curves = [Curve(way, _slower(each), beside=number > 0) for number, (way, each) in enumerate(lags.items())]
    return svg("Lag of builds: one of so many is slower", "s", curves, across="one of so many")


def _slower(lags: Lags) -> tuple[tuple[float, float], ...]:
    """For one of 2, 4, 8, …, as far as there are so many."""
    powers = range(1, max(2, min(11, len(lags.seconds).bit_length())))
    shares = [1 - 0.5**power for power in powers]
    return tuple((1 / (1 - share), lags.percentile(share) or 0.01) for share in shares)


def measure(load: Load, notebook: Notebook) -> tuple[Measured, dict[str, Lags]]:
    """One run: a first `up`, then `live` while things happen, then idle, then the other ways in its place.

    The lags of builds are by the way.
    """
    cli = obtain_cli(notebook.console.print)
    workspaces, per_second = load.workspaces, load.per_second
    port = PortEmulator(seed=3, rate_limits=1.0, latency_ms=LATENCY_MS)
    with Pair(port=port, seed=3, workspaces=workspaces, templates=max(4, workspaces // 200)) as pair:
        project = checkout("live", Servers(pair.describe(), os.getpid()), cli)
        project.command("up")
        pair.coder.set_prices()
        with living(project) as (process, _):
            _reset(pair)
            builds, renames = happen(pair, Watched(pair), load.seconds, per_second)
            busy, asked = _most_in_a_minute(pair), _of_port(pair, load.seconds)
            used, before, began = processor_seconds(process.pid), pair.coder.log.total, time.monotonic()
            time.sleep(30 if load.seconds < 300 else 120)
            took = time.monotonic() - began
            idle_core = round((processor_seconds(process.pid) - used) / took, 3)
            idle_requests = round((pair.coder.log.total - before) * 60 / took, 1)
            memory = _peak_mb(process.pid)
        lags = {"live": builds}
        beside = tuple(_beside(load, project, pair, notebook, lags))
        found = Measured(
            workspaces=workspaces,
            per_second=per_second,
            seconds=load.seconds,
            builds=len(builds.seconds),
            builds_p50=builds.percentile(0.5),
            builds_p99=builds.percentile(0.99),
            builds_late=builds.late,
            renames=len(renames.seconds),
            renames_p99=renames.percentile(0.99),
            renames_late=renames.late,
            coder_requests_most=busy,
            idle_core=idle_core,
            idle_coder_requests=idle_requests,
            memory_mb=memory,
            port_requests=asked,
            beside=beside,
        )
    return found, lags


def _beside(load: Load, project: Checkout, pair: Pair, notebook: Notebook, lags: dict[str, Lags]) -> Iterator[Beside]:
    """The other ways, Ocean's last: it writes over the marks by which the others know what is theirs."""
    for way, seconds, at_work in _ways(load, project, notebook):
        _reset(pair)
        began = time.monotonic()
        with at_work() as rounds:
            builds, _ = happen(pair, Watched(pair, PATIENCE + load.scheduled), seconds, load.per_second)
        lags[way] = builds
        yield Beside(
            way=way,
            seconds=seconds,
            rounds=rounds(),
            builds=len(builds.seconds),
            builds_p50=builds.percentile(0.5),
            builds_p99=builds.percentile(0.99),
            builds_late=builds.late,
            coder_requests_most=_most_in_a_minute(pair),
            port_requests=_of_port(pair, time.monotonic() - began),
        )


def _ways(
    load: Load, project: Checkout, notebook: Notebook
) -> Iterator[tuple[str, float, Callable[[], AbstractContextManager[Rounds]]]]:
    """Each with its name, and for how long things happen."""
    often = load.scheduled
    every = f"a sync every {f'{often / 60:g} minutes' if often >= 60 else f'{often:g} seconds'}"
    yield every, often, partial(syncing, project, often)
    yield "a sync in a loop", load.looped_seconds, partial(syncing, project, 0.0)
    try:
        python = ocean_python(notebook)
    except RivalMissing as error:
        notebook.console.print(f"Ocean's way is left out: {error}", style="yellow", markup=False)
        return
    yield "Ocean's client in a loop", load.looped_seconds, partial(resyncing, project, python)


def _reset(pair: Pair) -> None:
    pair.coder.log.reset()
    pair.port.log.reset()


def _of_port(pair: Pair, seconds: float) -> float:
    """The requests of a minute that Port had since its log was begun anew."""
    return round(pair.port.log.total * 60 / seconds, 1)


def _most_in_a_minute(pair: Pair) -> int:
    """The most requests that Coder had in any minute since its log was begun anew."""
    asked = pair.coder.log.per_second
    return max(sum(asked.get(at + more, 0) for more in range(60)) for at in (asked or {0: 0}))


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


def main() -> None:
    """Measures and prints the figures as JSON; those of a size of its own are not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="300 workspaces, 2 builds a second, one minute")
    parser.add_argument("--workspaces", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--per-second", type=float)
    chosen = parser.parse_args()
    load = SMALL if chosen.small else FULL
    given = {"workspaces": chosen.workspaces, "seconds": chosen.seconds, "per_second": chosen.per_second}
    results = Results(RESULTS / ("small.json" if chosen.small else "latest.json"), fresh=False)
    notebook = Notebook(results, Console(stderr=True))
    if asked := {key: value for key, value in given.items() if value is not None}:
        print(json.dumps(asdict(measure(replace(load, **asked), notebook)[0]), indent=2))
        return
    print(json.dumps(asdict(keep_measured(load, notebook)), indent=2))


if __name__ == "__main__":
    main()
