"""Two commands at once: the lock is kept, the second says who holds it, and the next run finds everything in order."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checkout import Checkout, Command

from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
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
    "undo FIRST": 0,
    "adopt": 0,
    "adopt --apply": 1,
    "undo FIRST --apply": 1,
}
ENGINE = ("up", "sync", "drift --repair")
LOCKED = (*ENGINE, "adopt --apply", "undo FIRST --apply")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=8, templates=2) as pair:
        checkout = Checkout(tmp_path_factory.mktemp("two"), cli, pair)
        checkout.json("up", "--stack", "shell")
        yield checkout


def until(true: object, what: str) -> None:
    deadline = time.monotonic() + 300
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def locks(checkout: Checkout) -> list[Path]:
    return [each for each in (checkout.folder.parent / "state").rglob("locks/**/*.json") if each.is_file()]


@pytest.mark.parametrize(
    ("first", "others"),
    [
        ("up", tuple(BESIDE)),
        *((each, ("up", "preview")) for each in ENGINE[1:]),
        *(pytest.param(each, tuple(BESIDE), marks=pytest.mark.long) for each in ENGINE[1:]),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{len(each)} commands",
)
def test_beside_a_run_that_writes_every_other_command_ends_as_it_should(
    checkout: Checkout, first: str, others: tuple[str, ...]
) -> None:
    held, other = sorted(checkout.pair.port.entities(W), key=lambda each: str(each["identifier"]))[:2]
    checkout.pair.port.put_entity(W, {**held, "title": f"by hand, before {first}"})
    faults = checkout.pair.port.faults
    slow = faults.add(Fault(kind="latency", method="POST", path="/entities/bulk", delay_ms=10_000, times=1))
    running = Command(checkout, *first.split(), "--stack", "shell", "--json")
    until(
        lambda: any(each["number"] == slow and each["hit"] for each in faults.standing()), f"{first} writes"
    )  # earlier its engine may not have found the program yet
    assert locks(checkout)
    running.tell(signal.SIGSTOP)  # its engine waits for it, with the lock, for as long as the others take
    checkout.pair.port.put_entity(W, {**other, "title": f"by hand, beside {first}"})  # the others find that

    of_first = json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[-1]["run"]

    def beside(command: str) -> subprocess.CompletedProcess[str]:
        return checkout.run(*command.replace("FIRST", of_first).split(), "--stack", "shell")

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
    assert locks(checkout) == []
    assert checkout.json("sync", "--stack", "shell")["result"] == "converged"
    assert checkout.json("up", "--stack", "shell")["result"] == "unchanged"


@pytest.mark.parametrize("first", ["adopt --apply", "undo FIRST --apply"])
def test_what_writes_without_the_engine_keeps_every_run_away_and_gives_the_lock_back(
    checkout: Checkout, first: str
) -> None:
    changed = checkout.pair.port.entities(W)[0]
    checkout.pair.port.put_entity(W, {**changed, "title": f"by hand, before {first}"})
    checkout.json("sync", "--stack", "shell")  # a run that may be undone
    newest = json.loads(checkout.run("history", "--stack", "shell", "--json").stdout)[0]["run"]
    checkout.pair.port.faults.add(Fault(kind="latency", method="GET", path="/organization", delay_ms=3_000, times=1))
    running = Command(checkout, *first.replace("FIRST", newest).split(), "--stack", "shell", "--json")
    until(lambda: locks(checkout), f"{first} takes the lock")
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
    assert locks(checkout) == []
    assert checkout.run("up", "--stack", "shell").returncode == 0


def test_the_lock_of_one_that_was_killed_is_cleared_by_the_next(checkout: Checkout) -> None:
    checkout.pair.port.faults.add(Fault(kind="latency", method="GET", path="/organization", delay_ms=60_000, times=1))
    running = Command(checkout, "adopt", "--apply", "--stack", "shell")
    until(lambda: locks(checkout), "adopt takes the lock")
    running.process.kill()
    assert running.ended() == -signal.SIGKILL
    assert len(locks(checkout)) == 1
    done = checkout.run("adopt", "--apply", "--stack", "shell")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"The lock of a run of \S+ that died \(process \d+, since .* UTC\) was cleared.", done.stdout)
    assert locks(checkout) == []


def test_two_first_runs_of_a_new_stack_make_it_once(checkout: Checkout) -> None:
    with ThreadPoolExecutor(2) as two:
        ended = [*two.map(lambda _: checkout.run("preview", "--stack", "new"), range(2))]
    for done in ended:
        assert done.returncode == 3, done.stdout  # another stack has these entities already
        assert "already exists" not in done.stdout


def test_two_demos_in_one_folder_do_not_take_each_other_s_state(checkout: Checkout) -> None:
    first = Command(checkout, "demo", "--workspaces", "5")
    first.says("emulated Coder on")
    second = checkout.run("demo", "--workspaces", "5")
    assert second.returncode == 1
    assert "Another demo is under way in this folder. Run this one when it has ended." in second.stderr
    assert first.ended() == 0
