"""The feed for tokens that may not read jobs: the workspaces whose build is under way, which every reader may ask for.

What begins and ends between two looks is not seen: the re-read finds it.
"""

from __future__ import annotations

from types import MappingProxyType

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.kinds.workspace import WORKSPACE
from coderport.live.feeds.jobs import BUILT, TOUCHED
from coderport.live.values import Event, Hint

STATUSES = ("pending", "starting", "stopping", "deleting", "canceling")
LIMIT = 250


class TransitionalFeed:
    """One request for each status that does not last; Coder takes one status a request."""

    name = "transitional"
    place = ""
    covers = "builds that take longer than the time between two looks"
    properties = MappingProxyType({WORKSPACE.identifier: BUILT})
    also = TOUCHED
    round = 1

    def __init__(self, coder: CoderClient) -> None:
        self._coder = coder
        self._under_way: dict[str, tuple[str, int]] = {}
        self.gap = False

    async def look(self) -> tuple[Hint, ...]:
        """Hints for the workspaces whose build is under way, and for those of which it has ended."""
        found: dict[str, tuple[str, int]] = {}
        hints = []
        self.gap = False
        for status in STATUSES:
            page = await self._coder.workspaces(f"status:{status}", limit=LIMIT)
            self.gap = self.gap or page.count > LIMIT
            for row in page.rows:
                found[row.id] = (row.latest_build.status, row.latest_build.build_number)
                if self._under_way.get(row.id) != found[row.id]:
                    hints.append(_hint(row.id, Event(self.name, row.latest_build.created_at)))
        hints += [_hint(each, Event(self.name)) for each in sorted(self._under_way.keys() - found.keys())]
        self._under_way = found
        return tuple(hints)


def _hint(workspace_id: str, event: Event) -> Hint:
    return Hint(Ref(WORKSPACE.identifier, workspace_id), event)
