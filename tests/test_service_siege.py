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


class Probe:
    """The process of `service_probe`: it asks for the health as a probe does, with nothing else to do."""

    def __init__(self, address: Path) -> None:
        self.seen: list[float] = []
        self.wrong: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "service_probe.py"), str(address)], stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            seconds, said = line.rstrip("\n").split(" ", 1)
            if said == "200":
                self.seen.append(float(seconds))
            else:
                self.wrong.append(said)

    def end(self) -> None:
        self._process.kill()
        self._process.wait(300)
        self._reader.join(60)


async def besieged(lives: Lives, deployment: Deployment, address: Path) -> dict[str, Any]:
    address.write_text(lives.now.url, encoding="utf-8")
    strangers = Strangers(address)
    await until(lambda: strangers.made >= HALF_OPEN)
    probe = Probe(address)
    begun = time.monotonic()
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(300, pool=None)) as client:
        sending = asyncio.gather(
            *(lives.send(client, compact({"run_id": run_id(number)}), signed) for number in range(RUNS))
        )
        await until(lambda: len(deployment.starts) >= RUNS // 4)
        before, memory = len(probe.wrong), _memory(lives.now.pid)
        await asyncio.to_thread(lives.kill_and_start)
        address.write_text(lives.now.url, encoding="utf-8")
        await asyncio.sleep(1)
        restarting = len(probe.wrong) - before
        sent = await sending
        await until(lambda: len(deployment.ends) == RUNS)
    seconds = time.monotonic() - begun
    await asyncio.sleep(5)
    probe.end()
    strangers.leave()
    told = figures(httpx.get(f"{lives.now.url}/metrics", timeout=300).text)
    return {
        "half_open_connections": HALF_OPEN,
        "connections_made_by_strangers": strangers.made,
        "files_of_the_service": FILES,
        "signed_requests": RUNS,
        "answers": dict(Counter(each.status for each in sent)),
        "health": {
            "asked": len(probe.seen),
            "median_seconds": round(sorted(probe.seen)[len(probe.seen) // 2], 3),
            "over_a_second": sum(each > 1 for each in probe.seen),
            "longest_seconds": round(max(probe.seen), 3),
            "failed_while_it_was_killed_and_started": restarting,
            "failed_otherwise": len(probe.wrong) - restarting,
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
