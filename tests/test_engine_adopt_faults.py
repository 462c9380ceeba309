"""Through the real engine's stack: `adopt`, `undo` and `history` under the faults of docs/reliability.md, row by row.

The tests share one laboratory: each begins with the old catalog and gives it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fault_rows import HTML, NO, rows_of
from lab import Lab, laboratory
from old_catalog import T, old_catalog
from test_engine_adopt import catalog

from coderport.commands.adopt import adopt
from coderport.commands.history import kept_runs, undo
from coderport.engine import CliInfo
from coderport.errors import CoderportError

ROWS = {(row[0].strip("`"), row[1]): (row[2], int(row[3]), row[4]) for row in rows_of("Coming over, undoing")}
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "500 to a read": {"kind": "status", "status": 500, "method": "GET", **NO},
    "a read whose connection drops": {"kind": "drop_connection", "path": "/entities/search", "times": 1},
    "500 to a rename after the first": {"kind": "status", "status": 500, "method": "PATCH", "after": 1, **NO},
    "a rename whose answer is lost": {
        "kind": "status", "status": 502, "method": "PATCH", "applied": True, "times": 1, **HTML,
    },
    "a rename whose connection drops": {"kind": "drop_connection", "method": "PATCH", "times": 1},
    "500 to a bulk write": {"kind": "status", "status": 500, "path": "/entities/bulk", **NO},
    "a bulk write whose answer is lost": {
        "kind": "status", "status": 502, "path": "/entities/bulk", "applied": True, "times": 1, **HTML,
    },
    "403 to a bulk deletion": {"kind": "status", "status": 403, "path": "/bulk/entities/delete", **NO},
    "a bulk deletion whose answer is lost": {
        "kind": "status", "status": 502, "path": "/bulk/entities/delete", "applied": True, "times": 1, **HTML,
    },
    "a second for each answer": {"kind": "latency", "delay_ms": 1000},
}  # fmt: skip
IN_THE_SUITE = {
    ("adopt", "Coder: 500 to a read"),
    ("adopt", "Port: 500 to a rename after the first"),
    ("adopt", "Port: a bulk deletion whose answer is lost"),
    ("undo", "Port: 500 to a bulk write"),
    ("history", "Port: 500 to a read"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("faults"), cli, workspaces=6, templates=3) as lab:
        old_catalog(lab.pair, versions=3, services=4)
        yield lab


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried for two seconds."""
    monkeypatch.setenv("CODERPORT_PATIENCE", "2")


def done(lab: Lab, command: str, run: str) -> tuple[int, str]:
    """The command's exit code and message."""
    lab.port.reset_requests()
    if command == "adopt":
        outcome, _, _ = adopt(lab.stack, apply_it=True)
        assert outcome.port_writes == lab.port.writes, "what was written is what is told"
        return outcome.exit_code, outcome.message
    try:
        if command == "undo":
            undo(lab.stack, run, apply_it=True)
        else:
            kept_runs(lab.stack)
    except CoderportError as error:
        return error.exit_code, str(error)
    return 0, ""


@pytest.mark.parametrize(
    ("command", "fault"),
    [each if each in IN_THE_SUITE else pytest.param(*each, marks=pytest.mark.long) for each in ROWS],
)
def test_what_fails_is_told_and_the_same_command_does_the_rest(lab: Lab, command: str, fault: str) -> None:
    repeated, code, words = ROWS[command, fault]
    old, run, known = catalog(lab), "", {each.run for each in kept_runs(lab.stack)}
    if command == "undo":
        assert done(lab, "adopt", "")[0] == 0
        run = kept_runs(lab.stack)[0].run
    before = catalog(lab)
    server, _, what = fault.partition(": ")
    emulator = lab.coder if server == "Coder" else lab.port
    number = emulator.faults.add(FAULTS[what])
    try:
        ended, said = done(lab, command, run)
        (rule,) = (each for each in emulator.faults.standing() if each["number"] == number)
    finally:
        emulator.faults.clear(number)
    assert (ended, words in said) == (code, True), said
    if repeated == "yes":
        assert rule["hit"] > 0, "the fault has struck"
    if code and not lab.port.writes:
        assert catalog(lab) == before
    if code and lab.port.writes:
        kept = kept_runs(lab.stack)[0].run
        assert "The same command does the rest." in said and f"is kept as {kept}." in said
    if command != "history":
        assert done(lab, command, run)[0] == 0
    if command == "adopt":
        assert {each["identifier"] for each in lab.port.entities(T)} == lab.coder.template_ids()
        for each in kept_runs(lab.stack):
            if each.run not in known:
                undo(lab.stack, each.run, apply_it=True)
    assert catalog(lab) == old
