"""The parts of `live` by themselves: its budget, its feeds, its limits on deletions, its rhythm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from coderport.catalog.values import LeftOut, Ref
from coderport.coder.models import read_as
from coderport.coder.notices import ListedJob, Notices
from coderport.guard.allowance import Spent
from coderport.guard.ownership import Mark, Owner
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.budget import WINDOW, Budget, patient, routine
from coderport.live.deleting import Deletions
from coderport.live.feeds.jobs import LIMIT, MOST, JobsFeed
from coderport.live.rhythm import QUICKEST, rest_of, rhythm_of, stretch
from coderport.port.limits import Bucket, RateLimits
from coderport.port.models import PortEntity
from coderport.settings import Limits
from simulation.clock import VirtualTime

W, T = WORKSPACE.identifier, TEMPLATE.identifier
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
            await asyncio.sleep(number % 7 + number / 100)
            await budget()
            sent.append(loop.time())

        await asyncio.gather(*(ask(number) for number in range(130)))
        assert sent == sorted(sent)
        assert all(later - earlier >= WINDOW for earlier, later in zip(sent, sent[40:], strict=False))

    in_virtual_time(test)


def test_a_window_that_ends_by_rounding_lets_nobody_through_too_early() -> None:
    now = 63.35
    budget = Budget(1, lambda: now)
    budget._sent.append(now - WINDOW + 1e-14)
    assert budget._pause(False, False) > 0


def test_of_a_bucket_of_port_no_more_than_the_share_is_taken() -> None:
    async def test(loop: VirtualTime) -> None:
        limits = RateLimits(loop.time, share=0.5)
        headers = {"x-ratelimit-limit": "100", "x-ratelimit-period": "300", "x-ratelimit-remaining": "90"}
        sent: list[float] = []

        async def ask() -> None:
            async with limits.permit(Bucket.BULK):
                sent.append(loop.time())
                limits.observe(Bucket.BULK, 200, headers)

        for _ in range(160):
            await ask()
        assert all(later - earlier >= 300 for earlier, later in zip(sent, sent[50:], strict=False))

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


def test_what_can_wait_leaves_room_for_hints() -> None:
    async def test(loop: VirtualTime) -> None:
        budget = Budget(40, loop.time)

        async def mass() -> None:
            with patient():
                for _ in range(200):
                    await budget()

        proofs = asyncio.ensure_future(mass())
        await asyncio.sleep(1)
        for _ in range(10):
            await asyncio.wait_for(budget(), 0.1)
        await proofs

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
        rows = [
            read_as(ListedJob, {"id": ident(at), "status": status, "created_at": made(at), "workspace_id": ident(at)})
            for at, status in self.jobs_of
        ]
        return tuple([row for row in rows if row.active or not active][:limit])


def made(number: int) -> str:
    return (NOW + timedelta(minutes=number)).isoformat()


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


def test_where_jobs_are_gone_their_workspaces_are_looked_at_and_all_is_read_again_once() -> None:
    notices = FakeNotices()
    feed = JobsFeed(notices, "org")
    before = [(3, "succeeded"), (2, "succeeded"), (1, "succeeded")]
    for gone in ([], [(1, "succeeded")]):
        notices.jobs_of = before
        looked(feed)
        looked(feed)
        assert not feed.gap
        notices.jobs_of = gone
        assert looked(feed) == {1, 2, 3}
        assert feed.gap
        assert looked(feed) == set()
        assert not feed.gap


OWNER = Owner(Mark("coderport/lab", "0badcafe"), deployment="d")


class Kept:
    """Workspaces of ours in Port, by number, and what `live` may delete of them."""

    def __init__(self, ours: int, limits: Limits, spent: Spent | None = None) -> None:
        self.deletions = Deletions(limits, spent or {})
        self.held = {T: {}, W: {each: entity(each) for each in map(ident, range(ours))}}

    def gone(self, *numbers: int, now: datetime = NOW, why: LeftOut | None = None) -> int:
        """How many go where those are found deleted, or left out."""
        found = {Ref(W, ident(number)): why for number in numbers}
        going = self.deletions.permitted(W, found, OWNER, self.held, now)
        for key in going:
            del self.held[W][key.identifier]
        return len(going)

    @property
    def waiting(self) -> int:
        return len(self.deletions.held)


def entity(identifier: str) -> PortEntity:
    properties = {"managed_by": "coderport/lab#0badcafe", "coder_deployment": "d"}
    return PortEntity(identifier, W, identifier, properties=properties)


def test_what_coder_deleted_may_go_within_the_limit_of_a_run_in_any_ten_minutes() -> None:
    kept = Kept(50, Limits(deleted=3, deleted_percent=0))
    assert kept.gone(1, 2) == 2
    assert kept.gone(3, 4) == 0
    assert kept.waiting == 2
    assert kept.gone(now=NOW + timedelta(minutes=9)) == 0
    assert kept.gone(now=NOW + timedelta(minutes=11)) == 2
    assert kept.waiting == 0


def test_a_mass_deletion_is_held_as_a_whole_however_long_it_waits() -> None:
    kept = Kept(40, Limits())
    for hours in range(5):
        assert kept.gone(*range(30), now=NOW + timedelta(hours=hours)) == 0
    assert kept.waiting == 30
    kept.held[W].clear()  # a run with a release has deleted them
    assert kept.gone() == 0
    assert kept.waiting == 0


def test_what_lives_in_coder_may_go_within_the_limit_of_a_day_which_runs_have_spent_from() -> None:
    kept = Kept(50, Limits(left_out=3, left_out_percent=0), {NOW.strftime("%Y-%m-%dT%H"): {W: 2}})
    assert kept.gone(1, why=LeftOut.TEMPLATE) == 1
    assert kept.gone(2, why=LeftOut.TEMPLATE, now=NOW + timedelta(hours=20)) == 0
    assert kept.gone(now=NOW + timedelta(hours=26)) == 1


def test_what_was_written_back_after_a_run_had_removed_it_goes_again_without_counting() -> None:
    kept = Kept(50, Limits(left_out=1, left_out_percent=0))
    for number in range(5):
        kept.deletions.revived(Ref(W, ident(number)), NOW)
    assert kept.gone(0, 1, 2, why=LeftOut.TEMPLATE) == 3
    assert kept.gone(7, why=LeftOut.TEMPLATE) == 1
    assert kept.gone(4, why=LeftOut.TEMPLATE, now=NOW + timedelta(minutes=10)) == 0


def test_what_live_and_runs_have_let_go_of_the_living_adds_up() -> None:
    hour = NOW.strftime("%Y-%m-%dT%H")
    kept = Kept(60, Limits(left_out=5, left_out_percent=0))
    assert kept.gone(0, 1, why=LeftOut.TEMPLATE) == 2
    kept.deletions.begin_anew(Limits(left_out=5, left_out_percent=0), {hour: {W: 2}})
    assert kept.gone(2, 3, why=LeftOut.TEMPLATE) == 0
    assert kept.waiting == 2
    kept.deletions.runs_spent({hour: {W: 1}})
    assert kept.gone(why=LeftOut.TEMPLATE) == 2


def test_never_all_that_live_in_coder_go() -> None:
    assert Kept(2, Limits(left_out=100)).gone(0, 1, why=LeftOut.TEMPLATE) == 0


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


@pytest.mark.parametrize("stretching", [True, False])
def test_after_the_whole_read_the_looks_share_what_is_left_of_the_minute(stretching: bool) -> None:
    async def test(loop: VirtualTime) -> None:
        budget = Budget(120, loop.time)
        for _ in range(60):
            await budget()
            await asyncio.sleep(1 / 6)
        looked = [loop.time()]
        while looked[-1] < 200:
            began = loop.time()
            with routine():
                await budget()
            looked.append(loop.time())
            await budget()  # what the look pointed at
            factor = stretch(QUICKEST, requests=2, per_second=budget.per_second) if stretching else 1
            pause = QUICKEST * factor
            await asyncio.sleep(max(0.05, began + pause - loop.time()))
        gaps = [later - earlier for earlier, later in pairwise(looked)]
        assert (max(gaps) < 2) is stretching
        assert max(gaps[-60:]) == pytest.approx(QUICKEST)

    in_virtual_time(test)


def test_a_budget_of_which_nothing_is_left_is_looked_at_twice_a_minute() -> None:
    for per_second in (0.0, 0.01):
        assert QUICKEST * stretch(QUICKEST, requests=10, per_second=per_second) == 30
    assert stretch(45.0, requests=10, per_second=0.0) == 1


@pytest.mark.parametrize("resync", [60.0, 600.0])
def test_the_re_read_comes_round_in_its_time_though_it_waits_at_the_beginning(resync: float) -> None:
    found = rhythm_of(routine_per_minute=60, sources=1, requests_of_reread=4, partitions=4, resync=resync, audit=True)
    assert rest_of(resync) > 0
    assert rest_of(resync) + 4 * found.partition == pytest.approx(resync)
