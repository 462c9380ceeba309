"""The config of a stack, read from its file without the engine: for the service and for workflows that run actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from coderport.errors import SettingsError
from coderport.settings import NAMESPACE, Settings, load_settings


def stack_settings(stack: str, folder: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of the stack from `Pulumi.<stack>.yaml` in the folder, if it is there, and the environment.

    Encrypted values need the engine and its passphrase and are passed over: credentials come from the environment.
    Raises SettingsError as `load_settings` does, and for a file that is not a stack's.
    """
    return load_settings(plain_config(folder / f"Pulumi.{stack}.yaml"), environ)


def plain_config(path: Path) -> dict[str, Any]:
    """The values of our namespace that are in clear in the file, as Pulumi hands them to a program."""
    if not path.exists():
        return {}
    try:
        config = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
        entries = {key: value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    except (yaml.YAMLError, AttributeError, OSError) as error:
        raise SettingsError(f"{path.name} is not the file of a stack: {error}") from None
    return {
        key.removeprefix(f"{NAMESPACE}:"): json.dumps(value) if isinstance(value, (dict, list)) else value
        for key, value in entries.items()
        if not (isinstance(value, dict) and "secure" in value)
    }
