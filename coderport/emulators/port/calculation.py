"""Calculated properties: jq programs over an entity, run by jq itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jq

from coderport.emulators.port.problems import invalid

Program = Callable[[Any], Any]
"""From an entity as JSON to the value, null where the program fails or yields nothing."""


def compiled_program(source: str, path: str) -> Program:
    """The program, compiled once; 422 where jq does not understand it."""
    try:
        program = jq.compile(source)
    except ValueError as error:
        raise invalid(path, f"must be a jq program: {error}") from error

    def value(entity: Any) -> Any:
        try:
            return program.input_value(entity).first()
        except (ValueError, StopIteration):
            return None

    return value
