"""The webhook service with the real runner between both emulators: many runs at once, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from runner_lab import RunnerLab

from coderport.emulators.pair import Pair
from coderport.settings import Actions

pytestmark = pytest.mark.dear

ROOT = Path(__file__).resolve().parents[1]
WORKSPACES, PRESSES = 100, 5


class Process:
    """`python -m coderport serve` for the emulators, which can be killed and started again on the same journal."""

    def __init__(self, pair: Pair, folder: Path) -> None:
        # Kept, never listened on: the service may listen there, and nobody else is given the port between its lives.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        port = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        servers = pair.describe()
        self._environment = {
            **os.environ,
            "CODER_API_BASE_URL": servers["coder_url"],
            "CODER_SESSION_TOKEN": servers["coder_token"],
            "PORT_BASE_URL": servers["port_url"],
            "PORT_CLIENT_ID": servers["port_client_id"],
            "PORT_CLIENT_SECRET": servers["port_client_secret"],
            "CODERPORT_ACTIONS": json.dumps({"backend": "webhook", "url": f"{self.url}/runs"}),
            "CODERPORT_SERVE_PORT": str(port),
            "CODERPORT_SERVE_DATABASE": str(folder / "runs.sqlite"),
            "CODERPORT_SERVE_WORKERS": "32",
        }
        self._log = folder / "serve.log"
        self._config = folder / "config.json"
        self._config.write_text("{}")
        self.start()

    def start(self) -> None:
        with self._log.open("a") as log:
            command = [sys.executable, "-m", "coderport", "serve", "--stack", "lab", "--config", str(self._config)]
            self._running = subprocess.Popen(command, cwd=ROOT, env=self._environment, stderr=log)
        until(self._ready, "the service is ready")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=300).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()

    def stop(self) -> int:
        self._running.terminate()
        code = self._running.wait(300)
        self._reserved.close()
        return code


def until(true: Callable[[], bool], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def lab() -> Iterator[RunnerLab]:
    with Pair(seed=5, workspaces=WORKSPACES, templates=3, pending_seconds=0.05, running_seconds=0.2) as pair:
        yield RunnerLab(pair)


def test_500_presses_for_100_workspaces_are_100_builds_even_if_the_service_is_killed(
    lab: RunnerLab, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    service = Process(lab.pair, tmp_path)
    lab.settings = Actions(backend="webhook", url=f"{service.url}/runs")
    workspaces = sorted(lab.coder.workspace_ids())
    for identifier in workspaces:
        lab.coder.set_dormant(identifier, False)
        lab.coder.stop(identifier)
    for email in {owner(lab, each) for each in workspaces}:
        lab.port.add_user(email)
    lab.mirror()
    lab.declare_actions()
    before = {each: len(lab.held(each).builds) for each in workspaces}

    def started() -> int:
        return sum(len(lab.held(each).builds) > before[each] for each in workspaces)

    begun = time.monotonic()
    pressed = [
        lab.ask("coder_start_workspace", by=owner(lab, each), entity=each)
        for _ in range(PRESSES)
        for each in workspaces
    ]
    until(lambda: started() > 30, "thirty builds have begun")
    service.kill()
    at_kill = started()
    service.start()
    until(lambda: all(lab.port.run(run)["status"] != "IN_PROGRESS" for run in pressed), "every run has ended")
    took = time.monotonic() - begun

    assert {len(lab.held(each).builds) - before[each] for each in workspaces} == {1}, "one build for each workspace"
    assert all(lab.held(each).running for each in workspaces)
    ends = Counter(lab.port.run(run)["status"] for run in pressed)
    # A start of what runs already is a success. Port posts once: a run that met no service is ended by Port itself.
    lost = [run for run in pressed if "the webhook could not be reached" in summary(lab, run)]
    assert ends == Counter(SUCCESS=len(pressed) - len(lost), FAILURE=len(lost))
    figure(
        f"webhook service, {len(pressed)} presses for {WORKSPACES} workspaces, killed after {at_kill} builds: "
        f"{dict(ends)}, {WORKSPACES} builds, {took:.0f} s"
    )
    assert service.stop() == 0


def summary(lab: RunnerLab, run: str) -> str:
    return str(lab.port.run(run).get("summary") or "").lower()


def owner(lab: RunnerLab, workspace: str) -> str:
    return str(lab.coder.user(lab.held(workspace).owner_id).email)
