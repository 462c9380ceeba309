"""Values that change by themselves are true ones, and are written at most once per refresh period."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from catalog_samples import CONTEXT, TEMPLATE_ID, held, numbered, template, workspace
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.meaning import time_text
from coderport.catalog.values import Entity, Ref
from coderport.kinds.all import KIND_OF, difference
from coderport.kinds.desired import settled
from coderport.kinds.template import template_entity
from coderport.kinds.workspace import workspace_entity
from coderport.port.models import PortEntity

DAY = timedelta(hours=24)
START = datetime(2026, 11, 20, tzinfo=timezone.utc)
WRITTEN = START + timedelta(hours=12)


def used_at(moment: datetime, **fields: Any) -> Entity:
    return workspace_entity(
        workspace(last_used_at=time_text(moment), **fields), CONTEXT, {Ref("coder_template", TEMPLATE_ID)}
    )


def port_after(entity: Entity, moment: datetime) -> PortEntity:
    return held(entity, updated_at=time_text(moment))


def turn(identifier: str = used_at(START).identifier) -> datetime:
    """The first moment after START at which this entity's turn comes, found by asking hour by hour."""
    stored = port_after(used_at(START - DAY, id=identifier), START)
    for hour in range(1, 26):
        now = START + timedelta(hours=hour)
        true = used_at(START, id=identifier)
        if settled(true, stored, now, DAY) == true:
            return now
    raise AssertionError("its turn never came")


def test_an_older_valid_value_is_carried_forward_until_the_turn_comes() -> None:
    due = turn()
    older = used_at(due - timedelta(minutes=2))
    stored = port_after(older, due)
    true = used_at(due + timedelta(hours=1))
    assert settled(true, stored, due + timedelta(hours=2), DAY) == older
    assert settled(true, stored, due + timedelta(hours=23), DAY) == older
    assert settled(true, stored, due + DAY, DAY) == true


def test_an_ordinary_change_takes_the_true_values_along() -> None:
    stored = port_after(used_at(WRITTEN - timedelta(hours=2)), WRITTEN)
    true = used_at(WRITTEN, build={"status": "stopped"})
    assert settled(true, stored, WRITTEN, DAY) is true


def test_a_time_that_is_not_volatile_is_never_carried_forward() -> None:
    stored = port_after(used_at(WRITTEN, dormant_at="2026-11-20T10:00:00Z"), WRITTEN)
    true = used_at(WRITTEN, dormant_at="2026-11-20T11:00:00Z")
    assert settled(true, stored, WRITTEN, DAY) is true


@pytest.mark.parametrize(
    "change",
    [
        {"last_used_at": "yesterday"},
        {"last_used_at": None},
        {"last_used_at": 7},
        {"last_used_at": "2030-01-01T00:00:00Z"},
        {"next_start_at": "2026-11-22T08:30:00Z"},
        {"deadline": ["x"]},
        {"max_deadline": "2026-11-20T16:00:00Z"},
    ],
)
def test_a_hand_edit_that_cannot_be_an_older_value_is_put_right_at_once(change: dict[str, Any]) -> None:
    true = used_at(WRITTEN)
    stored = held(true, updated_at=time_text(WRITTEN), **change)
    assert settled(true, stored, WRITTEN, DAY) is true


def test_a_value_that_appears_or_disappears_is_written_at_once() -> None:
    with_schedule, without = used_at(WRITTEN), used_at(WRITTEN, next_start_at=None)
    assert settled(with_schedule, port_after(without, WRITTEN), WRITTEN, DAY) is with_schedule
    assert settled(without, port_after(with_schedule, WRITTEN), WRITTEN, DAY) is without


def test_a_deadline_brought_forward_is_written_at_once() -> None:
    late = used_at(WRITTEN, build={"deadline": "2026-11-20T18:00:00Z"})
    soon = used_at(WRITTEN, build={"deadline": "2026-11-20T14:00:00Z"})
    assert settled(soon, port_after(late, WRITTEN), WRITTEN, DAY) is soon
    assert settled(late, port_after(soon, WRITTEN), WRITTEN, DAY) == soon


@pytest.mark.parametrize(("stored", "carried"), [("2", True), ("9", True), ("many", False), ("٣", False), (5, False)])
def test_a_number_of_users_is_carried_forward_if_it_is_one(stored: object, carried: bool) -> None:
    true = template_entity(template(), CONTEXT)
    # Written now: its turn cannot have come again.
    result = settled(true, held(true, updated_at=time_text(WRITTEN), active_user_count=stored), WRITTEN, DAY)
    assert (result.properties["active_user_count"] == stored) is carried
    assert replace(result, properties=true.properties) == true


def test_nothing_is_carried_forward_without_a_refresh_period_or_an_entity_in_port() -> None:
    true = used_at(WRITTEN)
    stored = port_after(used_at(WRITTEN - timedelta(hours=1)), WRITTEN)
    assert settled(true, stored, WRITTEN, timedelta(0)) is true
    assert settled(true, None, WRITTEN, DAY) is true


@pytest.mark.parametrize("text", [None, "", "just now"])
def test_an_entity_of_unknown_age_is_due(text: str | None) -> None:
    true = used_at(WRITTEN)
    stored = replace(port_after(used_at(WRITTEN - timedelta(minutes=5)), WRITTEN), updated_at=text)
    assert settled(true, stored, WRITTEN, DAY) is true


def test_somebody_who_writes_the_entity_all_the_time_does_not_stop_the_refresh() -> None:
    stored = used_at(START)
    ages = []
    for hour in range(1, 24 * 10):
        now = START + timedelta(hours=hour)
        just_touched = port_after(stored, now - timedelta(minutes=1))
        stored = settled(used_at(now), just_touched, now, DAY)
        ages.append(now - used_time(stored))
    assert max(ages) <= 2 * DAY


def used_time(entity: Entity | PortEntity) -> datetime:
    return datetime.fromisoformat(str(entity.properties["last_used_at"]).replace("Z", "+00:00"))


@pytest.mark.parametrize("hour", range(24))
def test_a_turn_never_comes_within_an_hour(hour: int) -> None:
    stored = port_after(used_at(START - timedelta(minutes=2)), START - timedelta(minutes=1))
    true, now = used_at(START), START + timedelta(hours=hour)
    at_the_end = settled(true, stored, now + timedelta(minutes=59, seconds=59), DAY)
    assert settled(true, stored, now, DAY) == at_the_end


def test_turns_are_spread_over_the_period() -> None:
    hours = {turn(numbered(number)).hour for number in range(200)}
    assert len(hours) >= 20


minutes = st.integers(0, 59)


@given(st.integers(0, 2**64), st.integers(0, 24 * 60), st.integers(0, 24 * 60), minutes, minutes)
def test_a_preview_and_the_run_after_it_agree_within_the_hour(
    number: int, written: int, used: int, first: int, second: int
) -> None:
    stored = port_after(used_at(START, id=numbered(number)), START + timedelta(minutes=written))
    true = used_at(START + timedelta(minutes=used), id=numbered(number))
    hour = START + timedelta(hours=30)
    preview = settled(true, stored, hour + timedelta(minutes=first), DAY)
    run = settled(true, stored, hour + timedelta(minutes=second), DAY)
    assert preview == run
    after = port_after(run, hour + timedelta(minutes=second))
    again = settled(true, after, hour + timedelta(minutes=59), DAY)
    assert difference(again, after) == {}


@given(
    st.integers(0, 2**64),
    st.sampled_from([timedelta(hours=1), timedelta(hours=6), DAY, timedelta(days=3)]),
    st.lists(st.integers(1, 600), min_size=1, max_size=60),
)
def test_a_busy_workspace_is_written_at_most_once_per_period(
    number: int, refresh: timedelta, pauses: list[int]
) -> None:
    now = START
    stored = port_after(used_at(now, id=numbered(number)), now)
    writes = []
    for pause in pauses:
        now += timedelta(minutes=pause)
        wanted = settled(used_at(now, id=numbered(number)), stored, now, refresh)
        if difference(wanted, stored):
            assert wanted == used_at(now, id=numbered(number))
            writes.append(now)
            stored = port_after(wanted, now)
    # Turns are a period apart, so one period holds at most one of them and two hold at most two.
    assert len(writes) <= (now - START) // refresh + 1
    for earlier, later in zip(writes, writes[2:], strict=False):
        assert later - earlier > refresh - timedelta(hours=1)


@given(st.integers(0, 2**64), st.integers(0, 48 * 60))
def test_a_value_is_never_more_than_a_period_and_an_hour_old(number: int, start: int) -> None:
    now = START + timedelta(minutes=start)
    stored = port_after(used_at(now, id=numbered(number)), now)
    for _ in range(72):
        now += timedelta(hours=1)
        wanted = settled(used_at(now, id=numbered(number)), stored, now, DAY)
        if difference(wanted, stored):
            stored = port_after(wanted, now)
        assert now - used_time(stored) <= DAY + timedelta(hours=1)


@given(st.data())
def test_whatever_port_holds_one_write_settles_it(data: st.DataObject) -> None:
    anything = st.none() | st.booleans() | st.integers() | st.text() | st.just("2026-11-19T00:00:00Z")
    true = used_at(WRITTEN)
    edits = data.draw(st.dictionaries(st.sampled_from(sorted(KIND_OF["coder_workspace"].volatile)), anything))
    stored = held(true, updated_at=time_text(WRITTEN), **edits)
    wanted = settled(true, stored, WRITTEN, DAY)
    if difference(wanted, stored):
        assert wanted == true
        again = port_after(wanted, WRITTEN)
        assert difference(settled(true, again, WRITTEN, DAY), again) == {}


def test_volatile_properties_are_declared() -> None:
    assert KIND_OF["coder_workspace"].volatile == {"last_used_at", "next_start_at", "deadline", "max_deadline"}
    assert KIND_OF["coder_template"].volatile == {"active_user_count"}
