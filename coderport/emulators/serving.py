"""Serving an ASGI application on loopback from a thread, with connections that a fault can break."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, final

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from coderport.emulators.faults import EmulatorError
from coderport.tasks import within

# Open connections by the client's address, so that a fault can break the one its request came by.
_open_connections: dict[tuple[str, int], asyncio.Transport] = {}


def connection_of(scope: Scope) -> asyncio.Transport | None:
    """The connection by which a request came; None where it is not served by `serve`."""
    client = scope.get("client")
    return None if client is None else _open_connections.get((client[0], client[1]))


def forget(client: tuple[str, int] | None) -> None:
    """The client's connection has ended."""
    if client is not None:
        _open_connections.pop(client, None)


class _Protocol(H11Protocol):
    """uvicorn's, which also lets a fault find its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _open_connections[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        forget(self.client)
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn's, which ends when it is told to and not a tenth of a second later."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(asyncio.TimeoutError):
                await within(0.1, self._ended.wait())

    def end(self) -> None:
        """Close the connections and return from `run`; any thread may call, more than once."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop may close between the question and this
                self._loop.call_soon_threadsafe(self._ended.set)


@final
class Served:
    """An application being served on loopback by a thread of its own; `url` has no slash at its end."""

    _START_SECONDS: Final = 60.0

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._socket = _bound_socket(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="coderport.emulators.websocket:WebSocket",
            lifespan="off",
            log_level="warning",
            access_log=False,
            date_header=False,  # the emulators' answers have that of their own clocks
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            daemon=True,
            name=f"emulator:{self.port}",
        )
        self._thread.start()
        self._await_start()

    def _await_start(self) -> None:
        deadline = time.monotonic() + self._START_SECONDS
        while not self._server.up.wait(0.1):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise EmulatorError(f"the emulator on {self.url} did not start")

    def stop(self) -> None:
        """Close the connections and end the thread; stopping twice is no error."""
        self._server.end()
        self._thread.join(timeout=self._START_SECONDS)
        self._socket.close()

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(app: ASGIApp, port: int = 0) -> Served:
    """Serve `app` on 127.0.0.1 (0: a free port) and return once it accepts.

    `EmulatorError` if the port is taken.
    """
    return Served(app, port)


def _bound_socket(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it is.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise EmulatorError(
            f"port {port} on 127.0.0.1 cannot be used ({error.strerror}): another emulator may still be "
            "running; stop it, or choose another port"
        ) from error
    return bound
