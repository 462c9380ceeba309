"""The quick start as its own text has it: the README's lines, pasted into a shell in a fresh clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.dear

ROOT = Path(__file__).resolve().parents[1]
_LEFT = (".git", ".venv", ".coderport", "__pycache__", ".*_cache", "tests", "results", "recordings", "site")


def section() -> str:
    """What the README says on how to begin with one's own Coder and Port."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("## Use it on your Coder and Port\n", 1)[1].split("\n## ", 1)[0]


def pasted(values: dict[str, str]) -> str:
    """The lines to paste, with what a person puts in for the examples of values."""
    lines = [line.strip() for line in section().splitlines() if line.startswith("       ")]
    text = "\n".join(lines)
    for name, value in values.items():
        text, count = re.subn(rf"\b{name}=\S+", f"{name}={value}", text, count=1)
        assert count == 1, name
    assert "…" not in re.sub(r"#.*", "", text), "a value is left that nobody put in"
    return text


def clone(folder: Path) -> Path:
    """A copy of the tree, with an environment as `make runtime` leaves it (tests/test_setup.py has how)."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_LEFT))
    environment = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=300)
    [site] = environment.glob("lib/python3*/site-packages")
    (site / "of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pins = [folder / each for each in ("requirements-build.txt", "requirements.txt")]
    (environment / "installed-requirements.txt").write_text("".join(each.read_text() for each in pins))
    return folder


def test_the_lines_of_the_readme_lead_from_a_clone_to_a_preview_and_an_up(tmp_path: Path, cli: CliInfo) -> None:
    folder = clone(tmp_path / "a clone")
    with Pair(seed=3, workspaces=3, templates=2) as pair:
        script = pasted(
            {
                "PULUMI_CONFIG_PASSPHRASE": "theirs",
                "CODER_API_BASE_URL": pair.coder_url,
                "CODER_SESSION_TOKEN": pair.coder.token,
                "PORT_CLIENT_ID": pair.port.client_id,
                "PORT_CLIENT_SECRET": pair.port.client_secret,
            }
        )
        assert script.startswith("make runtime") and script.endswith(" preview --stack trial")
        environment = {
            "PATH": f"{cli.path.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PORT_BASE_URL": pair.port_url,  # as for another region
        }

        def run(text: str) -> str:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        assert re.search(r"^workspace +3 ", run(script), re.MULTILINE)
        assert pair.port.writes == 0, "nothing is written to Port"
        [up] = re.findall(r"`(\S+ -m coderport up --stack trial)`", section())
        run("\n".join((*script.splitlines()[:-1], up)))
        assert len(pair.port.entities("coder_workspace")) == 3
