"""Accepts connections, and keeps each as a bare socket until the headers of its first request are whole.

FreeBSD does the same in its kernel (`accf_http`). Whoever begins a request and does not go on costs no transport, no
protocol and no parser: the kernel's queue is emptied faster than strangers fill it, and a probe behind them is heard.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from coderport.runner.service.connections import Connection, Connections

ACCEPTED_AT_ONCE: Final = 512
"""How many connections the event loop takes on before it looks at those that it has."""
CLOSING_AT_ONCE: Final = 64
"""How many of those that make room meanwhile may keep their files until the event loop's next turn."""
MOST_HEADERS: Final = 16 * 1024
"""Bytes without an end of the headers: the HTTP protocol refuses more by itself."""
RETRY_SECONDS: Final = 1.0
"""Until the next try where the machine has no file left for a connection."""
ROOM_SECONDS: Final = 0.02
"""Until the next look where all that may be open are being answered; who comes then waits in the kernel's queue."""

_RECEIVED_AT_ONCE: Final = 64 * 1024
_ENDS: Final = (b"\n\r\n", b"\n\n")
_SPACE: Final = 0x20
"""A first byte up to this begins no request (TLS to this port, say): it is answered at once."""

_logger = logging.getLogger(__name__)


class Acceptor:
    """Takes connections from `listening`. `protocol` makes one that takes the place of a bare one."""

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        protocol: Callable[[bytes, Connection], asyncio.BaseProtocol],
    ) -> None:
        self._listening, self._connections, self._protocol = listening, connections, protocol
        self._loop = asyncio.get_running_loop()
        self._bare: set[_Bare] = set()
        self._handing_over: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """Accepts until the block is left. What has sent no whole headers by then is closed."""
        self._listening.setblocking(False)
        self._begin()
        try:
            yield
        finally:
            if self._retry is not None:
                self._retry.cancel()
            self._loop.remove_reader(self._listening)
            for each in list(self._bare):
                self._connections.drop(each)
                each.abort()

    def _begin(self) -> None:
        self._loop.add_reader(self._listening, self.accept)

    def accept(self) -> None:
        """Takes on those that wait, as many as there are files for at once."""
        closing = 0
        for _ in range(ACCEPTED_AT_ONCE):
            if not self._connections.has_room():
                self._pause(ROOM_SECONDS)
                return
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _logger.error("accept", extra={"reason": error.strerror})
                self._pause(RETRY_SECONDS)
                return
            accepted.setblocking(False)
            bare = _Bare(accepted, self)
            self._bare.add(bare)
            self._loop.add_reader(accepted, bare.receive)
            made_room = self._connections.add(bare)
            closing += made_room is not None and not isinstance(made_room, _Bare)
            if closing >= CLOSING_AT_ONCE:
                return

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._retry = self._loop.call_later(seconds, self._begin)

    def hand_over(self, bare: _Bare) -> None:
        """The headers are whole: from here on it is HTTP."""
        bare.whole = True
        self.forget(bare)
        task = self._loop.create_task(self._handed_over(bare))
        self._handing_over.add(task)
        task.add_done_callback(self._handing_over.discard)

    def forget(self, bare: _Bare) -> None:
        """It is none of the bare ones any more; its socket stays open."""
        self._bare.discard(bare)
        self._loop.remove_reader(bare.socket)

    def gone(self, bare: _Bare) -> None:
        """The other end has closed it."""
        self._connections.drop(bare)
        bare.abort()

    async def _handed_over(self, bare: _Bare) -> None:
        received = bytes(bare.received)
        try:
            await self._loop.connect_accepted_socket(lambda: self._protocol(received, bare), bare.socket)
        except OSError:
            self.gone(bare)


class _Bare:
    """A connection of which the headers are not whole, or not HTTP's yet."""

    __slots__ = ("_acceptor", "part", "received", "since", "socket", "whole")

    def __init__(self, accepted: socket.socket, acceptor: Acceptor) -> None:
        self.socket, self._acceptor = accepted, acceptor
        self.received = bytearray()
        self.part, self.since = "headers", 0.0
        self.whole = False

    def present_part(self) -> str:
        """What it is busy with."""
        return "answer" if self.whole else "headers"

    def abort(self) -> None:
        """Closes it at once."""
        self._acceptor.forget(self)
        self.socket.close()

    def receive(self) -> None:
        """Takes what has come."""
        try:
            came = self.socket.recv(_RECEIVED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            came = b""
        if not came:
            self._acceptor.gone(self)
            return
        looked_at = max(0, len(self.received) - 2)
        self.received += came
        if (
            any(self.received.find(each, looked_at) >= 0 for each in _ENDS)
            or len(self.received) > MOST_HEADERS
            or self.received[0] <= _SPACE
        ):
            self._acceptor.hand_over(self)
