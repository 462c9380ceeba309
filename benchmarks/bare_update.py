"""A targeted update without any change, by the bare CLI: what a targeted run costs whoever decides on its targets.

    python -m benchmarks.bare_update NUMBER

The targets are so many workspaces of the stack, as they stand in its state. What they are is read and planned first;
only the CLI's own process is timed, from its start to its end. Prints its seconds as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2_grpc

from benchmarks.checkout import STACK
from coderport.catalog.resource_types import ENTITY
from coderport.engine import obtain_cli
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.difference import Difference, part_of
from coderport.program.declaration import declare
from coderport.report.account import Account
from coderport.settings import Releases
from coderport.stack.comparison import compare
from coderport.stack.project_file import project_name
from coderport.stack.stack import PARALLEL, Stack


def main() -> None:
    """Plans, then times the CLI."""
    number = int(sys.argv[1])
    cli = obtain_cli(lambda text: print(text, file=sys.stderr))
    program, names = asyncio.run(_part(Stack(STACK, cli), number))
    targets = [f"urn:pulumi:{STACK}::{project_name()}::{ENTITY}::{name}" for name in names]
    print(json.dumps({"seconds": _update(cli.path, program, targets), "targets": len(targets)}))


async def _part(stack: Stack, number: int) -> tuple[Callable[[], Any], list[str]]:
    """The program that registers that many of the stack's workspaces, and their names."""
    compared = await compare(stack, Releases(), Account())
    if not compared.found.nothing:
        raise SystemExit("the stack should have nothing to do before this is measured")
    chosen = tuple(each for each in compared.plan.entities if each.blueprint == WORKSPACE.identifier)[:number]
    plan = part_of(compared.plan, Difference(unrecorded=chosen))

    async def part() -> dict[str, Any]:
        await declare(plan, compared.settings)
        return compared.plan.memory.outputs()

    return lambda: pulumi.run(part), [f"{each.blueprint}-{each.identifier}" for each in chosen]


def _update(cli: Path, program: Callable[[], Any], targets: Sequence[str]) -> float:
    """Seconds of `pulumi up` with the program served inline."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    command = [str(cli), "up", "--stack", STACK, "--yes", "--skip-preview", "--non-interactive", "--color=never"]
    command += [f"--client=127.0.0.1:{port}", "--exec-kind=auto.inline", f"--parallel={PARALLEL}"]
    command += [f"--target={target}" for target in targets]
    environment = {**os.environ, "PULUMI_SKIP_CHECKPOINTS": "true"}
    begun = perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = perf_counter() - begun
    server.stop(0)
    if done.returncode or f"{len(targets)} unchanged" not in done.stdout.replace(",", ""):
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    if done.returncode:
        raise SystemExit(done.returncode)
    return seconds


if __name__ == "__main__":
    main()
