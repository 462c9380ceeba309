"""Many histories of `simulation`, of each of which all invariants hold."""

from __future__ import annotations

from simulation.history import played

EACH = 100
"""Histories of one test."""


def require_all_to_hold(first: int) -> None:
    """Plays EACH histories, the first of this seed, and fails with what broke, with the commands that show it."""
    broken = [each for each in map(played, range(first, first + EACH)) if each is not None]
    assert not broken, "\n".join(each.text() for each in broken)
