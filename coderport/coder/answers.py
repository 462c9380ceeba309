"""What an answer of Coder's means: JSON or an error, one typed error per status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from coderport.coder import errors
from coderport.coder.models import objects_of
from coderport.transport.patience import is_momentary, retry_after, span
from coderport.transport.shown import Shown

_BY_STATUS: Mapping[int, type[errors.CoderStatusError]] = {
    400: errors.CoderBadRequest,
    401: errors.CoderUnauthorized,
    403: errors.CoderForbidden,
    404: errors.CoderNotFound,
    409: errors.CoderConflict,
    410: errors.CoderGone,
}

_CUT = object()


@dataclass(frozen=True)
class Answer:
    """A successful answer: decoded JSON (None for 204 and 304).

    `asked_at` is the time on the server's clock, to the second and rather too early, at which it was asked;
    None where the answer has no `Date`. `seconds` is how long the answer took, from the sending of the request on.
    """

    status: int
    data: Any
    asked_at: datetime | None
    seconds: float = 0.0


@dataclass(frozen=True)
class Reader:
    """Reads the answers of one deployment, which messages call `host`; `shown` is what they may have of its words."""

    host: str
    shown: Shown

    def read(self, method: str, path: str, response: httpx.Response, asked_at: datetime | None) -> Answer:
        """The answer to a request that was sent at that time on the server's clock; a CoderError for what is none."""
        status = response.status_code
        asked = f"{method} {path}"
        if status in (204, 304) and method != "GET":
            return Answer(status, None, asked_at)
        if 300 <= status < 400:
            raise errors.CoderRedirected(
                f"Coder at {self.host} redirects {asked} to {self.shown.target(response)} ({status}), which is "
                "not followed: Coder's address has to be the access URL that the deployment reports"
            )
        is_json = "json" in response.headers.get("content-type", "").lower()
        if status >= 400:
            data = _json_or_none(response) if is_json else None
            if not isinstance(data, Mapping) and status != 429 and not is_momentary(status):
                # A gateway's own 404 or 410 must not pass for Coder's.
                raise self._not_json(asked, response)
            raise self._refusal(asked, response, data if isinstance(data, Mapping) else {})
        if not is_json:
            raise self._not_json(asked, response)
        try:
            data = json.loads(response.content)
        except (ValueError, RecursionError):
            data = _CUT
        if data is not _CUT:
            return Answer(status, data, asked_at)
        raise errors.CoderCutAnswer(
            f"Coder's answer to {asked} is cut short or no JSON ({len(response.content)} bytes)"
        )

    def _refusal(self, asked: str, response: httpx.Response, body: Mapping[str, Any]) -> errors.CoderStatusError:
        status = response.status_code
        reason = self.shown.text(": ".join(str(part) for part in (body.get("message"), body.get("detail")) if part))
        validations = objects_of(body.get("validations"))
        if validations:
            told = self.shown.text("; ".join(str(one.get("detail")) for one in validations))
            reason = f"{reason} ({told})".lstrip()
        reason = reason or self.shown.reason(response) or "no reason given"
        asked_for = retry_after(response.headers) if status == 429 else None
        if asked_for:
            reason += f" (it asks to wait for {span(asked_for)})"
        message = f"Coder at {self.host} answered {asked} with {status}: {reason}"
        if status == 429:
            return errors.CoderRateLimited(message, reason=reason, retry_after=asked_for)
        if status == 401:
            message = (
                f"Coder at {self.host} does not accept the token (401): {reason} The token is malformed, "
                "unknown or expired, or its user is suspended. Make a new one with `coder tokens create` or on the "
                "deployment's page /settings/tokens, and set it where this one is."
            )
        kind = _BY_STATUS.get(status, errors.CoderServerError if is_momentary(status) else errors.CoderStatusError)
        fields = frozenset(str(one.get("field")) for one in validations)
        return kind(message, status=status, reason=reason, fields=fields)

    def _not_json(self, asked: str, response: httpx.Response) -> errors.CoderAnswerError:
        kind = self.shown.kind_of_body(response)
        return errors.CoderElsewhere(
            f"{self.host} answers {asked} with {kind} ({response.status_code}) instead of JSON: is that the root of "
            "a Coder deployment, and does nothing on the way ask for a login?"
        )


def _json_or_none(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None
