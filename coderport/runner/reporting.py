"""What Port is told of a run: its label, its link, the lines of its log, and its one end.

Progress is told as well as can be: a Port that is away for a moment does not stop a build from being followed. The
end is told or the error is raised.
"""

from __future__ import annotations

import re

from coderport.port.errors import PortError, PortRejected
from coderport.port.runs import EXHAUSTED, FAILURE, SUCCESS, Runs
from coderport.runner.values import Clock, RunClosed
from coderport.terminal.text import lines
from coderport.transport.patience import Patience

_TOKEN = re.compile(r"[A-Za-z0-9]{10}-[A-Za-z0-9]{22}")
"""Coder's session tokens, which a template may print into its build's log, whatever stands beside them."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
"""What a terminal takes for a colour or a movement; Port's log is none."""

_LIKE_OURS = re.compile(r"coderport (?:begins|has ended|takes|leaves) ")
"""So begin the lines by which processes of a run know each other (`hold`, `run_log`). What others print is no such."""

LONGEST_MESSAGE = 20_000
LONGEST_SUMMARY = 2_000
LONGEST_LABEL = 100


class Report:
    """The report on one run. Every method but `end` raises nothing but RunClosed.

    Without `owns_link` the run's link and external id are left alone: Port's GitHub integration sets both and ends the
    run by the latter. What would have been the link stands in the log and in the summary then.
    """

    def __init__(self, runs: Runs, run_id: str, patience: Patience, clock: Clock, *, owns_link: bool = True) -> None:
        self._runs, self.run_id, self._patience, self._clock = runs, run_id, patience, clock
        self._owns_link = owns_link
        self._lines: list[str] = []
        self._since = 0.0
        self._told: dict[str, str] = {}

    async def tell(self, *, label: str | None = None, link: str | None = None, external_id: str | None = None) -> None:
        """Tell what is going on; what Port has already is not told again."""
        given = {"label": label, "link": link, "external_id": external_id}
        news = {key: _fit(value, LONGEST_LABEL if key == "label" else None) for key, value in given.items() if value}
        news = {key: value for key, value in news.items() if self._told.get(key) != value}
        if not self._owns_link:
            news.pop("external_id", None)
            if page := news.pop("link", None):
                self._told["link"] = page
                await self.line(f"Workspace: {page}")
        if not news:
            return
        try:
            await self._runs.patch(self.run_id, **news)
            self._told |= news
        except PortRejected:
            await self.require_open()
        except PortError:
            pass  # told again with the next news, or with the end

    async def line(self, text: str) -> None:
        """One line for the log; lines are sent together."""
        if not self._lines:
            self._since = self._clock.monotonic()
        self._lines.append(text)
        await self.flush_if_due()

    async def flush_if_due(self) -> bool:
        """Send the lines if there are enough of them or the first has waited long enough; whether they were sent."""
        waited = self._clock.monotonic() - self._since
        if not self._lines or (len(self._lines) < self._patience.log_lines and waited < self._patience.log_seconds):
            return False
        return await self.flush()

    async def flush(self) -> bool:
        """Send the lines that wait; whether Port has them all now."""
        while self._lines:
            batch = self._lines[: self._patience.log_lines]
            try:
                await self._runs.log(self.run_id, _unlike_ours(_fit("\n".join(batch), LONGEST_MESSAGE)))
            except PortRejected as error:
                if error.code == EXHAUSTED:
                    raise RunClosed(f"run {self.run_id} was ended by somebody else") from None
                if error.status == 404:
                    return False
                await self.require_open()
            except PortError:
                return False
            del self._lines[: len(batch)]
        return True

    async def end(self, *, success: bool, label: str, summary: str, link: str | None = None) -> None:
        """End the run, once: RunClosed if somebody else was faster. Raises PortError where Port cannot be told."""
        status = SUCCESS if success else FAILURE
        await self.flush()
        summary = _fit(summary, LONGEST_SUMMARY)
        if link is not None and not self._owns_link:
            summary, link = f"{_fit(summary, LONGEST_SUMMARY - len(link) - 2)}\n\n{link}", None
        began, wait = self._clock.monotonic(), self._patience.poll_first
        while True:
            try:
                await self._runs.patch(
                    self.run_id, status=status, label=_fit(label, LONGEST_LABEL), summary=summary, link=link
                )
                return
            except PortRejected as error:
                # After a lost answer the repeat finds the run ended, by ourselves.
                run = await self._runs.run(self.run_id)
                if run is not None and not run.in_progress:
                    if run.status != status:
                        raise RunClosed(f"run {self.run_id} was ended by somebody else") from None
                    return
                # A run that is not found is there: one of Port's replicas may not know it for a while.
                missing = run is None or error.status == 404
                if not missing or self._clock.monotonic() - began >= self._patience.unknown_run:
                    raise
            await self._clock.sleep(wait)
            wait = min(wait * 2, self._patience.poll_most)

    async def require_open(self) -> None:
        """RunClosed if somebody ended the run; a Port that cannot be asked or does not find it does not stop it."""
        try:
            run = await self._runs.run(self.run_id)
        except PortError:
            return
        if run is not None and not run.in_progress:
            raise RunClosed(f"run {self.run_id} was ended by somebody else")


class Quiet(Report):
    """The report of one part of a run on many workspaces: the run tells how it ended, and nothing before."""

    async def tell(self, *, label: str | None = None, link: str | None = None, external_id: str | None = None) -> None:
        """Nothing: label and link are those of the whole run."""

    async def line(self, text: str) -> None:
        """Nothing: the log of the run has one line for each workspace."""


def _fit(text: str, longest: int | None) -> str:
    shown = lines(masked(_COLOUR.sub("", text)))
    return shown if longest is None or len(shown) <= longest else shown[: longest - 1] + "…"


def masked(text: str) -> str:
    """The text without what looks like a session token of Coder's."""
    return _TOKEN.sub("[token]", text)


def _unlike_ours(message: str) -> str:
    return f"· {message}" if _LIKE_OURS.match(message) else message
