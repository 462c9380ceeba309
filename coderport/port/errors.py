"""What can go wrong between us and Port, each with a message for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from coderport.errors import CoderportError
from coderport.transport.shown import shortened

EU_URL = "https://api.port.io"
US_URL = "https://api.us.port.io"
ADDRESS = ("portBaseUrl",)
_IN_BROWSER = {host: host.replace("api.", "app.", 1) for host in ("api.port.io", "api.us.port.io", "api.getport.io")}
"""Where people see what is behind an API (`portWebDomain` of Port's Backstage plugin; "Catalog" in its guides)."""


def catalog_of(base_url: str) -> str:
    """The address of Port's catalog for a browser; empty for an API that is none of Port's own."""
    host = _IN_BROWSER.get(urlsplit(base_url).hostname or "")
    return f"https://{host}/organization/catalog" if host else ""


class PortError(CoderportError):
    """Something at Port failed; the subclasses say what kind of thing."""


class PortUnreachable(PortError):
    """No usable answer came.

    No connection, a timeout, a redirect, a page that is not JSON, a 5xx until the end. Not `connected` where nobody
    listens at the address or nobody knows the name.
    """

    def __init__(self, message: str, *, connected: bool = True) -> None:
        super().__init__(message)
        self.connected = connected
        if not connected:
            self.keys = ADDRESS


class PortElsewhere(PortUnreachable):
    """What answers is not Port's API, or something on the way to it."""

    keys = ADDRESS


class PortUnauthorized(PortError):
    """Port does not accept the credentials or their token."""

    keys = ("portClientId", "portClientSecret", *ADDRESS)

    @classmethod
    def for_credentials(cls, base_url: str, detail: str) -> PortUnauthorized:
        """The token route said no. Each region knows only its own credentials, so the message names both."""
        return cls(
            f"Port at {base_url} does not accept the client id and the client secret ({detail}). "
            f"Check both, and the region: {EU_URL} is for organizations in the EU, {US_URL} for those in the US."
        )


class PortRejected(PortError):
    """Port understood the request and refused it.

    `code` is Port's word for the reason (`identifier_taken`, `has_dependents`,
    `blueprint_schema_mismatch`, …), `status` the HTTP status (or that of one item of a bulk call, 0 where it has none),
    `trace_id` what Port's support asks for, `details` what Port says more (`property`, `invalidProperties`, …).
    """

    def __init__(
        self,
        what: str,
        code: str,
        status: int,
        message: str,
        trace_id: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.what = what
        self.code = code
        self.status = status
        self.message = message
        self.trace_id = trace_id
        self.details = dict(details or {})
        trace = f" (trace id {trace_id})" if trace_id else ""
        numbered = f"{status} " if status else ""
        super().__init__(f"Port refused {what}: {numbered}{words(code, message, self.details)}{trace}")


class PortTooLarge(PortRejected):
    """413 of something on the way to Port, so that it is no JSON: it takes no request of this size."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(what, "too_large", 413, "")
        self.args = (message,)


def words(code: str, message: str, details: Mapping[str, Any]) -> str:
    """What an error of Port's says, on one line; empty where it says nothing. The parts are cleaned already."""
    reason = f"{code}: {message}" if code and message and message != code else code or message
    return f"{reason}{_more(details)}".strip()


def _more(details: Mapping[str, Any]) -> str:
    """The details that say something, as a person reads them."""
    told = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in details.items()
    }
    shown = "; ".join(f"{key}: {text}" for key, text in told.items() if text)
    return f" [{shortened(shown)}]" if shown else ""


class PortRateLimited(PortError):
    """Port kept answering 429 for longer than a request may wait."""
