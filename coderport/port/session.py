"""One authorized conversation with Port's API.

The token, the pool, the rate limits, and repeats where they are safe.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from coderport.port.errors import (
    PortElsewhere,
    PortError,
    PortRateLimited,
    PortRejected,
    PortTooLarge,
    PortUnauthorized,
    PortUnreachable,
    words,
)
from coderport.port.limits import Bucket, Closed, RateLimits, bucket_of
from coderport.transport.exchange import Oversized, exchange
from coderport.transport.patience import Again, Patience, Persistence, Say, Waits, http_date, is_momentary, span
from coderport.transport.route import Route, route_to
from coderport.transport.shown import Shown

_TOKEN_PATH = "/v1/auth/access_token"
_RENEW_BEFORE = 60.0


@dataclass(frozen=True)
class Reply:
    """The JSON of a good answer, and the trace id that Port's support asks for."""

    json: Mapping[str, Any]
    trace_id: str | None

    def member(self, key: str) -> dict[str, Any]:
        """The object under the key; an answer without it is an error."""
        value = self.json.get(key)
        if not isinstance(value, dict):
            raise PortError(f"Port's answer has no {key} in it{traced(self.trace_id)}")
        return value

    def rows(self, key: str) -> list[Any]:
        """The list under the key; an answer without it is an error."""
        value = self.json.get(key)
        if not isinstance(value, list):
            raise PortError(f"Port's answer has no list of {key} in it{traced(self.trace_id)}")
        return value


class Session:
    """Sends requests as one organization's client; counts them, their writes and their repeats."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        token: str | None,
        transport: httpx.AsyncBaseTransport | None,
        user_agent: str,
        patience: Patience,
        say: Say | None,
        waits: Waits | None = None,
        share: float = 1.0,
    ) -> None:
        self.base_url = _root(base_url)
        self.requests = 0
        self.writes = 0
        self.clock: datetime | None = None
        self.persistence = Persistence(patience, say, waits)
        self._client_id = client_id
        self._secret = client_secret
        self._renewable = token is None
        self._token = token
        self._token_until = float("inf") if token else 0.0
        self._token_lock = asyncio.Lock()
        self._token_failure: tuple[float, Exception] | None = None
        self._limits = RateLimits(share=share)
        self._route = Route() if transport is not None else route_to(self.base_url)
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            transport=transport,
            trust_env=False,  # the route says what the environment does
            verify=self._route.tls,
            proxy=self._route.proxy,
            timeout=httpx.Timeout(patience.answer, connect=5.0, pool=None),
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            headers={"User-Agent": user_agent, "Accept": "application/json"},
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections; the counters stay readable."""
        self.persistence.closed()
        await self._http.aclose()

    def claims(self) -> dict[str, Any]:
        """The unverified claims of the token if that is a JWT; empty for anything else."""
        try:
            part = (self._token or "").split(".")[1]
            value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (IndexError, ValueError, binascii.Error):
            return {}
        return value if isinstance(value, dict) else {}

    async def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeat: bool = True,
        changes: bool = True,
    ) -> Reply:
        """One request with its repeats; `what` says for a person what it was about.

        `changes` False is for a request that changes nothing although its method says so. `repeat` says that sending
        it twice has the same result as once. A 207 is a good answer whatever its `ok`.
        """
        content = None
        headers = {}
        if body is not None:
            content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"

        ticket = self._limits.ticket()

        async def attempt() -> Reply:
            for renewed in (False, True):
                token = await self._valid_token()
                response = await self._send(
                    method,
                    path,
                    what,
                    ticket=ticket,
                    repeat=repeat,
                    changes=changes,
                    params=query,
                    content=content,
                    headers={**headers, "Authorization": f"Bearer {token}"},
                )
                if response.status_code != 401 or renewed or not self._renewable:
                    break
                self._forget(token)
            return self._checked(response, what, bucket_of(method, path), repeat=repeat)

        return await self.persistence.repeated(attempt)

    async def _send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        repeat: bool,
        changes: bool = True,
        ticket: int | None = None,
        **arguments: Any,
    ) -> httpx.Response:
        bucket = bucket_of(method, path)
        try:
            return await self._sent(bucket, method, path, what, repeat, changes, ticket, arguments)
        except Closed as closed:
            raise PortRateLimited(
                f"Port limits the rate of requests and asks to wait for {span(closed.seconds)} ({what}), which is "
                "longer than a request is tried. Run again then."
            ) from None

    async def _sent(
        self,
        bucket: Bucket,
        method: str,
        path: str,
        what: str,
        repeat: bool,
        changes: bool,
        ticket: int | None,
        arguments: Mapping[str, Any],
    ) -> httpx.Response:
        async with self._limits.permit(bucket, ticket, most=self.persistence.patience.limited):
            self.requests += 1
            self.writes += changes and method != "GET" and bucket not in (Bucket.SEARCH, Bucket.TOKEN)
            try:
                response = await exchange(
                    self._http,
                    method,
                    path,
                    seconds=self.persistence.seconds(),
                    most=self.persistence.patience.answer_bytes,
                    **arguments,
                )
            except (httpx.UnsupportedProtocol, httpx.InvalidURL):
                raise PortElsewhere(f"{self.base_url!r} is not an address. {_CHECK_URL}") from None
            except httpx.LocalProtocolError:
                # Its text quotes the header, and with it the token.
                raise PortUnauthorized("The token for Port has characters that cannot be sent") from None
            except Oversized as error:
                raise PortUnreachable(f"Port at {self.base_url} sends no end ({what}): {error}") from None
            except httpx.ConnectError as error:
                told = f"Port at {self.base_url} cannot be reached: {self._route.told(error, self.shown)}"
                raise Again(PortUnreachable(told, connected=False)) from None
            except httpx.HTTPError as error:
                lost = PortUnreachable(
                    f"Port at {self.base_url} did not answer ({what}): {self._route.told(error, self.shown)}"
                )
                raise _maybe_again(lost, repeat) from None
            self._limits.observe(bucket, response.status_code, response.headers)
            self.clock = http_date(response.headers.get("date", ""))
        return response

    def _checked(self, response: httpx.Response, what: str, bucket: Bucket, *, repeat: bool) -> Reply:
        """The JSON of a good answer; everything else becomes the error that says what happened."""
        status = response.status_code
        trace = self.shown.header(response, "x-trace-id") or None
        named = traced(trace)
        if status == 429:
            self.persistence.answered()
            turn = self._limits.pause(bucket)
            asks = f", and asks to wait for {span(turn)}" if turn > self.persistence.patience.longest_pause else ""
            limited = PortRateLimited(f"Port keeps limiting the rate of requests ({what}){named}{asks}")
            # It waits in the bucket's line, in its old place.
            raise Again(limited, wait=0.0, turn=turn if math.isfinite(turn) else 0.0, limited=True)
        if is_momentary(status):
            said = self._words(_json(response))
            told = f"Port answered {status} ({what}){f': {said}' if said else ''}{named}"
            raise _maybe_again(PortUnreachable(told), repeat)
        if 300 <= status < 400:
            raise PortElsewhere(f"{self.base_url} answers {status}, a redirect ({what}). {_CHECK_URL}")
        answer = _json(response)
        if answer is not None and not isinstance(answer, dict):
            raise PortError(f"Port answered {status} with JSON that is no object ({what}){named}")
        if answer is None:
            if "json" in response.headers.get("content-type", "") and response.is_success:
                raise _maybe_again(PortUnreachable(f"Port's answer was cut off ({what}){named}"), repeat)
            kind = self.shown.kind_of_body(response)
            if status == 413:
                raise PortTooLarge(
                    f"{self.base_url} answers 413 with {kind} instead of JSON ({what}){named}: "
                    "something on the way (a proxy, a gateway) takes no request of "
                    f"{len(response.request.content):,} bytes. Let it take 1 MiB, as Port does.",
                    what,
                )
            raise PortElsewhere(
                f"{self.base_url} answers {status} with {kind} instead of JSON ({what}){named}: "
                f"does something on the way (a proxy, a firewall) answer in its place? {_CHECK_URL}"
            )
        if status == 404 and not _is_ports(answer):
            raise PortElsewhere(
                f"{self.base_url} answers 404 with JSON that is not Port's ({what}){named}: "
                f"does something on the way (a proxy, a gateway) answer in its place? {_CHECK_URL}"
            )
        self.persistence.answered()
        # Port's OpenAPI requires `ok` of all good answers but that to the request for a token.
        is_good = answer.get("ok") is True or status == 207 or (bucket is Bucket.TOKEN and answer.get("ok") is None)
        if response.is_success and is_good:
            return Reply(answer, trace)
        code = self.shown.text(answer.get("error")) or "unknown error"
        message = self.shown.text(answer.get("message"))
        if status == 401:
            said = self._words(answer) or code
            raise PortUnauthorized(f"Port does not accept the token ({what}): {said}{named}")
        raise PortRejected(what, code, status, message, trace, details=self.details(answer.get("details")))

    @property
    def shown(self) -> Shown:
        """What a person may see of Port's answers."""
        return Shown((self._secret, self._token))

    def _words(self, answer: Any) -> str:
        """What the JSON of an error says, cleaned; empty where it is none of Port's (a gateway's page)."""
        if not isinstance(answer, dict):
            return ""
        code, message = (self.shown.text(answer.get(key)) for key in ("error", "message"))
        return words(code, message, self.details(answer.get("details")))

    def details(self, given: Any) -> dict[str, Any]:
        """What an error says more (`property`, `invalidProperties`, `invalidRelations`), cleaned; mostly nothing."""
        if not isinstance(given, dict):
            return {}
        return {self.shown.text(key): self._cleaned_value(value) for key, value in given.items()}

    def _cleaned_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._cleaned_value(each) for each in value]
        return self.shown.text(value if isinstance(value, str) else json.dumps(value))

    async def _valid_token(self) -> str:
        """The token, or a new one. Who asks right after a failure shares that: else all who wait would ask at once."""
        async with self._token_lock:
            if self._token is None or time.monotonic() >= self._token_until:
                if self._token_failure is not None and time.monotonic() < self._token_failure[0]:
                    raise self._token_failure[1]
                try:
                    self._token = await self._new_token()
                except (Again, PortError) as failure:
                    if not (isinstance(failure, Again) and failure.limited):  # then the bucket keeps them apart
                        self._token_failure = (time.monotonic() + _SHARED * self.persistence.patience.pause, failure)
                    raise
            return self._token

    def _forget(self, token: str) -> None:
        """Drop a token that was refused, unless another request has renewed it meanwhile."""
        if self._token == token:
            self._token = None

    async def _new_token(self) -> str:
        what = "asking for a token"
        credentials = {"clientId": self._client_id, "clientSecret": self._secret}
        response = await self._send("POST", _TOKEN_PATH, what, repeat=True, json=credentials)
        try:
            answer = self._checked(response, what, Bucket.TOKEN, repeat=True).json
        except (PortRejected, PortUnauthorized):
            detail = self._words(_json(response)) or f"status {response.status_code}"
            raise PortUnauthorized.for_credentials(self.base_url, detail) from None
        token, lifetime = answer.get("accessToken"), answer.get("expiresIn")
        if not isinstance(token, str):
            raise PortError("Port's answer to the request for a token has no token in it")
        seconds = float(lifetime) if isinstance(lifetime, (int, float)) else 3600.0
        self._token_until = time.monotonic() + max(seconds - _RENEW_BEFORE, seconds / 2)
        return token


_SHARED = 0.95
"""The part of the pause between two tries in which the failure to get a token is that of everybody who asks."""

_CHECK_URL = "Is that the address of Port's API?"


def _maybe_again(error: PortError, repeat: bool) -> Exception:
    return Again(error) if repeat else error


def _is_ports(error: Mapping[str, Any]) -> bool:
    """Whether JSON is an error of Port's own: each has both (its OpenAPI). Another 404 tells nothing of an object."""
    return error.get("ok") is False and isinstance(error.get("error"), str)


def _root(base_url: str) -> str:
    url = base_url.strip().rstrip("/")
    return url[:-3].rstrip("/") if url.endswith("/v1") else url


def traced(trace_id: str | None) -> str:
    """What a message says of the id that Port's support asks for."""
    return f" (trace id {trace_id})" if trace_id else ""


def _json(response: httpx.Response) -> Any:
    """The JSON of the answer, None where it has none; a null is no answer either."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
