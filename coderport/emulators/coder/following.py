"""Logs that are followed: a WebSocket with one JSON message for each line, closed by the server at the job's end.

Source: `provisionerJobLogs` in coder/coder (`coderd/provisionerjobs.go`) and its reader in the command line
(`codersdk/provisionerdaemons.go`), which takes the end of the connection for the end of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from coderport.emulators.coder.build_rows import log_json
from coderport.emulators.coder.state import State
from coderport.emulators.kit import compact_json

_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Followed:
    """A job that is followed: the lines it has logged so far, and whether it has ended. Asked with the state's lock."""

    lines: Callable[[], Sequence[Mapping[str, Any]]]
    ended: Callable[[], bool]


async def follow(websocket: WebSocket, state: State, job: Followed, after: int) -> None:
    """Send the lines after the id `after` as they come, and close once the job has ended and all are sent."""
    await websocket.accept()
    gone = asyncio.ensure_future(_client_gone(websocket))
    try:
        while not gone.done():
            with state.lock:
                state.advance()
                ended = job.ended()
                lines = [line for line in job.lines() if line["id"] > after]
            for line in lines:
                await websocket.send_text(compact_json(log_json(line)).decode())
                after = line["id"]
            if ended:
                await websocket.close(1000)
                return
            await asyncio.wait([gone], timeout=_LOOK_SECONDS)
    except WebSocketDisconnect:
        return  # the client left while a line was sent
    finally:
        gone.cancel()


async def _client_gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
