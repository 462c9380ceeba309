"""How long the system's resolver is waited for.

A lookup cannot be cancelled: the process ends only after it has. By glibc's own defaults one that gets no answer takes
10 seconds for each name server, which is longer than a first contact may fail.
"""

from __future__ import annotations

from collections.abc import MutableMapping

OPTIONS = "timeout:1 attempts:2"
"""For glibc (`man resolv.conf`): with three name servers that do not answer, 6 seconds."""


def hurry(environment: MutableMapping[str, str]) -> None:
    """Has a lookup without an answer end in time, unless `RES_OPTIONS` says otherwise."""
    environment.setdefault("RES_OPTIONS", OPTIONS)
