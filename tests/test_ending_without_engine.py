"""Commands without an engine that are cut off: they say what was done, and how it goes on."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, Command, gate

from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.dear


@pytest.fixture
def checkout(tmp_path: Path, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        made = Checkout(tmp_path, cli, pair)
        made.json("up", "--stack", "shell")
        yield made


def test_a_run_of_an_action_that_is_cut_off_says_how_it_goes_on(checkout: Checkout) -> None:
    with gate(checkout.pair.port.faults, "/actions/runs") as asked:
        run = Command(checkout, "run", "--stack", "shell", "--run-id", "r_1")
        asked.reached()
        run.tell(signal.SIGTERM)
        assert run.ended() == 143
    assert "Ended by SIGTERM. Run r_1 may be under way: the same command takes it up again." in run.lines


def undo_of_the_first_run(checkout: Checkout) -> list[str]:
    """The words of the command."""
    newest = json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[0]
    return ["undo", newest["run"], "--stack", "shell", "--apply", "--allow-deletions", "15"]


def test_an_undo_that_is_cut_off_says_what_was_written_and_the_same_command_does_the_rest(checkout: Checkout) -> None:
    words = undo_of_the_first_run(checkout)
    with gate(checkout.pair.port.faults, "coder_template/bulk/entities/delete") as second_write:
        run = Command(checkout, *words)
        second_write.reached()
        run.tell(signal.SIGTERM)
        assert run.ended() == 143
    said = "\n".join(run.lines)
    assert re.search(
        r"Ended by SIGTERM, after [12] requests? that writes? to Port. The same command does the rest.", said
    )
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
