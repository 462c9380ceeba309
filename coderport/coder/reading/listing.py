"""Listing the workspaces of one scope: as little of Coder's time as possible, and few rows lost.

Where everything fits on one page, that page is one SQL statement and needs nothing else. Else Coder's price decides,
measured on 2.20 (see the emulator's `prices`): 0.85 ms for each row, and for each request 14 µs for every workspace
that exists, because it counts them all. Split by template, which a workspace never changes, most parts are one
statement and lose nothing; that is taken while it needs few more requests than pages would. Otherwise the scope is
walked in small pages side by side that overlap: a row that moves by a few places meanwhile is not lost. A part that
is larger than a page is walked too, until `offset >= count` (a short or empty page in the middle is not the end), and
again while it holds fewer ids than it counts. Rows that no part holds, because their template was renamed, created or
is unreadable, are looked for by walking the whole scope. `ledger` judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from coderport.coder.client import CoderClient, WorkspacePage
from coderport.coder.errors import CoderAnswerError
from coderport.coder.models import Template, Workspace
from coderport.coder.reading.ledger import Ledger
from coderport.tasks import together

PAGE_LIMIT = 1000
PASSES = 3
WALKS = 3
MAX_PAGES = 20_000
WALK_LIMIT = 250
"""Rows of a page where many are read side by side: small ones keep all of Coder's cores at work to the end."""
OVERLAP = 10
"""Rows that a page has in common with the next."""
MORE_PARTS = 20
"""So many requests more than pages would need are worth it for parts, which lose no rows."""
SAMPLE = 25
"""Rows of a page that is asked for its count."""

Seen = Callable[[int, int], None]


class Scope:
    """The workspaces that one query names: all ("") or those of one organization. Keeps what it has seen in
    `ledger`.
    """

    def __init__(
        self, client: CoderClient, query: str, *, page_limit: int = PAGE_LIMIT, seen: Seen | None = None
    ) -> None:
        self.query = query
        self.ledger = Ledger[Workspace]()
        self._client = client
        self._limit = page_limit
        self._seen = seen

    async def first_page(self) -> WorkspacePage:
        """A count, and then everything where that fits on one page; else a few rows with a second count.

        Both counts come before all that is read, so each can be met by the rows (see `ledger`).
        """
        first = await self._page(self.query, 0, 1)
        return await self._page(self.query, 0, self._limit if first.count <= self._limit else min(SAMPLE, self._limit))

    async def walk_again(self, turn: int, templates: Iterable[Template]) -> None:
        """One more pass, by a way that fits the size and the turn (0, 1, …), closed by a fresh count."""
        if self.ledger.count > self._limit:
            if turn:
                # With the one that closed the turn before: two counts between this turn's sightings and earlier ones.
                await self._page(self.query, 0, 1)
            count = self.ledger.count
            parts = self._parts(templates)
            pages = -(-count // self._walk_limit)
            # With very many small templates even two plain walks, united, cost far less.
            if turn == PASSES - 1 or (turn != 1 and len(parts) <= pages + MORE_PARTS):
                await together(self._walk_part(part) for part in parts)
            else:
                await self._walk(self.query, self._walk_limit, count)
        elif turn:
            await self._page(self.query, 0, self._limit)
        await self._page(self.query, 0, 1)

    @property
    def _walk_limit(self) -> int:
        return min(WALK_LIMIT, self._limit)

    def _parts(self, templates: Iterable[Template]) -> list[str]:
        names = {one.name.lower() for one in templates}
        names.update(row.template_name.lower() for row in self.ledger.rows.values() if row.template_name)
        return [f'{self.query} template:"{name}"'.strip() for name in sorted(names)]

    async def _walk_part(self, query: str) -> None:
        ids: set[str] = set()
        for _ in range(WALKS):
            found, count = await self._walk(query, self._limit)
            ids |= found
            if len(ids) >= count or count <= self._limit:
                return

    async def _walk(self, query: str, limit: int, count: int = 1) -> tuple[set[str], int]:
        """All pages: the ids seen and the highest count. As many as `count` says are asked for side by side."""
        overlap = min(OVERLAP, limit // 2)
        ids: set[str] = set()
        offset = 0
        while offset < count:
            if count > MAX_PAGES * limit:
                raise CoderAnswerError(f"Coder counts {count:,} workspaces, which no read can walk")
            offsets = range(offset, max(count - overlap, offset + 1), limit - overlap)
            for page in await together(self._page(query, at, limit) for at in offsets):
                ids.update(row.id for row in page.rows)
                count = max(count, page.count)
            offset = offsets[-1] + limit
            if offset < count:
                offset -= overlap
        return ids, count

    async def _page(self, query: str, offset: int, limit: int) -> WorkspacePage:
        sent = self.ledger.asking()
        page = await self._client.workspaces(query, limit=limit, offset=offset)
        if query == self.query:
            self.ledger.counted(page, sent)
        else:
            self.ledger.saw(page.rows, sent)
        if self._seen is not None:
            self._seen(len(self.ledger.rows), self.ledger.count)
        return page


async def listed(client: CoderClient, query: str) -> tuple[dict[str, Workspace], int]:
    """The workspaces that a query names, by id, and how many of them may be missing: 0 where none is.

    The query must be of something that a workspace never loses, such as its owner or its template.
    """
    scope = Scope(client, query)
    await scope.first_page()
    for turn in range(PASSES):
        await scope.walk_again(turn, ())
        if not scope.ledger.short:
            break
    return scope.ledger.rows, scope.ledger.short
