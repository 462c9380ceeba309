"""The built wheel as people install it: `uvx` and `pipx` get it with all that it asks for, from the package registry.

The one file that uses a network. uv is fetched as scripts/pin_hashes.py does it, and not kept; where the registry
cannot be reached these are skipped. tests/test_installed.py has the same wheel without a network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from wheel import ROOT, TAG, built

from coderport.engine import CliInfo

sys.path.insert(0, str(ROOT / "scripts"))

from pin_hashes import UV

pytestmark = pytest.mark.dear
PIPX = "pipx==1.18.4"


class Machine:
    """uv, the wheel, and a home of its own; what is fetched is kept where this person's uv keeps it."""

    def __init__(self, folder: Path, cli: CliInfo) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        tools = folder / "tools"
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tools, UV],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if fetched.returncode:
            pytest.skip(f"the package registry cannot be reached for {UV}: {fetched.stderr.strip()[-200:]}")
        cache = os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv"
        path = [tools / "bin", folder / "bin", cli.path.parent, os.environ["PATH"]]
        self.environment: Mapping[str, str] = {
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.home),
            "UV_CACHE_DIR": str(cache),
            "UV_NO_CONFIG": "1",
            "UV_SYSTEM_CERTS": "1",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "PIPX_HOME": str(folder / "pipx"),
            "PIPX_BIN_DIR": str(folder / "bin"),
        }
        pipx = self.run(tools / "bin" / "uvx", PIPX, "--version")
        if pipx.returncode:
            pytest.skip(f"the package registry cannot be reached for {PIPX}: {pipx.stderr.strip()[-200:]}")
        self.wheel = built(folder)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """The command in an empty home."""
        return subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Machine:
    return Machine(tmp_path_factory.mktemp("installers"), cli)


def test_uvx_plays_the_demo_from_the_wheel(machine: Machine) -> None:
    demo = ("coderport", "demo", "--no-browser", "--workspaces", "3", "--templates", "2")
    done = machine.run(machine.folder / "tools" / "bin" / "uvx", "--from", machine.wheel, *demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: Running" in done.stdout and "and without a run" in done.stdout
    assert "the emulators are gone" in done.stdout


def test_pipx_installs_the_command(machine: Machine) -> None:
    uvx = machine.folder / "tools" / "bin" / "uvx"
    done = machine.run(uvx, PIPX, "install", "--backend", "uv", "--python", sys.executable, machine.wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    coderport = machine.folder / "bin" / "coderport"
    assert machine.run(coderport, "--version").stdout == f"coderport {TAG}\n"
    assert machine.run(coderport, "ls", "-h").returncode == 0
