"""Rules that break requests: which ones, how, and how often."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from coderport.errors import CoderportError

FaultKind = Literal["latency", "status", "cut", "html", "redirect", "drop_connection"]


_LOOK_SECONDS = 0.1


class EmulatorError(CoderportError):
    """An emulator was asked for something it cannot do: a port in use, an unknown fault, a missing object."""


@dataclass(frozen=True)
class Fault:
    """One rule that breaks matching requests.

    `path` is a regular expression searched in the path and query (``/workspaces\\?``), `method` None means
    any. `latency` waits `delay_ms`, or until rules are cleared, and lets the request go on, so other rules may still
    match; one of an hour is a gate, which clearing it opens. All other kinds answer (after `delay_ms`, too): `status`
    with `status`, `headers` and `body` (text, or JSON made from any other value), `cut` with the true answer's head
    and half of its body, `html` with a 200 page, `redirect` with a 307 to ``headers["location"]``, `drop_connection`
    with nothing but a closed connection.
    A `status` fault answers in place of the application: what it asked for has not happened. With `applied`
    the application runs first and its answer is lost, as when a gateway gives up: what it asked for *has*
    happened. The rule skips its first `after` matches, then hits `times` times (None: always), each with
    probability `share`.
    """

    kind: FaultKind
    path: str = ""
    method: str | None = None
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay_ms: float = 0
    times: int | None = None
    after: int = 0
    share: float = 1.0
    applied: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise EmulatorError(f"unknown fault kind {self.kind!r}; one of {', '.join(get_args(FaultKind))}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise EmulatorError(f"fault path {self.path!r} is not a regular expression: {error}") from error

    @classmethod
    def from_rule(cls, rule: Mapping[str, Any]) -> Fault:
        """The fault that a JSON rule describes; unknown keys are an `EmulatorError`, not ignored."""
        unknown = set(rule) - set(cls.__dataclass_fields__)
        if unknown or "kind" not in rule:
            raise EmulatorError(f"a fault needs a kind and takes no {', '.join(sorted(unknown)) or 'other keys'}")
        return cls(**rule)


@dataclass
class _Standing:
    """A rule in force and how often it has matched and hit."""

    fault: Fault
    pattern: re.Pattern[str]
    matched: int = 0
    hit: int = 0


class Faults:
    """The rules in force. The first that matches a request answers it; latencies add up before it does."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rng = random.Random(seed)
        self._rules: dict[int, _Standing] = {}
        self._next = 1
        self._cleared = 0
        self.latency_ms: float = 0.0
        """Milliseconds that every request waits before it is looked at."""

    def add(self, rule: Mapping[str, Any] | Fault | None = None, /, **keys: Any) -> int:
        """Put a rule in force, given as a `Fault`, a mapping or keywords; returns a number to clear it by."""
        fault = rule if isinstance(rule, Fault) else Fault.from_rule({**(rule or {}), **keys})
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._rules[number] = _Standing(fault, re.compile(fault.path))
            return number

    def clear(self, number: int | None = None) -> None:
        """Take one rule out of force, or all of them; a rule that is already out is no error."""
        with self._lock:
            self._cleared += 1
            if number is None:
                self._rules.clear()
            else:
                self._rules.pop(number, None)

    def standing(self) -> list[dict[str, Any]]:
        """The rules in force as JSON, each with its `number` and how often it `matched` and `hit`."""
        with self._lock:
            return [
                {
                    "number": number,
                    "matched": rule.matched,
                    "hit": rule.hit,
                    **asdict(rule.fault),
                }
                for number, rule in self._rules.items()
            ]

    def strike(self, method: str, target: str) -> tuple[float, Fault | None]:
        """Seconds to wait for this request, and the fault that then answers it; None where the application does."""
        wait = self.latency_ms
        if not self._rules:
            return wait / 1000, None
        with self._lock:
            for rule in self._rules.values():
                fault = rule.fault
                if fault.method not in (None, method) or not rule.pattern.search(target):
                    continue
                rule.matched += 1
                spent = fault.times is not None and rule.hit >= fault.times
                if rule.matched <= fault.after or spent:
                    continue
                if fault.share < 1 and self._rng.random() >= fault.share:
                    continue
                rule.hit += 1
                wait += fault.delay_ms
                if fault.kind != "latency":
                    return wait / 1000, fault
        return wait / 1000, None

    async def wait(self, seconds: float) -> None:
        """Returns after so many seconds, or soon after rules have been cleared."""
        cleared, left = self._cleared, seconds
        while left > 0 and self._cleared == cleared:
            await asyncio.sleep(min(left, _LOOK_SECONDS))
            left -= _LOOK_SECONDS
