"""The rolling re-read: what is urgent is read after that, and not before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from coderport.kinds.workspace import WORKSPACE
from coderport.live.rereading import Rereading


def test_a_gap_during_the_read_of_a_partition_asks_for_it_once_more() -> None:
    catalog = SimpleNamespace(
        templates={"id": SimpleNamespace(name="T")}, held={WORKSPACE.identifier: {}}, ours=lambda _: ()
    )

    class Coder:
        """Shows nothing; something is missed while it does so for the first time."""

        asked = 0

        async def workspaces(self, query: str, **_: object) -> Any:
            self.asked += 1
            if self.asked == 1:
                rereading.all_at_once()
            return SimpleNamespace(rows=(), count=0)

    class Reader:
        async def templates(self, _: object) -> dict[str, object]:
            return {}

        async def referred(self, _: object) -> dict[str, object]:
            return {}

    rereading = Rereading(cast(Any, Coder()), cast(Any, catalog), cast(Any, Reader()))
    due = rereading.next()
    assert due == ("t", ())
    asyncio.run(rereading.read(*due))
    assert rereading.is_urgent
    asyncio.run(rereading.read(*due))
    assert not rereading.is_urgent
