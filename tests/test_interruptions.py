"""What an interrupted run leaves behind: lock, summary, exit code, words, and the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from interruptions import BEGIN, END, INTERRUPTIONS, PAGE, interrupted, kept, table, written
from typer.testing import CliRunner

from coderport.commands import acts, drift
from coderport.commands import adopt as adopting
from coderport.commands.cli import app
from coderport.engine import CliInfo

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long
def test_twelve_interruptions_leave_no_lock_and_no_stale_summary_and_the_next_run_does_the_rest(
    tmp_path: Path, cli: CliInfo
) -> None:
    written([interrupted(name, tmp_path / str(number), cli) for number, name in enumerate(INTERRUPTIONS)])
    test_the_page_shows_what_was_seen_and_it_is_as_it_should()


def test_the_page_shows_what_was_seen_and_it_is_as_it_should() -> None:
    rows = kept()
    assert [each.interruption for each in rows] == list(INTERRUPTIONS) and len(rows) == 12
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0].strip() == table(rows)
    for row in rows:
        assert row.lock == "given back" and row.next_run in ("converged (0)", "unchanged (0)"), row
        if row.code:
            assert row.words and row.summary in ("failed", "none"), row
        else:
            assert row.summary == "converged", row


@pytest.mark.parametrize("command", ["preview", "up", "sync", "drift", "adopt"])
def test_what_an_earlier_run_wrote_is_gone_when_a_run_begins(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody takes it for this run's, however this one ends: here before it has an outcome."""

    def killed(*_: object, **__: object) -> None:
        raise SystemExit(137)

    monkeypatch.setattr(acts, "converge", killed)
    monkeypatch.setattr(drift, "report_drift", killed)
    monkeypatch.setattr(adopting, "come_over", killed)
    of_some = {"preview": ("--summary", "--html", "--out"), "drift": ("--summary", "--html")}
    options = of_some.get(command, ("--summary",))
    files = [tmp_path / option.strip("-") for option in options]
    for file in files:
        file.write_text("of an earlier run")
    words = [word for pair in zip(options, map(str, files), strict=True) for word in pair]
    assert CliRunner().invoke(app, [command, "--stack", "x", *words]).exit_code == 137
    assert [each for each in files if each.exists()] == []


BREAKS_OFF = """
import subprocess, sys, threading
from coderport.terminal import ending

ENGINE = '''
import pathlib, signal, time
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
print("up", flush=True)
while len(asked) < 2:
    time.sleep(0.01)
pathlib.Path("lock").unlink()
'''
with ending.in_order(), ending.gently() as started:
    command = [sys.executable, "-c", ENGINE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    process.stdout.readline()
    started(process)
    print("ready", flush=True)
    process.wait()
"""


def test_what_is_told_twice_to_end_has_time_to_give_its_lock_back(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    run = subprocess.Popen(
        [sys.executable, "-c", BREAKS_OFF],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None and run.stdout.readline() == "ready\n"
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGTERM)
    assert run.wait(300) in (130, 143)
    assert not (tmp_path / "lock").exists()
    assert "Ended at once" in run.communicate()[1]


def test_the_shell_of_a_step_hands_its_signals_over_to_the_command() -> None:
    """GitHub tells the step's shell alone to end, and a shell that waits for a command hands nothing on."""
    for file in (ROOT / ".github/actions/converge/action.yml", ROOT / "coderport/setup/templates/coderport.yml"):
        lines = [each.strip() for each in file.read_text().splitlines() if '"$COMMAND" --stack' in each]
        assert lines and all("exec .venv/bin/" in each for each in lines), (file, lines)
    assert yaml.safe_load((ROOT / ".github/actions/converge/action.yml").read_text())["runs"]["using"] == "composite"
