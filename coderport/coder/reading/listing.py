"""Listing the workspaces of one scope: few requests, and as few page boundaries as possible.

Where everything fits on one page, that page is one SQL statement and needs nothing else. Otherwise the walk
is split by template, which a workspace never changes, so that most parts are one statement each. A part that
is larger is walked page by page, advancing by the limit that was asked for until `offset >= count` (a short
or empty page in the middle is not the end), and walked again while it holds fewer ids than it counts. Rows
that no part holds, because their template was renamed, created or is unreadable, are looked for by walking
the whole scope. `ledger` judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from coderport.coder.client import CoderClient, WorkspacePage
from coderport.coder.errors import CoderAnswerError
from coderport.coder.models import Template
from coderport.coder.reading.ledger import Ledger
from coderport.transport.together import together

PAGE_LIMIT = 1000
PASSES = 3
WALKS = 3
MAX_PAGES = 5000
PARTS_PER_PAGE = 20

Seen = Callable[[int, int], None]


class Scope:
    """The workspaces that one query names: all ("") or those of one organization. Keeps what it has seen in
    `ledger`.
    """

    def __init__(
        self, client: CoderClient, query: str, *, page_limit: int = PAGE_LIMIT, seen: Seen | None = None
    ) -> None:
        self.query = query
        self.ledger = Ledger()
        self._client = client
        self._limit = page_limit
        self._seen = seen

    async def first_page(self) -> WorkspacePage:
        """A count, and then the largest page from the start, which is everything in most deployments."""
        await self._page(self.query, 0, 1)
        return await self._page(self.query, 0, self._limit)

    async def walk_again(self, turn: int, templates: Iterable[Template]) -> None:
        """One more pass, by a way that fits the size and the turn (0, 1, …), closed by a fresh count."""
        parts = self._parts(templates)
        pages = -(-self.ledger.count // self._limit)
        if pages <= 1 and turn:
            await self._page(self.query, 0, self._limit)
        elif pages > 1:
            # With very many small templates even two plain walks, united, cost far less.
            if turn == PASSES - 1 or (turn != 1 and len(parts) <= PARTS_PER_PAGE * pages):
                await together(self._walk_part(part) for part in parts)
            else:
                await self._walk(self.query)
        await self._page(self.query, 0, 1)

    def _parts(self, templates: Iterable[Template]) -> list[str]:
        names = {one.name.lower() for one in templates}
        names.update(row.template_name.lower() for row in self.ledger.rows.values() if row.template_name)
        return [f'{self.query} template:"{name}"'.strip() for name in sorted(names)]

    async def _walk_part(self, query: str) -> None:
        ids: set[str] = set()
        for _ in range(WALKS):
            found, count = await self._walk(query)
            ids |= found
            if len(ids) >= count or count <= self._limit:
                return

    async def _walk(self, query: str) -> tuple[set[str], int]:
        """All pages: the ids seen and the highest count. The pages after the first are asked for side by side."""
        first = await self._page(query, 0, self._limit)
        ids = {row.id for row in first.rows}
        count, offset = first.count, self._limit
        while offset < count:
            if count > MAX_PAGES * self._limit:
                raise CoderAnswerError(f"Coder counts {count} workspaces, which no read can walk")
            offsets = range(offset, count, self._limit)
            for page in await together(self._page(query, at, self._limit) for at in offsets):
                ids.update(row.id for row in page.rows)
                count = max(count, page.count)
            offset = offsets[-1] + self._limit
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
