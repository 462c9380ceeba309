"""What `live` may delete: the guard of a run asks, with the limits of one run held over time.

What Coder reports as deleted counts in any ten minutes, what lives there and is left out by the settings in any day.
More than that is held as a whole, as a run would refuse it as a whole, until a run with a release has deleted it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from coderport.catalog.values import Held, LeftOut, Ref
from coderport.guard.allowance import Spent, spent_after, spent_lately
from coderport.guard.deletions import DeletionVerdict, Evidence, deletions_verdict
from coderport.guard.ownership import Owner
from coderport.settings import Limits

PERIOD = timedelta(minutes=10)
"""In any such time as much may go as one run may delete."""


class Deletions:
    """What may go now, and what is `held` because it may not: with the reason for what lives in Coder, else None."""

    def __init__(self, limits: Limits, spent: Spent) -> None:
        self._limits = limits
        self._runs: Spent = spent
        self._spent: Spent = {}
        self._gone: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)
        self._revived: dict[Ref, datetime] = {}
        self.held: dict[Ref, LeftOut | None] = {}

    def permitted(
        self,
        blueprint: str,
        found: Mapping[Ref, LeftOut | None],
        owner: Owner,
        held: Mapping[str, Mapping[str, Held]],
        now: datetime,
    ) -> list[Ref]:
        """Which of those that were found, and of those that are held, may go now: of each sort all, or none.

        `found` has of that blueprint what Coder deleted (None), and what lives there with the reason why it goes.
        `held` is what Port holds, of all blueprints.
        """
        waiting = {key: why for key, why in self.held.items() if key.blueprint == blueprint}
        everything = {key: why for key, why in {**waiting, **found}.items() if key.identifier in held[blueprint]}
        self.release(waiting.keys() - everything.keys())
        going = sorted(key for key, why in everything.items() if why is not None and self._has_revived(key, now))
        self.release(going)
        everything = {key: why for key, why in everything.items() if key not in going}
        for alive in (False, True):
            mine = {key: why for key, why in everything.items() if (why is not None) is alive}
            if not mine:
                continue
            verdict = self._verdict(blueprint, mine, owner, held, now)
            if verdict.refused:
                self.held.update(mine)
                continue
            self.release(mine)
            may = verdict.ids(blueprint)
            going += (those := sorted(key for key in mine if key.identifier in may))
            self._book(blueprint, len(those), alive, now)
        return going

    def release(self, keys: Collection[Ref]) -> None:
        """Forgets what Port does not hold any more, or what is wanted again."""
        for key in list(keys):
            self.held.pop(key, None)

    def revived(self, key: Ref, now: datetime) -> None:
        """A write that was to change the entity has made it again: somebody, perhaps a run, had deleted it.

        Where it turns out that the settings of that run leave it out, it goes again without counting.
        """
        self._revived[key] = now

    def _has_revived(self, key: Ref, now: datetime) -> bool:
        return key in self._revived and now - self._revived[key] < PERIOD

    def begin_anew(self, limits: Limits, spent: Spent) -> None:
        """Takes the limits and what the runs of this stack have spent, beside what went from here."""
        self._limits = limits
        self.runs_spent(spent)

    def runs_spent(self, spent: Spent) -> None:
        """Takes what the runs of this stack have spent by now."""
        self._runs = spent

    def _spent_lately(self, now: datetime) -> Mapping[str, int]:
        return Counter(spent_lately(self._runs, now)) + Counter(spent_lately(self._spent, now))

    def _verdict(
        self,
        blueprint: str,
        going: Mapping[Ref, LeftOut | None],
        owner: Owner,
        held: Mapping[str, Mapping[str, Held]],
        now: datetime,
    ) -> DeletionVerdict:
        """The guard's, on a run in which nothing else goes."""
        leaving = {key.identifier for key in going}
        staying = {name: frozenset(each) | owner.record.get(name, frozenset()) for name, each in held.items()}
        staying[blueprint] -= leaving
        evidence = Evidence(
            desired=staying,
            owner=owner,
            held=held,
            gone=frozenset(key for key, why in going.items() if why is None),
            left_out={key: why for key, why in going.items() if why is not None},
            seen={name: len(ids) for name, ids in staying.items()},
            spent=self._spent_lately(now),
            limits=self._limits_now(blueprint, len(owner.holds(held[blueprint])), now),
        )
        return deletions_verdict(evidence)

    def _limits_now(self, blueprint: str, ours: int, now: datetime) -> Limits:
        """The limits of a run, less what Coder's deletions have taken in the last ten minutes."""
        gone = self._gone[blueprint]
        while gone and gone[0][0] <= now - PERIOD:
            gone.popleft()
        lately = sum(each for _, each in gone)
        left = max(0, self._limits.for_deleted(ours + lately) - lately)
        return self._limits.model_copy(update={"deleted": left, "deleted_percent": 0})

    def _book(self, blueprint: str, number: int, alive: bool, now: datetime) -> None:
        if alive:
            self._spent = spent_after(self._spent, {blueprint: number}, now)
        else:
            self._gone[blueprint].append((now, number))
