"""Requests to a live service as a probe needs them: every answer as it is, counted, within a budget.

The product's own clients hide what a probe wants to see (they repeat, and turn refusals into errors), so probes have
this one. It repeats nothing but what a limit of the rate refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from coderport import __version__
from coderport.conformance.probe import Unexpected
from coderport.errors import CoderportError
from coderport.terminal.ending import deferred, unless_asked
from coderport.transport.exchange import exchange
from coderport.transport.route import route_to
from coderport.transport.shown import Shown

SECONDS_PER_ANSWER: Final = 30.0
_LONGEST_WAIT: Final = 60.0
_LARGEST_ANSWER: Final = 64 * 1024 * 1024


class ConformanceError(CoderportError):
    """The service cannot be asked at all, or something that was made there could not be removed."""


class BudgetSpent(Exception):
    """There are no requests left for probes."""


@dataclass(frozen=True)
class Answer:
    """One answer: `body` is its JSON, or its text where it is none."""

    asked: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def error(self) -> str | None:
        """The code of a refusal, as Port calls it."""
        value = self.body.get("error") if isinstance(self.body, dict) else None
        return value if isinstance(value, str) else None

    @property
    def verdict(self) -> str:
        """Status and code in short: ``200``, or ``422 invalid_request``."""
        return f"{self.status} {self.error}" if self.error else str(self.status)

    def expect(self, *statuses: int) -> Answer:
        """The answer itself if it has one of the statuses."""
        if self.status not in statuses:
            raise Unexpected(f"{self.asked} answered {self.verdict}")
        return self

    def member(self, key: str) -> Any:
        """A member of the body, which must have it."""
        if not isinstance(self.body, dict) or key not in self.body:
            raise Unexpected(f"{self.asked} answered {self.verdict} without '{key}'")
        return self.body[key]


Exchange = Callable[[str, str, Any], httpx.Response]
"""Sends a request of method, path and JSON body, without authorization, and returns its whole answer."""


class Credentials(Protocol):
    """How requests are authorized."""

    name: str
    """What they are called where the service does not accept them."""

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The headers of a request; may ask for a token, which is not counted as a probe's request."""


class Talk:
    """A conversation with one service: at most `budget` requests, `reserve` of which are for removing things."""

    def __init__(self, base_url: str, credentials: Credentials, *, budget: int, reserve: int = 0) -> None:
        self.base_url, self._credentials = base_url, credentials
        self.requests = 0
        self.lines: list[str] = []
        """The requests since this was last emptied, each in a line."""
        self._budget, self._reserve = budget, reserve
        self._removing = False
        self._route = route_to(base_url)
        self._loop = asyncio.new_event_loop()
        self._http = httpx.AsyncClient(
            base_url=base_url,
            trust_env=False,  # the route says what the environment does
            verify=self._route.tls,
            proxy=self._route.proxy,
            timeout=SECONDS_PER_ANSWER,
            follow_redirects=False,
            headers={"User-Agent": f"coderport-conformance/{__version__}", "Accept": "application/json"},
        )

    def open(self) -> Talk:
        """Get in, before anything is made that would have to be removed."""
        self._credentials.headers(self._exchanged)
        return self

    def close(self) -> None:
        """Close the connections."""
        self._loop.run_until_complete(self._http.aclose())
        self._loop.close()

    def release_reserve(self) -> None:
        """From now on requests are for removing things, and none is cut off where the command is asked to end."""
        self._reserve = 0
        self._removing = True

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """One request and its answer; a 429 is waited out once, for at most a minute. A 401 is a ConformanceError."""
        answer = self._send(method, path, body, query)
        if answer.status == 429:
            time.sleep(min(_wait_of(answer.headers), _LONGEST_WAIT))
            answer = self._send(method, path, body, query)
        return answer

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> Answer:
        if self.requests >= self._budget - self._reserve:
            raise BudgetSpent
        asked = f"{method} {path}"
        headers = self._credentials.headers(self._exchanged)
        self.requests += 1
        try:
            response = self._exchanged(method, path, body, query, headers)
        except ConformanceError:
            self.lines.append(f"{asked} -> no answer")
            raise
        answer = Answer(asked, response.status_code, response.headers, decoded(response.content))
        self.lines.append(f"{asked} -> {answer.verdict}")
        if answer.status == 401:
            raise ConformanceError(f"{self.base_url} does not accept {self._credentials.name}: {asked} answered 401.")
        return answer

    def _exchanged(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A request and its whole answer, within the time for one answer and a size that memory can hold."""
        try:
            with deferred():
                answer = exchange(
                    self._http,
                    method,
                    path,
                    seconds=SECONDS_PER_ANSWER,
                    most=_LARGEST_ANSWER,
                    json=body,
                    params=query,
                    headers=headers,
                )
                return self._loop.run_until_complete(answer if self._removing else unless_asked(answer))
        except httpx.HTTPError as error:
            sent = tuple(each.rpartition(" ")[2] for each in (headers or {}).values())
            told = self._route.told(error, Shown(sent))
            raise ConformanceError(f"{self.base_url} did not answer {method} {path}: {told}") from None


def decoded(content: bytes) -> Any:
    """A body's JSON, or its text where it is none."""
    try:
        return httpx.Response(200, content=content).json()
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def _wait_of(headers: Mapping[str, str]) -> float:
    """Seconds that a 429 asks for; a second where it does not say."""
    for name in ("retry-after", "x-ratelimit-reset"):
        given = headers.get(name, "")
        if given.isascii() and given.isdecimal():
            return max(1.0, float(given))
    return 1.0
