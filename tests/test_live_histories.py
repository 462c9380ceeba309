"""Histories of `live` under a clock that jumps."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing import get_context

import pytest
from live_histories import history

HISTORIES = int(os.environ.get("LIVE_HISTORIES", "10000"))


def broken(seed: int) -> str:
    """What does not hold in a history; empty where all does."""
    try:
        history(seed)
    except AssertionError as error:
        return f"seed {seed}: {error}"
    return ""


# 1043 loses the hint of a template; in 1118 the users are not shown as live begins.
@pytest.mark.parametrize("seed", [*range(12), 1043, 1118])
def test_a_history_ends_with_port_as_coder_is(seed: int) -> None:
    assert broken(seed) == ""


@pytest.mark.long
def test_many_histories_end_with_port_as_coder_is(figure: Callable[[str], None]) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = [each for each in pool.imap_unordered(broken, range(HISTORIES), chunksize=20) if each]
    assert not found, "\n".join(found)
    figure(f"live: {HISTORIES:,} histories, Port as Coder at the end of each")
