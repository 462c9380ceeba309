"""The environment that the engine and all it starts run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from coderport.project import CHECKOUT

_REAL_LIFE = ("CODERPORT_", "CODER_", "PORT_", "PULUMI_")

PYTHON = "CODERPORT_PYTHON"
"""The variable that tells the provider's launcher which Python has coderport and what it needs."""

# It encrypts the config of stacks that only ever hold what the emulators made up.
_LOCAL_PASSPHRASE = "coderport-local"


def drop_real_life(environment: MutableMapping[str, str]) -> None:
    """Takes out every variable that could name a real Coder, Port or Pulumi backend, or hold its credentials.

    A demo does it to `os.environ`, because the Automation API adds its variables to those of this process.
    """
    for name in [name for name in environment if name.startswith(_REAL_LIFE)]:
        del environment[name]


def engine_environment(base: Mapping[str, str], *, cli: Path, local_state: Path | None) -> dict[str, str]:
    """The environment for the engine and all it starts, made from `base`, with `cli` first on PATH.

    Plugins run with this process's Python, whichever virtual environment is activated in `base`.
    With a `local_state` folder (created) the engine lives in it: state, passphrase, plugins and login are its
    own, and what `drop_real_life` takes out is not there.
    """
    environment = dict(base)
    environment["PATH"] = os.pathsep.join(filter(None, [str(cli.parent), base.get("PATH")]))
    if sys.prefix != sys.base_prefix:
        environment["VIRTUAL_ENV"] = sys.prefix
    if local_state is not None:
        drop_real_life(environment)
        state = local_state.resolve() / "state"
        home = local_state.resolve() / "pulumi"
        for folder in (state, home):
            folder.mkdir(parents=True, exist_ok=True)
        environment["PULUMI_BACKEND_URL"] = state.as_uri()
        environment["PULUMI_HOME"] = str(home)
        environment["PULUMI_CONFIG_PASSPHRASE"] = _LOCAL_PASSPHRASE
        environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    environment[PYTHON] = sys.executable
    if CHECKOUT is not None:  # the project may be elsewhere, and its launcher then finds no package beside it
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), base.get("PYTHONPATH")]))
    environment["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    return environment
