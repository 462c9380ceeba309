"""What every feed has in common."""

from __future__ import annotations

from typing import Protocol

from coderport.live.values import Hint


class Feed(Protocol):
    """One source of hints, asked again and again."""

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""

    @property
    def covers(self) -> str:
        """What it tells of, for a person."""

    @property
    def properties(self) -> frozenset[str]:
        """The properties whose changes it should tell of: what the re-read finds of those, it has missed."""

    async def look(self) -> tuple[Hint, ...]:
        """The hints since the last look. Raises a CoderError where Coder does not answer."""
