"""The command `emulate`."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coderport.commands.consoles import people
from coderport.conformance.recording import behaviours
from coderport.emulators.pair import Pair
from coderport.project import CHECKOUT
from coderport.terminal.ending import as_service
from coderport.terminal.remedy import COMMAND

DEV_PORTS = (17080, 17081, 17082, 17083)
"""Where the dev stack (`Pulumi.dev.yaml`) looks for Coder, Port and their control server; last their page."""


def emulate_until_interrupted(
    *, seed: int, free_ports: bool, coder: Mapping[str, Any], recordings: Sequence[Path] = ()
) -> None:
    """Serves the emulators in the foreground; their addresses go to standard output as one JSON line.

    `coder` are settings of `CoderEmulator`, by their names; what `recordings` of `conformance` saw goes before them.
    """
    behaviour, seen = behaviours(recordings)
    stop = threading.Event()
    coder_port, port_port, control_port, page_port = (0, 0, 0, 0) if free_ports else DEV_PORTS
    with (
        as_service(stop.set),
        Pair(
            seed=seed,
            coder_port=coder_port,
            port_port=port_port,
            control_port=control_port,
            page_port=page_port,
            renames=True,
            port_behaviour=behaviour,
            **{**coder, **seen},
        ) as pair,
    ):
        console = people(stderr=True)
        console.print(pair.banner())
        console.print(f"Look at both in a browser: {pair.page_url}/")
        if CHECKOUT is not None and not free_ports:
            state = shlex.quote((CHECKOUT / ".coderport").as_uri())
            console.print("In another terminal, without a login:")
            command = f"PULUMI_BACKEND_URL={state} PULUMI_CONFIG_PASSPHRASE=dev {COMMAND} up --stack dev"
            console.print(f"  {command}", soft_wrap=True)
        console.print("Ctrl-C ends them.")
        print(json.dumps(pair.describe()), flush=True)
        stop.wait()
