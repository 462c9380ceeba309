"""What `live` has deleted, kept so that a restart is no new allowance."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timezone

from coderport.guard.allowance import LetGo
from coderport.history.record import HistoryError
from coderport.history.spending import Spending, spent_by_undos
from coderport.history.store import Store
from coderport.live.beginning import Beginning, LiveStack
from coderport.live.deleting import Deletions
from coderport.settings import Settings

_LOG = logging.getLogger(__name__)


class Ledger:
    """Keeps what `deletions` allowed. `failing` says why it cannot, for a person, or is empty."""

    def __init__(self, deletions: Deletions) -> None:
        self._deletions = deletions
        self._spending: Spending | None = None
        self._where = ("", "")
        self.failing = ""

    async def opened(self, stack: LiveStack, settings: Settings, beginning: Beginning) -> None:
        """Takes what was kept in the place of the stack's history, once for each place.

        Where nothing was ever kept, what the beginning finds `missing` counts. Where nothing can be kept, all counts as
        spent.
        """
        state = beginning.ground.past.mark.state
        store = Store(settings.history, stack.managed_by, state=state, project=stack.directory, called=stack.name)
        if (where := (store.place, state)) == self._where:
            return
        self._where, self._spending = where, (spending := Spending(store))
        missing, now = beginning.missing, datetime.now(timezone.utc)
        try:
            known = await asyncio.to_thread(spending.read)
            more = self._deletions.taken() + (missing if known is None else LetGo())
            self._deletions.keep(await asyncio.to_thread(spending.add, more, now))
            self._deletions.undos_spent(await asyncio.to_thread(spent_by_undos, store, now))
        except HistoryError as error:
            self._deletions.count_as_spent(now)
            self._fails(error)

    async def kept(self) -> None:
        """What was allowed until this returns is kept, before it is carried out."""
        if self._spending is None:
            return
        while self._deletions.unkept:  # more is allowed while the file is written
            try:
                taken = self._deletions.taken()
                self._deletions.keep(await asyncio.to_thread(self._spending.add, taken, datetime.now(timezone.utc)))
            except HistoryError as error:
                self._fails(error)
                return
            self.failing = ""

    def _fails(self, error: HistoryError) -> None:
        if not self.failing:
            _LOG.warning("what goes is not kept", extra={"reason": str(error)})
        self.failing = f"{error} A restart counts as if all that may go in ten minutes and in a day had gone."
