"""What a command has to import before it does anything: each pays for its own work, not for that of the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from coderport.engine import CliInfo, engine_environment

LIGHT = {"commands", "errors", "project", "terminal", "transport"}
"""The rooms that the command line itself is made of."""
OTHERS = {"adoption", "conformance", "doctor", "emulators", "live", "provider", "runner", "setup", "why"}
"""The rooms of single commands, none of which a run needs."""

_ROOM = re.compile(r"^import time:.*\| +coderport\.(\w+)", re.MULTILINE)


def loaded(folder: Path, cli: CliInfo, *arguments: str) -> set[str]:
    """The rooms of which `python ARGUMENTS` in the folder imported anything."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=folder,
        env=engine_environment(environment, cli=cli.path, local_state=folder / "engine"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(_ROOM.findall(done.stderr))


def test_what_does_no_work_imports_only_what_the_command_line_is_made_of(tmp_path: Path, cli: CliInfo) -> None:
    assert loaded(tmp_path, cli, "-m", "coderport", "--version") <= LIGHT
    assert loaded(tmp_path, cli, "-m", "coderport", "-h") <= LIGHT
    assert loaded(tmp_path, cli, "-m", "coderport", "sync", "-h") <= LIGHT


@pytest.mark.parametrize("arguments", [["engine"], ["pulumi", "version"]])
def test_a_command_of_the_cli_alone_imports_nothing_of_a_run(
    tmp_path: Path, cli: CliInfo, arguments: list[str]
) -> None:
    rooms = loaded(tmp_path, cli, "-m", "coderport", *arguments)
    assert rooms <= LIGHT | {"engine"} and "engine" in rooms


@pytest.mark.parametrize("arguments", [["up"], ["preview"], ["sync"], ["drift"], ["history"]])
def test_a_run_imports_no_room_of_another_command(tmp_path: Path, cli: CliInfo, arguments: list[str]) -> None:
    """There is no project in the folder, which the command says when it has imported what it does."""
    rooms = loaded(tmp_path, cli, "-m", "coderport", "--cwd", str(tmp_path), *arguments, "--stack", "nobody")
    assert "stack" in rooms and not rooms & OTHERS


def test_the_program_and_the_provider_import_no_room_of_a_command(tmp_path: Path, cli: CliInfo) -> None:
    assert not loaded(tmp_path, cli, "-c", "import coderport.program.main") & (OTHERS | {"commands", "stack"})
    assert not loaded(tmp_path, cli, "-c", "import coderport.provider.server") & (OTHERS - {"provider"})
