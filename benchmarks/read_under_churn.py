"""Read a busy Coder again and again: how often is the read whole, how often a plain page walk, at which price?

    python benchmarks/read_under_churn.py --reads 100

The emulated Coder runs in a process of its own and starts or stops workspaces all the time; none is created or
deleted, so that every read should hold exactly the same ids. "Whole" counts only if the read says so *and* is right.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import read_snapshot
from coderport.emulators.coder import CoderEmulator


@dataclass(frozen=True)
class Outcome:
    """One way of reading: how many of the tries were right, said so, or were wrong while they said so."""

    way: str
    reads: int
    complete: int
    claimed_whole: int
    wrongly_claimed: int
    requests: float
    seconds: float

    @property
    def text(self) -> str:
        return (
            f"{self.way:<28} complete {self.complete}/{self.reads} ({self.complete / self.reads:.1%}), "
            f"said whole {self.claimed_whole}, wrongly {self.wrongly_claimed}; "
            f"{self.requests:.0f} requests and {self.seconds:.1f} s each (median)"
        )


def busy_coder(ready: Connection, size: tuple[int, int, int], per_second: float, latency_ms: float) -> None:
    """Serve until the parent ends this process."""
    workspaces, templates, users = size
    emulator = CoderEmulator(3, workspaces=workspaces, templates=templates, users=users, latency_ms=latency_ms)
    with emulator.serve():
        emulator.start_churn(per_second)
        alive = {row.id for row in emulator.state.workspaces.values()}
        ready.send((emulator.url, emulator.token, alive))
        ready.recv()


@contextmanager
def busy(size: tuple[int, int, int], per_second: float, latency_ms: float) -> Iterator[tuple[str, str, set[str]]]:
    """A busy Coder of (workspaces, templates, users) until the block ends: its address, a token and all its ids."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    coder = context.Process(target=busy_coder, args=(theirs, size, per_second, latency_ms), daemon=True)
    coder.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        coder.join(timeout=10)


Way = Callable[[CoderClient], Coroutine[Any, Any, tuple[set[str], bool]]]


async def proven_read(client: CoderClient) -> tuple[set[str], bool]:
    snapshot = await read_snapshot(client)
    return set(snapshot.workspaces), snapshot.whole


def page_walk(limit: int) -> Way:
    """What a script does: page after page, and at the end the number of ids against `count`."""

    async def walk(client: CoderClient) -> tuple[set[str], bool]:
        seen: set[str] = set()
        offset, count = 0, 1
        while offset < count:
            page = await client.workspaces(limit=limit, offset=offset)
            seen.update(row.id for row in page.rows)
            count = page.count
            offset += limit
        return seen, len(seen) == count

    return walk


async def measured(name: str, way: Way, reads: int, url: str, token: str, alive: set[str]) -> Outcome:
    complete = claimed = wrong = 0
    requests, seconds = [], []
    for number in range(reads):
        async with CoderClient(url, token) as client:
            started = time.monotonic()
            seen, whole = await way(client)
            seconds.append(time.monotonic() - started)
            requests.append(client.requests)
        complete += seen >= alive
        claimed += whole
        wrong += whole and not seen >= alive
        print(f"\r{name}: {number + 1}/{reads}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return Outcome(name, reads, complete, claimed, wrong, statistics.median(requests), statistics.median(seconds))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--reads", type=int, default=100)
    options.add_argument("--walks", type=int, default=5, help="plain page walks of each kind")
    options.add_argument("--workspaces", type=int, default=10_000)
    options.add_argument("--templates", type=int, default=50)
    options.add_argument("--users", type=int, default=2_000)
    options.add_argument("--changes", type=float, default=5, help="starts and stops a second")
    options.add_argument("--latency-ms", type=float, default=20)
    options.add_argument("--json", action="store_true", help="one JSON object for each way instead of text")
    chosen = options.parse_args()

    size = (chosen.workspaces, chosen.templates, chosen.users)
    ways = [
        ("coderport", proven_read, chosen.reads),
        ("page walk, limit 100", page_walk(100), chosen.walks),
        ("page walk, limit 25", page_walk(25), chosen.walks),
    ]
    with busy(size, chosen.changes, chosen.latency_ms) as (url, token, alive):
        for name, way, reads in ways:
            if reads:
                outcome = asyncio.run(measured(name, way, reads, url, token, alive))
                print(json.dumps(asdict(outcome)) if chosen.json else outcome.text, flush=True)


if __name__ == "__main__":
    main()
