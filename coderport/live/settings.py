"""Where the service of `live` listens; what it does is the stack's to say (`coderport:live`)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from coderport.terminal.variables import from_variables

ENVIRONMENT: Mapping[str, str] = {
    "host": "CODERPORT_LIVE_HOST",
    "port": "CODERPORT_LIVE_PORT",
    "grace_seconds": "CODERPORT_LIVE_GRACE_SECONDS",
    "webhook_secret": "CODERPORT_LIVE_WEBHOOK_SECRET",
}

_EXAMPLES: Mapping[str, str] = {"webhook_secret": "$(openssl rand -hex 32)"}


class ServiceSettings(BaseModel):
    """`port` 0 takes a free one, which the log names. After SIGTERM writes go on for up to `grace_seconds`.

    With a `webhook_secret` Coder's notifications are taken at `/coder/SECRET`; without one they are not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8081, ge=0, le=65535)
    webhook_secret: SecretStr | None = Field(default=None, min_length=16)
    grace_seconds: float = Field(default=25.0, ge=0, allow_inf_nan=False)


def service_settings(environment: Mapping[str, str]) -> ServiceSettings:
    """The settings that the environment gives; SettingsError with all mistakes."""
    otherwise = "live cannot start with this environment:"
    return from_variables(ServiceSettings, ENVIRONMENT, environment, otherwise=otherwise, examples=_EXAMPLES)
