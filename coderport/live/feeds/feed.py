"""What every feed has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from coderport.live.values import Hint

Place = tuple[str, str]
"""The name of a feed, and what sets it apart from others of its name."""


class Feed(Protocol):
    """One source of hints, asked again and again.

    `name` is what it is called in logs and metrics, `place` what sets it apart from others of its name: an
    organization, or "" for all of them. `covers` says for a person what it tells of, `properties` are those, by
    blueprint, whose changes it should tell of, and `also` others that its events may change. `round` is after how many
    looks it has shown all. `gap` is whether the last look may have left something out.
    """

    @property
    def name(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def covers(self) -> str: ...
    @property
    def properties(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def also(self) -> frozenset[str]: ...
    @property
    def round(self) -> int: ...
    @property
    def gap(self) -> bool: ...

    async def look(self) -> tuple[Hint, ...]:
        """The hints since the last look. Raises a CoderError where Coder does not answer."""
