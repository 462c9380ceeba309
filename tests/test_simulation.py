"""The world of `simulation`: its invariants hold in every history, and each protection that keeps them is missed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from simulation.history import Broken, events_of, played, shortest
from simulation.protections import PROTECTIONS, broken_without, found_without

pytestmark = pytest.mark.long

HISTORIES = int(os.environ.get("SIMULATION_HISTORIES", "2000"))
RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"


def test_the_invariants_hold_in_every_history(figure: Callable[[str], None]) -> None:
    with get_context("spawn").Pool(2) as pool:
        broken = [each for each in pool.imap_unordered(played, range(HISTORIES), chunksize=20) if each is not None]
    assert not broken, "\n".join(each.text() for each in broken)
    figure(f"simulation: {HISTORIES:,} histories, every invariant held in each")


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_protection_that_is_switched_off_is_missed(name: str) -> None:
    seed = json.loads((RESULTS / "protections.json").read_text(encoding="utf-8"))[name]
    if not broken_without(name, seed):  # what happens in a history changes with the code
        seed = found_without(name, 10_000)
    assert seed is not None
    assert played(seed) is None


def test_a_broken_history_is_made_as_short_as_it_can_be() -> None:
    name = "the guard refuses deletions"
    seed = json.loads((RESULTS / "protections.json").read_text(encoding="utf-8"))[name]
    with PROTECTIONS[name]():
        broken = played(seed)
        assert broken is not None
        short = shortest(broken)
    assert len(short.events) <= len(broken.events)
    assert played(short.seed, short.events) is None
    assert f"--seed {seed}" in short.text()


def test_the_same_seed_is_the_same_history() -> None:
    assert events_of(7) == events_of(7) != events_of(8)
    with PROTECTIONS["the guard refuses deletions"]():
        first, second = (_what(played(seed)) for seed in (7, 7))
    assert first == second


def _what(broken: Broken | None) -> str:
    return broken.what if broken else ""
