"""What writes without the engine holds the stack's lock as a run does, and a killed one's lock is cleared."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest
from checkout import Checkout, Command, converged, gate

from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE

pytestmark = pytest.mark.dear

W = WORKSPACE.identifier


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with converged(tmp_path_factory.mktemp("two"), cli) as checkout:
        yield checkout


@pytest.mark.parametrize("first", ["adopt --apply", "undo FIRST --apply"])
def test_what_writes_without_the_engine_keeps_every_run_away_and_gives_the_lock_back(
    checkout: Checkout, first: str
) -> None:
    changed = checkout.pair.port.entities(W)[0]
    checkout.pair.port.put_entity(W, {**changed, "title": f"by hand, before {first}"})
    checkout.json("sync", "--stack", "shell")  # a run that may be undone
    newest = json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[0]["run"]
    with gate(checkout.pair.port.faults, "/organization", "GET", times=1) as asks:
        running = Command(checkout, *first.replace("FIRST", newest).split(), "--stack", "shell", "--json")
        asks.reached()
        running.tell(signal.SIGSTOP)
    try:
        beside = [checkout.run(*each.split(), "--stack", "shell") for each in ("up", "adopt --apply")]
        looking = checkout.run("preview", "--stack", "shell")
    finally:
        running.tell(signal.SIGCONT)
    for done in beside:
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "The stack shell is locked, nothing was done:" in said, said
        assert f"is under way on this machine (process {running.process.pid}, since" in said
    assert looking.returncode == 0
    assert running.ended() == 0
    assert checkout.locks() == []
    assert checkout.run("up", "--stack", "shell").returncode == 0


def test_the_lock_of_one_that_was_killed_is_cleared_by_the_next(checkout: Checkout) -> None:
    with gate(checkout.pair.port.faults, "/organization", "GET", times=1) as asks:
        running = Command(checkout, "adopt", "--apply", "--stack", "shell")
        asks.reached()
        running.process.kill()
        assert running.ended() == -signal.SIGKILL
    assert len(checkout.locks()) == 1
    done = checkout.run("adopt", "--apply", "--stack", "shell")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"The lock of a run of \S+ that died \(process \d+, since .* UTC\) was cleared.", done.stdout)
    assert checkout.locks() == []
