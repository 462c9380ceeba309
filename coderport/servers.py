"""Both servers as a command asks them: clients from the settings, whose costs go into the command's account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coderport.coder.client import CoderClient
from coderport.port.client import PortClient
from coderport.report.account import Account
from coderport.settings import Settings
from coderport.settings.corrections import correcting


@asynccontextmanager
async def opened_port(settings: Settings, account: Account) -> AsyncIterator[PortClient]:
    """A client of Port; what it cost is booked also where it failed. Its errors say where their settings stand."""
    secret = settings.port_client_secret.get_secret_value()
    patience, waits = account.patience(), account.waits
    async with PortClient(
        settings.port_base_url, settings.port_client_id, secret, patience=patience, waits=waits
    ) as client:
        try:
            async with correcting(settings):
                yield client
        finally:
            account.port_requests += client.requests
            account.port_writes += client.writes
            account.retries += client.retries
            account.book_waits()


@asynccontextmanager
async def opened_coder(settings: Settings, account: Account) -> AsyncIterator[CoderClient]:
    """A client of Coder; what it cost is booked also where it failed. Its errors say where their settings stand."""
    token = settings.coder_session_token.get_secret_value()
    headers = settings.coder_header_values
    patience, waits = account.patience(), account.waits
    async with CoderClient(
        settings.coder_api_base_url, token, patience=patience, headers=headers, waits=waits
    ) as client:
        try:
            async with correcting(settings):
                yield client
        finally:
            account.coder_requests += client.requests
            account.retries += client.retries
            account.book_waits()
