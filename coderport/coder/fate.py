"""What became of an object that is known and that no list holds."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

RENAMES = 3
"""So many times an object is asked for anew that has got another name since the answer before."""


class _Known(Protocol):
    id: str


T = TypeVar("T", bound=_Known)


class Fate(enum.Enum):
    """What is known of an object that no listing holds."""

    GONE = "proven deleted"
    UNPROVEN = "not visible, which proves nothing"


async def shown_by_name(
    ask: Callable[[str], Awaitable[T | None]], key: str, name_of: Callable[[T], str]
) -> T | Fate | None:
    """What became of an object that Coder shows by its id for good, and by its name only while it lives.

    The object where it is shown by its name; GONE where by its id alone; None where by neither. The id is asked again
    after the name was: what got another name in between was not deleted. UNPROVEN where that happens each time.
    """
    found = await ask(key)
    for _ in range(RENAMES):
        if found is None:
            return None
        by_name = await ask(name_of(found))
        if by_name is not None and by_name.id == key:
            return by_name
        again = await ask(key)
        if again is not None and name_of(again) == name_of(found):
            return Fate.GONE
        found = again
    return None if found is None else Fate.UNPROVEN
