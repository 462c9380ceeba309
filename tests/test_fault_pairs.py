"""Two faults of docs/reliability.md at once, in every pairing: the commands' own code in the world of `simulation`.

Nothing here waits: the world's clock jumps. What each fault does alone goes through the engine and over real sockets
(`test_engine_faults`, `test_engine_adopt_faults`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fault_rows import READING, ROWS, WRITES, WRITING, Fault, Server, rows_of
from old_catalog import T, old_catalog
from simulated_lab import in_world
from test_engine_adopt import catalog
from test_engine_adopt_faults import FAULTS as COMING_OVER

from coderport.commands.adopt import adopt
from coderport.commands.history import kept_runs, undo
from coderport.emulators.port.problems import Problem
from coderport.errors import CoderportError
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome
from simulation.people import BUTTONS
from simulation.process import Process
from simulation.world import QUIET_SECONDS, World

pytestmark = pytest.mark.dear

READ_WORDS = {row[0]: dict(zip(("Coder", "Port"), row[2:], strict=True)) for row in rows_of("An answer to a")}
WRITE_WORDS = {row[0]: (int(row[2]), row[3]) for row in rows_of("A bulk write that")}
ADOPT_WORDS = {(row[0].strip("`"), row[1]): (int(row[3]), row[4]) for row in rows_of("Coming over, undoing")}

FAILS_SECONDS = 1800

Work = Callable[[World], Coroutine[Any, Any, None]]
Struck = tuple[Server, str]


@contextmanager
def struck(world: World, faults: Sequence[tuple[Server, Fault]]) -> Iterator[None]:
    numbers = []
    for server, fault in faults:
        emulator = world.coder if server == "Coder" else world.port
        numbers.append((emulator, emulator.faults.add(fault)))
    try:
        yield
    finally:
        for emulator, number in numbers:
            emulator.faults.clear(number)


async def ran(world: World, command: str) -> Outcome:
    outcome = await world.finished(world.command(command))
    assert outcome is not None
    world.look()
    return outcome


def fault_of(struck: Struck) -> tuple[Server, Fault]:
    server, name = struck
    return server, {"path": ROWS[server] if name in READING else WRITES, **{**READING, **WRITING}[name]}


def words_of(struck: Struck) -> tuple[int, str]:
    """The exit code and the words of the fault alone."""
    server, name = struck
    return (1, READ_WORDS[name][server]) if name in READING else WRITE_WORDS[name]


PAIRS: list[tuple[Struck, Struck]] = [
    *(
        (("Coder", one), ("Port", other)) for one, other in itertools.product(READING, (*READING, *WRITING))
    ),
    *((("Port", one), ("Port", other)) for one, other in itertools.product(READING, WRITING)),
]  # fmt: skip


@pytest.mark.parametrize(
    "command", ["sync", *(pytest.param(each, marks=pytest.mark.long) for each in ("up", "repair"))]
)
def test_a_run_that_meets_two_faults_says_one_of_them_and_the_next_run_converges(tmp_path: Path, command: str) -> None:
    async def work(world: World) -> None:
        assert (await ran(world, "up")).exit_code == 0
        for number, pair in enumerate(PAIRS):
            workspace = sorted(world.coder.workspace_ids())[number % len(world.coder.workspace_ids())]
            world.coder.rename_workspace(workspace, f"n{number}")
            before = catalog(world)  # type: ignore[arg-type]
            with struck(world, [fault_of(each) for each in pair]):
                outcome = await ran(world, command)
            told = [words_of(each) for each in pair]
            if outcome.exit_code != max(code for code, _ in told):
                wrong.append(f"{pair} ends with {outcome.exit_code}: {outcome.message}")
            elif outcome.exit_code and not any(words in outcome.message for code, words in told if code):
                wrong.append(f"{pair} says {outcome.message}")
            if pair[0][1] in READING and catalog(world) != before:  # type: ignore[arg-type]
                wrong.append(f"{pair} has changed something")
            if (after := await ran(world, "sync")).exit_code or world.unlike_coder():
                wrong.append(f"{pair} is not finished by the next run: {after.message} {world.unlike_coder()}")

    wrong: list[str] = []
    in_world(tmp_path, work)
    assert not wrong, "\n".join(wrong)


RUNS = "/v1/actions/runs/"
_OF_CODER: dict[str, tuple[Server, Fault]] = {
    f"Coder: {name}": ("Coder", {"path": "/api/v2/", **fault}) for name, fault in READING.items()
}
_READING_THE_RUN: dict[str, tuple[Server, Fault]] = {
    f"Port: {name} of the run": ("Port", {"path": RUNS, "method": "GET", **fault}) for name, fault in READING.items()
}
_TELLING_THE_RUN: dict[str, tuple[Server, Fault]] = {
    f"Port: {name} of the run": ("Port", {"path": RUNS, "method": "PATCH", **fault}) for name, fault in WRITING.items()
}
BESIDE_A_RUN = {**_OF_CODER, **_READING_THE_RUN, **_TELLING_THE_RUN}
"""What fails at Coder's own and at Port's questions and answers about one run."""
RUN_PAIRS = [
    *itertools.product(_OF_CODER, (*_READING_THE_RUN, *_TELLING_THE_RUN)),
    *itertools.product(_READING_THE_RUN, _TELLING_THE_RUN),
]


def pressed(world: World, number: int) -> str:
    """A run that an owner asks for, by a button that Port offers on one of the workspaces; not delivered yet."""
    rows = sorted(world.port.entities(WORKSPACE.identifier), key=lambda each: str(each["identifier"]))
    row = rows[number % len(rows)]
    who = row["properties"]["owner_email"]
    world.port.add_user(who)
    for action in BUTTONS:
        with suppress(Problem):
            run = world.port.run_action(action, by=who, entity=row["identifier"])
            world.people.pressed[run["id"]] = (action, row["identifier"], who)
            return str(run["id"])
    raise AssertionError(f"Port offers none of {list(BUTTONS)} on {row}")


@pytest.mark.parametrize(
    "pairs",
    [pytest.param(RUN_PAIRS[::9], id="every ninth"), pytest.param(RUN_PAIRS, id="all", marks=pytest.mark.long)],
)
def test_a_run_of_an_action_that_meets_two_faults_ends_once_and_truly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pairs: list[tuple[str, str]]
) -> None:
    async def work(world: World) -> None:
        assert (await ran(world, "up")).exit_code == 0
        world.service.start()
        await asyncio.sleep(60)
        for number, pair in enumerate(pairs):
            run = pressed(world, number)
            with struck(world, [BESIDE_A_RUN[name] for name in pair]):
                assert await world.service.delivered(run)
                await asyncio.sleep(FAILS_SECONDS)
            await asyncio.sleep(QUIET_SECONDS)
            if world.port.run(run)["status"] == "IN_PROGRESS" and "Port: 404 to a read of the run" in pair:
                await world.service.kill()  # at its start it asks for runs that Port did not know for so long
                world.service.start()
                await asyncio.sleep(QUIET_SECONDS)
            world.look()
            ended = world.port.run(run)["status"]
            if ended not in ("SUCCESS", "FAILURE"):
                wrong.append(f"{pair}: {ended}")
            ends.add(ended)
        if not wrong and (broken := world.people.broken()):
            wrong.append(broken)

    wrong: list[str] = []
    ends: set[str] = set()
    caplog.set_level(logging.CRITICAL, logger="coderport")
    in_world(tmp_path, work, with_actions=True)
    assert not wrong, "\n".join(wrong)
    assert ends == {"SUCCESS", "FAILURE"}


def pairs_of(command: str) -> list[tuple[str, str]]:
    """Each fault of the command with each; with itself it is alone."""
    faults = [fault for its, fault in ADOPT_WORDS if its == command]
    return list(itertools.combinations_with_replacement(faults, 2))


async def done(world: World, work: Callable[[], Any]) -> Any:
    """What a command's blocking code comes to, beside the world. Each has a second of its own: runs are named by it."""
    await asyncio.sleep(1)
    process = Process("command", settings=world.settings())
    process.start(work)
    await process.ended()
    if process.error is not None:
        raise process.error
    return process.result


async def adopted(world: World) -> Outcome:
    stack: Any = world.stack
    outcome: Outcome = (await done(world, lambda: adopt(stack, apply_it=True)))[0]
    return outcome


async def undone(world: World, run: str) -> tuple[int, str]:
    """The exit code and the message."""
    stack: Any = world.stack
    try:
        await done(world, lambda: undo(stack, run, apply_it=True))
    except CoderportError as error:
        return error.exit_code, str(error)
    return 0, ""


async def kept(world: World) -> list[str]:
    """The runs of the history, the newest first."""
    stack: Any = world.stack
    return [each.run for each in await done(world, lambda: kept_runs(stack))]


@pytest.mark.parametrize("command", ["adopt", "undo"])
def test_coming_over_and_undoing_with_two_faults_is_finished_by_the_same_command(tmp_path: Path, command: str) -> None:
    async def work(world: World) -> None:
        old_catalog(world, versions=3, services=2)  # type: ignore[arg-type]
        old = catalog(world)  # type: ignore[arg-type]
        for pair in pairs_of(command):
            known, run = await kept(world), ""
            if command == "undo":
                assert (await adopted(world)).exit_code == 0
                run = (await kept(world))[0]
            faults: list[tuple[Any, Fault]] = []
            for fault in dict.fromkeys(pair):
                server, _, what = fault.partition(": ")
                faults.append((server, COMING_OVER[what]))
            with struck(world, faults):
                if command == "adopt":
                    outcome = await adopted(world)
                    code, said = outcome.exit_code, outcome.message
                else:
                    code, said = await undone(world, run)
            rows = [ADOPT_WORDS[command, each] for each in pair]
            if code != max(its for its, _ in rows) or not any(words in said for its, words in rows if its == code):
                wrong.append(f"{pair} ends with {code}: {said}")
            if command == "adopt":
                assert (await adopted(world)).exit_code == 0
                assert {each["identifier"] for each in world.port.entities(T)} == world.coder.template_ids(), pair
                for each in [each for each in await kept(world) if each not in known]:
                    assert await undone(world, each) == (0, ""), pair
            else:
                assert await undone(world, run) == (0, ""), pair
            assert catalog(world) == old, pair  # type: ignore[arg-type]

    wrong: list[str] = []
    in_world(tmp_path, work)
    assert not wrong, "\n".join(wrong)
