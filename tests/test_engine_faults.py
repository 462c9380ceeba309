"""Through the real engine: the tables of docs/reliability.md, row by row.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fault_rows import Server, Told, rows_of, struck
from lab import Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.report.account import Account
from coderport.report.outcome import Outcome
from coderport.stack.stack import Stack

Command = Callable[[Stack], tuple[Outcome, Any]]

pytestmark = pytest.mark.dear

CHEAP: dict[str, Command] = {"sync": sync, "drift": lambda stack: drift(stack, repair=False)}
ENGINE: dict[str, Command] = {"up": Stack.up, "preview": Stack.preview}
SERVERS: tuple[Server, Server] = ("Coder", "Port")

CONTACT = {row[0]: dict(zip(SERVERS, row[1:3], strict=True)) for row in rows_of("A first contact that fails")}
READING = {row[0]: (row[1], dict(zip(SERVERS, row[2:4], strict=True))) for row in rows_of("An answer to a read")}
WRITING = {row[0]: (row[1], row[2], row[3]) for row in rows_of("A bulk write that fails")}

_OF_EACH_KIND = ("it speaks no HTTP", "403 to a read", "502 with HTML")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("faults"), cli, workspaces=6, templates=2) as lab:
        lab.up()
        yield lab


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried for two seconds."""
    monkeypatch.setenv("CODERPORT_PATIENCE", "2")


@pytest.fixture(scope="module")
def told(lab: Lab) -> Stack:
    """The stack, without a process for each question: what these commands meet is the servers, through sockets."""
    return Told(lab.stack)


def fails(lab: Lab, server: Server, fault: str, words: str, command: Command, stack: Stack) -> Outcome:
    """The outcome of the command under the fault: failed in these words, with nothing written by anybody."""
    before = lab.port.entities("coder_workspace"), lab.port.objects()
    with struck(lab, server, fault, stack):
        outcome, _ = command(stack)
    assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("failed", 1, 0), outcome
    assert words in outcome.message, outcome.message
    assert (lab.port.entities("coder_workspace"), lab.port.objects()) == before
    return outcome


def unchanged(lab: Lab) -> None:
    outcome, _ = sync(lab.stack)
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), outcome


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("fault", CONTACT)
def test_a_first_contact_that_fails_ends_the_run_and_changes_nothing(
    lab: Lab, told: Stack, server: Server, fault: str
) -> None:
    for command in CHEAP.values():
        fails(lab, server, fault, CONTACT[fault][server], command, told)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("fault", READING)
def test_an_answer_to_a_read_that_is_none_ends_the_run_and_changes_nothing(
    lab: Lab, told: Stack, server: Server, fault: str
) -> None:
    repeated, words = READING[fault]
    for command in CHEAP.values():
        outcome = fails(lab, server, fault, words[server], command, told)
        assert (outcome.retries > 0) == (repeated == "yes"), outcome


@pytest.mark.parametrize("command", CHEAP)
def test_the_stack_as_the_cli_tells_it_fails_alike(lab: Lab, command: str) -> None:
    fault = _OF_EACH_KIND[0]
    fails(lab, "Port", fault, CONTACT[fault]["Port"], CHEAP[command], lab.stack)


def test_the_next_run_finds_everything_as_it_was(lab: Lab) -> None:
    unchanged(lab)


def _in_the_suite(fault: str) -> Any:
    return fault if fault in _OF_EACH_KIND else pytest.param(fault, marks=pytest.mark.long)


@pytest.mark.parametrize("command", ENGINE)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("fault", [_in_the_suite(each) for each in (*CONTACT, *READING)])
def test_what_the_engine_runs_fails_alike(lab: Lab, server: Server, fault: str, command: str) -> None:
    words = CONTACT[fault][server] if fault in CONTACT else READING[fault][1][server]
    fails(lab, server, fault, words, ENGINE[command], lab.stack)
    if command == "up":
        unchanged(lab)


@pytest.mark.parametrize("fault", WRITING)
def test_a_bulk_write_that_fails_is_finished_by_the_next_run(lab: Lab, fault: str) -> None:
    repeated, code, words = WRITING[fault]
    target = sorted(lab.coder.workspace_ids())[0]
    name = f"renamed-{list(WRITING).index(fault)}"
    lab.coder.rename_workspace(target, name)
    with struck(lab, "Port", fault, lab.stack):
        outcome, _ = sync(lab.stack)
    assert outcome.exit_code == int(code), outcome
    assert words in outcome.message, outcome.message
    assert (outcome.retries > 0) == (repeated == "yes"), outcome
    sync(lab.stack)
    assert lab.workspace(target)["title"].endswith(f"/{name}")
    unchanged(lab)


def test_the_program_and_the_provider_spend_one_budget(lab: Lab) -> None:
    """Of a command's ten seconds one and a half are left: the program waits for Port, and the provider then may not."""
    target = sorted(lab.coder.workspace_ids())[0]
    lab.coder.rename_workspace(target, "one-budget")
    lab.port.faults.add({"kind": "status", "status": 503, "path": "/entities/search", "times": 1})
    number = lab.port.faults.add({"kind": "status", "status": 503, "path": "/entities/bulk", "times": 1})
    outcome, tally = lab.stack.up(account=Account(waited=8.5))
    lab.port.faults.clear(number)
    assert (outcome.result, outcome.retries) == ("failed", 1), outcome
    assert any("given up. All that a command waits" in text for text in tally.warnings), tally.warnings
    sync(lab.stack)
    assert lab.workspace(target)["title"].endswith("/one-budget")
    unchanged(lab)
