"""What a command has to import before it does anything: each pays for its own work, not for that of the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from coderport.engine import CliInfo, engine_environment

LIGHT = {"commands", "errors", "project", "tasks", "terminal", "transport"}
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


def names(program: str) -> set[str]:
    """The modules of Pulumi's SDK that a program has imported at its end."""
    program += "; import sys; print(*(each for each in sys.modules if each.split('.')[0] == 'pulumi'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


BEGIN = "from coderport.provider.starting import import_messages; import_messages(); import coderport.provider.server"
SDK = {"pulumi", "pulumi.runtime", "pulumi.automation"}


def test_the_provider_takes_only_its_messages_from_the_sdk() -> None:
    assert all(each.startswith("pulumi.runtime.proto") for each in names(BEGIN))
    assert "pulumi.runtime.proto.provider_pb2" in names(BEGIN)


def test_who_needs_the_sdk_after_the_messages_has_it_whole() -> None:
    assert names(f"{BEGIN}; import pulumi; pulumi.Output.from_input(1)") >= SDK


def test_a_provider_that_is_traced_has_the_sdk_whole() -> None:
    assert names(f"import os; os.environ['TRACEPARENT'] = '00-{'1' * 32}-{'2' * 16}-00'; {BEGIN}") >= SDK


def test_messages_that_cannot_be_had_alone_come_with_the_sdk() -> None:
    """As if one of them imported more of the SDK."""
    program = """
import coderport.provider.starting as starting
real = starting.importlib.import_module
def failing(name, package=None):
    return real("pulumi.runtime.nothing") if name.startswith("pulumi.") else real(name, package)
starting.importlib.import_module = failing
"""
    assert names(f"{program}{BEGIN}") >= SDK


def test_the_provider_loads_neither_settings_nor_the_client_of_coder() -> None:
    program = f"{BEGIN}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"pydantic", "coderport.settings", "coderport.coder.client"} & set(done.stdout.split())


def test_the_plugin_starts_so(tmp_path: Path) -> None:
    with (tmp_path / "imported").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "coderport.provider"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    with process:
        assert process.stdout is not None
        port = process.stdout.readline()
        process.kill()
    assert port.strip().isdigit()
    imported = (tmp_path / "imported").read_text()
    assert "pulumi.runtime.proto.provider_pb2" in imported and "pulumi.automation" not in imported
