"""What the next `up` finds after an adoption, and the commands for it."""

from __future__ import annotations

from dataclasses import dataclass

from coderport.kinds.all import difference
from coderport.planning.plan import Plan


@dataclass(frozen=True)
class Next:
    """What the next `up` finds. `plan` is what it would do, `commands` are those to give, in their order.

    `refused` is why it would be refused even so; empty if it would not.
    """

    plan: Plan
    commands: tuple[str, ...]
    refused: str = ""

    @property
    def created(self) -> int:
        """How many entities Port lacks."""
        return self.plan.creations

    @property
    def changed(self) -> int:
        """How many entities it finds with other values."""
        held = self.plan.held.entities
        found = ((each, held.get(each.blueprint, {}).get(each.identifier)) for each in self.plan.entities)
        return sum(its is not None and bool(difference(entity, its)) for entity, its in found)

    @property
    def deleted(self) -> int:
        """How many things it deletes."""
        return sum(kind.accounted + len(kind.unproven) for kind in self.plan.disappearing.values())
