"""How much a command says: what is wrong alone, as usual, or each request as well. A process runs one command."""

from __future__ import annotations

import enum
import logging
import sys


class Volume(enum.Enum):
    """What was asked for on the command line."""

    QUIET = enum.auto()
    USUAL = enum.auto()
    VERBOSE = enum.auto()


_volume = Volume.USUAL


def set_volume(volume: Volume) -> None:
    """Sets it for this process. VERBOSE has the HTTP client tell each request: method, URL, status.

    No header and no body is in that, and so no token.
    """
    global _volume
    _volume = volume
    if volume is Volume.VERBOSE:
        teller = logging.StreamHandler(sys.stderr)
        teller.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", datefmt="%H:%M:%S"))
        requests = logging.getLogger("httpx")
        requests.setLevel(logging.INFO)
        requests.addHandler(teller)


def is_quiet() -> bool:
    """Whether only what is wrong is to be said."""
    return _volume is Volume.QUIET
