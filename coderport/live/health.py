"""Which of its sources `live` gets answers from, and since when not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from coderport.errors import CoderportError

AWAY_SECONDS = 60.0
"""A source that was away for longer may have said something that nobody heard."""

_LOG = logging.getLogger(__name__)


class Health:
    """Failures by source. `told` hears of each answer and failure, `back` of a source that was away for long."""

    def __init__(self, told: Callable[[str, bool], None], back: Callable[[], None]) -> None:
        self._told, self._back = told, back
        self._failing: dict[str, tuple[float, str]] = {}

    @property
    def text(self) -> str:
        """What fails, for a person; empty where nothing does."""
        return "; ".join(f"{name}: {why}" for name, (_, why) in sorted(self._failing.items()))

    def failed(self, name: str, error: CoderportError) -> None:
        """The source did not answer."""
        since, _ = self._failing.get(name, (time.monotonic(), ""))
        self._failing[name] = (since, str(error))
        self._told(name, False)
        _LOG.warning("does not answer", extra={"feed": name, "reason": str(error)})

    def works(self, name: str) -> None:
        """The source has answered."""
        self._told(name, True)
        found = self._failing.pop(name, None)
        if found is not None and time.monotonic() - found[0] > AWAY_SECONDS:
            _LOG.info("answers again", extra={"feed": name, "seconds": round(time.monotonic() - found[0])})
            self._back()

    def forget(self, name: str) -> None:
        """The source is asked no more."""
        self._failing.pop(name, None)
