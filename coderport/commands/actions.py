"""The commands `run` and `serve`, which bring action runs to their end."""

from __future__ import annotations

import os
from pathlib import Path

from coderport.commands.consoles import people
from coderport.commands.given import check_network, settings_of
from coderport.runner.github import claimant_of, run_id_of, run_once
from coderport.runner.service.runs import service_runner
from coderport.runner.service.server import serve
from coderport.runner.service.settings import service_settings
from coderport.terminal.ending import says


def work_on_run(stack: str, run_id: str | None, config: Path | None) -> int:
    """Works one action run to its end and says how that was; the exit code of the process."""
    named = run_id_of(run_id, os.environ)
    settings, managed_by = settings_of("run", stack, config)
    check_network(settings)
    says(lambda cause: f"Ended by {cause.name}. Run {named} may be under way: the same command takes it up again.")
    return run_once(named, settings, managed_by, people().print, claimant=claimant_of(os.environ))


def serve_until_told(stack: str, config: Path | None) -> None:
    """Serves the webhook backend of the stack until SIGTERM or Ctrl-C."""
    settings, managed_by = settings_of("serve", stack, config)
    check_network(settings)
    # Port signs with the secret of its client, wherever that is set.
    secret = {"PORT_CLIENT_SECRET": settings.port_client_secret.get_secret_value()}
    serve(service_settings({**os.environ, **secret}), service_runner(settings, managed_by))
