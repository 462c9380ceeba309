"""The invariants hold in the first thousand histories of `simulation`. Two files, because each is one worker's."""

from __future__ import annotations

import pytest
from histories import EACH, require_all_to_hold

pytestmark = pytest.mark.dear


@pytest.mark.parametrize("first", range(0, 1000, EACH))
def test_the_invariants_hold_in_every_history(first: int) -> None:
    require_all_to_hold(first)
