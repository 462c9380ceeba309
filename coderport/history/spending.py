"""What `live` has deleted without a release, kept beside the records of the runs: a restart is no new allowance.

`up`, `sync` and the others read it as well: what `live` has spent of the day is spent for them too.
"""

from __future__ import annotations

import json
from datetime import datetime

from coderport.guard.allowance import PERIOD, LetGo, Spent
from coderport.history.record import HistoryError
from coderport.history.store import Store

FILE = "let-go.json"
_FORMAT = 1


class Spending:
    """The file of one stack. Every method raises HistoryError where it fails."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self) -> LetGo | None:
        """What was kept; None where nothing ever was."""
        content = self.store.file(FILE)
        return None if content is None else _unpacked(content)

    def add(self, more: LetGo, now: datetime) -> LetGo:
        """Keeps that as well; the sum, with what another `live` of this stack has deleted, without what is over."""
        total = ((self.read() or LetGo()) + more).lately(now)
        self.store.keep_file(FILE, _packed(total))
        return total


def spent_by_live(store: Store) -> Spent:
    """What `live` has deleted though it lives in Coder, by hour and kind; nothing where that cannot be read."""
    try:
        return (Spending(store).read() or LetGo()).living
    except HistoryError:
        return {}


def spent_by_undos(store: Store, now: datetime) -> dict[str, int]:
    """How many of each kind undos have deleted without a release in the last day. Raises HistoryError."""
    return {kind: len(ids) for kind, ids in store.undone_since(now - PERIOD).items()}


def _unpacked(content: bytes) -> LetGo:
    try:
        held = json.loads(content)
        if held["format"] != _FORMAT:
            raise ValueError(f"its format is {held['format']}, and this version reads {_FORMAT}")
        return LetGo(
            {
                str(kind): tuple((datetime.fromisoformat(at), int(number)) for at, number in several)
                for kind, several in held["deleted"].items()
            },
            {
                str(hour): {str(kind): int(number) for kind, number in kinds.items()}
                for hour, kinds in held["living"].items()
            },
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise HistoryError(
            f"What live has deleted is not readable in the history: {FILE} is damaged ({error}). It counts for one "
            "day. Delete the file if live deleted nothing since then."
        ) from None


def _packed(what: LetGo) -> bytes:
    deleted = {kind: [[at.isoformat(), number] for at, number in several] for kind, several in what.deleted.items()}
    return json.dumps({"format": _FORMAT, "deleted": deleted, "living": what.living}, indent=1).encode()
