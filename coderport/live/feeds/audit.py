"""The feed of the audit log: what people change of a workspace without a build. Read by owners and auditors alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType

from coderport.catalog.values import Ref
from coderport.coder.notices import AuditLine, Notices
from coderport.kinds.workspace import WORKSPACE
from coderport.live.values import Event, Hint

LIMIT = 50
MOST = 400
DEAREST = 1.0
"""Seconds of Coder's time that a look may take; a log that is dearer is not used."""


class AuditFeed:
    """The newest lines about workspaces, back to one that is known. `now` is aware.

    The log can be asked by days alone. Asking from yesterday on keeps Coder from counting all of it.
    """

    name = "audit"
    place = ""
    covers = "names, schedules and dormancy of workspaces"
    properties = MappingProxyType(
        {
            WORKSPACE.identifier: frozenset(
                {"$title", "name", "ttl_ms", "autostart_schedule", "next_start_at", "automatic_updates", "dormant_at"}
                | {"deleting_at", "url", "updated_at"}
            )
        }
    )
    also: frozenset[str] = frozenset()
    round = 1

    def __init__(self, notices: Notices, now: Callable[[], datetime]) -> None:
        self._notices, self._now = notices, now
        self._known: frozenset[str] | None = None
        self.gap = False

    async def look(self) -> tuple[Hint, ...]:
        """Hints for the workspaces of the lines that are new; the first look only takes note of what there is."""
        limit = LIMIT
        while True:
            lines = await self._lines(limit)
            known = self._known
            reaches = known is None or len(lines) < limit or any(each.id in known for each in lines)
            self.gap = not reaches and limit >= MOST
            if reaches or self.gap:
                break
            limit = min(MOST, 2 * limit)
        self._known = frozenset(each.id for each in lines)
        return tuple(_hint(each) for each in lines if known is not None and each.id not in known and each.resource_id)

    async def _lines(self, limit: int) -> tuple[AuditLine, ...]:
        since = (self._now() - timedelta(days=1)).strftime("%Y-%m-%d")
        return await self._notices.audit(f"resource_type:workspace date_from:{since}", limit=limit)


def _hint(line: AuditLine) -> Hint:
    return Hint(Ref(WORKSPACE.identifier, line.resource_id), Event("audit", line.time))
