"""The Pulumi CLI: which one is used, how it is had where there is none, and the environment it runs in.

What drives it through the Automation API (`start`, `stack`) is not named here: that takes long to import.
"""

from __future__ import annotations

from coderport.engine.cli import CliInfo, find_cli, obtain_cli
from coderport.engine.environment import drop_real_life, engine_environment
from coderport.engine.errors import CliUnavailable

__all__ = [
    "CliInfo",
    "CliUnavailable",
    "drop_real_life",
    "engine_environment",
    "find_cli",
    "obtain_cli",
]
