"""How commands end before their time: signals, a reader that goes away, a full disk. Through real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, Command

from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.dear

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def checkout(tmp_path: Path, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        yield Checkout(tmp_path, cli, pair)


def locks(checkout: Checkout) -> list[Path]:
    return [each for each in (checkout.folder.parent / "state").rglob("locks/**/*.json") if each.is_file()]


def until_written(checkout: Checkout, number: int) -> None:
    deadline = time.monotonic() + 300
    while checkout.pair.port.log.writes < number:
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.02)


def slow(checkout: Checkout, path: str, seconds: float, method: str | None = None) -> int:
    """Port's answers at the path take their time; the number of the fault."""
    fault = Fault(kind="latency", method=method, path=path, delay_ms=seconds * 1000)
    return checkout.pair.port.faults.add(fault)


def until_struck(checkout: Checkout, number: int) -> None:
    """Returns when a request waits for its answer because of the fault."""
    deadline = time.monotonic() + 300
    while not any(each["number"] == number and each["hit"] for each in checkout.pair.port.faults.standing()):
        assert time.monotonic() < deadline, "nothing is asked there"
        time.sleep(0.02)


@pytest.mark.parametrize("number", list(SIGNALS), ids=lambda each: signal.Signals(each).name)
def test_a_signal_ends_the_engine_in_order_and_says_what_was_written(checkout: Checkout, number: int) -> None:
    slow(checkout, r"/entities/bulk", 6)
    up = Command(checkout, "up", "--stack", "shell", "--summary", "summary.json")
    until_written(checkout, 1)
    up.tell(number)
    assert up.ended() == SIGNALS[number]  # type: ignore[index]
    summary = json.loads((checkout.folder / "summary.json").read_text())
    writes = checkout.pair.port.log.writes
    assert (summary["result"], summary["port_writes"]) == ("failed", writes)
    assert f"after {writes} request" in summary["message"] and summary["message"] in "\n".join(up.lines)
    assert locks(checkout) == []
    checkout.pair.port.faults.clear()
    assert checkout.json("up", "--stack", "shell")["result"] == "converged"
    assert checkout.json("sync", "--stack", "shell")["result"] == "unchanged"


@pytest.mark.parametrize("command", ["up", "sync", "drift", "preview"])
def test_a_signal_while_coder_is_read_ends_every_command_with_nothing_written(checkout: Checkout, command: str) -> None:
    checkout.pair.coder.faults.add(Fault(kind="latency", path="/workspaces", delay_ms=60_000))
    run = Command(checkout, command, "--stack", "shell", "--json", "--summary", "summary.json")
    run.says("reading Port")
    run.tell(signal.SIGTERM)
    assert run.ended() == 143
    summary = json.loads((checkout.folder / "summary.json").read_text())
    assert summary["message"] == "Ended by SIGTERM. Nothing was written to Port."
    assert summary["port_requests"] == checkout.pair.port.log.total
    assert locks(checkout) == []


def test_a_second_ctrl_c_ends_at_once_and_the_next_run_does_the_rest(checkout: Checkout) -> None:
    number = slow(checkout, "/blueprints", 25, "POST")
    up = Command(checkout, "up", "--stack", "shell")
    until_struck(checkout, number)  # or the first one would find the engine with nothing begun, and be enough
    while up.process.poll() is None:  # two that come before the first is taken are one
        up.tell(signal.SIGINT)
        time.sleep(0.5)
    assert up.ended() == 130
    assert "Ended at once by Ctrl-C" in "\n".join(up.lines)
    checkout.pair.port.faults.clear()
    assert checkout.run("up", "--stack", "shell").returncode == 0


@pytest.mark.parametrize("command", ["up", "sync", "drift"])
def test_a_reader_that_goes_away_ends_the_command(checkout: Checkout, command: str) -> None:
    if command != "up":
        checkout.json("up", "--stack", "shell")
    slow(checkout, "/entities", 0.2)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        run = Command(checkout, command, "--stack", "shell", stdout=stdout)
    with os.fdopen(reading) as stdin:
        assert "stack shell" in stdin.readline()
    assert run.ended() == 141, run.lines
    assert locks(checkout) == []
    assert "Ended by a closed pipe: nobody reads the output." in "\n".join(run.lines)
    assert checkout.run("up", "--stack", "shell").returncode == 0


@pytest.mark.parametrize("command", ["up --stack shell", "engine", "--help", "demo"])
def test_a_full_disk_behind_standard_output_is_one_message(checkout: Checkout, command: str) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = Command(checkout, *command.split(), stdout=full)
    assert run.ended() == 1
    assert "which cannot be written to (No space left on device)" in "\n".join(run.lines)
    assert locks(checkout) == []


def test_closed_streams_take_nothing_from_a_run(checkout: Checkout) -> None:
    command = f"{sys.executable} -m coderport up --stack shell --summary summary.json >&- 2>&- <&-"
    done = subprocess.run(["sh", "-c", command], cwd=checkout.folder, env=checkout.environment, timeout=600)
    assert done.returncode == 0
    assert json.loads((checkout.folder / "summary.json").read_text())["result"] == "converged"


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


def test_a_run_of_an_action_that_is_cut_off_says_how_it_goes_on(checkout: Checkout) -> None:
    checkout.json("up", "--stack", "shell")
    number = slow(checkout, "/actions/runs", 60)
    run = Command(checkout, "run", "--stack", "shell", "--run-id", "r_1")
    until_struck(checkout, number)
    run.tell(signal.SIGTERM)
    assert run.ended() == 143
    assert "Ended by SIGTERM. Run r_1 may be under way: the same command takes it up again." in run.lines


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


def undo_of_the_first_run(checkout: Checkout) -> list[str]:
    """The words of the command."""
    checkout.json("up", "--stack", "shell")
    newest = json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[0]
    return ["undo", newest["run"], "--stack", "shell", "--apply", "--allow-deletions", "15"]


def test_an_undo_that_is_cut_off_says_what_was_written_and_the_same_command_does_the_rest(checkout: Checkout) -> None:
    words = undo_of_the_first_run(checkout)
    before = checkout.pair.port.log.writes
    slow(checkout, r"/bulk/entities/delete", 3)
    run = Command(checkout, *words)
    until_written(checkout, before + 1)
    run.tell(signal.SIGTERM)
    assert run.ended() == 143
    said = "\n".join(run.lines)
    assert re.search(
        r"Ended by SIGTERM, after [12] requests? that writes? to Port. The same command does the rest.", said
    )
    checkout.pair.port.faults.clear()
    again = checkout.run(*words)
    assert again.returncode == 0, again.stderr
    assert not checkout.pair.port.entities("coder_workspace") and not checkout.pair.port.entities("coder_template")


def test_an_undo_that_port_fails_in_the_middle_of_says_that_it_is_not_whole(checkout: Checkout) -> None:
    words = undo_of_the_first_run(checkout)
    checkout.pair.port.faults.add(Fault(kind="status", path="coder_template/bulk/entities/delete", status=403))
    done = checkout.run(*words)
    assert done.returncode == 1
    assert "The undo is not whole: it ended after 2 requests that write to Port." in done.stderr, done.stderr
    checkout.pair.port.faults.clear()
    assert checkout.run(*words).returncode == 0
    assert not checkout.pair.port.entities("coder_template")


def test_who_reads_only_the_beginning_of_a_conformance_is_not_told_that_nothing_was_written(
    checkout: Checkout,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        run = Command(checkout, "conformance", "--port", stdout=stdout)
    with os.fdopen(reading) as stdin:
        assert "questions" in stdin.readline()
    assert run.ended() == 141, run.lines
    assert "Ended by a closed pipe: nobody reads the output: what this run had made is removed." in run.lines
    assert checkout.pair.port.log.writes > 0


def test_a_signal_that_is_ignored_stays_ignored(checkout: Checkout) -> None:
    slow(checkout, r"/entities/bulk", 1)
    command = f"trap '' HUP; exec {sys.executable} -m coderport up --stack shell --json"
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=checkout.folder, env=checkout.environment, stdout=subprocess.PIPE, text=True
    )
    until_written(checkout, 1)
    process.send_signal(signal.SIGHUP)
    assert json.loads(process.communicate(timeout=300)[0].splitlines()[-1])["result"] == "converged"
