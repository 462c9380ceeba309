"""The provider's own settings.

From its inputs, else from the environment, as the stock provider takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coderport.errors import SettingsError
from coderport.port.errors import EU_URL
from coderport.provider.protocol import UNKNOWN, Problem, Properties
from coderport.transport.address import server_address

DEFAULT_URL = "https://api.getport.io"
"""What the stock provider of Port takes where no address is set. Port answers at it as at `EU_URL`."""


@dataclass(frozen=True)
class Config:
    """Where Port is and who we are there."""

    base_url: str
    client_id: str
    secret: str = field(repr=False)
    token: str | None = field(repr=False, default=None)


def problems(inputs: Properties) -> list[Problem]:
    """What of the provider's inputs cannot be accepted."""
    url = inputs.get("baseUrl")
    if isinstance(url, str) and url and url != UNKNOWN and (wrong := _wrong_address(url)):
        return [Problem("baseUrl", wrong)]
    return []


def load(inputs: Properties, environ: Mapping[str, str]) -> Config:
    """The settings, or a SettingsError that names what is missing."""

    def setting(key: str, variable: str | None) -> str:
        given = str(inputs.get(key) or "").strip()
        return given or (environ.get(variable, "").strip() if variable else "")

    config = Config(
        base_url=setting("baseUrl", "PORT_BASE_URL") or DEFAULT_URL,
        client_id=setting("clientId", "PORT_CLIENT_ID"),
        secret=setting("secret", "PORT_CLIENT_SECRET"),
        token=setting("token", None) or None,
    )
    if wrong := _wrong_address(config.base_url):
        raise SettingsError(f"the Port provider's baseUrl (PORT_BASE_URL) is wrong: {wrong}")
    missing = [
        f"{key} ({variable})"
        for key, variable, value in (
            ("clientId", "PORT_CLIENT_ID", config.client_id),
            ("secret", "PORT_CLIENT_SECRET", config.secret),
        )
        if not value
    ]
    if missing and config.token is None:
        raise SettingsError(f"the Port provider has no {' and no '.join(missing)}")
    return config


def _wrong_address(url: str) -> str:
    """What is wrong with it, and an example; empty for an address that a token may be sent to."""
    try:
        server_address(url)
    except ValueError as error:
        return f"it {error}, for example {EU_URL}"
    return ""
