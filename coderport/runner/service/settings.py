"""What the service needs to know of its own; what it does with a run is handed to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from coderport.terminal.variables import from_variables

ENVIRONMENT: Mapping[str, str] = {
    "host": "CODERPORT_SERVE_HOST",
    "port": "CODERPORT_SERVE_PORT",
    "database": "CODERPORT_SERVE_DATABASE",
    "secret": "PORT_CLIENT_SECRET",
    "queue_size": "CODERPORT_SERVE_QUEUE_SIZE",
    "workers": "CODERPORT_SERVE_WORKERS",
    "grace_seconds": "CODERPORT_SERVE_GRACE_SECONDS",
    "connections": "CODERPORT_SERVE_CONNECTIONS",
}

_EXAMPLES: Mapping[str, str] = {"database": "$HOME/.coderport/runs.sqlite", "secret": "CHOOSE-CLIENT-SECRET"}


class ServiceSettings(BaseModel):
    """Where the service listens, where it keeps its runs, and how much it takes on at once.

    `port` 0 takes a free one, which the log names. `database` is the SQLite file of the journal; its folder is made.
    `secret` is Port's client secret, the key of the signatures. `queue_size` runs may wait, more are refused, and
    `workers` are worked on at once. After SIGTERM those go on for up to `grace_seconds`. `connections` may be
    open at once, or as many as the process may have files for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    database: Path
    secret: SecretStr = Field(min_length=1)
    queue_size: int = Field(default=1000, ge=1)
    workers: int = Field(default=8, ge=1)
    grace_seconds: float = Field(default=25.0, ge=0, allow_inf_nan=False)
    connections: int = Field(default=2000, ge=16)


def service_settings(environment: Mapping[str, str]) -> ServiceSettings:
    """The settings that the environment gives; SettingsError with all mistakes."""
    otherwise = "The service cannot start with this environment:"
    return from_variables(ServiceSettings, ENVIRONMENT, environment, otherwise=otherwise, examples=_EXAMPLES)
