"""`live`: keeps the entities of one stack as Coder is, until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable

from coderport.engine import obtain_cli
from coderport.live.server import follow
from coderport.live.settings import service_settings
from coderport.stack.stack import Stack
from coderport.transport.route import route_to


def live_until_told(name: str, say: Callable[[str], None]) -> None:
    """Runs `live` for the stack, which has to be there, until SIGTERM or Ctrl-C."""
    service = service_settings(os.environ)
    stack = Stack(name, obtain_cli(say), create=False)
    settings = stack.settings()
    for address in (settings.coder_api_base_url, settings.port_base_url):
        route_to(address)
    follow(stack, settings, service)
