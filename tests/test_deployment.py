"""The systemd unit: the least that the service needs, and a command line that the service has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coderport.commands.cli import app
from coderport.runner.service.settings import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "deploy" / "coderport.service"


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_is_as_little_exposed_as_a_network_service_can_be() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here to judge the unit")
    done = subprocess.run([analyze, "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True)
    found = re.search(r"exposure level for coderport.service: (\d+\.\d)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze does not judge units offline: {done.stderr.strip()[:200]}")
    assert float(found[1]) <= 2.0
    assert f"exposure {found[1]} of 10" in (ROOT / "docs" / "actions.md").read_text().replace("\n", " ")


def test_the_unit_starts_what_the_command_line_knows() -> None:
    [start] = values("ExecStart")
    words = start.split()
    assert words[:4] == ["/opt/coderport/.venv/bin/python", "-m", "coderport", "serve"]
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert all(word in shown for word in words if word.startswith("--"))
    environment = dict(each.split("=", 1) for each in " ".join(values("Environment")).split())
    assert set(environment) - {"HOME"} <= set(ENVIRONMENT.values())
    [state] = values("StateDirectory")
    assert all(value.startswith(f"/var/lib/{state}") for value in environment.values())


def test_the_unit_is_ended_later_than_the_service_ends_itself() -> None:
    from coderport.runner.service.settings import ServiceSettings

    grace = ServiceSettings.model_fields["grace_seconds"].default
    assert int(values("TimeoutStopSec")[0]) > grace
