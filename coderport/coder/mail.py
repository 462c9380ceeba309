"""When two e-mail addresses are one person's: as ASCII, whatever the case.

Other letters have lower cases that are ASCII (the Kelvin sign's is k), which would make a person somebody else.
"""

from __future__ import annotations


def folded(address: str) -> str | None:
    """The address as it is compared; None for one with a letter other than ASCII, which is nobody's."""
    return address.lower() if address.isascii() else None


def same_address(one: str, other: str) -> bool:
    """Whether two e-mail addresses are the same."""
    return folded(one) is not None and folded(one) == folded(other)
