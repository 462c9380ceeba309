"""The world of `simulation` itself: one seed is one history, and each protection that is switched off is missed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from simulation.history import events_of, events_of_text, events_text, played, shortest
from simulation.protections import PROTECTIONS, Missed, missed, still_missed

pytestmark = pytest.mark.dear

KNOWN = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "protections.json"
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
    name = "the guard refuses deletions"
    seed = known(name).seed
    with PROTECTIONS[name]():
        broken = played(seed)
        assert broken is not None
        short = shortest(broken)
        for at in range(len(short.events)):
            fewer = played(seed, short.events[:at] + short.events[at + 1 :])
            assert fewer is None or fewer.what != short.what
    assert len(short.events) < len(broken.events)
    assert played(short.seed, short.events) is None
    assert f"--seed {seed} --events '{events_text(short.events)}'" in short.text()
    assert events_of_text(events_text(short.events)) == tuple(short.events)


def test_the_same_seed_is_the_same_history() -> None:
    assert events_of(7) == events_of(7) != events_of(8)
    traces: list[list[str]] = [[], []]
    for trace in traces:
        for seed in (7, 8):
            assert played(seed, told=trace.append) is None
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 2


@pytest.mark.long
def test_the_invariants_hold_in_a_million_histories(figure: Callable[[str], None]) -> None:
    many = int(os.environ.get("SIMULATION_HISTORIES", "1_000_000"))
    with get_context("spawn").Pool() as pool:
        outcomes = pool.imap_unordered(played, range(2000, 2000 + many), chunksize=100)
        broken = [each.text() for each in outcomes if each is not None]
    assert not broken, "\n".join(broken)
    figure(f"simulation: {many:,} histories, every invariant held in each")
