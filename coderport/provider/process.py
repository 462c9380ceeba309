"""The provider as a plugin process: it tells the engine its port, serves, and ends with the engine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from coderport.provider.server import CHANNEL_OPTIONS, PortProvider
from coderport.tasks import within

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 30.0


async def serve(provider: PortProvider, parent: int) -> None:
    """Serve until the process that started us is gone or asks us to stop, and drop what was not sent.

    The engine reads the port from the first line of standard output. It normally kills its plugins, but
    an engine that is killed itself cannot, so its disappearance is looked for: the parent becomes
    another process then.
    """
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The engine ends its plugins with SIGINT and waits five seconds for them before it kills them.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stop.is_set() and os.getppid() == parent:
        try:
            await within(_LOOK_SECONDS, stop.wait())
        except asyncio.TimeoutError:
            continue
    # Asked to stop, calls under way are answered first; without an engine nobody waits for them.
    await server.stop(grace=_GRACE_SECONDS if stop.is_set() else None)
    await provider.close()
