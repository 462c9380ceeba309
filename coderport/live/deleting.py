"""What `live` may delete: the guard of a run asks, with the limits of one run held over time.

What Coder reports as deleted counts in any ten minutes, what lives there and is left out by the settings in any day.
What runs have spent of the day counts as well, and what `live` spent before it was started again (`ledger`).
More than that is held as a whole, as a run would refuse it as a whole, until a run with a release has deleted it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from coderport.catalog.values import Held, LeftOut, Ref
from coderport.guard.allowance import PERIOD, PERIOD_OF_DELETED, LetGo, Spent, let_go, spent_lately
from coderport.guard.deletions import DeletionVerdict, Evidence, deletions_verdict
from coderport.guard.ownership import Owner
from coderport.settings import Limits


class Deletions:
    """What may go now, and what is `held` because it may not: with the reason for what lives in Coder, else None."""

    def __init__(self, limits: Limits, spent: Spent) -> None:
        self._limits = limits
        self._runs: Spent = spent
        self._undone: Mapping[str, int] = {}
        self._kept, self._taken, self.unkept = LetGo(), LetGo(), LetGo()
        self._closed: dict[bool, datetime] = {}
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
            if verdict.refused or now < self._closed.get(alive, now):
                self.held.update(mine)
                continue
            self.release(mine)
            may = verdict.ids(blueprint)
            going += (those := sorted(key for key in mine if key.identifier in may))
            self.unkept += let_go(blueprint, len(those), now, living=alive)
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
        return key in self._revived and now - self._revived[key] < PERIOD_OF_DELETED

    def begin_anew(self, limits: Limits, spent: Spent) -> None:
        """Takes the limits and what the runs of this stack have spent, beside what went from here."""
        self._limits = limits
        self.runs_spent(spent)

    def runs_spent(self, spent: Spent) -> None:
        """Takes what the runs of this stack have spent by now."""
        self._runs = spent

    def taken(self) -> LetGo:
        """What is to be kept next. Until `keep` is told that it is, it counts here."""
        self._taken, self.unkept = self._taken + self.unkept, LetGo()
        return self._taken

    def keep(self, kept: LetGo) -> None:
        """What was taken is in what is kept by now; that may hold what another `live` has deleted, too."""
        self._kept, self._taken = kept, LetGo()

    @property
    def _let_go(self) -> tuple[LetGo, ...]:
        return self._kept, self._taken, self.unkept

    def undos_spent(self, spent: Mapping[str, int]) -> None:
        """Takes what undos have deleted in the last day, by kind."""
        self._undone = spent

    def count_as_spent(self, now: datetime) -> None:
        """Nobody knows what went before: nothing goes until all of it would count no longer."""
        self._closed = {False: now + PERIOD_OF_DELETED, True: now + PERIOD}

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
            spent=Counter(spent_lately(self._runs, now, *(each.living for each in self._let_go)))
            + Counter(self._undone),
            limits=self._limits_now(blueprint, len(owner.holds(held[blueprint])), now),
        )
        return deletions_verdict(evidence)

    def _limits_now(self, blueprint: str, ours: int, now: datetime) -> Limits:
        """The limits of a run, less what Coder's deletions have taken in the last ten minutes."""
        lately = sum(each.deleted_lately(blueprint, now) for each in self._let_go)
        left = max(0, self._limits.for_deleted(ours + lately) - lately)
        return self._limits.model_copy(update={"deleted": left, "deleted_percent": 0})
