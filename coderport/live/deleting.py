"""How much `live` may delete: the limits of one run, held over time.

What Coder reports as deleted counts in any ten minutes, what lives there and is left out by the settings in any day.
More than that is held as a whole, as a run would refuse it as a whole, until a run with a release has deleted it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from coderport.catalog.values import Ref
from coderport.guard.allowance import Spent, spent_after, spent_lately
from coderport.settings import Limits

PERIOD = timedelta(minutes=10)
"""In any such time as much may go as one run may delete."""


class Deletions:
    """What may go now. `held` are the keys that may not, by blueprint, with whether they live in Coder."""

    def __init__(self, limits: Limits, spent: Spent) -> None:
        self._limits = limits
        self._spent: Spent = spent
        self._gone: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)
        self.held: dict[Ref, bool] = {}

    def permitted(self, blueprint: str, keys: Collection[Ref], *, alive: bool, ours: int, now: datetime) -> list[Ref]:
        """Which of the keys, and of those that are held, may go now: all, or none of them.

        `alive` says that they live in Coder; `ours` is how many entities of that blueprint are ours in Port.
        """
        waiting = {key for key, lives in self.held.items() if key.blueprint == blueprint and lives is alive}
        wanted = sorted({*keys, *waiting})
        if not wanted:
            return []
        if self._fits(blueprint, len(wanted), alive, ours, now):
            for key in wanted:
                self.held.pop(key, None)
            self._book(blueprint, len(wanted), alive, now)
            return wanted
        self.held.update(dict.fromkeys(wanted, alive))
        return []

    def release(self, keys: Collection[Ref]) -> None:
        """Forgets what Port does not hold any more, or what is wanted again."""
        for key in keys:
            self.held.pop(key, None)

    def begin_anew(self, limits: Limits, spent: Spent) -> None:
        """Takes the limits and what the runs of this stack have spent, beside what went from here."""
        self._limits = limits
        hours = {**spent}
        for hour, kinds in self._spent.items():
            theirs = hours.get(hour, {})
            hours[hour] = {kind: max(number, theirs.get(kind, 0)) for kind, number in {**theirs, **kinds}.items()}
        self._spent = hours

    def counts(self) -> Mapping[str, int]:
        """How many are held, by blueprint."""
        found: defaultdict[str, int] = defaultdict(int)
        for key in self.held:
            found[key.blueprint] += 1
        return found

    def _fits(self, blueprint: str, number: int, alive: bool, ours: int, now: datetime) -> bool:
        if alive:
            spent = spent_lately(self._spent, now).get(blueprint, 0)
            return number < ours and number + spent <= self._limits.for_left_out(ours + spent)
        gone = self._gone[blueprint]
        while gone and gone[0][0] <= now - PERIOD:
            gone.popleft()
        lately = sum(each for _, each in gone)
        return number + lately <= self._limits.for_deleted(ours + lately)

    def _book(self, blueprint: str, number: int, alive: bool, now: datetime) -> None:
        if alive:
            self._spent = spent_after(self._spent, {blueprint: number}, now)
        else:
            self._gone[blueprint].append((now, number))
