"""A busy Coder read again and again: is the read whole each time, and is a plain page walk?"""

from __future__ import annotations

import asyncio

from benchmarks import names
from benchmarks.measuring import Notebook
from benchmarks.read_under_churn import busy, measured, page_walk, proven_read
from benchmarks.rows import Row
from benchmarks.servers import LATENCY_MS, TEMPLATES

PER_SECOND = 5
WALKS = 3
_USERS = 2_000


def churn(workspaces: int, notebook: Notebook, reads: int) -> None:
    """Reads so often, and walks a few times."""
    with busy((workspaces, TEMPLATES, _USERS), PER_SECOND, LATENCY_MS) as (url, token, alive):
        for case, way, times in (
            (names.CHURN, proven_read, reads),
            (names.PAGE_WALK, page_walk(100), WALKS),
        ):
            found = asyncio.run(measured(case, way, times, url, token, alive))
            whole = found.complete if case == names.PAGE_WALK else found.claimed_whole - found.wrongly_claimed
            rows = (
                ("reads", times, "reads"),
                (names.NOT_WHOLE, round(1 - whole / times, 4), "of 1"),
                (names.WALL, round(found.seconds, 2), "s, median"),
                (names.CODER_REQUESTS, found.requests, "requests, median"),
            )
            notebook.put(Row(names.figure(case, what), workspaces, value, unit) for what, value, unit in rows)
