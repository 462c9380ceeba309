"""A server's own clock, as its answers tell it: this machine's may be wrong."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone

_KEPT = 64
"""Of so many answers the times are kept: enough that some came soon after a second began, and few enough to follow."""
_ZERO = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ServerClock:
    """Made of times that the server named, each beside the moment (monotonic) at which it was heard.

    What a server names is never later than what its clock shows when that is heard: of several the latest is nearest.
    """

    def __init__(self) -> None:
        self._ahead: deque[float] = deque(maxlen=_KEPT)

    def __bool__(self) -> bool:
        """Whether the server has named any time."""
        return bool(self._ahead)

    def heard(self, named: datetime, moment: float) -> None:
        """The server has named that time (aware), and it was heard at that moment."""
        self._ahead.append((named - _ZERO).total_seconds() - moment)

    def at(self, moment: float) -> datetime | None:
        """What the server's clock showed at that moment; None where it has never named a time."""
        return _ZERO + timedelta(seconds=max(self._ahead) + moment) if self._ahead else None
