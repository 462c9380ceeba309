"""The goals for speed and size, each judged by the figures that were measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import names
from benchmarks.names import figure
from benchmarks.processes import PROGRAM
from benchmarks.rows import RATIO, Figures, Row, judged
from benchmarks.servers import TEMPLATES

MAIN = 10_000
"""The size that the goals are about."""

_PER_CALL = 20


def main_size(figures: Figures) -> int | None:
    """10,000 where that was measured, else the largest size that was; None without any run."""
    sizes = figures.sizes(figure(names.FIRST, names.WALL))
    return MAIN if MAIN in sizes else max(sizes, default=None)


def goals(figures: Figures) -> list[Row]:
    """A row for each goal whose figures are there, at the size that the goals are set for and at no other."""
    return list(_Goals(figures, MAIN).rows())


def ratios(figures: Figures) -> list[Row]:
    """What else there is beside this project, as rows without a goal: how many times as much either takes."""
    size = main_size(figures)
    if size is None:
        return []

    def number(case: str, what: str) -> float | None:
        return figures.number(figure(case, what), size)

    one_by_one = number(names.ONE_BY_ONE, names.WALL) or number(names.ONE_BY_ONE, names.EXTRAPOLATED)
    requests = 2.0 * (size + TEMPLATES)  # of the stock provider to create, to update or to refresh all
    pairs = (
        ("one by one, time of first up", one_by_one, number(names.FIRST, names.WALL)),
        ("one by one, Port requests of first up", requests, number(names.FIRST, names.PORT_REQUESTS)),
        ("a refresh by the stock provider, Port requests of drift", requests, number(names.DRIFT, names.PORT_REQUESTS)),
        ("up, unchanged: time of sync, unchanged", number(names.AGAIN, names.WALL), number(names.SYNC, names.WALL)),
        ("up, unchanged: time of sync, 1 %", number(names.AGAIN, names.WALL), number(names.SYNC_CHANGED, names.WALL)),
        ("first up: time of Ocean's upserts", number(names.FIRST, names.WALL), number(names.OCEAN, names.WALL)),
        (
            "sync, 1 %: time of Ocean's upserts of it",
            number(names.SYNC_CHANGED, names.WALL),
            number(names.OCEAN_CHANGED, names.WALL),
        ),
    )
    return [
        Row(f"{RATIO}{name}", size, round(value / beside, 1), "×")
        for name, value, beside in pairs
        if value is not None and beside
    ]


@dataclass(frozen=True)
class _Goals:
    figures: Figures
    size: int

    def rows(self) -> Iterator[Row]:
        yield from self._requests()
        yield from self._times()
        yield from self._growth()
        yield from self._real_prices()
        yield from self._most(names.CHURN, names.NOT_WHOLE, "reads that were not whole", "of 1", 0.01)
        yield from self._live()

    def _live(self) -> Iterator[Row]:
        goals = (
            (names.LAG_HALF, "s", 1.0),
            (names.LAG_MOST, "s", 2.0),
            (names.LATE, "builds", 0),
            (names.RENAMES_MOST, "s", 60.0),
            (names.A_MINUTE, "requests", 120),
            (names.IDLE_CORE, "of a core", 0.05),
            (names.memory("service"), "MB", 300),
        )
        for what, unit, most in goals:
            yield from self._most(names.LIVE, what, what, unit, most)

    def _requests(self) -> Iterator[Row]:
        batches = math.ceil(TEMPLATES / _PER_CALL) + math.ceil(self.size / _PER_CALL)
        first, again = names.FIRST, names.SYNC
        yield from self._most(first, names.ENTITY_WRITES, "writes of entities", "requests", math.floor(1.05 * batches))
        yield from self._most(first, names.RESOURCE_REQUESTS, "requests for each other resource", "requests", 3)
        yield from self._most(first, names.OTHER_REQUESTS, "all other requests", "requests", 40)
        yield from self._most(again, names.ENGINE_RAN, "runs of the engine", "runs", 0)
        yield from self._most(again, names.PORT_WRITES, "writes to Port", "requests", 0)
        yield from self._most(names.SYNC_CHANGED, names.ENTITY_WRITES, "bulk writes", "requests", 10)
        yield from self._most(names.DRIFT, names.PORT_REQUESTS, "requests to Port", "requests", 40)

    def _times(self) -> Iterator[Row]:
        first, idle = self._wall(names.FIRST), self._wall(names.IDLE_FIRST)
        yield from self._ratio(names.FIRST, "time, beside a provider that does nothing", first, idle, 1.15)
        yield from self._ratio(names.FIRST, "time, beside one by one", first, self._one_by_one(), 0.5)
        reads, bare = self._wall(names.READS), self._wall(names.BARE)
        changed = self._wall(names.SYNC_CHANGED)
        yardstick = None if reads is None or bare is None else reads + bare
        yield from self._ratio(names.SYNC_CHANGED, "time, beside both reads and a bare CLI", changed, yardstick, 1.3)
        # A full `up` over 1 % of changes takes no less than one without any.
        full = self._wall(names.AGAIN)
        yield from self._ratio(names.SYNC_CHANGED, "time, beside a full up", changed, full, 0.1)
        held, all_held = (
            self.figures.number(figure(case, names.memory(PROGRAM)), self.size) for case in (names.FIRST, names.AT_ONCE)
        )
        yield from self._ratio(names.FIRST, "memory, beside everything at once", held, all_held, 0.5)
        at_once = self._wall(names.AT_ONCE)
        yield from self._ratio(names.FIRST, "time, beside everything at once", first, at_once, 1.1)

    def _growth(self) -> Iterator[Row]:
        sizes = self.figures.sizes(figure(names.FIRST, names.WALL))
        if len(sizes) < 2:
            return
        each = [(self._wall(names.FIRST, size) or 0.0) / size for size in (sizes[0], sizes[-1])]
        what = f"time for each workspace, beside that at {sizes[0]:,}"
        yield judged(f"goal · {names.FIRST}: {what}", sizes[-1], each[1] / each[0], "×", 1.3)

    def _real_prices(self) -> Iterator[Row]:
        """Beside what it was, and beside both reads, with a Coder whose answers take what they take on a real one."""
        for case, at_most in ((names.FIRST, 0.55), (names.AGAIN, 0.7), (names.SYNC_CHANGED, 0.7)):
            now, then = self._wall(names.priced(case)), self._wall(names.before(case))
            yield from self._ratio(names.priced(case), f"time, beside {names.REVISION}", now, then, at_most)
        for size in (1_000, self.size):
            sync, reads = (self._wall(names.priced(case), size) for case in (names.SYNC, names.READS))
            if sync and reads:
                what = f"goal · {names.priced(names.SYNC)}: time, beside one read of both"
                yield judged(what, size, sync / reads, "×", 1.2)
        for case in (names.FIRST, names.AGAIN):
            what = names.memory(names.ALL)
            yield from self._most(names.priced(case), what, what, "MB", 1_500)

    def _most(self, case: str, measured: str, what: str, unit: str, at_most: float) -> Iterator[Row]:
        value = self.figures.number(figure(case, measured), self.size)
        if value is not None:
            yield judged(f"goal · {case}: {what}", self.size, value, unit, at_most)

    def _ratio(self, case: str, what: str, value: float | None, beside: float | None, at_most: float) -> Iterator[Row]:
        if value is not None and beside:
            yield judged(f"goal · {case}: {what}", self.size, value / beside, "×", at_most)

    def _wall(self, case: str, size: int | None = None) -> float | None:
        return self.figures.number(figure(case, names.WALL), size or self.size)

    def _one_by_one(self) -> float | None:
        extrapolated = self.figures.number(figure(names.ONE_BY_ONE, names.EXTRAPOLATED), self.size)
        return self._wall(names.ONE_BY_ONE) or extrapolated
