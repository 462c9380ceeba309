"""`kill -9` at any moment of a run, of whichever process: the next run puts everything right.

Checkpoints are skipped, so a killed run leaves Port ahead of the state. The kills of a ground follow each other on the
same state, beginning with its first run. `pytest -m long tests/test_engine_kills.py` makes fifty and keeps the result.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from killing import ROOT, Ground, Happenings, Kill, kills
from lab import Json

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.in_order

RESULT = ROOT / "benchmarks" / "results" / "kills.json"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Ground]:
    with Pair(seed=7, workspaces=60, templates=3) as pair:
        yield Ground(tmp_path_factory.mktemp("kills"), cli, pair)


@pytest.mark.parametrize("kill", kills(seed=5, number=8), ids=str)
def test_the_run_after_a_killed_one_puts_everything_right(ground: Ground, kill: Kill) -> None:
    assert heals(ground, kill)["killed"], "the run was over before the moment came"


@pytest.mark.long
def test_fifty_kills_at_random(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> None:
    done: list[Json] = []
    for seed in range(100, 200):
        with Pair(seed=seed, workspaces=random.Random(seed).randint(40, 120), templates=4) as pair:
            ground = Ground(tmp_path_factory.mktemp("kills"), cli, pair)
            for kill in kills(seed, 10):
                row = heals(ground, kill)
                if row["killed"]:  # else the moment did not come
                    done.append({"number": len(done) + 1, **row, "ok": True})
                if len(done) == 50:
                    RESULT.write_text(json.dumps(done, indent=1) + "\n")
                    return
    pytest.fail(f"only {len(done)} of the moments came")


def heals(ground: Ground, kill: Kill) -> Json:
    """Kills a run while things happen, lets the command run again, and insists that all is right; what was done."""
    happenings = Happenings(ground.pair, kill.seed)
    happenings.before()
    killed = ground.killed(kill)
    locked = bool(ground.locks())
    happenings.after()
    healed = ground.run(kill.command)
    assert healed.code == 0, healed.said
    if kill.command != "up":  # an `up` always starts the engine, which alone needs the lock
        locked = locked and not ground.locks()
    assert ("that died (process" in healed.said) == locked
    if kill.command == "drift --repair":  # it leaves to other runs what is no drift: whatever is gone from Coder
        assert ground.run("up").code == 0
    ground.assert_right()
    again = ground.run("up")
    assert (again.code, again.outcome["result"], again.outcome["port_writes"]) == (0, "unchanged", 0), again.said
    return {
        "command": kill.command,
        "moment": str(kill.moment),
        "victim": kill.victim,
        "killed": killed,
        "lock_cleared": locked,
        "next": {key: healed.outcome[key] for key in ("result", "kinds", "port_writes")},
        "next_up": again.outcome["result"],
    }
