"""How far a run on many workspaces has come, as its journal keeps it: what was begun on each, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from coderport.runner.values import Journal

Outcome = Literal["done", "failed", "left"]
"""LEFT: nothing was done, and nothing should have been."""


@dataclass(frozen=True)
class Part:
    """One workspace of the run. `outcome` is None until its part has ended; `said` is the result for a person."""

    name: str
    step: str | None = None
    outcome: Outcome | None = None
    said: str = ""


@dataclass
class Ledger:
    """The parts by the id of their workspace."""

    parts: dict[str, Part] = field(default_factory=dict)

    def part(self, workspace_id: str, name: str) -> Part:
        """The part of that workspace, made where there is none."""
        return self.parts.setdefault(workspace_id, Part(name))

    def begun(self, workspace_id: str, step: str) -> None:
        """The workspace's part has come to that step."""
        self.parts[workspace_id] = replace(self.parts[workspace_id], step=step)

    def ended(self, workspace_id: str, outcome: Outcome, said: str) -> None:
        """The workspace's part is over, and is not begun again."""
        self.parts[workspace_id] = replace(self.parts[workspace_id], step=None, outcome=outcome, said=said)

    def with_outcome(self, outcome: Outcome) -> list[Part]:
        """The parts that ended so, by name."""
        return sorted((each for each in self.parts.values() if each.outcome == outcome), key=lambda each: each.name)

    def text(self) -> str:
        """As the journal keeps it: only what was begun."""
        kept = {
            workspace_id: [each.name, each.step, each.outcome, each.said]
            for workspace_id, each in self.parts.items()
            if each.step is not None or each.outcome is not None
        }
        return json.dumps({"parts": kept}, separators=(",", ":"))

    @classmethod
    def of(cls, text: str | None) -> Ledger | None:
        """What a journal kept; None for none, and for another text."""
        if text is None:
            return None
        try:
            parts = json.loads(text)["parts"]
            return cls({workspace_id: Part(*fields) for workspace_id, fields in parts.items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class PartJournal:
    """The `Journal` of one part: a line of the ledger, with which the run's own journal is written anew."""

    ledger: Ledger
    workspace_id: str
    journal: Journal

    async def step(self, run_id: str) -> str | None:
        """The step that the part has come to."""
        return self.ledger.parts[self.workspace_id].step

    async def record(self, run_id: str, step: str) -> None:
        """Keeps the step for good."""
        self.ledger.begun(self.workspace_id, step)
        await self.journal.record(run_id, self.ledger.text())
