"""The GitHub backend's side of a run: one process of a workflow that was dispatched with the run's id.

The id comes from the environment, where the workflow puts its input: nothing of it is ever part of a shell line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from coderport.errors import CoderportError, SettingsError
from coderport.report.account import requests_text
from coderport.runner.context import opened
from coderport.runner.execution import execute
from coderport.runner.values import Ended
from coderport.settings import Settings
from coderport.terminal import ending
from coderport.transport.patience import Patience

RUN_ID = "CODERPORT_RUN_ID"
"""The variable that hands the run's id over."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

_SAID: Mapping[Ended, str] = {
    Ended.SUCCESS: "Run {run} ended with SUCCESS.",
    Ended.FAILURE: "Run {run} ended with FAILURE; its page in Port says why.",
    Ended.ALREADY_ENDED: "Run {run} had ended already: nothing was done.",
    Ended.NOT_OURS: "Port has no run {run} of one of coderport's actions: nothing was done.",
    Ended.WAITING: "Run {run} waits for an approval in Port: nothing was done.",
}


def run_id_of(given: str | None, environ: Mapping[str, str]) -> str:
    """The id from the command line or else the environment; SettingsError if there is none that can be one."""
    run_id = (given or environ.get(RUN_ID, "")).strip()
    if not run_id:
        raise SettingsError(f"No run to work on: set {RUN_ID} (the workflow does) or name one with --run-id.")
    if not _ID.fullmatch(run_id):
        raise SettingsError(f"{RUN_ID} is not the id of a run in Port, such as r_QOz6WoOB1Q2lmhZZ.")
    return run_id


def claimant_of(environ: Mapping[str, str]) -> str | None:
    """The workflow run that this process is an attempt of: GitHub begins another attempt when the one before ended."""
    workflow_run = environ.get("GITHUB_RUN_ID", "")
    return f"workflow-run-{workflow_run}" if workflow_run.isascii() and workflow_run.isdigit() else None


def run_once(
    run_id: str,
    settings: Settings,
    managed_by: str,
    say: Callable[[str], None],
    *,
    patience: Patience | None = None,
    claimant: str | None = None,
) -> int:
    """Brings the run to its end; the exit code of the process. `claimant` is that of `claimant_of`.

    0 if the run has ended, well or not: then Port knows. 1 if it is not ours to end, waits for an approval, or Port
    could not be told, which lets the workflow fail: Port ends a run by its workflow's outcome if nobody else has.
    """

    cost = ""

    async def work() -> Ended:
        nonlocal cost
        async with opened(settings, managed_by, patience=patience, claimant=claimant) as context:
            try:
                return await execute(run_id, replace(context, say=say))
            finally:
                coder, port = context.coder, context.port
                cost = requests_text(coder.requests, port.requests, port.writes, coder.retries + port.retries)

    try:
        ended = ending.run(work())
    except CoderportError as error:
        say(f"Run {run_id} could not be reported: {error}\n{cost}".rstrip())
        return 1
    say(f"{_SAID[ended].format(run=run_id)}\n{cost}")
    return 1 if ended in (Ended.NOT_OURS, Ended.WAITING) else 0
