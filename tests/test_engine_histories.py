"""Through the real engine: whatever happened before, a full `up` after a sync finds nothing to do at all."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killing import Moment, Trap, children, wait_for_end
from lab import Lab, in_state, laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome

W = WORKSPACE.identifier
RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "histories.json"
SETTINGS: tuple[dict[str, Any], ...] = (
    {"includePrebuilds": "true"},
    {"includePrebuilds": "false"},
    {"volatileRefresh": "0"},
    {"actions": {"backend": "webhook", "url": "http://127.0.0.1:9/runs", "templates": "none"}},
    {"actions": {"backend": "off"}},
)


class Happenings:
    """Things that happen to one laboratory by chance; the same seed lets the same ones happen."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab, self.coder, self.port, self.seed = lab, lab.coder, lab.port, seed
        self.chance = random.Random(seed)
        self.number = 0

    def any_workspace(self) -> str:
        return self.chance.choice(sorted(self.coder.workspace_ids()))

    def create(self) -> None:
        self.number += 1
        self.coder.create_workspace(name=f"w{self.seed}-{self.number}")

    def rename(self) -> None:
        self.number += 1
        self.coder.rename_workspace(self.any_workspace(), f"r{self.seed}-{self.number}")

    def stop_or_start(self) -> None:
        one = self.any_workspace()
        (self.coder.stop if self.coder.workspace(one).running else self.coder.start)(one)

    def claim(self) -> None:
        if prebuilds := self.coder.workspace_ids(prebuilds=True) - self.coder.workspace_ids():
            self.number += 1
            owner = self.coder.workspace(self.any_workspace()).owner_id
            self.coder.claim_prebuild(owner, f"c{self.seed}-{self.number}", sorted(prebuilds)[0])

    def delete(self) -> None:
        self.coder.delete_workspace(self.any_workspace())
        self.create()

    def promote(self) -> None:
        self.number += 1
        template = self.chance.choice(sorted(self.coder.template_ids()))
        self.coder.promote_version(template, name=f"v{self.seed}-{self.number}")

    def edit_by_hand(self) -> None:
        held = self.chance.choice(sorted(self.port.entities(W), key=lambda each: str(each["identifier"])))
        self.port.put_entity(W, {**held, "title": "by hand", "properties": {**held["properties"], "status": "odd"}})

    def delete_by_hand(self) -> None:
        held = sorted(each["identifier"] for each in self.port.entities(W))
        self.port.delete_entity(W, self.chance.choice(held))

    def orphan(self) -> None:
        one = self.coder.create_workspace(name=f"o{self.seed}")
        self.port.put_entity(W, {**self.lab.workspace(sorted(self.lab.ids())[0]), "identifier": one})
        self.coder.delete_workspace(one)

    def change_settings(self) -> None:
        self.lab.stack.configure(self.chance.choice(SETTINGS))

    def fail(self) -> None:
        """A run of which one entity fails."""
        self.create()
        wanted = self.coder.workspace_ids() - self.lab.ids()
        self.port.fail_items(sorted(wanted)[:1], 422, "invalid_property", times=None)
        self.run()
        self.port.clear_item_faults()

    def kill(self, trap: Trap) -> None:
        """A run whose engine and plugin are killed when it writes, or when it has written, to Port.

        The program runs in this process and outlives its engine for a moment, in which it would disturb the next one.
        """
        self.create()
        before = threading.active_count()
        found: list[int] = []

        def strike() -> None:
            found.extend(pid for pid, _ in children(os.getpid()))
            for pid in found:
                os.kill(pid, signal.SIGKILL)

        with trap.set(Moment(self.chance.choice(("port write", "written")), 1), strike):
            self.run()
        wait_for_end(found)
        gc.collect()  # idle workers end with the pools that nobody refers to any more
        for _ in range(40):
            if threading.active_count() <= before:
                break
            threading.Event().wait(0.05)

    def run(self) -> Outcome:
        """An `up` or a sync, whatever its end."""
        return (self.lab.stack.up if self.chance.random() < 0.3 else lambda: sync(self.lab.stack))()[0]


EVENTS: tuple[tuple[Callable[[Happenings], None], int], ...] = (
    (Happenings.create, 4),
    (Happenings.rename, 3),
    (Happenings.stop_or_start, 3),
    (Happenings.claim, 2),
    (Happenings.delete, 3),
    (Happenings.promote, 2),
    (Happenings.edit_by_hand, 2),
    (Happenings.delete_by_hand, 2),
    (Happenings.orphan, 1),
)


def histories(lab: Lab, seeds: range) -> list[dict[str, Any]]:
    """One row for each history: what happened, how the sync ended, and that a full run after it had nothing to do."""
    trap = Trap(lab.pair, lab.folder / "state" / ".pulumi" / "stacks" / "coderport" / "lab.json")
    assert sync(lab.stack)[0].exit_code == 0
    rows = []
    kinds, weights = [event for event, _ in EVENTS], [weight for _, weight in EVENTS]
    for seed in seeds:
        happenings = Happenings(lab, seed)
        happened = [event.__name__ for event in happenings.chance.choices(kinds, weights, k=5)]
        for name in happened:
            getattr(happenings, name)()
        if seed % 5 == 1:
            happenings.kill(trap)
        if seed % 5 == 3:
            happenings.fail()
        if seed % 10 == 5:
            happenings.change_settings()
        extra = {1: "kill", 3: "fail"}.get(seed % 5) or ("settings" if seed % 10 == 5 else None)
        outcome, tally = sync(lab.stack)
        assert outcome.exit_code == 0, (seed, outcome.message)
        after, remembered = in_state(lab), lab.stack.memory()
        full, changed = lab.stack.up()
        same = (full.result, full.port_writes) == ("unchanged", 0)
        assert same, (seed, happened, extra, changed.changes, full.message)
        assert (in_state(lab), lab.stack.memory()) == (after, remembered), (seed, happened, extra)
        way = "full" if any("This was a full run" in text for text in tally.warnings) else "part"
        rows.append(
            {
                "seed": seed,
                "happened": [*happened, *([extra] if extra else [])],
                "sync": way if tally.engine_ran else "without the engine",
                "changed": outcome.kinds.changed,
                "then_up_writes": full.port_writes,
                "same": same,
            }
        )
    return rows


def test_after_a_sync_a_full_run_finds_nothing_to_do(
    tmp_path: Path, cli: CliInfo, figure: Callable[[str], None]
) -> None:
    with laboratory(tmp_path, cli, prebuilds=3) as lab:
        rows = histories(lab, range(6))
    ways = Counter(row["sync"] for row in rows)
    figure(f"sync against up over {len(rows)} histories through the engine: {dict(ways)}, 0 differ")
    assert ways["part"] >= 2 and ways["full"] >= 1


@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 1200, 25))
def test_after_each_of_200_syncs_a_full_run_finds_nothing_to_do(tmp_path: Path, cli: CliInfo, start: int) -> None:
    with laboratory(tmp_path, cli, seed=start, prebuilds=6) as lab:
        keep(histories(lab, range(start, start + 25)))


def keep(rows: list[dict[str, Any]]) -> None:
    """Puts the rows into the file of results, in place of those of the same histories; others may be doing the same."""
    with RESULTS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or '{"rows": []}')["rows"]
        kept = sorted({row["seed"]: row for row in (*known, *rows)}.values(), key=lambda row: int(row["seed"]))
        ways = Counter(row["sync"] for row in kept)
        file.truncate(0)
        file.write(json.dumps({"histories": len(kept), "differ": 0, "ways": dict(ways), "rows": kept}, indent=1) + "\n")
