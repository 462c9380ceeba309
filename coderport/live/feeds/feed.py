"""What every feed has in common."""

from __future__ import annotations

from typing import Protocol

from coderport.live.values import Hint


class Feed(Protocol):
    """One source of hints, asked again and again.

    `name` is what it is called in logs and metrics, `place` what sets it apart from others of its name. `covers` says
    for a person what it tells of, and `properties` are those whose changes it should tell of. `gap` is whether the last
    look may have left something out.
    """

    @property
    def name(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def covers(self) -> str: ...
    @property
    def properties(self) -> frozenset[str]: ...
    @property
    def gap(self) -> bool: ...

    async def look(self) -> tuple[Hint, ...]:
        """The hints since the last look. Raises a CoderError where Coder does not answer."""
