"""Every command that a text of the code tells a person to run can be run as it stands, with no `pulumi` on PATH."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from coderport.commands.acts import print_json, write_page, write_summary
from coderport.commands.cli import app
from coderport.doctor.check import Check
from coderport.doctor.screen import as_json as doctor_as_json
from coderport.engine import CliInfo
from coderport.errors import SettingsError
from coderport.report.comment import comment
from coderport.report.outcome import failed
from coderport.terminal.remedy import CLI, COMMAND, called_in, runnable_here

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    each for each in (ROOT / "coderport").rglob("*.py") if "emulators" not in each.parts and each.name != "remedy.py"
)
CONSTANTS = {"CLI": CLI, "COMMAND": COMMAND}
# What may stand for something that a person has to choose.
PLACE = "place"


def texts(file: Path) -> Iterator[str]:
    """The texts of a module, without docstrings; what an f-string fills in is `place`, but for our constants."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    documentation |= {  # those of constants
        id(after.value)
        for node in ast.walk(tree)
        for body in [getattr(node, "body", [])]
        if isinstance(body, list)
        for after in body
        if isinstance(after, ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if id(node) in documentation or id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(_part(part) for part in node.values)


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return CONSTANTS.get(part.value.id, PLACE) if isinstance(part.value, ast.Name) else PLACE


def commands() -> Iterator[tuple[str, str]]:
    for file in SOURCES:
        for text in texts(file):
            for found in re.finditer(rf"{COMMAND} [^`\n]*", text):
                line = found[0].split("  #")[0].rstrip().rstrip(".:,;)")
                yield str(file.relative_to(ROOT)), line


COMMANDS = sorted(set(commands()))


def _acts_on_a_stack(line: str) -> bool:
    """Whether it is a call of Pulumi that works on one stack."""
    verbs = r"config|cancel|state delete|refresh|destroy|import|stack (export|import|rename)"
    return bool(re.search(rf"pulumi -- ({verbs})\b", line))


def test_there_are_remedies_at_all() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize(("where", "line"), COMMANDS)
def test_every_command_that_is_named_exists_with_its_options(where: str, line: str, cli: CliInfo) -> None:
    words = shlex.split(line.split(" > ")[0], comments=False)[3:]
    if words[0] == "--cwd":  # for every command, and before it
        words = words[2:]
    name, *rest = words if words[0] != PLACE else ["serve", *words[1:]]
    rest = [each for each in rest if each != f"--{PLACE}"]
    if rest[-1:] == ["--stack"]:  # its name is added to the text
        rest.append(PLACE)
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    if name != "pulumi":
        required = [] if "--stack" in rest or not _takes_stack(command) else ["--stack", PLACE]
        command.make_context(
            name, [*(_number(each) for each in rest if each != f"--apply{PLACE}"), *required], resilient_parsing=True
        )
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {each.removesuffix(PLACE) for each in rest if each.startswith("--")} <= known
        return
    assert rest[0] == "--"
    arguments = [each.removesuffix(PLACE) if each.startswith("--") else each for each in rest[1:]]
    done = subprocess.run([cli.path, *arguments, "--help"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first = next(each for each in arguments if not each.startswith("-"))
    assert f"pulumi {first}" in done.stdout


def _takes_stack(command: Any) -> bool:
    return any("--stack" in each.opts for each in command.params)


def _number(word: str) -> str:
    return "1" if word == PLACE else word


@pytest.mark.parametrize("line", [line for _, line in COMMANDS if _acts_on_a_stack(line)])
def test_what_acts_on_a_stack_names_it(line: str) -> None:
    """Without the name Pulumi takes the stack that was selected last, which may be somebody's production."""
    assert "--stack" in line


def test_there_are_such_remedies() -> None:
    assert sum(" config set " in line for _, line in COMMANDS) > 5


@pytest.mark.parametrize("file", SOURCES, ids=lambda each: str(each.relative_to(ROOT)))
def test_no_text_tells_to_run_a_pulumi_that_may_not_be_on_path(file: Path) -> None:
    verbs = "config|stack|cancel|login|logout|state|whoami|import|refresh|destroy|plugin"
    for text in texts(file):
        for found in re.finditer(rf"(?<![\w-])pulumi ({verbs})\b", text):
            assert "failed" in text[found.end() :], f"{file.name}: {text!r} should name `{CLI} {found[1]} …`"


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {each for file in SOURCES for text in texts(file) for each in re.findall(r"`make ([a-z-]+)", text)}
    assert named and named <= targets


def test_what_is_shown_names_the_python_that_runs_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a clone" / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "/nonexistent")
    shown = runnable_here(f"run:\n  {CLI} stack ls")
    assert shown == f"run:\n  '{tmp_path}/a clone/.venv/bin/python' -m coderport pulumi -- stack ls"
    (tmp_path / "a clone").mkdir()
    monkeypatch.chdir(tmp_path / "a clone")
    assert runnable_here(f"`{COMMAND} up`") == "`.venv/bin/python -m coderport up`"
    assert runnable_here("/opt/x/.venv/bin/python -m coderport up").startswith("/opt/x/.venv/bin/python -m")


def test_what_is_shown_names_the_installed_command_where_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "a place" / "coderport"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", "/nonexistent")
    assert runnable_here(f"{COMMAND} up") == f"'{script}' up"
    monkeypatch.setenv("PATH", str(script.parent))
    assert runnable_here(f"run:\n  {CLI} stack ls") == "run:\n  coderport pulumi -- stack ls"


def test_a_folder_that_a_remedy_names_is_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["coderport"])
    monkeypatch.setattr("coderport.terminal.remedy._installed", lambda: "coderport")
    with called_in({}, "--cwd", "p 1"):
        assert runnable_here(f"{COMMAND} init") == "coderport --cwd 'p 1' init"
        elsewhere = runnable_here(f"{COMMAND} --cwd FOLDER preview --stack NAME")
        assert elsewhere == "coderport --cwd FOLDER preview --stack NAME"


def test_what_is_for_machines_names_the_command_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON on standard output and in a file, and the page; the comment is made of that JSON."""
    monkeypatch.setattr("coderport.terminal.remedy._installed", lambda: "coderport")
    outcome = failed(SettingsError(f"Set it:\n  {CLI} config set x"))
    outcome = outcome.model_copy(update={"warnings": (f"Then: {COMMAND} up",)})
    print_json(outcome)
    write_summary(outcome, tmp_path / "summary.json")
    write_page(outcome, "preview", "dev", tmp_path / "page.html")
    said = [capsys.readouterr().out, *((tmp_path / each).read_text() for each in ("summary.json", "page.html"))]
    said.append(doctor_as_json([Check(subject="a", name="b", grade="fail", said=f"Not {COMMAND}.", remedy=f"{CLI} x")]))
    said.append(comment("dev", 2, said[0], ""))
    for text in said:
        assert "python -m" not in text and "coderport pulumi -- " in text


@pytest.mark.parametrize(
    "words",
    [
        ["preview", "--summary", "one", "--html", "one"],
        ["preview", "--out", "one", "--html", "./one"],
        ["preview", "--out", "one", "--summary", "link"],
        ["drift", "--summary", "one", "--html", "one"],
        ["up", "--plan", "one", "--summary", "one"],
        *(["preview", option, "-"] for option in ("--out", "--summary", "--html")),
    ],
)
def test_two_results_in_one_file_and_a_file_that_is_none_are_refused_before_anything_is_done(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").write_text("{}", encoding="utf-8")
    Path("link").symlink_to("one")
    done = CliRunner().invoke(app, [*words, "--stack", "dev"])
    said = " ".join(done.output.split())
    assert done.exit_code == 2 and ("more than one thing" in said or "- is no file" in said), done.output
    assert Path("one").read_text(encoding="utf-8") == "{}" and sorted(os.listdir()) == ["link", "one"]


def test_the_constants_are_those_of_the_module() -> None:
    assert all(
        getattr(importlib.import_module("coderport.terminal.remedy"), name) == value
        for name, value in CONSTANTS.items()
    )
