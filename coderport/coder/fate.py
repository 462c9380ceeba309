"""What became of an object that is known and that no list holds."""

from __future__ import annotations

import enum


class Fate(enum.Enum):
    """What is known of an object that no listing holds."""

    GONE = "proven deleted"
    UNPROVEN = "not visible, which proves nothing"
