"""The world of `simulation` itself: one seed is one history, and each protection that is switched off is missed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from simulation.__main__ import main
from simulation.history import events_of, events_of_text, events_text, played, shortest
from simulation.protections import PROTECTIONS, Missed, missed, still_missed

pytestmark = pytest.mark.dear

KNOWN = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "protections.json"
ROOT = Path(__file__).resolve().parents[1]
CLOCKS = {id(time.time), id(time.monotonic)}
MOST = 10_000
"""Histories within which each protection has to be missed."""


def known(name: str) -> Missed:
    return Missed(**json.loads(KNOWN.read_text(encoding="utf-8"))[name])


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_protection_that_is_switched_off_is_missed(name: str, figure: Callable[[str], None]) -> None:
    found: Missed | None = known(name)
    if found is not None and not still_missed(name, found):  # what happens in a history changes with the code
        found = missed(name, MOST)
    assert found is not None and found.histories <= MOST
    figure(f"simulation: without «{name}» an invariant breaks within {found.histories:,} histories")


def test_each_protection_and_no_other_has_a_record_of_its_search() -> None:
    assert set(json.loads(KNOWN.read_text(encoding="utf-8"))) == set(PROTECTIONS)


@pytest.mark.long
@pytest.mark.parametrize("name", PROTECTIONS)
def test_the_search_for_a_history_that_misses_a_protection_begins_anew(name: str) -> None:
    found = missed(name, MOST)
    assert found is not None
    assert still_missed(name, found)


def test_a_broken_history_is_made_as_short_as_it_can_be() -> None:
    with PROTECTIONS["the guard refuses deletions"]():
        broken = next(each for each in map(played, range(MOST)) if each is not None)
        short = shortest(broken)
        for at in range(len(short.events)):
            fewer = played(short.seed, short.events[:at] + short.events[at + 1 :])
            assert fewer is None or fewer.what != short.what
    assert len(short.events) < len(broken.events)
    assert played(short.seed, short.events) is None
    assert f"--seed {short.seed} --events '{events_text(short.events)}'" in short.text()
    assert events_of_text(events_text(short.events)) == tuple(short.events)


def given_a_clock_at_import() -> list[str]:
    """Functions whose default is a clock, of all coderport that this process has imported and that has a part here."""
    own = ("coderport.emulators.", "coderport.runner.service.server", "coderport.runner.service.connections")
    modules = [module for name, module in sys.modules.items() if name.startswith("coderport.")]
    found = set()
    for module in modules:
        for thing in vars(module).values():
            for function in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
                given = (getattr(function, "__defaults__", None) or (), getattr(function, "__kwdefaults__", None) or {})
                if CLOCKS & {id(each) for each in (*given[0], *given[1].values())}:
                    found.add(f"{function.__module__}.{function.__qualname__}")
    return sorted(each for each in found if not each.startswith(own))


def test_no_part_of_coderport_that_lives_in_the_world_was_given_a_clock_at_its_import() -> None:
    """A default of `time.time` is bound when the module is read, and would not be the world's.

    A process of its own imports what a history needs, and nothing that other tests have imported here.
    """
    code = "import test_simulation as t; assert t.played(0) is None; print(t.given_a_clock_at_import())"
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}
    )
    assert (told.returncode, told.stdout.strip()) == (0, "[]"), told.stderr


def test_the_same_seed_is_the_same_history() -> None:
    assert events_of(7) == events_of(7) != events_of(8)
    traces: list[list[str]] = [[], []]
    for trace in traces:
        for seed in (7, 8):
            assert played(seed, told=trace.append) is None
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 2


@pytest.mark.parametrize(("more", "kept"), [([], []), (["--keep"], ["simulation.json"])])
def test_only_a_run_that_is_asked_to_replaces_the_committed_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], kept: list[str]
) -> None:
    monkeypatch.setattr("simulation.__main__.RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["simulation", "--histories", "2", "--processes", "1", *more])
    assert main() == 0
    assert [each.name for each in tmp_path.iterdir()] == kept


@pytest.mark.long
def test_the_invariants_hold_in_a_million_histories(figure: Callable[[str], None]) -> None:
    many = int(os.environ.get("SIMULATION_HISTORIES", "1_000_000"))
    with get_context("spawn").Pool() as pool:
        outcomes = pool.imap_unordered(played, range(2000, 2000 + many), chunksize=100)
        broken = [each.text() for each in outcomes if each is not None]
    assert not broken, "\n".join(broken)
    figure(f"simulation: {many:,} histories, every invariant held in each")
