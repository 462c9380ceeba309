"""The service as a process: hundreds of runs at once, killed in the middle, started again, told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from service_deployment import Deployment
from service_lab import Caller, compact, figures, refused, run_id, signed

from coderport.emulators.kit import serve
from coderport.runner.service.signature import TOLERANCE_SECONDS

pytestmark = pytest.mark.dear

RUNS, WORKSPACES, WORKERS, BAD = 500, 100, 24, 50
Headers = dict[str, str]
HERE = Path(__file__).resolve().parent


class Sent(NamedTuple):
    body: bytes
    headers: Headers
    status: int

    def again(self, body: bytes) -> Headers:
        return self.headers


class Life:
    """One process of the service, listening at `url`, with what it has logged; it may open so many `files`."""

    def __init__(self, database: Path, deployment: str, files: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "service_process.py"), str(database), deployment, str(WORKERS)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            preexec_fn=None if files is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
        )
        self.pid = self._process.pid
        self._lines: list[str] = []
        self._new, self._silent = threading.Condition(), False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = str(self.logs("listening")["url"])

    @property
    def log_bytes(self) -> int:
        """How much it has logged."""
        return sum(len(line.encode()) for line in self._lines)

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._lines]

    def logs(self, event: str) -> dict[str, Any]:
        """Waits for the line with that event."""

        def found() -> dict[str, Any] | None:
            lines = (json.loads(line) for line in self._lines if line.startswith("{"))
            return next((line for line in lines if line["event"] == event), None)

        with self._new:
            self._new.wait_for(lambda: found() or self._silent, 300)
        line = found()
        assert line is not None, f"the service did not log {event!r}: {self._lines}"
        return line

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        """Sends the signal and gives what the process returned."""
        self.tell(number)
        return self.ended()

    def ended(self) -> int:
        """What the process returned."""
        code = self._process.wait(300)
        self._reader.join(300)
        return code

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._new:
                self._lines.append(line)
                self._new.notify_all()
        with self._new:
            self._silent = True
            self._new.notify_all()


class Lives:
    """The service over its lives, and Port, which sends again what did not arrive."""

    def __init__(self, database: Path, deployment: str, files: int | None = None) -> None:
        self._given = (database, deployment, files)
        self.all = [Life(*self._given)]

    @property
    def now(self) -> Life:
        return self.all[-1]

    def kill_and_start(self) -> None:
        assert self.now.end(signal.SIGKILL) == -signal.SIGKILL
        self.all.append(Life(*self._given))

    async def send(self, client: httpx.AsyncClient, body: bytes, sign: Callable[[bytes], Headers]) -> Sent:
        """Sends until there is an answer, signed anew each time."""
        while True:
            headers = sign(body)
            try:
                answer = await client.post(f"{self.now.url}/runs", content=body, headers=headers)
                return Sent(body, headers, answer.status_code)
            except httpx.TransportError:
                await asyncio.sleep(0.5)


def test_500_runs_end_once_each_over_two_kills(tmp_path: Path, figure: Callable[[str], None]) -> None:
    deployment, database = Deployment(RUNS // WORKSPACES, hold_after=RUNS // 2), tmp_path / "runs.sqlite"
    runs = [run_id(number) for number in range(RUNS)]
    begun = time.monotonic()
    with serve(deployment.app) as served:
        lives = Lives(database, served.url)
        try:
            asyncio.run(_storm(lives, deployment, [compact({"run_id": run}) for run in runs]))
            last = figures(httpx.get(f"{lives.now.url}/metrics", timeout=300).text)
        finally:
            code = lives.now.end(signal.SIGTERM)
    figure(f"service: {RUNS} runs sent at once ended once each in {time.monotonic() - begun:.1f} s, with two kills")

    assert code == 0
    assert deployment.starts == Counter(runs), "a build was started twice, or never"
    assert deployment.ends == {run: deployment.outcome(run) for run in runs}
    assert (deployment.ended_again, deployment.overlaps) == ([], [])
    assert last["coderport_runs_resumed_total"] > 0
    assert last["coderport_runs_queued"] == last["coderport_runs_running"] == 0
    with closing(sqlite3.connect(database)) as journal:
        kept = list(journal.execute("SELECT run_id, state, outcome FROM runs"))
    assert {run for run, _, _ in kept} == set(runs)
    for run, state, outcome in kept:
        assert state == "ended" and outcome in (deployment.outcome(run), "already_ended"), run
    events = [line for life in lives.all for line in life.log]
    assert {line["event"] for line in events if line["level"] != "info"} == {"request refused"}


async def _storm(lives: Lives, deployment: Deployment, bodies: list[bytes]) -> None:
    """Everything is sent at once; the service dies after 40 builds and again after half of the runs."""
    bad: list[Callable[[bytes], Headers]] = [_forged, _stale]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=300.0) as client:
        good = asyncio.gather(*(lives.send(client, body, signed) for body in bodies))
        refused_ones = asyncio.gather(*(lives.send(client, body, sign) for body in bodies[:BAD] for sign in bad))
        await asyncio.to_thread(deployment.wait_for, starts=40)
        await asyncio.to_thread(lives.kill_and_start)
        sent = await good
        assert {each.status for each in await refused_ones} == {401}
        # 409: the run was written down, and the answer that says so died with the process.
        assert {each.status for each in sent} <= {202, 409}

        await asyncio.to_thread(deployment.wait_for, ends=RUNS // 2)
        await asyncio.to_thread(lives.kill_and_start)
        deployment.release()
        again = sent[:BAD]
        replays = await asyncio.gather(*(lives.send(client, each.body, each.again) for each in again))
        forgeries = await asyncio.gather(*(lives.send(client, each.body, _forged) for each in again))
        assert {each.status for each in replays} == {409}
        assert {each.status for each in forgeries} == {401}
        await asyncio.to_thread(deployment.wait_for, ends=RUNS)
        caller = Caller(client, lives.now.url)
        await caller.until("coderport_runs_running", 0)
        counted = await caller.figures()
        assert (counted[refused("replayed")], counted[refused("forged")]) == (BAD, BAD)


def _forged(body: bytes) -> Headers:
    return signed(body, secret="guess")


def _stale(body: bytes) -> Headers:
    return signed(body, at=time.time() - 2 * TOLERANCE_SECONDS)


def test_sigterm_lets_the_run_at_work_end_and_leaves_with_zero(tmp_path: Path) -> None:
    deployment = Deployment(runs_each=9, hold_after=0)
    with serve(deployment.app) as served:
        lives = Lives(tmp_path / "runs.sqlite", served.url)
        body = compact({"run_id": run_id(1)})
        assert httpx.post(f"{lives.now.url}/runs", content=body, headers=signed(body), timeout=300).status_code == 202
        deployment.wait_for(starts=1)
        lives.now.tell(signal.SIGTERM)
        lives.now.logs("draining")
        deployment.release()
        assert lives.now.ended() == 0
    assert deployment.ends == {run_id(1): "success"}
    assert [line["event"] for line in lives.now.log][-3:] == ["draining", "run ended", "stopped"]
