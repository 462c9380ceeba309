"""The service under siege: thousands of connections that never say anything, Port's calls among them, and a kill.

`pytest -m long tests/test_service_siege.py` keeps what was seen in `benchmarks/results/siege.json`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from service_deployment import Deployment
from service_lab import compact, figures, run_id, signed
from test_service_load import Lives

from coderport.emulators.kit import serve

HALF_OPEN, RUNS, FILES = 10_000, 1_000, 1024
HERE = Path(__file__).resolve().parent
RESULT = HERE.parent / "benchmarks" / "results" / "siege.json"


class Strangers:
    """The process of `service_strangers`, which reads from a file where the service is."""

    def __init__(self, address: Path) -> None:
        self.made = 0
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "service_strangers.py"), str(address), str(HALF_OPEN)],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.made = int(line)

    def leave(self) -> None:
        self._process.kill()
        self._process.wait(300)


async def until(enough: Callable[[], bool]) -> None:
    while not enough():
        await asyncio.sleep(0.1)


async def watched(lives: Lives, seen: list[float], wrong: list[str]) -> None:
    """Asks for the health again and again, with a connection of its own each time, as a probe does."""
    while True:
        url, begun = lives.now.url, time.monotonic()
        try:
            answer = await asyncio.wait_for(_health(url), 300)
        except (OSError, asyncio.TimeoutError) as error:
            answer = type(error).__name__.encode()
        if answer.startswith(b"HTTP/1.1 200"):
            seen.append(time.monotonic() - begun)
        elif url == lives.now.url:  # not that of the one that was killed meanwhile
            wrong.append(answer[:40].decode())
        await asyncio.sleep(0.2)


async def _health(url: str) -> bytes:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def besieged(lives: Lives, deployment: Deployment, address: Path) -> dict[str, Any]:
    seen: list[float] = []
    wrong: list[str] = []
    address.write_text(lives.now.url, encoding="utf-8")
    strangers = Strangers(address)
    await until(lambda: strangers.made >= HALF_OPEN)
    watching = asyncio.create_task(watched(lives, seen, wrong))
    begun = time.monotonic()
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(300, pool=None)) as client:
        sending = asyncio.gather(
            *(lives.send(client, compact({"run_id": run_id(number)}), signed) for number in range(RUNS))
        )
        await until(lambda: len(deployment.starts) >= RUNS // 4)
        before, memory = len(wrong), _memory(lives.now.pid)
        await asyncio.to_thread(lives.kill_and_start)
        restarting = len(wrong) - before
        address.write_text(lives.now.url, encoding="utf-8")
        sent = await sending
        await until(lambda: len(deployment.ends) == RUNS)
    seconds = time.monotonic() - begun
    await asyncio.sleep(5)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    strangers.leave()
    told = figures(httpx.get(f"{lives.now.url}/metrics", timeout=300).text)
    return {
        "half_open_connections": HALF_OPEN,
        "connections_made_by_strangers": strangers.made,
        "files_of_the_service": FILES,
        "signed_requests": RUNS,
        "answers": dict(Counter(each.status for each in sent)),
        "health": {
            "asked": len(seen),
            "median_seconds": round(sorted(seen)[len(seen) // 2], 3),
            "longest_seconds": round(max(seen), 3),
            "failed_while_it_was_killed_and_started": restarting,
            "failed_otherwise": len(wrong) - restarting,
        },
        "memory_mib": {"before_the_kill": memory, "at_the_end": _memory(lives.now.pid)},
        "closed": {key.split('"')[1]: value for key, value in told.items() if "connections_closed" in key},
        "runs_over": {"seconds": round(seconds, 1), "resumed": told["coderport_runs_resumed_total"]},
    }


def _memory(pid: int) -> float:
    """The most that the process has held in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)


@pytest.mark.long
def test_ten_thousand_strangers_a_thousand_calls_and_a_kill(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < HALF_OPEN + 1000:
        pytest.skip(f"this machine lets a process open {hard} files, fewer than the strangers need")
    deployment = Deployment(runs_each=5)
    with serve(deployment.app) as served:
        lives = Lives(tmp_path / "runs.sqlite", served.url, FILES)
        result = asyncio.run(besieged(lives, deployment, tmp_path / "address"))
        assert lives.now.end(signal.SIGTERM) == 0
    result["log_bytes"] = [life.log_bytes for life in lives.all]
    runs = [run_id(number) for number in range(RUNS)]
    result["runs_that_ended_once"] = sum(deployment.ends.get(run) == deployment.outcome(run) for run in runs)
    result["builds_started_twice"] = sum(number > 1 for number in deployment.starts.values())
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    assert deployment.starts == Counter(runs) and deployment.ended_again == deployment.overlaps == []
    assert deployment.ends == {run: deployment.outcome(run) for run in runs}
    assert set(result["answers"]) <= {202, 409} and result["health"]["failed_otherwise"] == 0
