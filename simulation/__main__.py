"""`python -m simulation`: plays many histories, or shows one again, or switches protections off to see them missed."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path

from simulation.history import Broken, events_of_text, played, shortest
from simulation.protections import PROTECTIONS, Missed, missed

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
Keep = Callable[[str, object], None]


def main() -> int:
    """The command line; 1 where an invariant did not hold, or a protection was not missed."""
    arguments = _arguments()
    if arguments.seed is not None:
        events = None if arguments.events is None else events_of_text(arguments.events)
        broken = played(arguments.seed, events)
        print(shortest(broken).text() if broken else "All invariants held.")
        return 1 if broken else 0
    keep = _written if arguments.keep else _forgotten
    if arguments.protections:
        return _without_protections(arguments.histories, keep)
    return _many(arguments.histories, arguments.first, arguments.minutes, arguments.processes, keep)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=2000, help="how many to play, or for each protection at most")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long, whatever is left")
    parser.add_argument("--processes", type=int, default=None, help="at once; without it one for each core")
    parser.add_argument("--seed", type=int, default=None, help="show this one alone, made as short as it can be")
    parser.add_argument("--events", default=None, help="with --seed: only these, as a broken history prints them")
    parser.add_argument("--protections", action="store_true", help="switch each protection off: is it missed?")
    parser.add_argument("--keep", action="store_true", help=f"write the result to {RESULTS.parent.name}/{RESULTS.name}")
    return parser.parse_args()


def _many(histories: int, first: int, minutes: float | None, processes: int | None, keep: Keep) -> int:
    started, done, cores, broken = time.monotonic(), 0, 0.0, list[Broken]()

    def result() -> dict[str, object]:
        seconds = round(time.monotonic() - started)
        told = {"first": first, "seconds": seconds, "processor_seconds": round(cores)}
        return {"histories": done, **told, "broken": sorted(each.seed for each in broken)}

    with multiprocessing.Pool(processes, initializer=gc.freeze) as pool:
        for outcome, spent in pool.imap_unordered(_timed, islice(count(first), histories), chunksize=8):
            done += 1
            cores += spent
            if outcome is not None:
                broken.append(outcome)
                print(outcome.text(), flush=True)
            if done % 1000 == 0:
                print(f"{done:,} histories", flush=True)
                keep("simulation", result())  # what has been played counts, however this ends
            if minutes is not None and time.monotonic() - started > 60 * minutes:
                pool.terminate()
                break
    print(f"{done:,} histories in {round(time.monotonic() - started)} s, {len(broken)} broke an invariant")
    keep("simulation", result())
    return 1 if broken else 0


def _timed(seed: int) -> tuple[Broken | None, float]:
    """What a history comes to, and the seconds of a core that it took."""
    started = time.process_time()
    return played(seed), time.process_time() - started


def _without_protections(most: int, keep: Keep) -> int:
    rows: dict[str, Missed | None] = {}
    for name in PROTECTIONS:
        found = rows[name] = missed(name, most)
        print(f"{name}: " + (f"missed after {found.histories:,} histories" if found else "NOT MISSED"), flush=True)
    keep("protections", {name: found and asdict(found) for name, found in rows.items()})
    return 1 if None in rows.values() else 0


def _written(name: str, result: object) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _forgotten(name: str, result: object) -> None:
    """Without --keep a short run leaves the committed figures alone."""


if __name__ == "__main__":
    sys.exit(main())
