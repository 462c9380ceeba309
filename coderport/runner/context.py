"""Settings become a context: both clients, open, and the scope of the stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coderport.coder.client import IN_FLIGHT, CoderClient
from coderport.kinds.filters import filters_of
from coderport.port.client import PortClient
from coderport.runner.values import RunContext
from coderport.settings import Settings
from coderport.settings.corrections import correcting
from coderport.transport.patience import Patience, Say, Waits


@asynccontextmanager
async def opened(
    settings: Settings,
    managed_by: str,
    *,
    patience: Patience | None = None,
    say: Say | None = None,
    in_flight: int = IN_FLIGHT,
    claimant: str | None = None,
) -> AsyncIterator[RunContext]:
    """What runs of the stack `managed_by` (project/stack) are worked with; for one event loop.

    `say` is told when a server fails and is tried again. `in_flight` requests go to Coder at once, at most. `claimant`
    is that of `RunContext`.
    """
    patience, waits = patience or Patience.of(), Waits()
    secret, token = settings.port_client_secret.get_secret_value(), settings.coder_session_token.get_secret_value()
    async with (
        CoderClient(
            settings.coder_api_base_url,
            token,
            patience=patience,
            say=say,
            waits=waits,
            in_flight=in_flight,
            headers=settings.coder_header_values,
        ) as coder,
        PortClient(
            settings.port_base_url, settings.port_client_id, secret, patience=patience, say=say, waits=waits
        ) as port,
        correcting(settings),
    ):
        yield RunContext(
            port=port,
            coder=coder,
            actions=settings.actions,
            managed_by=managed_by,
            filters=filters_of(settings),
            organizations=settings.coder_organizations,
            patience=patience,
            claimant=claimant,
        )
