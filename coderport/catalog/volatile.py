"""Properties that change by themselves: true values, written at most once per refresh period for each entity.

Coder moves `last_used_at` each minute while somebody is connected; following it would write every active
workspace in every run. So a value that Port holds is carried forward, as long as it is a valid older one,
until the entity's turn comes. Turns are spread over the period by a hash of the identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from coderport.catalog.meaning import instant
from coderport.catalog.values import Entity, Held, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HOUR = timedelta(hours=1)


def carried_forward(
    desired: Entity,
    held: Held,
    changed: Mapping[str, tuple[Any, Any]],
    now: datetime,
    refresh: timedelta,
    *,
    volatile: frozenset[str],
    last_used: str | None = None,
) -> Entity:
    """The entity with the volatile values that this run should declare.

    `changed` is all that differs (see `meaning.difference`), `volatile` the properties that this applies to, and
    `last_used` the one of them that follows its object's use. The values are Port's own if nothing else about the
    entity differs, each of them is valid and not newer than Coder's, and the entity's turn has not come; otherwise, or
    with a `refresh` of zero, all are Coder's. `now` counts by its full hour, so that a preview and the run after it
    agree.
    """
    if not refresh:
        return desired
    if not changed or not volatile.issuperset(changed) or _due(desired, held, now, refresh, last_used):
        return desired
    if not all(_carriable(*pair) for pair in changed.values()):
        return desired
    carried: dict[str, Value] = {key: pair[0] for key, pair in changed.items()}
    return replace(desired, properties={**desired.properties, **carried})


def _due(desired: Entity, held: Held, now: datetime, refresh: timedelta, last_used: str | None) -> bool:
    written = instant(held.updated_at)
    if written is None:
        return True
    phase = _phase(desired.identifier, refresh)
    hour = now - (now - _EPOCH) % _HOUR
    if _slot(hour, phase, refresh) > _slot(written, phase, refresh):
        return True
    # A busy writer of something else keeps `updated_at` fresh: then the values themselves show their age.
    used, stored = (instant(each.properties.get(last_used or "")) for each in (desired, held))
    if used is None or stored is None:
        return False
    return _slot(used, phase, refresh) > _slot(stored, phase, refresh) + 1


def _carriable(held: Any, desired: Any) -> bool:
    moment, stored = instant(desired), instant(held)
    if moment is not None:
        return stored is not None and stored <= moment
    return _count(held) and _count(desired)


def _count(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _slot(moment: datetime, phase: timedelta, refresh: timedelta) -> int:
    return (moment - _EPOCH - phase) // refresh


def _phase(identifier: str, refresh: timedelta) -> timedelta:
    digest = hashlib.sha256(identifier.encode()).digest()
    return refresh * (int.from_bytes(digest[:4], "big") / 2**32)
