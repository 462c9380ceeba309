"""The Pulumi CLI: which one is used, how it is had where there is none, and the environment it runs in."""

from __future__ import annotations

from coderport.engine.cli import CliInfo, ensure_cli, find_cli, obtain_cli
from coderport.engine.errors import CliUnavailable
from coderport.engine.stack import EngineStack
from coderport.engine.start import EngineCommand, drop_real_life, engine_environment

__all__ = [
    "CliInfo",
    "CliUnavailable",
    "EngineCommand",
    "EngineStack",
    "drop_real_life",
    "engine_environment",
    "ensure_cli",
    "find_cli",
    "obtain_cli",
]
