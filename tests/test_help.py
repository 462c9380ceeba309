"""The help of every command, at the widths of narrow terminals: no name is cut or broken in two."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from coderport.commands.cli import app

WHOLE: Any = get_command(app)
COMMANDS = ["", *WHOLE.commands]


def helped(command: str, width: int) -> str:
    """What `-h` prints at a terminal of so many columns."""
    whole = WHOLE.context_class(WHOLE, info_name="coderport", terminal_width=width, **WHOLE.context_settings)
    if not command:
        return str(WHOLE.get_help(whole))
    found = WHOLE.commands[command]
    return str(found.get_help(found.context_class(found, info_name=command, parent=whole)))


def names_of(command: str) -> Iterator[str]:
    """The names of its options, and those that stand in its texts."""
    found = WHOLE.commands[command] if command else WHOLE
    for each in found.params:
        if each.param_type_name == "option":
            yield from (*each.opts, *each.secondary_opts)
        yield from re.findall(r"(?<!\S)`?(--?[a-z][\w-]*)", getattr(each, "help", None) or "")
    yield from re.findall(r"--[a-z][\w-]*", found.help)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_of_an_option_is_cut_or_broken_and_no_line_is_too_long(command: str) -> None:
    for width in range(50, 81):
        shows_its_names(command, width)


def shows_its_names(command: str, width: int) -> None:
    printed = helped(command, width)
    assert max(map(len, printed.splitlines())) <= width
    shown = Counter(re.findall(r"(?<![\w-])-{1,2}[\w-]*\w", printed))
    assert Counter(["-h", "--help", *names_of(command)]) <= shown


@pytest.mark.parametrize("width", [50, 80])
def test_the_list_of_commands_tells_each_whole(width: int) -> None:
    printed = " ".join(helped("", width).split())
    for name, command in WHOLE.commands.items():
        said = re.split(r"(?<=\.)\s", " ".join(command.help.split()))[0]
        assert f"{name} {said}" in printed


@pytest.mark.parametrize(("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef coderport"), ("fish", "fish")])
def test_completion_is_shown_for_the_shell_that_is_named(shell: str, sign: str) -> None:
    done = CliRunner().invoke(app, ["--show-completion", shell], prog_name="coderport")
    assert done.exit_code == 0 and sign in done.output and f"complete_{shell}" in done.output


def test_completion_is_for_the_installed_command_and_for_shells_that_there_are() -> None:
    done = CliRunner().invoke(app, ["--show-completion", "zsh"], prog_name="python -m coderport")
    assert done.exit_code == 2 and "the installed command `coderport`" in done.output
    assert CliRunner().invoke(app, ["--show-completion", "fishy"], prog_name="coderport").exit_code == 1
