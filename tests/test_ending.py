"""How a signal ends commands before their time. Through real processes."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, Command, gate

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.dear

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def checkout(tmp_path: Path, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        yield Checkout(tmp_path, cli, pair)


@pytest.mark.parametrize("number", list(SIGNALS), ids=lambda each: signal.Signals(each).name)
def test_a_signal_ends_the_engine_in_order_and_says_what_was_written(checkout: Checkout, number: int) -> None:
    with gate(checkout.pair.port.faults, "/blueprints", "POST") as first_write:
        up = Command(checkout, "up", "--stack", "shell", "--summary", "summary.json")
        first_write.reached()
        up.tell(number)
        up.says("the engine finishes what it has begun")
    assert up.ended() == SIGNALS[number]  # type: ignore[index]
    summary = json.loads((checkout.folder / "summary.json").read_text())
    writes = checkout.pair.port.log.writes
    assert (summary["result"], summary["port_writes"]) == ("failed", writes)
    assert f"after {writes} request" in summary["message"] and summary["message"] in "\n".join(up.lines)
    assert checkout.locks() == []
    if number == signal.SIGTERM:
        assert checkout.json("up", "--stack", "shell")["result"] == "converged"
        assert checkout.json("sync", "--stack", "shell")["result"] == "unchanged"


@pytest.mark.parametrize("command", ["up", "sync", "drift", "preview"])
def test_a_signal_while_coder_is_read_ends_every_command_with_nothing_written(checkout: Checkout, command: str) -> None:
    assert checkout.run("pulumi", "--", "stack", "init", "shell").returncode == 0  # `drift` makes none
    with gate(checkout.pair.coder.faults, "/workspaces"):
        run = Command(checkout, command, "--stack", "shell", "--json", "--summary", "summary.json")
        run.says("reading Port")
        run.tell(signal.SIGTERM)
        assert run.ended() == 143
    summary = json.loads((checkout.folder / "summary.json").read_text())
    assert summary["message"] == "Ended by SIGTERM. Nothing was written to Port."
    assert summary["port_requests"] == checkout.pair.port.log.total
    assert checkout.locks() == []


def test_a_second_ctrl_c_ends_at_once_and_the_next_run_does_the_rest(checkout: Checkout) -> None:
    with gate(checkout.pair.port.faults, "/blueprints", "POST") as first_write:
        up = Command(checkout, "up", "--stack", "shell")
        first_write.reached()  # or the first one would find the engine with nothing begun, and be enough
        up.tell(signal.SIGINT)
        up.says("the engine finishes what it has begun")  # two that come before the first is taken are one
        up.tell(signal.SIGINT)
        assert up.ended() == 130
    assert "Ended at once by Ctrl-C" in "\n".join(up.lines)
    assert checkout.run("up", "--stack", "shell").returncode == 0


@pytest.mark.parametrize("number", list(SIGNALS), ids=lambda each: signal.Signals(each).name)
def test_the_emulators_end_with_0_when_they_are_told_to(checkout: Checkout, number: int) -> None:
    emulators = Command(checkout, "emulate", "--free-ports")
    emulators.says("coder_url")
    emulators.tell(number)
    assert emulators.ended() == 0


def test_a_demo_that_is_interrupted_takes_everything_with_it(checkout: Checkout) -> None:
    demo = Command(checkout, "demo", "--workspaces", "5")
    demo.says("1 · The first run")
    demo.tell(signal.SIGINT)
    assert demo.ended() == 130
    assert any("Ended by Ctrl-C" in line for line in demo.lines), demo.lines


IN_A_CALLBACK = """
import asyncio, os, signal
from coderport.terminal import ending

async def work():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.sleep(1)
    print("went on")

with ending.in_order():
    asyncio.run(work())
"""


def test_a_signal_in_the_middle_of_an_event_loop_s_own_work_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_CALLBACK], capture_output=True, text=True, timeout=600)
    assert done.returncode == 143 and done.stdout == "", done.stdout + done.stderr
    assert done.stderr == "Ended by SIGTERM. Nothing was written to Port.\n"


AT_A_STEP = """
import asyncio, os, signal
from coderport.terminal import ending

armed, step = [], asyncio.Handle._run

def taken(handle):
    if armed:
        armed.clear()
        os.kill(os.getpid(), signal.SIGTERM)
    step(handle)

asyncio.Handle._run = taken

async def work():
    armed.append(True)
    await asyncio.sleep(0)
    await asyncio.sleep(3600)

with ending.in_order():
    ending.run(work())
"""


def test_a_signal_takes_no_step_from_the_event_loop_that_it_would_wait_for_without_end() -> None:
    done = subprocess.run([sys.executable, "-c", AT_A_STEP], capture_output=True, text=True, timeout=300)
    assert done.returncode == 143, done.stdout + done.stderr
    assert done.stderr == "Ended by SIGTERM. Nothing was written to Port.\n"


def test_a_signal_that_is_ignored_stays_ignored(checkout: Checkout) -> None:
    command = f"trap '' HUP; exec {shlex.quote(sys.executable)} -m coderport up --stack shell --json"
    with gate(checkout.pair.port.faults, "/entities/bulk") as writes:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=checkout.folder, env=checkout.environment, stdout=subprocess.PIPE, text=True
        )
        writes.reached()
        process.send_signal(signal.SIGHUP)
    assert json.loads(process.communicate(timeout=300)[0].splitlines()[-1])["result"] == "converged"
