"""The webhook service under test: requests as Port and its agent sign them, and runs whose work the test decides."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from coderport.runner.service.queue import Runner, Sleep
from coderport.runner.service.server import running
from coderport.runner.service.settings import ServiceSettings
from coderport.runner.service.signature import signature
from coderport.runner.values import Claim, Ended, Journal

Body = Callable[..., Coroutine[Any, Any, None]]
NOW = 1_800_000_000.0
SECRET = "the-client-secret-of-the-tests"


def run_id(number: int) -> str:
    return f"r_{number:016d}"


ONE, TWO, THREE = run_id(1), run_id(2), run_id(3)


def looped(test: Body) -> Callable[..., None]:
    """Runs an async test; one that hangs fails."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), 300))

    return run


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def signed(body: bytes, *, at: float | None = None, secret: str = SECRET, over: bytes | None = None) -> dict[str, str]:
    """The headers of a request as Port sends it; `over`: the form of the body that is signed, where it is another."""
    timestamp = str(int(time.time() if at is None else at))
    return {"x-port-timestamp": timestamp, "x-port-signature": signature(secret, timestamp, over or body)}


def settings(folder: Path, **values: Any) -> ServiceSettings:
    """A free port, and no grace where none is given: a run that a test leaves behind delays nobody."""
    values = {"port": 0, "grace_seconds": 0.0, **values}
    return ServiceSettings(database=folder / "runs.sqlite", secret=SecretStr(SECRET), **values)


def figures(exposition: str) -> dict[str, float]:
    """The samples of /metrics by name and labels."""
    rows = (line.rsplit(" ", 1) for line in exposition.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def refused(reason: str) -> str:
    return f'coderport_webhook_refused_total{{reason="{reason}"}}'


def ended(outcome: str) -> str:
    return f'coderport_runs_ended_total{{outcome="{outcome}"}}'


@dataclass
class Stage:
    """A runner whose runs act on the workspaces in `keys` (the run's own id where there is none) and wait for `go`.

    `people` has whose they are (somebody else's each where there is none), `open` those that Port says are open.
    """

    keys: Mapping[str, str | None] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    at_work: set[str] = field(default_factory=set)
    most_at_work: int = 0
    failures: list[Exception] = field(default_factory=list)
    key_failures: list[Exception] = field(default_factory=list)
    outcome: Ended = Ended.SUCCESS

    async def execute(self, run: str, journal: Journal, sleep: Sleep) -> Ended:
        self.begun.append(run)
        self.at_work.add(run)
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        try:
            await self.go.wait()
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.at_work.discard(run)
        self.done.append(run)
        return self.outcome

    async def until_at_work(self, number: int) -> None:
        """Until so many runs are here; the service counts a run as running a moment before it begins it."""
        while len(self.at_work) < number:
            await asyncio.sleep(0.01)

    async def key_of(self, run: str) -> str | None:
        self.asked[run] += 1
        if self.key_failures:
            raise self.key_failures.pop(0)
        return self.keys.get(run, run)

    async def claim_of(self, run: str) -> Claim | None:
        key = await self.key_of(run)
        return None if key is None else Claim(key, self.people.get(run, run))

    async def open_runs(self) -> list[str]:
        return list(self.open)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Runner]:
        yield Runner(self.execute, self.claim_of, self.open_runs)


class Caller:
    """Somebody who talks to the service at `url`, or where the client's base URL is."""

    def __init__(self, client: httpx.AsyncClient, url: str = "") -> None:
        self.client, self._url = client, url

    async def run(self, run: str, *, at: float | None = None) -> httpx.Response:
        body = compact({"run_id": run})
        return await self.client.post(f"{self._url}/runs", content=body, headers=signed(body, at=at))

    async def figures(self) -> dict[str, float]:
        return figures((await self.client.get(f"{self._url}/metrics")).text)

    async def until(self, name: str, value: float) -> None:
        """Until the sample has the value; a counter may have passed it since it was last looked at."""
        while (found := (await self.figures()).get(name, 0.0)) != value:
            if found > value and "_total" in name:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def service(stage: Stage, folder: Path, **values: Any) -> AsyncIterator[Caller]:
    """The service over a socket, with `clock` and `pause` as given."""
    ours = {name: values.pop(name) for name in ("clock", "pause") if name in values}
    async with running(settings(folder, **values), stage.opened(), **ours) as url:  # noqa: SIM117
        async with httpx.AsyncClient(base_url=url, timeout=300.0) as client:
            yield Caller(client)
