"""Weekly autostart schedules: ``[CRON_TZ=<zone> ]<minute> <hour> * * <days of week>``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_ZONE = re.compile(r"CRON_TZ=([A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*)")


class ScheduleError(ValueError):
    """The schedule is not one that Coder takes; the text says why."""


def next_start(schedule: str, after: datetime) -> datetime | None:
    """When the schedule next starts a workspace, in UTC; None if it is empty.

    `ScheduleError` if it is wrong.
    """
    if not schedule:
        return None
    zone, fields = _split(schedule)
    minutes = _numbers(fields[0], 0, 59)
    hours = _numbers(fields[1], 0, 23)
    days = {day % 7 for day in _numbers(fields[4], 0, 7)}
    if fields[2] != "*" or fields[3] != "*":
        raise ScheduleError("validate weekly schedule: expected month and dom to be *")
    local = after.astimezone(zone)
    for ahead in range(8):
        date = local.date() + timedelta(days=ahead)
        if date.isoweekday() % 7 not in days:
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                at = datetime(date.year, date.month, date.day, hour, minute, tzinfo=zone)
                if at > local:
                    return at.astimezone(timezone.utc)
    return None


def _split(schedule: str) -> tuple[tzinfo, list[str]]:
    words = schedule.split()
    zone: tzinfo = timezone.utc
    if words and words[0].startswith("CRON_TZ="):
        zone = _zone(words.pop(0))
    if len(words) != 5:
        raise ScheduleError(
            "validate weekly schedule: expected schedule to consist of 5 fields "
            "with an optional CRON_TZ=<timezone> prefix"
        )
    return zone, words


def _zone(word: str) -> tzinfo:
    match = _ZONE.fullmatch(word)
    try:
        return ZoneInfo(match[1]) if match else timezone.utc
    except (ZoneInfoNotFoundError, ValueError):
        try:
            ZoneInfo("Europe/London")
        except ZoneInfoNotFoundError:
            return timezone.utc  # a machine without zone data cannot tell a wrong zone from a right one
        raise ScheduleError(f"parse schedule: unknown time zone {word.removeprefix('CRON_TZ=')}") from None


def _numbers(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            if span in ("*", "?"):
                begin, end = low, high
            else:
                begin = _number(first)
                end = _number(last) if dash else begin
            stride = int(step) if step else 1
        except ValueError:
            raise ScheduleError(f"parse schedule: failed to parse {part!r}") from None
        if not (low <= begin <= end <= high) or stride < 1:
            raise ScheduleError(f"parse schedule: {part!r} is out of the range {low} to {high}")
        found.update(range(begin, end + 1, stride))
    return found


def _number(text: str) -> int:
    return _DAYS[text] if text in _DAYS else int(text)
