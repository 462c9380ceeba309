"""The protections of `live`, each with the way to switch it off; without one of them some history must break."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from coderport.coder.reading import proof
from coderport.coder.reading.fate import Fate
from coderport.live import budget, catalog, deleting, others, rereading, writing
from coderport.live.values import Reading

Switch = Callable[[], AbstractContextManager[object]]


@contextmanager
def _believes_404() -> Iterator[None]:
    """What Coder does not show counts as deleted."""
    real = proof.workspace_fates

    async def guessed(*arguments: Any) -> Any:
        found = await real(*arguments)
        return {key: Fate.GONE if fate is Fate.UNPROVEN else fate for key, fate in found.items()}

    with mock.patch("coderport.live.reading.workspace_fates", guessed):
        yield


@contextmanager
def _no_reread() -> Iterator[None]:
    """The re-read finds nothing."""

    async def nothing(self: rereading.Rereading, name: str, events: Any) -> Any:
        self._urgent.pop(name, None)
        return Reading(0.0), ()

    with mock.patch.object(rereading.Rereading, "read", nothing):
        yield


@contextmanager
def _writes_the_hint() -> Iterator[None]:
    """An older answer is taken like a newer one."""
    with mock.patch.object(catalog.Catalog, "_newest", lambda *_: True):
        yield


@contextmanager
def _blind_to_others() -> Iterator[None]:
    """Nobody looks at what others write to Port."""

    async def nothing(self: others.Others) -> tuple[()]:
        return ()

    with mock.patch.object(others.Others, "look", nothing), mock.patch.object(others.Others, "sweep", nothing):
        yield


@contextmanager
def _no_limit() -> Iterator[None]:
    """All that Coder deleted goes, however much it is."""

    def anything(self: deleting.Deletions, blueprint: str, found: Mapping[Any, Any], *_: Any) -> list[Any]:
        return sorted(found)

    with mock.patch.object(deleting.Deletions, "permitted", anything):
        yield


@contextmanager
def _no_budget() -> Iterator[None]:
    """Requests do not wait for their turn."""
    with mock.patch.object(budget.Budget, "_pause", lambda *_: 0.0):
        yield


@contextmanager
def _forgets_failed_writes() -> Iterator[None]:
    """What Port has not taken is not tried again."""
    with mock.patch.object(writing.Writer, "_back", lambda self: None):
        yield


@contextmanager
def _writes_over_others() -> Iterator[None]:
    """Entities of others are written over."""
    with mock.patch.object(catalog.Catalog, "is_ours", lambda self, held: True):
        yield


PROTECTIONS: Mapping[str, Switch] = {
    "only 410 is a deletion": _believes_404,
    "everything is read again": _no_reread,
    "the value that was asked for later wins": _writes_the_hint,
    "what others write is found": _blind_to_others,
    "limits over time": _no_limit,
    "the budget": _no_budget,
    "a failed write is tried again": _forgets_failed_writes,
    "ownership": _writes_over_others,
}
