"""Coder and Port emulated in a process of their own, and the benchmark's hold on them.

Every answer takes 20 ms, and Port's documented rate limits hold. Where it is asked for, Coder's answers take what they
take on a real one as well, by what is asked (`coderport.emulators.coder.prices`). The process ends when its standard
input closes, which it does with the benchmark.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.errors import BenchError
from benchmarks.processes import processor_seconds
from coderport.emulators.pair import Pair
from coderport.emulators.port import PortEmulator
from coderport.stack.project_file import ROOT

LATENCY_MS = 20
TEMPLATES = 50
SEED = 3

Routes = Mapping[str, int]
"""Requests by `METHOD /route/{parameter}`."""


@dataclass(frozen=True)
class Counts:
    """What both servers were asked since the counts were reset, by their own logs."""

    coder: int
    port: int
    port_writes: int
    port_routes: Routes
    refused: int
    """Requests that Port answered with 429."""
    cpu_seconds: float
    """Processor time of the emulators themselves, which share the machine with what is measured."""


class Servers:
    """The emulators as seen from outside: addresses, counts and changes."""

    def __init__(self, described: Mapping[str, str], pid: int) -> None:
        self._pid, self._cpu_before = pid, 0.0
        self.port_url, self.coder_url = described["port_url"], described["coder_url"]
        self.coder_token = described["coder_token"]
        self.port_client_id, self.port_client_secret = described["port_client_id"], described["port_client_secret"]
        self._control = httpx.Client(base_url=described["control_url"], timeout=300, trust_env=False)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a stack on these servers, as environment variables."""
        return {
            "CODER_API_BASE_URL": self.coder_url,
            "CODER_SESSION_TOKEN": self.coder_token,
            "PORT_BASE_URL": self.port_url,
            "PORT_CLIENT_ID": self.port_client_id,
            "PORT_CLIENT_SECRET": self.port_client_secret,
        }

    def reset(self) -> None:
        """Counts from zero."""
        for name in ("coder", "port"):
            self._asked("DELETE", f"/{name}/requests")
        self._cpu_before = processor_seconds(self._pid)

    def counts(self) -> Counts:
        """What was asked since `reset`."""
        coder, port = (self._asked("GET", f"/{name}/requests") for name in ("coder", "port"))
        refused = port["statuses"].get("429", 0)
        cpu = round(processor_seconds(self._pid) - self._cpu_before, 2)
        return Counts(coder["total"], port["total"], port["writes"], port["routes"], refused, cpu)

    def mutate(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Lets something happen in Coder."""
        return self._asked("POST", "/coder/mutate", {"do": what, "args": arguments, "with": named})["result"]

    def workspace_ids(self) -> list[str]:
        """Ids of Coder's workspaces, sorted."""
        return list(self._asked("GET", "/coder/objects")["workspaces"])

    def put_blueprint(self, identifier: str, body: Mapping[str, Any]) -> None:
        """Puts a blueprint into Port as somebody else would."""
        self._asked("PUT", f"/port/blueprints/{identifier}", body)

    def put_entity(self, blueprint: str, body: Mapping[str, Any]) -> None:
        """Changes an entity in Port as somebody else would."""
        self._asked("PUT", f"/port/entities/{blueprint}", body)

    def delete_entity(self, blueprint: str, identifier: str) -> None:
        """Deletes an entity in Port as somebody else would."""
        self._asked("DELETE", f"/port/entities/{blueprint}/{identifier}")

    def entities(self) -> dict[str, int]:
        """How many entities Port holds, by blueprint."""
        return dict(self._asked("GET", "/port/objects")["blueprints"])

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._control.request(method, path, json=body)
        if answer.is_error:
            raise BenchError(f"the emulators' control: {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


@contextmanager
def served(workspaces: int, *, priced: bool = False) -> Iterator[Servers]:
    """Fresh emulators until the block ends: a Coder with so many workspaces, the same ones each time; an empty Port.

    `priced`: Coder's answers take what they take on a real one.
    """
    command = [sys.executable, "-m", "benchmarks.servers", str(workspaces), *(["priced"] if priced else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            raise BenchError("the emulators did not start")
        yield Servers(json.loads(line), process.pid)
    finally:
        process.stdin.close()
        process.wait(60)


def main() -> None:
    """Serves until standard input closes; the first line of standard output says where."""
    port = PortEmulator(seed=SEED, rate_limits=1.0, latency_ms=LATENCY_MS)
    with Pair(port=port, seed=SEED, workspaces=int(sys.argv[1]), templates=TEMPLATES, latency_ms=LATENCY_MS) as pair:
        pair.coder.set_prices("priced" in sys.argv[2:])
        print(json.dumps(pair.describe()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
