"""The clients of Coder and Port that `live` has: opened anew where the settings name others, such as another token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from coderport.coder.client import CoderClient
from coderport.live.budget import Budget
from coderport.port.client import PortClient
from coderport.settings import CoderAccess, PortAccess, Settings
from coderport.transport.patience import Patience
from coderport.transport.server_clock import ServerClock

SHARE_OF_PORT = 0.5
"""So much of each of Port's buckets is taken at most."""


class Servers:
    """Clients that keep to the budgets of `live`, as an async context manager. `renew` may put others in their place.

    `times` is Coder's clock, whichever client has heard it.
    """

    coder: CoderClient
    port: PortClient

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._say = say
        self.budget = Budget(settings.live.requests_per_minute)
        self.times = ServerClock()
        self._settings = settings
        self._asked = {"coder": 0, "port": 0}
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Servers:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._clients.aclose()

    @property
    def requests(self) -> dict[str, int]:
        """How many each server has had so far."""
        return {
            "coder": self._asked["coder"] + self.coder.requests,
            "port": self._asked["port"] + self.port.requests,
        }

    async def renew(self, settings: Settings) -> None:
        """Takes the budget and the access that the settings have by now. Nobody may use the clients meanwhile."""
        self.budget.allow(settings.live.requests_per_minute)
        before, self._settings = self._settings, settings
        if _access(before) != _access(settings):
            self._asked = self.requests
            await self._clients.aclose()
            await self._open()

    async def _open(self) -> None:
        settings, patience = self._settings, Patience.of().without_end()
        # Each loop tries again by itself, and tells that it does: a request is not held on to for long.
        patience = replace(patience, answer=min(patience.answer, 60.0), outage=min(patience.outage, 10.0), limited=90.0)
        coder = CoderClient(
            settings.coder_api_base_url,
            settings.coder_session_token.get_secret_value(),
            patience=patience,
            say=self._say,
            headers=settings.coder_header_values,
            gate=self.budget,
        )
        coder.times = self.times
        port = PortClient(
            settings.port_base_url,
            settings.port_client_id,
            settings.port_client_secret.get_secret_value(),
            patience=patience,
            say=self._say,
            share=SHARE_OF_PORT,
        )
        self.coder = await self._clients.enter_async_context(coder)
        self.port = await self._clients.enter_async_context(port)


def _access(settings: Settings) -> list[object]:
    names = (*CoderAccess.model_fields, *PortAccess.model_fields)
    return [getattr(settings, name) for name in names]
