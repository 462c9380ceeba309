"""Which of its sources `live` gets answers from, and since when not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from coderport.errors import CoderportError

AWAY_SECONDS = 60.0
"""A source that was away for longer may have said something that nobody heard."""

_LOG = logging.getLogger(__name__)


class Health:
    """Failures by source and place. `told` hears whether each source works, or that it is asked no more (None).

    `back` is called where one was away for long, and `corrected` gives an error its remedy.

    A source of a name may be asked in several places, as jobs are in each organization: it works where all of them do.
    """

    def __init__(
        self,
        told: Callable[[str, bool | None], None],
        back: Callable[[], None],
        corrected: Callable[[CoderportError], CoderportError],
    ) -> None:
        self._told, self._back, self._corrected = told, back, corrected
        self._feeds: set[str] = set()
        self._missing: set[str] = set()
        self._failing: dict[tuple[str, str], tuple[float, str]] = {}

    @property
    def text(self) -> str:
        """What fails, for a person; empty where nothing does. Of each source one failure is told, and how many more.

        The remedies follow on lines of their own.
        """
        by_name: dict[str, list[str]] = {}
        remedies: dict[str, None] = {}
        for (name, _), (_, why) in sorted(self._failing.items()):
            said, _, remedy = why.partition("\n")
            by_name.setdefault(name, []).append(said)
            remedies |= dict.fromkeys(filter(None, [remedy]))
        more = {name: len(whys) - 1 for name, whys in by_name.items()}
        failing = (
            f"{name}: {whys[0]}" + (f" (and {more[name]} more)" if more[name] else "") for name, whys in by_name.items()
        )
        return "\n".join(["; ".join(failing), *remedies])

    def failed(self, name: str, error: CoderportError, place: str = "") -> None:
        """The source did not answer there."""
        since, _ = self._failing.get((name, place), (time.monotonic(), ""))
        why = str(self._corrected(error))
        self._failing[name, place] = (since, why)
        self._pass_on(name)
        _LOG.warning("does not answer", extra={"feed": name, "place": place, "reason": why})

    def works(self, name: str, place: str = "") -> None:
        """The source has answered there."""
        found = self._failing.pop((name, place), None)
        self._pass_on(name)
        if found is not None and time.monotonic() - found[0] > AWAY_SECONDS:
            away = round(time.monotonic() - found[0])
            _LOG.info("answers again", extra={"feed": name, "place": place, "seconds": away})
            self._back()

    def forget(self, name: str, place: str = "") -> None:
        """The source is asked there no more."""
        self._failing.pop((name, place), None)

    def keep(self, name: str, places: Collection[str]) -> None:
        """The source has these places, and no others."""
        for other, place in list(self._failing):
            if other == name and place not in places:
                self.forget(name, place)

    def asked(self, had: Collection[str], missing: Collection[str]) -> None:
        """The feeds that are asked from now on, and those that are `missing` in some place because they failed."""
        for name in self._feeds - {*had, *missing}:
            self._told(name, None)
        self._feeds, self._missing = {*had, *missing}, set(missing)
        for name in self._feeds:
            self._pass_on(name)

    def _pass_on(self, name: str) -> None:
        self._told(name, name not in self._missing and all(other != name for other, _ in self._failing))
