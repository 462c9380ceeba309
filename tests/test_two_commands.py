"""A command beside a run: the lock is kept, the second says who holds it, and the next run finds all in order."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from checkout import Checkout, Command, converged, gate

from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE

pytestmark = pytest.mark.dear

W = WORKSPACE.identifier
BESIDE = {
    # What changes something needs the lock that the first holds; what only looks does not.
    "up": 1,
    "sync": 1,
    "drift --repair": 1,
    "preview": 0,
    "preview --fast": 0,
    "drift": 4,
    "history": 0,
    "undo FIRST --allow-deletions 99": 0,
    "adopt": 0,
    "adopt --apply": 1,
    "undo FIRST --allow-deletions 99 --apply": 1,
}
ENGINE = ("up", "sync", "drift --repair")
LOCKED = (*ENGINE, "adopt --apply", "undo FIRST --allow-deletions 99 --apply")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with converged(tmp_path_factory.mktemp("two"), cli) as checkout:
        yield checkout


def oldest_run(checkout: Checkout) -> str:
    return str(json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[-1]["run"])


@pytest.mark.parametrize(
    ("first", "others"),
    [
        ("up", tuple(BESIDE)),
        *((each, ("up",)) for each in ENGINE[1:]),
        *(pytest.param(each, tuple(BESIDE), marks=pytest.mark.long) for each in ENGINE[1:]),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{len(each)} commands",
)
def test_beside_a_run_that_writes_every_other_command_ends_as_it_should(
    checkout: Checkout, first: str, others: tuple[str, ...]
) -> None:
    first_run = oldest_run(checkout) if len(others) == len(BESIDE) else ""
    held, other = sorted(checkout.pair.port.entities(W), key=lambda each: str(each["identifier"]))[:2]
    checkout.pair.port.put_entity(W, {**held, "title": f"by hand, before {first}"})
    with gate(checkout.pair.port.faults, "/entities/bulk", "POST", times=1) as writes:
        running = Command(checkout, *first.split(), "--stack", "shell", "--json")
        writes.reached()  # earlier its engine may not have found the program yet
        assert checkout.locks()
        running.tell(signal.SIGSTOP)  # its engine waits for it, with the lock, for as long as the others take
    checkout.pair.port.put_entity(W, {**other, "title": f"by hand, beside {first}"})  # the others find that

    def beside(command: str) -> subprocess.CompletedProcess[str]:
        return checkout.run(*command.replace("FIRST", first_run).split(), "--stack", "shell")

    try:
        with ThreadPoolExecutor(2) as several:
            ended = dict(zip(others, several.map(beside, others), strict=True))
    finally:
        running.tell(signal.SIGCONT)
    for command, done in ended.items():
        said = done.stdout + done.stderr
        assert (command, done.returncode) == (command, BESIDE[command]), said
        assert "Traceback" not in said
        if command in LOCKED:
            assert "The stack shell is locked, nothing was done:" in said
            assert "is under way on this machine (process " in said and "Run again when it has ended." in said
    assert running.ended() == 0
    outcome = json.loads(next(each for each in running.lines if each.startswith("{")))
    assert (outcome["result"], outcome["kinds"]["workspace"]["updated"]) == ("converged", 1)
    assert checkout.locks() == []
    assert checkout.json("sync", "--stack", "shell")["result"] == "converged"
    if first == "up":
        assert checkout.json("up", "--stack", "shell")["result"] == "unchanged"
