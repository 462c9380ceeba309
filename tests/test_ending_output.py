"""What becomes of a command whose output nobody takes: a reader that goes away, a full disk, closed streams."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from checkout import Checkout, Command

from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = [pytest.mark.dear, pytest.mark.in_order]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    """The first test makes the stack, the others find it."""
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        yield Checkout(tmp_path_factory.mktemp("output"), cli, pair)


@pytest.mark.parametrize("command", ["up", "sync", "drift"])
def test_a_reader_that_goes_away_ends_the_command(checkout: Checkout, command: str) -> None:
    slow = checkout.pair.port.faults.add(Fault(kind="latency", path="/entities", delay_ms=200))
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        run = Command(checkout, command, "--stack", "shell", stdout=stdout)
    with os.fdopen(reading) as stdin:
        assert "stack shell" in stdin.readline()
    assert run.ended() == 141, run.lines
    assert checkout.locks() == []
    assert "Ended by a closed pipe: nobody reads the output." in "\n".join(run.lines)
    checkout.pair.port.faults.clear(slow)
    if command == "up":
        assert checkout.run("up", "--stack", "shell").returncode == 0


@pytest.mark.parametrize("command", ["up --stack shell", "engine", "--help", "demo"])
def test_a_full_disk_behind_standard_output_is_one_message(checkout: Checkout, command: str) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = Command(checkout, *command.split(), stdout=full)
    assert run.ended() == 1
    assert "which cannot be written to (No space left on device)" in "\n".join(run.lines)
    assert checkout.locks() == []


def test_closed_streams_take_nothing_from_a_run(checkout: Checkout) -> None:
    checkout.pair.coder.rename_workspace(sorted(checkout.pair.coder.workspace_ids())[0], "for-closed-streams")
    command = f"{shlex.quote(sys.executable)} -m coderport up --stack shell --summary summary.json >&- 2>&- <&-"
    done = subprocess.run(["sh", "-c", command], cwd=checkout.folder, env=checkout.environment, timeout=600)
    assert done.returncode == 0
    assert json.loads((checkout.folder / "summary.json").read_text())["result"] == "converged"


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
