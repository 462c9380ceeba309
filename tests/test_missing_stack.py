"""A name of a stack that is not there, as after a typing error: told by every command, and nothing is left behind."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coderport import project as in_use
from coderport.commands.cli import app
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.errors import SettingsError
from coderport.stack.project_file import project_copy

COMMANDS = [
    "drift -s prdo", "drift --repair -s prdo",
    "history -s prdo", "undo 20261127 -s prdo", "undo 20261127 --apply -s prdo", "ls -s prdo", "ls workspace -s prdo",
    "why it -s prdo", "run -s prdo --run-id r_1", "serve -s prdo", "serve -s prdo --live", "live -s prdo",
    "conformance --port -s prdo",
]  # fmt: skip


class Person:
    """Somebody at a shell with a project, a backend of their own and the values in the environment."""

    def __init__(self, folder: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cli = folder, cli
        self.project = project_copy(folder / "project")
        for name in ("state", "home"):
            (folder / name).mkdir()
        for name in [name for name in os.environ if name.startswith(("CODER", "PORT_", "PULUMI_"))]:
            monkeypatch.delenv(name)
        for name, value in {
            "PATH": f"{cli.path.parent}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "theirs",
            "PULUMI_HOME": str(folder / "home"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(in_use, "_named", [self.project])
        self.pulumi("stack", "init", "prod")

    def pulumi(self, *arguments: str) -> str:
        command = [str(self.cli.path), *arguments, "--non-interactive"]
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, timeout=300, check=True)
        return done.stdout

    def there(self) -> tuple[dict[Path, bytes], list[str], str]:
        """The project's files, the stacks, and which is selected."""
        files = {each: each.read_bytes() for each in self.project.rglob("*") if each.is_file()}
        stacks = sorted(each.name for each in (self.folder / "state").rglob("*prdo*"))
        return files, stacks, self.pulumi("stack", "--show-name").strip()

    def says(self, command: str) -> tuple[Result, str]:
        done = CliRunner().invoke(app, command.split())
        said = f"{done.output}{done.exception if isinstance(done.exception, SettingsError) else ''}"
        return done, said


@pytest.fixture
def person(tmp_path: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(tmp_path, cli, monkeypatch)


def test_a_typing_error_leaves_nothing_behind(person: Person) -> None:
    before = person.there()
    for command in COMMANDS:
        done, said = person.says(command)
        assert getattr(done.exception, "exit_code", done.exit_code) == 2, (command, said)
        assert "has no stack prdo in file:///" in " ".join(said.split()), (command, said)
    _, said = person.says("doctor -s prdo")
    assert "There is no stack prdo in" in said
    assert person.there() == before


def test_every_command_on_a_stack_is_among_them_but_those_that_make_it() -> None:
    free = {"init", "engine", "demo", "emulate", "pulumi", "doctor"}
    names = {each.callback.__name__ for each in app.registered_commands if each.callback}
    assert names - free - {each.split()[0] for each in COMMANDS} == {"preview", "up", "sync", "adopt"}


def test_a_first_preview_makes_the_stack_and_says_how_it_goes_again(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pair(seed=3, workspaces=1, templates=1) as pair:
        for name, value in {
            "CODER_API_BASE_URL": pair.coder_url,
            "CODER_SESSION_TOKEN": pair.coder.token,
            "PORT_CLIENT_ID": pair.port.client_id,
            "PORT_CLIENT_SECRET": pair.port.client_secret,
            "PORT_BASE_URL": pair.port_url,
        }.items():
            monkeypatch.setenv(name, value)
        before = person.there()
        done, said = person.says("preview --fast -s prdo")
        assert done.exit_code == 0 and "The stack prdo was not there, and is made now." in said, said
        _, again = person.says("preview --fast -s prdo")
        assert "was not there" not in again
    [remedy] = re.findall(r"pulumi -- (stack rm .*)$", said, re.MULTILINE)
    person.pulumi(*shlex.split(remedy))
    person.pulumi("stack", "select", "prod")
    files, stacks, _ = person.there()
    assert files == before[0] and [each for each in stacks if each.endswith(".json")] == []
