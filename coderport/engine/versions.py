"""Versions of the Pulumi CLI: the one that is installed, and the range that is used where it is found."""

from __future__ import annotations

import re
from typing import NamedTuple


class Version(NamedTuple):
    """Three numbers; what follows a `-` or `+` is left out, so a pre-release counts as its release."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


PINNED = Version(3, 250, 0)
"""The version that is installed or built, and the oldest that the project is tested with."""

FIRST_UNFIT = Version(4, 0, 0)
"""A major version may change the protocol between the engine, the SDK and our provider."""

_PATTERN = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


def parsed(text: str) -> Version | None:
    """The version in what `pulumi version` prints (`v3.250.0`), or None where that is none."""
    match = _PATTERN.fullmatch(text.strip())
    return Version(int(match[1]), int(match[2]), int(match[3])) if match else None


def is_fit(version: Version) -> bool:
    """True for a CLI that the project can use."""
    return PINNED <= version < FIRST_UNFIT
