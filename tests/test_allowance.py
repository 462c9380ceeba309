"""What went in a day: hours that count, hours that count no longer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from coderport.guard.allowance import spent_after, spent_lately

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=timezone.utc)


def test_what_goes_now_is_added_to_the_hour() -> None:
    spent = spent_after({}, {"coder_workspace": 2}, NOW)
    assert spent == {"2026-11-27T09": {"coder_workspace": 2}}
    assert spent_after(spent, {"coder_workspace": 1, "action": 1}, NOW) == {
        "2026-11-27T09": {"coder_workspace": 3, "action": 1}
    }
    assert spent_after(spent, {}, NOW) == spent


def test_an_hour_counts_until_all_of_it_is_a_day_ago() -> None:
    spent = spent_after({}, {"coder_workspace": 2}, NOW)
    for hours, counted in ((0, 2), (23, 2), (24, 2), (24.4, 2), (24.6, 0), (48, 0)):
        later = NOW + timedelta(hours=hours)
        assert spent_lately(spent, later).get("coder_workspace", 0) == counted, hours
        assert bool(spent_after(spent, {}, later)) is bool(counted)


def test_an_hour_of_a_clock_that_went_back_and_one_that_is_none_still_count() -> None:
    spent = {"2030-01-01T00": {"action": 1}, "yesterday": {"action": 2}}
    assert spent_lately(spent, NOW) == {"action": 3}


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 5)), max_size=30))
def test_nothing_of_the_last_day_is_ever_forgotten(steps: list[tuple[int, int]]) -> None:
    spent: dict[str, dict[str, int]] = {}
    went: list[tuple[datetime, int]] = []
    now = NOW
    for minutes, number in steps:
        now += timedelta(minutes=minutes * 7)
        spent = spent_after(spent, {"action": number}, now)
        went.append((now, number))
        lately = sum(each for at, each in went if now - at < timedelta(hours=24))
        assert spent_lately(spent, now)["action"] >= lately
