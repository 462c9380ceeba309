"""The parts of `live` by themselves: its budget, its feeds, its limits on deletions, its rhythm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone

import pytest

from coderport.catalog.blueprint import WORKSPACE
from coderport.catalog.values import Ref
from coderport.coder.notices import ListedJob, Notices
from coderport.live.budget import WINDOW, Budget, routine
from coderport.live.deleting import Deletions
from coderport.live.feeds.jobs import LIMIT, MOST, JobsFeed
from coderport.live.rhythm import QUICKEST, rhythm_of
from coderport.settings import Limits
from simulation.clock import VirtualTime

W = WORKSPACE.identifier
NOW = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)


def in_virtual_time(test: Callable[[VirtualTime], Awaitable[None]]) -> None:
    loop = VirtualTime()
    try:
        loop.run_until_complete(test(loop))
    finally:
        loop.close()


def test_no_minute_has_more_requests_than_the_budget() -> None:
    async def test(loop: VirtualTime) -> None:
        budget = Budget(40, loop.time)
        sent: list[float] = []

        async def ask(number: int) -> None:
            await asyncio.sleep(number % 7)
            await budget()
            sent.append(loop.time())

        await asyncio.gather(*(ask(number) for number in range(130)))
        assert sent == sorted(sent)
        assert all(later - earlier >= WINDOW for earlier, later in zip(sent, sent[40:], strict=False))

    in_virtual_time(test)


def test_what_is_asked_without_need_leaves_half_of_the_budget_to_hints() -> None:
    async def test(loop: VirtualTime) -> None:
        budget = Budget(40, loop.time)

        async def idle() -> None:
            with routine():
                for _ in range(60):
                    await budget()

        feeds = asyncio.ensure_future(idle())
        await asyncio.sleep(1)
        for _ in range(20):
            await asyncio.wait_for(budget(), 0.1)
        assert loop.time() < 2
        await feeds

    in_virtual_time(test)


def ident(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


class FakeNotices(Notices):
    """An organization's jobs, newest first, as a list of (number, status); job and workspace have one number."""

    def __init__(self) -> None:
        self.jobs_of: list[tuple[int, str]] = []
        self.asked: list[int | str] = []

    async def jobs(self, organization_id: str, *, limit: int, active: bool = False) -> tuple[ListedJob, ...]:
        self.asked.append("active" if active else limit)
        rows = [ListedJob(id=ident(at), status=status, workspace_id=ident(at)) for at, status in self.jobs_of]
        return tuple([row for row in rows if row.active or not active][:limit])


def looked(feed: JobsFeed) -> set[int]:
    return {int(hint.key.identifier[-12:]) for hint in asyncio.run(feed.look())}


def test_each_status_of_a_job_is_one_hint() -> None:
    notices = FakeNotices()
    feed = JobsFeed(notices, "org")
    notices.jobs_of = [(2, "running"), (1, "succeeded")]
    assert looked(feed) == {1, 2}
    assert looked(feed) == set()
    notices.jobs_of = [(3, "pending"), (2, "succeeded"), (1, "succeeded")]
    assert looked(feed) == {2, 3}


def test_jobs_are_asked_for_back_to_what_is_known() -> None:
    notices = FakeNotices()
    feed = JobsFeed(notices, "org")
    notices.jobs_of = [(1, "succeeded")]
    looked(feed)
    notices.jobs_of = [(number, "succeeded") for number in range(3 * LIMIT, 0, -1)]
    assert looked(feed) == set(range(2, 3 * LIMIT + 1))
    assert not feed.gap


def test_more_jobs_than_can_be_asked_for_are_a_gap() -> None:
    notices = FakeNotices()
    feed = JobsFeed(notices, "org")
    notices.jobs_of = [(1, "succeeded")]
    looked(feed)
    notices.jobs_of = [(number, "succeeded") for number in range(2 * MOST, 0, -1)]
    looked(feed)
    assert feed.gap
    looked(feed)
    assert not feed.gap


def test_an_old_job_that_ends_late_is_a_hint_though_it_is_not_among_the_newest() -> None:
    notices = FakeNotices()
    feed = JobsFeed(notices, "org")
    notices.jobs_of = [(1, "running")]
    looked(feed)
    rest = [(number, "succeeded") for number in range(LIMIT + 10, 1, -1)]
    notices.jobs_of = [*rest, (1, "running")]
    looked(feed)
    notices.jobs_of = [*((number, "succeeded") for number in range(MOST + LIMIT + 10, LIMIT + 10, -1)), *rest]
    notices.jobs_of.append((1, "succeeded"))
    assert 1 in looked(feed)


def keys(*numbers: int) -> list[Ref]:
    return [Ref(W, ident(number)) for number in numbers]


def test_what_coder_deleted_may_go_within_the_limit_of_a_run_in_any_ten_minutes() -> None:
    deletions = Deletions(Limits(deleted=3, deleted_percent=0), {})
    assert deletions.permitted(W, keys(1, 2), alive=False, ours=50, now=NOW) == keys(1, 2)
    assert deletions.permitted(W, keys(3, 4), alive=False, ours=48, now=NOW) == []
    assert set(deletions.held) == set(keys(3, 4))
    later = NOW + timedelta(minutes=9)
    assert deletions.permitted(W, [], alive=False, ours=48, now=later) == []
    later = NOW + timedelta(minutes=11)
    assert deletions.permitted(W, [], alive=False, ours=48, now=later) == keys(3, 4)
    assert not deletions.held


def test_a_mass_deletion_is_held_as_a_whole_however_long_it_waits() -> None:
    deletions = Deletions(Limits(), {})
    everything = keys(*range(30))
    for hours in range(5):
        now = NOW + timedelta(hours=hours)
        assert deletions.permitted(W, everything, alive=False, ours=40, now=now) == []
    deletions.release(everything)
    assert not deletions.held


def test_what_lives_in_coder_may_go_within_the_limit_of_a_day_which_runs_have_spent_from() -> None:
    spent = {NOW.strftime("%Y-%m-%dT%H"): {W: 2}}
    deletions = Deletions(Limits(left_out=3, left_out_percent=0), spent)
    assert deletions.permitted(W, keys(1), alive=True, ours=50, now=NOW) == keys(1)
    assert deletions.permitted(W, keys(2), alive=True, ours=49, now=NOW + timedelta(hours=20)) == []
    assert deletions.permitted(W, [], alive=True, ours=49, now=NOW + timedelta(hours=26)) == keys(2)


def test_never_all_that_live_in_coder_go() -> None:
    deletions = Deletions(Limits(left_out=100), {})
    assert deletions.permitted(W, keys(1, 2), alive=True, ours=2, now=NOW) == []


@pytest.mark.parametrize("organizations", [1, 3, 40])
@pytest.mark.parametrize(("pages", "partitions"), [(1, 1), (60, 50), (400, 300)])
@pytest.mark.parametrize("per_minute", [15, 60])
def test_the_rhythm_keeps_to_the_routine_requests(
    organizations: int, pages: int, partitions: int, per_minute: int
) -> None:
    found = rhythm_of(
        routine_per_minute=per_minute,
        sources=organizations,
        requests_of_reread=pages,
        partitions=partitions,
        resync=600.0,
        audit=True,
    )
    asked = organizations * 60 / found.builds + pages / partitions * 60 / found.partition + 60 / 20 + 60 / 30 + 1
    assert asked <= per_minute + 1e-6
    assert found.builds >= QUICKEST
