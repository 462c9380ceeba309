"""Calculated properties: jq programs over an entity, run by jq itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jq

Program = Callable[[Any], Any]
"""From an entity as JSON to the value, null where the program fails or yields nothing."""


@lru_cache(maxsize=256)
def compiled_program(source: str) -> Program:
    """The program, compiled once; one that jq does not understand yields null.

    Port takes such a one as well: the Terraform provider's acceptance test BlueprintWithCalculationProperty writes
    ``test-rel.$identifier``.
    """
    try:
        program = jq.compile(source)
    except ValueError:
        return lambda entity: None

    def value(entity: Any) -> Any:
        try:
            return program.input_value(entity).first()
        except (ValueError, StopIteration):
            return None

    return value
