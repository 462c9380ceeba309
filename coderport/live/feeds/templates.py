"""The feed of templates: their list is one request, and a promotion outdates workspaces without any job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest
from coderport.coder.models import Template
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.values import CREATED, DELETED, Event, Hint

_DEPRECATED = "deprecated:true"


class TemplatesFeed:
    """The templates as they were listed last. `known` gives those that were read, which the first look compares with.

    Newer servers leave deprecated ones out of the list and have a list of their own for them: both are asked, by turns.
    """

    name = "templates"
    place = ""
    covers = "templates: new, changed, deleted, and promotions, which outdate their workspaces"
    properties = MappingProxyType(
        {
            TEMPLATE.identifier: frozenset(
                {CREATED, DELETED, "$title", *(each.identifier for each in TEMPLATE.properties)}
            ),
            WORKSPACE.identifier: frozenset({"outdated"}),
        }
    )
    also: frozenset[str] = frozenset()
    round = 3
    gap = False

    def __init__(self, coder: CoderClient, known: Callable[[], Mapping[str, Template]]) -> None:
        self._coder, self._known = coder, known
        self._seen: dict[str, dict[str, Template]] = {}
        self._turn = 0

    async def look(self) -> tuple[Hint, ...]:
        """Hints for what is new, other or gone in the list whose turn it is."""
        query = _DEPRECATED if self._turn % 3 == 1 else ""
        self._turn += 1
        try:
            rows = {row.id: row for row in await self._coder.templates(query) if not row.deleted}
        except CoderBadRequest:  # a server that does not know the key lists deprecated ones with the others
            if not query:
                raise
            return ()
        before = self._seen.get(query)
        if before is None:
            before = {each: row for each, row in self._known().items() if each in rows}
        self._seen[query] = rows
        changed = [row for each, row in rows.items() if _without_counts(before.get(each)) != _without_counts(row)]
        hints = [Hint(Ref(TEMPLATE.identifier, row.id), Event(self.name, row.updated_at)) for row in changed]
        gone = sorted(before.keys() - rows.keys())
        return (*hints, *(Hint(Ref(TEMPLATE.identifier, each), Event(self.name)) for each in gone))


def _without_counts(row: Template | None) -> Template | None:
    """A template without what changes by itself: numbers of users and durations of builds."""
    return None if row is None else row.model_copy(update={"active_user_count": 0, "build_time_stats": None})
