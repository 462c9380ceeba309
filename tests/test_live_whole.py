"""`live` as a person starts it: the command, over sockets, beside the real engine's runs."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from checkout import Checkout, Command

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=8, templates=2) as pair:
        checkout = Checkout(tmp_path_factory.mktemp("live"), cli, pair)
        checkout.environment["CODERPORT_LIVE_PORT"] = "0"
        yield checkout


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def url_of(command: Command) -> str:
    command.says('"listening"')
    found = next(re.search(r'"url": "([^"]+)"', line) for line in command.lines if '"listening"' in line)
    assert found is not None
    return found[1]


def status(checkout: Checkout, identifier: str) -> object:
    held = checkout.pair.port.entity(W, identifier)
    return held and held["properties"]["status"]


def test_before_the_first_run_it_is_not_ready_and_says_which_run_has_to_come_first(checkout: Checkout) -> None:
    done = checkout.run("live", "--stack", "shell")
    assert done.returncode == 2
    # What is shown names the Python that runs here.
    said = (done.stdout + done.stderr).replace(shlex.quote(sys.executable), "python")
    assert "python -m coderport up --stack shell" in said


def test_it_follows_coder_until_it_is_told_to_stop(checkout: Checkout) -> None:
    checkout.json("up", "--stack", "shell")
    command = Command(checkout, "live", "--stack", "shell")
    url = url_of(command)
    until(lambda: httpx.get(f"{url}/readyz", timeout=300).status_code == 200, "ready")
    assert httpx.get(f"{url}/healthz", timeout=300).status_code == 200
    first, second, *_ = sorted(checkout.pair.coder.workspace_ids())
    checkout.pair.coder.stop(first)
    checkout.pair.coder.delete_workspace(second)
    made = checkout.pair.coder.create_workspace()
    until(lambda: status(checkout, first) == "stopped", "stopped")
    until(lambda: status(checkout, second) is None, "deleted")
    until(lambda: status(checkout, made) is not None, "created")
    figures = httpx.get(f"{url}/metrics", timeout=300).text
    assert 'coderport_live_writes_total{what="deleted"} 1.0' in figures
    assert 'coderport_live_lag_seconds_count{feed="jobs"}' in figures
    command.tell(signal.SIGTERM)
    assert command.ended() == 0
    events = [json.loads(line)["event"] for line in command.lines if line.startswith("{")]
    assert events[-2:] == ["draining", "stopped"]
    assert checkout.pair.coder.token not in "\n".join(command.lines)
    assert checkout.pair.port.client_secret not in "\n".join(command.lines)


def test_the_runs_after_it_write_nothing(checkout: Checkout) -> None:
    checkout.pair.port.reset_requests()
    for name in ("sync", "up", "sync"):
        outcome = checkout.json(name, "--stack", "shell")
        assert outcome["port_writes"] == 0
        assert outcome["kinds"]["workspace"]["updated"] == outcome["kinds"]["workspace"]["created"] == 0
    assert outcome["result"] == "unchanged"
    assert checkout.pair.port.writes == 0
    checkout.json("drift", "--stack", "shell")


def test_both_services_run_in_one_process(checkout: Checkout, tmp_path: Path) -> None:
    database = {"CODERPORT_SERVE_PORT": "0", "CODERPORT_SERVE_DATABASE": str(tmp_path / "runs.sqlite")}
    environment = {**checkout.environment, **database}
    command = Command(checkout, "serve", "--stack", "shell", "--live", environment=environment)
    until(lambda: sum('"listening"' in line for line in command.lines) == 2, "both listen")
    urls = [json.loads(line)["url"] for line in command.lines if '"listening"' in line]
    until(lambda: all(httpx.get(f"{url}/readyz", timeout=300).status_code == 200 for url in urls), "both are ready")
    texts = [httpx.get(f"{url}/metrics", timeout=300).text for url in urls]
    assert sum("coderport_runs_accepted" in text for text in texts) == 1
    assert sum("coderport_live_lag_seconds" in text for text in texts) == 1
    command.tell(signal.SIGTERM)
    assert command.ended() == 0
