"""Names of organizations and addresses of people, followed by asking: of their change no feed tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from coderport.coder.errors import CoderError
from coderport.live.budget import routine
from coderport.live.health import Health
from coderport.live.reading import Reader
from coderport.tasks import within

RENEWED_EVERY = 60.0
"""Seconds at least between two looks."""


class Renewal:
    """Has the reader ask for them every so many seconds, and tells `changed` where any is another."""

    def __init__(self, reader: Reader, health: Health, changed: Callable[[], None], seconds: float) -> None:
        self._reader, self._health, self._changed, self._seconds = reader, health, changed, seconds
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """A run may have come by, which knows the newest, and is not to be corrected."""
        self._soon.set()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            with suppress(asyncio.TimeoutError):
                await within(self._seconds, self._soon.wait())
            self._soon.clear()
            try:
                with routine():
                    changed = await self._reader.renew()
            except CoderError as error:
                self._health.failed("people", error)
                self.soon()
            else:
                self._health.works("people")
                if changed:
                    self._changed()
            await asyncio.sleep(RENEWED_EVERY)
