"""How values are written: Go's times, ids of parts that are not records."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from typing import Any

Json = dict[str, Any]
NIL_ID = "00000000-0000-0000-0000-000000000000"
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_ZERO_TIME = "0001-01-01T00:00:00Z"
_DERIVED = uuid.UUID("6f2c0f5e-0f0c-4d57-9a35-7a3d3a1f2b4c")


def stamp(at: datetime | None) -> str:
    """Go's RFC 3339: trailing zeros of the fraction trimmed; no time is the zero time."""
    if at is None:
        return _ZERO_TIME
    text = at.isoformat()[:-6]
    return f"{text.rstrip('0') if '.' in text else text}Z"


def nullable(at: datetime | None) -> str | None:
    """As `stamp`, where no time is null."""
    return None if at is None else stamp(at)


def read_time(text: str) -> datetime:
    """An RFC 3339 time in UTC, with any number of digits in its fraction; `ValueError` if it is none."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{zone}").astimezone(timezone.utc)


def derived_id(of: str, what: str) -> str:
    """The id of a part that is not a record of its own: a build's job, resource, agent…"""
    return str(uuid.uuid5(_DERIVED, f"{of}/{what}"))
