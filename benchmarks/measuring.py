"""One measured command: its rows, its profile and its line on the screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console

from benchmarks import names
from benchmarks.processes import PROGRAM, Measured
from benchmarks.rows import Results, Row
from benchmarks.servers import Counts, Servers


class Notebook:
    """Takes figures as they come: into the results' file, and one line each on the console."""

    def __init__(self, results: Results, console: Console) -> None:
        self.results, self.console = results, console

    def put(self, rows: Iterable[Row]) -> None:
        """Keeps rows that are not those of a whole command, and shows them."""
        for row in rows:
            self.results.put([row])
            size = f"{row.workspaces:>7,} · " if row.workspaces else "          "
            self.console.print(f"{size}{row.name}: {row.value} {row.unit}")

    def command(
        self, case: str, workspaces: int, servers: Servers, run: Callable[[], Measured]
    ) -> tuple[Measured, Counts]:
        """Runs it, and keeps what it took and what the servers were asked meanwhile."""
        servers.reset()
        done = run()
        counts = servers.counts()
        self.results.put(_rows(case, workspaces, done, counts))
        self.results.put_profile(case, workspaces, _profile(done, counts))
        memory = f" · {done.peak_mb[PROGRAM]:,.0f} MB" if PROGRAM in done.peak_mb else ""
        self.console.print(
            f"{workspaces:>7,} · {case}: {done.seconds:.1f} s · Port {counts.port} requests, {counts.port_writes} "
            f"writes · Coder {counts.coder} requests{memory}"
        )
        return done, counts


def _rows(case: str, workspaces: int, done: Measured, counts: Counts) -> Iterable[Row]:
    entities = sum(number for route, number in counts.port_routes.items() if writes_entities(route))

    def row(what: str, value: float, unit: str) -> Row:
        return Row(names.figure(case, what), workspaces, value, unit)

    yield row(names.WALL, round(done.seconds, 2), "s")
    yield row(names.PORT_REQUESTS, counts.port, "requests")
    yield row(names.PORT_WRITES, counts.port_writes, "requests")
    yield row(names.ENTITY_WRITES, entities, "requests")
    yield row(names.CODER_REQUESTS, counts.coder, "requests")
    yield row(names.ENGINE_RAN, int(done.engine_ran), "runs")
    for role, megabytes in done.peak_mb.items():
        if megabytes and role != "other":
            yield row(names.memory(role), megabytes, "MB")


def _profile(done: Measured, counts: Counts) -> dict[str, Any]:
    """What a run's time was made of: seconds of its phases by its own account, processor seconds by process."""
    return {
        "wall_seconds": round(done.seconds, 2),
        "phases": _phases(done.output),
        "cpu_seconds": {**done.cpu_seconds, "emulators": counts.cpu_seconds},
        "peak_mb": dict(done.peak_mb),
        "port_routes": dict(counts.port_routes),
        "answered_429": counts.refused,
    }


def _phases(output: str) -> Any:
    """The seconds per phase of the JSON object that a command ends with; nothing for what is no command."""
    try:
        return json.loads(output.strip().splitlines()[-1]).get("seconds", {})
    except (ValueError, IndexError, AttributeError):
        return {}


def writes_entities(route: str) -> bool:
    """Whether a route such as `POST /v1/blueprints/{blueprint}/entities/bulk` changes entities."""
    method, _, path = route.partition(" ")
    return method != "GET" and "/entities" in path and not path.endswith("/search")
