"""The settings of a stack that is there, for the commands that need no state of it."""

from __future__ import annotations

import os
from pathlib import Path

from coderport.engine import find_cli
from coderport.errors import SettingsError
from coderport.guard.ownership import stack_mark
from coderport.settings import Settings, printed_settings
from coderport.stack.project_file import project_name
from coderport.stack.stack import Stack
from coderport.transport.route import route_to


def settings_of(command: str, name: str, config: Path | None) -> tuple[Settings, str]:
    """The settings of a stack that is there, as `up` has them, and what entities of the stack name.

    They come from the Pulumi CLI, or from what it printed into the file `config` on another machine.
    """
    if config is not None:
        settings = printed_settings(config, project_name(), os.environ, stack=name)
        return settings, stack_mark(project_name(), name)
    cli = find_cli(os.environ)
    if cli is None:
        raise SettingsError(
            f"The settings of the stack {name} are read with the Pulumi CLI, and there is none here. Get it:\n"
            "  python -m coderport engine\n"
            "Or, on a machine that has it, write them to a file, and bring that here (it holds secrets: mode 0600):\n"
            f"  python -m coderport pulumi -- config --json --show-secrets --stack {name} > config.json\n"
            f"  python -m coderport {command} --stack {name} --config config.json"
        )
    stack = Stack(name, cli, create=False)
    return stack.settings(), stack.mark()


def check_network(settings: Settings) -> None:
    """SettingsError where a proxy or certificates that the environment names cannot be used."""
    for address in (settings.coder_api_base_url, settings.port_base_url):
        route_to(address)
