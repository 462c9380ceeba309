"""What one read has seen of the workspaces of one scope, or of all users, and what its counts prove.

Coder has no transaction over several pages. Rows move between pages while the read goes on, and a row deleted
in the part already read together with one created in the part to come leaves `count` and the number of
distinct ids equal although a row was missed. So agreement of two numbers proves nothing by itself. What does:

Take one answer that carries a count of the whole scope; call its moment t. Let `alive(t)` be the workspaces
that were there at t, so that count = |alive(t)|. A row that was seen is *certainly* in alive(t) if it was

- in that same answer (one SQL statement), or
- seen in an answer that was asked for after t, and also either seen in one that had arrived before t, or
  created before t (Coder never un-deletes a workspace or a user, so what lives before and after t lives at t).

If the number of such rows equals count, they *are* alive(t): every workspace that existed at t has been seen, whatever
was created, deleted or moved since. A workspace that existed during the whole read existed at t. Each page of the whole
scope is such a moment. Deletions between t and the row's page, and rows created around t, can only make the sum too
small: the read is then called short although it may be whole, never the reverse.

"Created before t" compares `created_at` with the server's own clock (the `Date` of the answer less the time that the
answer took), with a margin for several replicas and for the time between stamping a row and committing it.

Counts may be wrong themselves. So two of them have to be met exactly (a sum above the count is as bad as one below),
and none may exceed what has been seen in all. What is left out of both rows and counts each time is what the token may
not see; nothing in the answers can tell, which is why `breadth` asks first. The same goes for a role that is widened
while the read runs, in that very read: the argument takes for granted that what can be seen after t could be at t.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

CLOCK_MARGIN = timedelta(seconds=10)
CONFIRMATIONS = 2


class Dated(Protocol):
    """What Coder knows by an id, and never makes again."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime | None: ...


Row = TypeVar("Row", bound=Dated)
Rows = TypeVar("Rows", bound=Dated, covariant=True)


class Page(Protocol[Rows]):
    """The rows of one SQL statement, how many there are in all, and when it was asked on the server's clock."""

    @property
    def rows(self) -> Sequence[Rows]: ...
    @property
    def count(self) -> int: ...
    @property
    def asked_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Opening:
    """One count of the whole scope: asked after step `sent`, arrived as step `got`, together with the rows `ids`."""

    count: int
    sent: int
    got: int
    at: datetime | None
    ids: frozenset[str]


@dataclass
class Ledger(Generic[Row]):
    """Rows by id, newest sighting last, with the steps before and after which each was seen."""

    rows: dict[str, Row] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    _step: int = 0
    _first_arrival: dict[str, int] = field(default_factory=dict)
    _last_question: dict[str, int] = field(default_factory=dict)

    def asking(self) -> int:
        """To be called before a request is sent; its result belongs to `saw` or `counted`."""
        self._step += 1
        return self._step

    def saw(self, rows: Iterable[Row], sent: int) -> int:
        """Note rows of an answer to a question of step `sent`; returns the step of its arrival."""
        self._step += 1
        for row in rows:
            self._first_arrival.setdefault(row.id, self._step)
            if sent >= self._last_question.get(row.id, 0):
                self._last_question[row.id] = sent
                self.rows[row.id] = row
        return self._step

    def counted(self, page: Page[Row], sent: int) -> None:
        """Note an answer to a question about the whole scope: its rows and its count."""
        got = self.saw(page.rows, sent)
        self.openings.append(Opening(page.count, sent, got, page.asked_at, frozenset(row.id for row in page.rows)))

    @property
    def count(self) -> int:
        """The newest count of the whole scope."""
        return self.openings[-1].count if self.openings else 0

    @property
    def unseen(self) -> int:
        """How many the newest two counts agree that nobody has seen: the smaller of them less what was seen."""
        newest = min((one.count for one in self.openings[-CONFIRMATIONS:]), default=0)
        return max(0, newest - len(self.rows))

    @property
    def short(self) -> int:
        """0 if whole is proven; otherwise how far the best of the counts, or the highest, is from what was seen."""
        if len(self.openings) < CONFIRMATIONS:
            return max(1, self.count - len(self.rows))
        gaps = sorted(abs(one.count - self._certainly_alive(one)) for one in self.openings)
        unproven = gaps[CONFIRMATIONS - 1]
        unseen = max(one.count for one in self.openings) - len(self.rows)
        return max(unproven, unseen, 0)

    def _certainly_alive(self, opening: Opening) -> int:
        settled = opening.at - CLOCK_MARGIN if opening.at else None
        return sum(
            row_id in opening.ids
            or (
                self._last_question[row_id] > opening.got
                and (
                    self._first_arrival[row_id] < opening.sent
                    or (settled is not None and row.created_at is not None and row.created_at < settled)
                )
            )
            for row_id, row in self.rows.items()
        )
