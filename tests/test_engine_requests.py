"""Through the real engine: how many requests a first and a second run of a middling deployment cost Port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import laboratory

from coderport.engine import CliInfo


def test_a_first_run_of_1050_entities_costs_port_at_most_100_requests_and_a_second_no_write(
    tmp_path: Path, cli: CliInfo, figure: Callable[[str], None]
) -> None:
    with laboratory(tmp_path, cli, workspaces=1000, templates=50) as lab:
        lab.port.reset_requests()
        first, tally = lab.up()
        counted = lab.port.log.snapshot()
        entity_writes = sum(number for route, number in counted["routes"].items() if route.endswith("/entities/bulk"))
        lab.port.reset_requests()
        second, _ = lab.up()
        again = lab.port.log.snapshot()
    for name, counts, run in (("first", counted, first), ("second", again, second)):
        figure(
            f"{name} up of 50 templates and 1,000 workspaces: {counts['total']} requests to Port, "
            f"{counts['writes']} of them writes; {run.coder_requests} requests to Coder"
        )
    assert first.kinds.workspace.created == 1000 and first.kinds.template.created == 50
    assert entity_writes <= 55
    assert counted["total"] <= 100
    assert (second.result, again["writes"]) == ("unchanged", 0)
    assert first.port_requests == counted["total"], "the run's own account of its requests is right"
    assert first.port_writes == counted["writes"]
    assert not any("rewrites the whole state" in warning for warning in tally.warnings)
