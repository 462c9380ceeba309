"""The journal of a backend that keeps none of its own: the run's log in Port says which build is begun next.

It is written before the build is asked for. The line names the build by its number alone: it is read again only to look
among the workspace's own builds for one that our token began after that, so that a line which a template printed into
the log leads to nobody else's build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coderport.port.errors import PortRejected
from coderport.port.runs import Runs
from coderport.runner.values import Step

_BEGINS = re.compile(
    r"coderport begins build (?P<number>[1-9]\d{0,8}) \((?P<phase>stop|start|delete)(?P<then>, then start)?\)\."
)


@dataclass
class RunLog:
    """A `Journal` in Port. What a creation began is found by the workspace's name, and needs no line."""

    runs: Runs

    async def step(self, run_id: str) -> str | None:
        """The build that was begun last, with its number only."""
        entries = sorted(await self.runs.logs(run_id), key=lambda entry: (entry.created_at, entry.id))
        begun = [found for each in entries if (found := _BEGINS.fullmatch(each.message))]
        if not begun:
            return None
        last = begun[-1]
        return Step(last["phase"], after=int(last["number"]) - 1, chained=last["then"] is not None).text()

    async def record(self, run_id: str, step: str) -> None:
        """Says it once, before the build is asked for; raises PortError where Port cannot be told."""
        begun = Step.of(step)
        if begun is None or begun.phase == "create" or begun.build_id is not None:
            return
        then = ", then start" if begun.chained else ""
        try:
            await self.runs.log(run_id, f"coderport begins build {begun.after + 1} ({begun.phase}{then}).")
        except PortRejected as error:
            if error.code != "run_exhausted":  # of a run that has ended the report knows what to do
                raise
