"""Random histories of a Coder that changes, lies and fails while it is read (see `adversary`)."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import stamina
import stamina.instrumentation
from adversary import MISCHIEF, Adversary, fates_of, wrongly_gone

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError
from coderport.coder.reading.snapshot import Fate, Snapshot

pytestmark = pytest.mark.dear

HISTORIES = int(os.environ.get("CODERPORT_HISTORIES", "2000"))


@pytest.fixture(autouse=True)
def no_waiting_and_no_log_of_retries() -> Iterator[None]:
    stamina.instrumentation.set_on_retry_hooks([])
    with stamina.set_testing(True, attempts=4):
        yield
    stamina.instrumentation.set_on_retry_hooks(None)


async def outcome(history: Adversary) -> Snapshot | None:
    try:
        return await history.read()
    except CoderError:
        return None


def faults(history: Adversary, snapshot: Snapshot) -> list[str]:
    """Everything that a read must never say."""
    found = []
    if wrong := wrongly_gone(history, ((one, fate.name) for one, fate in fates_of(snapshot))):
        found.append(f"called gone and exists: {sorted(wrong)}")
    if snapshot.whole and (missed := history.missed(snapshot)):
        found.append(f"called whole and missed {sorted(missed)}")
    if snapshot.whole and snapshot.count > len(snapshot.workspaces) + len(snapshot.outside_workspaces):
        found.append("called whole and short of its own count")
    if "weak" in history.mischief:
        found.append("a plain member's token was read with")
    return found


def test_no_read_calls_something_gone_that_exists_or_itself_whole_with_something_missed(
    figure: Callable[[str], None],
) -> None:
    async def run() -> tuple[Counter[str], list[str]]:
        seen: Counter[str] = Counter()
        wrong: list[str] = []
        for seed in range(HISTORIES):
            history = Adversary(seed)
            snapshot = await outcome(history)
            seen["requests"] += history.asked
            if snapshot is None:
                seen["failed"] += 1
                continue
            seen["whole" if snapshot.whole else "short"] += 1
            seen["gone"] += sum(fate is Fate.GONE for _, fate in fates_of(snapshot))
            seen["unproven"] += sum(fate is Fate.UNPROVEN for _, fate in fates_of(snapshot))
            seen["short with nothing missed"] += not snapshot.whole and not history.missed(snapshot)
            wrong += [f"seed {seed} {sorted(history.mischief)}: {one}" for one in faults(history, snapshot)]
        return seen, wrong

    seen, wrong = asyncio.run(run())
    shares = ", ".join(f"{one} {seen[one] / HISTORIES:.1%}" for one in ("whole", "short", "failed"))
    figure(f"adversarial Coder, {HISTORIES} histories read: {shares}; {dict(seen)}")
    assert wrong == []
    # A read that always fails or never commits itself would pass the above.
    assert seen["whole"] > HISTORIES / 2
    assert min(seen["short"], seen["failed"], seen["gone"], seen["unproven"]) > HISTORIES / 50


@pytest.mark.parametrize("mischief", ["births", "deaths", "moves", "templates", "duplicates", "drops"])
def test_mere_change_still_allows_most_reads_to_be_whole(mischief: str) -> None:
    async def run() -> int:
        whole = 0
        for seed in range(100):
            history = Adversary(seed, frozenset({mischief}))
            snapshot = await history.read()
            assert not faults(history, snapshot)
            whole += snapshot.whole
        return whole

    assert asyncio.run(run()) >= 80


def test_a_plain_page_walk_is_fooled_by_the_same_histories(figure: Callable[[str], None]) -> None:
    """Distinct ids against `count` is what a page walk can check: the adversary has to be able to pass it."""

    async def naive(history: Adversary) -> tuple[set[str], int]:
        seen: set[str] = set()
        offset, count = 0, 1
        async with CoderClient("http://coder.test", "token", transport=history) as client:
            while offset < count:
                page = await client.workspaces(limit=history.page_limit, offset=offset)
                seen.update(row.id for row in page.rows)
                count = page.count
                offset += history.page_limit
        return seen, count

    async def run() -> tuple[int, int]:
        fooled = agreed = 0
        change = frozenset({"moves", "births", "deaths"})
        for seed in range(1000):
            history = Adversary(seed, change)
            seen, count = await naive(history)
            agreed += len(seen) >= count
            fooled += len(seen) >= count and bool(history.throughout - seen)
        return fooled, agreed

    fooled, agreed = asyncio.run(run())
    figure(f"plain page walk: {fooled} of {agreed} walks that agree with count missed a workspace")
    assert fooled > 0


def test_every_kind_of_mischief_is_drawn() -> None:
    drawn = Counter(one for seed in range(300) for one in Adversary(seed).mischief)
    assert drawn.keys() >= set(MISCHIEF)
