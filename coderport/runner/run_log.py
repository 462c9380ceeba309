"""The journal of a backend that keeps none of its own: the run's log in Port says which build is begun next.

It is written before the build is asked for. The line names the build by its number alone: it is read again only to look
among the workspace's own builds for one that our token began after that. What a template prints into the log of its
build is no such line: the report marks what begins like one (`reporting`). A run on many workspaces has such lines for
each of them, and one at the end of each; no build's log is among its lines. In the log of a run on one workspace such
lines count for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from coderport.catalog.values import UUID
from coderport.port.errors import PortRejected
from coderport.port.runs import EXHAUSTED, Runs
from coderport.runner.ledger import Ledger, Outcome
from coderport.runner.values import RunClosed, Step

_BUILD = r"coderport begins build (?P<number>[1-9]\d{0,8})"
_PHASE = (
    r"\((?P<phase>stop|start|delete)(?P<then>, then start)?\)"
    rf"(?:, having checked version (?P<checked>{UUID}))?\."
)
_WORKSPACE = rf"(?P<name>[\w.-]{{1,64}}/[\w.-]{{1,64}}), (?P<id>{UUID})"
_BEGINS = re.compile(rf"{_BUILD} {_PHASE}")
_BEGINS_PART = re.compile(rf"{_BUILD} of {_WORKSPACE} {_PHASE}")
_ENDS_PART = re.compile(rf"coderport has ended its work on {_WORKSPACE} \((?P<outcome>done|failed|left)\)\.")
_CREATES = "coderport begins to create the workspace."
_OUTCOMES: dict[str, Outcome] = {"done": "done", "failed": "failed", "left": "left"}


@dataclass
class RunLog:
    """A `Journal` in Port. What a creation began is found by the workspace's name; its line says that it has begun.

    `many`: the run is on many workspaces.
    """

    runs: Runs
    many: bool
    _written: set[str] = field(default_factory=set)

    async def step(self, run_id: str) -> str | None:
        """The build that was begun last, with its number only; of a run on many workspaces, its ledger.

        A run that creates has no build to begin: its step is that of a creation, once that has begun.
        """
        entries = sorted(await self.runs.logs(run_id), key=lambda entry: (entry.created_at, entry.id))
        lines = [each.message for each in entries]
        self._written.update(lines)
        if self.many:
            ledger = _ledger(lines)
            return ledger.text() if ledger.parts else None
        if _CREATES in lines:
            return Step("create").text()
        begun = [found for each in lines if (found := _BEGINS.fullmatch(each)) is not None]
        return _step(begun[-1]).text() if begun else None

    async def record(self, run_id: str, step: str) -> None:
        """Says it once, before the build is asked for; raises PortError where Port cannot be told."""
        begun, ledger = Step.of(step), Ledger.of(step)
        for line in _lines_of(ledger) if ledger is not None else _lines(begun, ""):
            if line not in self._written:
                await self._write(run_id, line)

    async def _write(self, run_id: str, line: str) -> None:
        try:
            await self.runs.log(run_id, line)
        except PortRejected as error:
            if error.code == EXHAUSTED:
                raise RunClosed(f"run {run_id} was ended by somebody else") from None
            raise
        self._written.add(line)


def _ledger(lines: Iterable[str]) -> Ledger:
    """What the lines say of the parts of a run on many workspaces."""
    ledger = Ledger()
    for line in lines:
        if (found := _BEGINS_PART.fullmatch(line)) is not None:
            ledger.part(found["id"], found["name"])
            ledger.begun(found["id"], _step(found).text())
        elif (found := _ENDS_PART.fullmatch(line)) is not None:
            ledger.part(found["id"], found["name"])
            ledger.ended(found["id"], _OUTCOMES[found["outcome"]], "")
    return ledger


def _step(found: re.Match[str]) -> Step:
    chained, checked = found["then"] is not None, found["checked"]
    return Step(found["phase"], after=int(found["number"]) - 1, chained=chained, checked=checked)


def _lines(begun: Step | None, of: str) -> Iterator[str]:
    if begun is None or begun.build_id is not None:
        return
    if begun.phase == "create":
        yield _CREATES
        return
    then = ", then start" if begun.chained else ""
    checked = f", having checked version {begun.checked}" if begun.checked else ""
    yield f"coderport begins build {begun.after + 1}{of} ({begun.phase}{then}){checked}."


def _lines_of(ledger: Ledger) -> Iterator[str]:
    for workspace_id, part in ledger.parts.items():
        named = f"{part.name}, {workspace_id}"
        if part.outcome is not None:
            yield f"coderport has ended its work on {named} ({part.outcome})."
        else:
            yield from _lines(Step.of(part.step), f" of {named}")
