"""Each protection of `live` is missed: with it switched off, the test of its rule fails."""

from __future__ import annotations

import pytest
from live_protections import PROTECTIONS


@pytest.mark.parametrize("name", PROTECTIONS)
def test_the_test_of_a_rule_dies_without_its_protection(name: str) -> None:
    switched_off, test = PROTECTIONS[name]
    with switched_off(), pytest.raises((AssertionError, pytest.fail.Exception)):
        test()
