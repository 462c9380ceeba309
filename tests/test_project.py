"""Whose a Pulumi project is: ours only by something positive, with any language, program or file of somebody else's."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coderport import project as in_use
from coderport.commands.cli import app
from coderport.engine import CliInfo
from coderport.errors import SettingsError
from coderport.project import foreign, has_project
from coderport.stack.project_file import project_copy
from coderport.terminal.remedy import runnable_here

ROOT = Path(__file__).resolve().parents[1]
OURS = (ROOT / "Pulumi.yaml").read_text()
PROGRAM = (ROOT / "__main__.py").read_text()
STOCK = re.sub(r"^plugins:\n(?: .*\n)+", "", OURS, flags=re.MULTILINE)
"""Ours as its own comment says: the block `plugins` taken out."""


def project(folder: Path, description: str, program: str | None = None) -> str:
    (folder / "Pulumi.yaml").write_text(description)
    if program is not None:
        (folder / "__main__.py").write_text(program)
    assert has_project(folder)
    return foreign(folder)


def test_the_stock_project_has_no_plugin_of_ours() -> None:
    assert "pulumi-resource" not in STOCK and "plugins/port" not in STOCK and "coderApiBaseUrl" in STOCK


@pytest.mark.parametrize("description", [OURS, STOCK, OURS.replace("name: coderport", "name: catalog\nmain: ./", 1)])
@pytest.mark.parametrize(
    "program", [PROGRAM, None, "import pulumi, coderport.program.main as ours\npulumi.run(ours.program)\n"]
)
def test_a_project_of_ours_is_known_with_and_without_program_and_provider(
    tmp_path: Path, description: str, program: str | None
) -> None:
    assert project(tmp_path, description, program) == ""


def test_a_short_description_is_enough_beside_our_program(tmp_path: Path) -> None:
    assert project(tmp_path, "name: x\nruntime: python\n", PROGRAM) == ""


def test_a_copy_for_another_folder_is_ours(tmp_path: Path) -> None:
    assert foreign(project_copy(tmp_path)) == ""


@pytest.mark.parametrize("language", ["nodejs", "go", "yaml", "dotnet", "java", "bun"])
@pytest.mark.parametrize("form", ["runtime: {}", "runtime:\n  name: {}\n  options: {{typescript: true}}"])
def test_another_language_is_foreign_whatever_else_is_there(tmp_path: Path, language: str, form: str) -> None:
    config = OURS[OURS.index("config:") :]
    assert f"runtime is {language}" in project(tmp_path, f"name: x\n{form.format(language)}\n{config}", PROGRAM)


@pytest.mark.parametrize(
    ("description", "program", "said"),
    [
        ("name: x\nruntime: python\nmain: src\n", PROGRAM, "its program is elsewhere (main: src)"),
        ("name: x\nruntime: python\nmain: infra/__main__.py\n", None, "its program is elsewhere"),
        ("name: x\n", PROGRAM, "its runtime is none"),
        ("name: x\nruntime: python\n", None, "it has no __main__.py"),
        ("name: x\nruntime: python\nconfig:\n  portClientId: x\n", None, "it has no __main__.py"),
        (OURS, "# once: coderport.program\nprint('theirs')\n", "does not run coderport.program"),
        (OURS, "import coderport.programs\n", "does not run coderport.program"),
        (OURS, "from coderport import program_of\n", "does not run coderport.program"),
        (OURS, "def (:", "does not run coderport.program"),
    ],
)
def test_what_is_not_ours_is_foreign_for_a_reason(
    tmp_path: Path, description: str, program: str | None, said: str
) -> None:
    assert said in project(tmp_path, description, program)


@pytest.mark.parametrize("name", ["Pulumi.yml", "Pulumi.json"])
def test_a_description_in_another_file_is_foreign(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(OURS)
    assert has_project(tmp_path) and "another file than Pulumi.yaml" in foreign(tmp_path)


@pytest.mark.parametrize("text", ["name: [", "- x\n", "runtime: python\n", "name:\n", "name: ''\n"])
def test_a_damaged_description_is_told_as_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"names no project|is no YAML that Pulumi reads: line"):
        project(tmp_path, text)


COMMANDS = [
    "preview -s x", "preview --fast -s x", "up -s x", "sync -s x", "drift -s x", "drift --repair -s x", "adopt -s x",
    "history -s x", "undo 20261127 -s x", "ls -s x", "ls workspace -s x", "doctor -s x", "doctor -s x --json",
    "why it -s x", "run -s x --run-id r", "serve -s x", "serve -s x --live", "live -s x", "pulumi -- stack ls",
    "conformance --port -s x",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_touches_a_project_of_another_language(
    tmp_path: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: theirs\nruntime: nodejs\n")
    (tmp_path / "index.ts").write_text("new Database()\n")
    monkeypatch.setattr(in_use, "_named", [tmp_path])
    monkeypatch.setenv("PATH", f"{cli.path.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "state").as_uri())
    for name in ("CODERPORT_SERVE_PORT", "CODERPORT_LIVE_PORT"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, command.split())
    said = f"{done.output}{done.exception if isinstance(done.exception, SettingsError) else ''}"
    assert getattr(done.exception, "exit_code", done.exit_code) == (1 if command.startswith("doctor") else 2), said
    assert "its runtime is nodejs, and not python. Nothing was read or written." in said.replace("\n", " "), said
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Pulumi.yaml", "index.ts"]


def test_every_command_on_a_stack_is_among_them() -> None:
    free = {"init", "engine", "demo", "emulate"}
    names = {each.callback.__name__ for each in app.registered_commands if each.callback}
    assert names - free == {each.split()[0] for each in COMMANDS}


def test_a_folder_that_is_not_there_any_more_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "left"
    left.mkdir()
    monkeypatch.chdir(left)
    left.rmdir()
    with pytest.raises(SettingsError, match="The current folder is not there any more"):
        in_use.current_folder()
    with pytest.raises(SettingsError, match="The current folder is not there any more"):
        in_use.work_in(Path("below"))
    assert "coderport" in runnable_here("python -m coderport up")
