"""What a stack asks the Pulumi CLI for: each thing once, in calls that name the stack, and nothing to begin with."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import CommandError, create_command_error

from coderport.engine import CliInfo, process
from coderport.engine.torn import COMPLAINT
from coderport.errors import SettingsError
from coderport.planning.memory import Memory
from coderport.report.account import Account
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack, StackMissing
from coderport.terminal import ending

VALUES = {
    "coderApiBaseUrl": "http://127.0.0.1:1",
    "coderSessionToken": "token",
    "portBaseUrl": "http://127.0.0.1:2",
    "portClientId": "id",
    "portClientSecret": "secret",
}
NOT_FOUND = "error: no stack named 'lab' found"


class Cli:
    """Answers in the place of the CLI; `asked` are the words of each call, without those of the tether."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.there = True
        self.fails: Callable[[str], str] = lambda _: ""
        self.during: Callable[[], object] = lambda: None
        self.secrets: tuple[str, ...] = ()
        self.values = dict(VALUES)

    def run(self, command: list[str], *_: Any, **__: Any) -> CommandResult:
        words = " ".join(command[command.index("--non-interactive") + 1 :])
        self.asked.append(words)
        if wrong := self.fails(words):
            raise create_command_error(CommandResult(stdout="", stderr=wrong, code=255))
        if words.startswith("up"):
            self.during()
        if words.startswith("stack init"):
            self.there = True
        elif "--stack lab" in words and not self.there:
            raise create_command_error(CommandResult(stdout="", stderr=NOT_FOUND, code=255))
        return CommandResult(stdout=json.dumps(self._answer(words)), stderr="", code=0)

    def _answer(self, words: str) -> Any:
        if words.startswith("config"):
            return {
                f"coderport:{key}": {"value": value, "secret": key in self.secrets}
                for key, value in self.values.items()
            }
        if words.startswith("stack history"):
            return [{"result": "succeeded"}]
        if words.startswith("stack output"):
            return Memory(state="0a1b2c3d", stack="coderport/lab", deployment="d").outputs()
        if words.startswith("whoami"):
            return {"user": "me", "url": f"file://{self.folder}/state"}
        return {}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    found = Cli(tmp_path)
    monkeypatch.setattr(process, "run", found.run)
    return found


def opened(cli: Cli, *, create: bool = True) -> Stack:
    info = CliInfo(cli.folder / "pulumi", "3.250.0", "PATH")
    return Stack("lab", info, directory=project_copy(cli.folder), local_state=cli.folder, create=create)


def test_nothing_is_asked_until_something_is_needed_and_each_thing_once(asked: Cli) -> None:
    stack = opened(asked)
    assert asked.asked == []
    assert stack.settings().port_client_id == "id"
    assert stack.memory().state == "0a1b2c3d"
    assert stack.last_result() == "succeeded"
    assert asked.asked == [
        "config --show-secrets --json --stack lab",
        "stack output --json --stack lab",
        "stack history --page-size 1 --json --show-secrets --stack lab",
    ]


def test_the_passphrase_is_tried_once_by_the_config_or_else_by_the_history(asked: Cli) -> None:
    asked.secrets = ("portClientSecret",)
    stack = opened(asked)
    stack.last_result()
    stack.settings()
    stack.last_result()
    assert [each for each in asked.asked if "history" in each] == [
        "stack history --page-size 1 --json --show-secrets --stack lab",
        "stack history --page-size 1 --json --stack lab",
    ]


def test_the_config_is_read_anew_each_time(asked: Cli) -> None:
    stack = opened(asked)
    assert stack.settings().port_client_id == "id"
    asked.values["portClientId"] = "another"
    assert stack.settings().port_client_id == "another"


def test_a_stack_that_is_not_there_is_made_by_the_first_call_on_it(asked: Cli) -> None:
    asked.there = False
    assert opened(asked).config()["coderport:portClientId"] == "id"
    config = "config --show-secrets --json --stack lab"
    assert asked.asked == [config, "stack init lab", config]


def test_a_stack_that_is_not_there_and_not_to_be_made_is_refused_by_name_of_the_backend(asked: Cli) -> None:
    asked.there = False
    stack = opened(asked, create=False)
    for call in (stack.settings, stack.memory, stack.last_result, stack.mark, stack.find, stack.resources):
        with pytest.raises(StackMissing, match=f"has no stack lab in file://{asked.folder}/state"):
            call()
    assert not any(each.startswith("stack init") for each in asked.asked)


def test_of_two_commands_that_make_a_stack_at_once_both_go_on(asked: Cli) -> None:
    asked.there = False

    def other_was_first(words: str) -> str:
        if words.startswith("stack init"):
            asked.there = True
            return "error: stack 'lab' already exists"
        return ""

    asked.fails = other_was_first
    assert opened(asked).config()


def test_while_another_command_makes_the_stack_this_one_waits_for_it(asked: Cli) -> None:
    asked.there = False
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = f"file:///locks/1.json: created by me@{socket.gethostname()} (pid {os.getpid()}) at {now}"
    answers = iter([f"error: the stack is currently locked by 1 lock(s).\n  {lock}\n"] * 2)

    def made_by_another(words: str) -> str:
        if not words.startswith("stack init"):
            return ""
        asked.there = True
        return next(answers, "error: stack 'lab' already exists")

    asked.fails = made_by_another
    assert opened(asked).config()
    assert [each for each in asked.asked if each.startswith("stack init")] == ["stack init lab"] * 3


def test_a_torn_state_is_mended_and_the_same_asked_again(asked: Cli) -> None:
    sums = asked.folder / "state" / ".pulumi" / "stacks" / "coderport" / "lab.json.attrs"
    stack = opened(asked)
    sums.parent.mkdir(parents=True)
    sums.touch()
    asked.fails = lambda words: f"error: {COMPLAINT}" if sums.exists() and "--stack lab" in words else ""
    assert stack.settings().port_client_id == "id"
    assert not sums.exists()


@pytest.mark.parametrize("create", [True, False])
def test_any_other_failure_is_told_at_once(asked: Cli, create: bool) -> None:
    asked.fails = lambda _: "error: incorrect passphrase"
    with pytest.raises(SettingsError, match="is not that of the stack lab"):
        opened(asked, create=create).settings()
    assert len(asked.asked) == 1


def told_to_end() -> None:
    """What the process does when it gets SIGTERM."""
    ending._asked(signal.SIGTERM, None)


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_state", ending._State())


@pytest.mark.usefixtures("untold")
def test_a_run_that_was_whole_when_the_command_was_told_to_end_says_so_everywhere(asked: Cli) -> None:
    asked.during = told_to_end
    outcome, _ = opened(asked).up()
    assert (outcome.result, outcome.exit_code) == ("unchanged", 143)
    assert outcome.message == "Ended by SIGTERM. The run was over: unchanged, and nothing was written to Port."


@pytest.mark.usefixtures("untold")
def test_a_run_that_was_not_whole_when_the_command_was_told_to_end_has_failed(asked: Cli) -> None:

    def cancelled(words: str) -> str:
        if not words.startswith("up"):
            return ""
        told_to_end()
        return "error: update cancelled"

    asked.fails = cancelled
    outcome, _ = opened(asked).up()
    assert (outcome.result, outcome.exit_code) == ("failed", 143)
    assert outcome.message == "Ended by SIGTERM. Nothing was written to Port."


@pytest.mark.usefixtures("untold")
def test_a_command_that_is_told_to_end_after_its_run_says_how_that_ended(asked: Cli) -> None:
    account = Account(port_writes=3)
    outcome, _ = opened(asked).up(account=account)
    assert outcome.exit_code == 0
    with pytest.raises(ending.Interrupted) as raised:
        told_to_end()
    assert str(raised.value) == "Ended by SIGTERM. The run was over: unchanged, after 3 requests that write to Port."


def test_what_is_asked_about_another_stack_makes_none(asked: Cli) -> None:
    stack = opened(asked)
    asked.fails = lambda words: "error: no stack named 'other' found" if "other" in words else ""
    workspace = stack._stack.workspace
    with pytest.raises(CommandError):
        workspace.pulumi_command.run(["stack", "output", "--stack", "other"], workspace.work_dir, {})
    assert len(asked.asked) == 1
