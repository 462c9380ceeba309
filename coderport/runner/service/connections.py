"""How many connections are open and for how long: what keeps the service there while strangers hold sockets open.

A connection has so long for the headers of a request, for its body and for taking the answer, each counted from the
beginning of that part, so that a drip does not help. Where as many are open as may be, the one that has kept us
waiting for longest goes, so that whoever sends a whole request is heard. Where all of them wait for us, nobody goes:
who comes then is taken on later.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS: Final = {"headers": 10.0, "body": 15.0, "answer": 30.0}
"""For each part of an exchange. The app itself answers 408 to a body that is not there after 10 seconds."""
LOOK_SECONDS: Final = 0.5
KERNEL_QUEUE: Final = 4096
"""How many may wait in the kernel to be taken on; what comes then tries again after a second."""
_OTHER_FILES: Final = 160
"""Files that the process needs besides: those of both clients, of the journal, and what is taken on at once."""
_LEAST: Final = 16


def most_connections(wanted: int) -> int:
    """As many as are wanted, or as the process may have files for (`ulimit -n`); it allows itself what it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(_LEAST, min(wanted, soft - _OTHER_FILES))


class Connection(Protocol):
    """One that is open: a bare socket (`acceptor`), or one with a protocol for HTTP.

    `part` is what it is busy with, as seen last: `headers`, `body` or `answer`; `since` when.
    """

    part: str
    since: float

    def present_part(self) -> str:
        """What it is busy with now."""

    def abort(self) -> None:
        """Closes it at once, whatever was to be sent."""


class Connections:
    """The open connections, the one that was heard last at the end. `closed` is told why one was closed by us."""

    def __init__(self, most: int, closed: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self._closed, self._clock = most, closed, clock
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[GuardedProtocol]:
        """What uvicorn makes for each connection."""
        return type("ServiceProtocol", (GuardedProtocol,), {"open_ones": self})

    def has_room(self) -> bool:
        """Whether one more can be taken on: not while as many as may be open all wait for us."""
        return len(self._open) < self.most or any(each.present_part() != "answer" for each in self._open)

    def add(self, connection: Connection, instead_of: Connection | None = None) -> Connection | None:
        """One more, or one in the place of another; a third one goes where there are too many, and is given."""
        if instead_of is not None:
            self.drop(instead_of)
        self.heard(connection)
        if len(self._open) <= self.most:
            return None
        # Itself only where all of them are being answered.
        goes = next((each for each in self._open if each.present_part() != "answer"), connection)
        self._close(goes, "crowded")
        return goes

    def heard(self, connection: Connection) -> None:
        """It has just begun, or has had its answer."""
        self._open.pop(connection, None)
        self._open[connection] = None
        connection.part, connection.since = "headers", self._clock()

    def drop(self, connection: Connection) -> None:
        """It is gone."""
        self._open.pop(connection, None)

    def look(self) -> None:
        """Closes those whose time is over."""
        now = self._clock()
        for connection in list(self._open):
            part = connection.present_part()
            if part != connection.part:
                connection.part, connection.since = part, now
            elif now - connection.since > SECONDS[part]:
                self._close(connection, "slow")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks at them again and again until the block ends."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self.look()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    def _close(self, connection: Connection, why: str) -> None:
        self.drop(connection)
        connection.abort()
        self._closed(why)


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol for one connection, which tells the others of its kind that it is there."""

    open_ones: Connections
    part = "headers"
    since = 0.0

    def __init__(self, *, received: bytes = b"", was: Connection | None = None, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._received, self._was = received, was

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.open_ones.add(self, instead_of=self._was)
        self._was = None
        # Before anything else that comes, but after the transport is ready to be told to wait.
        self.loop.call_soon(self._begin)

    def _begin(self) -> None:
        received, self._received = self._received, b""
        if received and not self.transport.is_closing():
            self.data_received(received)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_ones.drop(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.open_ones.heard(self)
        super().on_response_complete()

    def abort(self) -> None:
        """Closes it at once, whatever was to be sent."""
        self.transport.abort()

    def present_part(self) -> str:
        """What it is busy with now."""
        if self._received:
            return "answer"
        if self.cycle is None or self.cycle.response_complete:
            return "headers"
        return "body" if self.cycle.more_body else "answer"
