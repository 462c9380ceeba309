"""A service's listening socket, and the server on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette

from coderport.errors import CoderportError
from coderport.runner.service.acceptor import Acceptor
from coderport.runner.service.connections import KERNEL_QUEUE, Connection, Connections, GuardedProtocol

_CLOSE_SECONDS: Final = 2
_KEEP_ALIVE_SECONDS: Final = 5


class _Server(uvicorn.Server):
    """uvicorn's, which leaves the signals to us: it would stop listening at once, and end by the signal's default."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def answering(app: Starlette, listening: socket.socket, connections: Connections) -> AsyncIterator[str]:
    """The application, answering at the URL that is given, until the block is left."""
    guarded = connections.protocol()
    server = _Server(
        uvicorn.Config(
            app,
            http=guarded,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
    )
    # It has no socket of its own: the acceptor hands it those on which a request has come.
    serving = asyncio.create_task(server.serve(sockets=[]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.01)

    def protocol(received: bytes, was: Connection) -> GuardedProtocol:
        return guarded(
            config=server.config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
            received=received,
            was=was,
        )

    host, port = listening.getsockname()[:2]
    try:
        with connections.watched(), Acceptor(listening, connections, protocol).accepting():
            yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await serving


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket: uvicorn would end the process on a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only where it is.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(KERNEL_QUEUE)
        except OSError as error:
            raise CoderportError(
                f"port {port} on {host} cannot be used ({error.strerror}): stop what listens there, or choose another"
            ) from error
        yield bound
