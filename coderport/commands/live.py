"""`live`: keeps the entities of one stack as Coder is, until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable

from coderport.commands.given import check_network
from coderport.engine import obtain_cli
from coderport.live.server import follow
from coderport.live.settings import service_settings
from coderport.runner.service.runs import service_runner
from coderport.runner.service.server import running
from coderport.runner.service.settings import service_settings as settings_of_actions
from coderport.stack.stack import Stack


def live_until_told(name: str, say: Callable[[str], None], *, with_actions: bool = False) -> None:
    """Runs `live` for the stack, which has to be there, until SIGTERM or Ctrl-C; with the service of actions beside."""
    service = service_settings(os.environ)
    stack = Stack(name, obtain_cli(say), create=False)
    settings = stack.settings()
    check_network(settings)
    beside = None
    if with_actions:
        # Port signs with the secret of its client, wherever that is set.
        secret = {"PORT_CLIENT_SECRET": settings.port_client_secret.get_secret_value()}
        actions = settings_of_actions({**os.environ, **secret})
        beside = running(actions, service_runner(settings, stack.mark()))
    follow(stack, settings, service, beside)
