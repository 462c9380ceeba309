"""How long a server is waited for: one value, and the one loop in which a request is repeated.

Both clients and the runner go by it. What is safe to repeat is the client's to say; when, how often and how long is
said here: never more than one request a second in a loop, never beyond a budget, and, where a server fails, never
without a word.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TypeVar

import stamina

from coderport.errors import SettingsError
from coderport.terminal.progress import watcher

VARIABLE = "CODERPORT_PATIENCE"
"""Seconds for which a server that fails is tried; without it those of `Patience`."""

WAITED = "CODERPORT_WAITED"
"""Seconds that the command has spent on failing servers before it started this process; it is set by us alone."""

_DAY = 86_400
_ALL_THEN = ", when all that a command waits for servers is spent"
_ALL_SPENT = f"All that a command waits for servers that fail is spent ({VARIABLE} makes it longer)"

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """All in seconds, but `answer_bytes` and `log_lines`.

    `first_contact` is for a server that never gave a usable answer: most likely the address is wrong, and a person
    waits. `answer` is for one whole answer, `outage` for one request with its repeats from its first failure on,
    `limited` the same where the failure is a 429, `command` for all that a command spends on servers that fail. `pause`
    lies at least between two tries. The rest is about builds that a run of an action follows.
    """

    first_contact: float = 10.0
    answer: float = 120.0
    answer_bytes: int = 256 * 1024 * 1024
    outage: float = 180.0
    limited: float = 330.0
    command: float = 900.0
    pause: float = 1.0
    longest_pause: float = 30.0

    poll_first: float = 0.5
    poll_most: float = 3.0
    coder_away: float = 300.0
    """For a Coder that does not answer, before it is given up; its build goes on without us."""
    no_provisioner: float = 300.0
    """For a pending build that no provisioner fits, before it is cancelled."""
    agents: float = 600.0
    next_build: float = 60.0
    """For the start that Coder begins by itself after a stop, before it is asked for."""
    build: float = 3600.0
    unknown_run: float = 180.0
    """For a run that Port does not know, as one of its replicas may not yet, before it is taken for none of ours."""
    log_lines: int = 50
    log_seconds: float = 2.0

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Patience:
        """What the environment says; SettingsError where that is no number of seconds."""
        patience = cls()
        if text := environ.get(VARIABLE, "").strip():
            seconds = _number(text)
            if seconds is None or not 1 <= seconds <= _DAY:
                raise SettingsError(f"{VARIABLE} is a number of seconds from 1 to {_DAY}, not {text!r}")
            patience = replace(
                patience,
                first_contact=min(patience.first_contact, seconds),
                answer=min(patience.answer, seconds),
                outage=seconds,
                limited=seconds,
                command=5 * seconds,
                coder_away=seconds,
            )
        return patience.after(_number(environ.get(WAITED, "")) or 0.0)

    def after(self, waited: float) -> Patience:
        """The same for what comes later in a command that has spent so many seconds on failing servers."""
        return replace(self, command=max(0.0, self.command - waited))

    def without_end(self) -> Patience:
        """For a service, which is no command: each request keeps its budget, the process has none."""
        return replace(self, command=math.inf)


class Waits:
    """The seconds in which a server failed, over all clients of a command in this process.

    Two servers that fail at once cost the command their seconds once. `before` says what processes of the command that
    came earlier have spent beyond `WAITED`.
    """

    def __init__(self, before: Callable[[], float] = lambda: 0.0) -> None:
        self._before = before
        self._failing: set[object] = set()
        self._since = 0.0
        self._ended = 0.0

    @property
    def seconds(self) -> float:
        """From each first failure until all those that failed gave a good answer, or until now."""
        return self.until(time.monotonic())

    def until(self, now: float) -> float:
        """The same until `now` (monotonic)."""
        return self._ended + (now - self._since if self._failing else 0.0)

    def left(self, budget: float, now: float) -> float:
        """What is left at `now` of so many seconds, for this and the processes before it."""
        return max(0.0, budget - self._before() - self.until(now))

    def began(self, client: object, now: float) -> None:
        """The client's server fails; said twice it counts from the first time on."""
        if not self._failing:
            self._since = now
        self._failing.add(client)

    def ended(self, client: object) -> None:
        """The client's server works again, or the client asks no more."""
        if client in self._failing:
            now = time.monotonic()
            self._failing.remove(client)
            if not self._failing:
                self._ended += now - self._since


class Again(Exception):
    """An attempt failed in a way that a repeat may mend.

    `error` is what to say if none does. `limited` is a 429, `wait` the seconds to wait before the next try, `turn`
    those that the next try itself waits for its turn. `within` is for a server that works and has not made something
    yet: the seconds for which that is waited for, in silence, and which count as no failure.
    """

    def __init__(
        self,
        error: Exception,
        *,
        wait: float | None = None,
        turn: float = 0.0,
        limited: bool = False,
        within: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error, self.wait, self.turn, self.limited, self.within = error, wait, turn, limited, within


class Persistence:
    """One client's dealings with one server that may fail: when to try again, and when to give up.

    `retries` counts the repeats. `say` tells a person what failed and until when it is tried; without it those who
    watch the run of this process are told. `waits` are those of the command, where it has more clients than this one.
    """

    def __init__(self, patience: Patience, say: Say | None = None, waits: Waits | None = None) -> None:
        self.patience = patience
        self.waits = waits or Waits()
        self.retries = 0
        self._say = say
        self._contact = False
        self._began: float | None = None
        self._given_up = -math.inf
        self._told_until = -math.inf

    @property
    def contact(self) -> bool:
        """Whether the server has ever given a usable answer."""
        return self._contact

    def answered(self) -> None:
        """A usable answer came, whatever it says: the server is there and works."""
        self.waits.ended(self)
        self._contact = True
        self._given_up = -math.inf

    def closed(self) -> None:
        """The client asks no more: what its server does now costs the command nothing."""
        self.waits.ended(self)

    def seconds(self) -> float:
        """How long the answer to a request that is sent now is waited for."""
        if self._contact:
            return self.patience.answer
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        return max(0.05, min(self.patience.answer, self._began + self.patience.first_contact - now))

    async def repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The attempt's result; an `Again` out of it is repeated as long as that is worth it, then its error raised.

        Where another was given up just now, the first try waits as any next one does.
        """
        if (rest := self._given_up + self.patience.pause - time.monotonic()) > 0:
            await asyncio.sleep(rest)
        try:
            async for step in stamina.retry_context(on=self._decision(), attempts=None, timeout=None):
                with step:
                    self.retries += step.num > 1
                    return await attempt()
        except Again as failure:
            raise failure.error from None
        raise AssertionError("stamina's loop ends by a return or by raising")

    def _decision(self) -> Callable[[Exception], bool | float]:
        """For one request: seconds until the next try, or False."""
        since: dict[tuple[bool, bool], float] = {}
        tries = 0

        def decide(error: Exception) -> bool | float:
            nonlocal tries
            if not isinstance(error, Again):
                return False
            now = time.monotonic()
            tries += 1
            works = error.limited or error.within is not None
            end = self._end(error, since.setdefault((error.limited, error.within is not None), now), now)
            room = end - now - error.turn
            if not self._contact:
                room -= self.patience.pause  # for the try itself: one that is cut off would hide what is wrong
            if error.wait is None and room >= self.patience.pause:
                wait = min(self._pause(tries), room)
            else:
                wait = math.inf if error.wait is None else error.wait
            last = not works and end >= now + self.waits.left(self.patience.command, now)
            if wait > room:
                self._began = None  # a service asks again later, and has as long for that
                self._given_up = now
                if last:
                    self._told_until = -math.inf
                    self._tell(f"{error.error}: given up. {_ALL_SPENT}", now, now)
                return False
            if error.within is not None:
                return wait
            until = datetime.fromtimestamp(time.time() + end - now).astimezone().strftime("%H:%M:%S")
            self._tell(f"{error.error}: trying again until {until}{_ALL_THEN if last else ''}", now, end)
            return wait

        return decide

    def _end(self, error: Again, first: float, now: float) -> float:
        """Until when (monotonic) it is tried."""
        patience = self.patience
        if error.within is not None:
            return first + error.within
        if error.limited:  # it works: it only says that it is not our turn
            return first + patience.limited
        self.waits.began(self, now)
        end = min(first + patience.outage, now + self.waits.left(patience.command, now))
        if not self._contact:
            began = first if self._began is None else self._began
            end = min(end, began + patience.first_contact)
        return end

    def _pause(self, tries: int) -> float:
        return min(self.patience.pause * (2.0 ** min(tries - 1, 16) + random.random()), self.patience.longest_pause)

    def _tell(self, text: str, now: float, end: float) -> None:
        """Once until the moment that was told is over."""
        if now < self._told_until:
            return
        self._told_until = end
        (self._say or watcher().said)(text)


def is_momentary(status: int) -> bool:
    """Whether an HTTP status says that the server, or something on the way to it, failed for the moment.

    408 is among them: a gateway answers it for a request that reached it too slowly (RFC 9110, 15.5.9).
    """
    return status == 408 or status >= 500


def span(seconds: float) -> str:
    """So long, for a person."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds that an answer asks to wait, from its `Retry-After`; None where it says nothing of use.

    A date is measured on the server's own clock where the answer has one, else on ours (`now`, epoch seconds); one that
    is past is 0 seconds away.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if (number := _number(text)) is not None:
        return number if number >= 0 else None
    moment = http_date(text)
    if moment is None:
        return None
    asked_at = http_date(headers.get("date", ""))
    reference = asked_at.timestamp() if asked_at else time.time() if now is None else now
    return max(0.0, moment.timestamp() - reference)


def http_date(text: str) -> datetime | None:
    """The moment that an HTTP date names, aware; None for anything else."""
    try:
        date = email.utils.parsedate_to_datetime(text)
        return date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date.astimezone(timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """The number that the text writes in ASCII; None for anything else, infinity included."""
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
