"""The garbage collector, run rarely while very many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_AFTER = (20_000, 20, 10)
"""It looks when this many objects are new, 20 times that and 200 times; else at 700, 7,000 and 70,000."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """What lives already is never looked through within the block, and what is new seldom.

    Without it the search was a tenth of a run, and a seventh of reading 10,000 workspaces and entities.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
