"""The groups of actions that a stack declares only where its settings ask for them."""

from __future__ import annotations

from typing import Final, Literal, get_args

Extra = Literal["bulk", "dormancy", "presets"]

EXTRAS: Final[tuple[Extra, ...]] = get_args(Extra)
"""All of them."""
