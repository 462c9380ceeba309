"""WebSockets on the connections of `serving`; loaded when something is served, as most commands serve nothing."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from coderport.emulators.serving import forget


class WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's, which takes a connection over from HTTP, and for which a refusal is an end as well."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # or uvicorn complains that none was completed

    def connection_lost(self, exc: Exception | None) -> None:
        forget(self.client)
        super().connection_lost(exc)
