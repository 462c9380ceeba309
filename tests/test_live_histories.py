"""Histories of `live` under a clock that jumps; and each of its protections is missed where it is switched off."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from live_histories import history
from live_protections import PROTECTIONS

HISTORIES = int(os.environ.get("LIVE_HISTORIES", "10000"))
SEEDS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "live-protections.json"
MOST = 300


def broken(seed: int) -> str:
    """What does not hold in a history; empty where all does."""
    try:
        history(seed)
    except AssertionError as error:
        return f"seed {seed}: {error}"
    return ""


@pytest.mark.parametrize("seed", range(12))
def test_a_history_ends_with_port_as_coder_is(seed: int) -> None:
    assert broken(seed) == ""


@pytest.mark.long
def test_many_histories_end_with_port_as_coder_is(figure: Callable[[str], None]) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = [each for each in pool.imap_unordered(broken, range(HISTORIES), chunksize=20) if each]
    assert not found, "\n".join(found)
    figure(f"live: {HISTORIES:,} histories, Port as Coder at the end of each")


@pytest.mark.long
@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_protection_that_is_switched_off_is_missed(name: str) -> None:
    first = json.loads(SEEDS.read_text(encoding="utf-8"))[name]
    with PROTECTIONS[name]():
        assert any(broken(seed) for seed in (first, *range(MOST)))
