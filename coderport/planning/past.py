"""What a stack has declared until now, and what Port holds: all that a read of Coder is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from coderport.catalog.values import Ref
from coderport.guard.ownership import Mark, Owner
from coderport.kinds.all import KINDS
from coderport.kinds.inventory import KnownIds
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.settings import Settings


@dataclass(frozen=True)
class Past:
    """A stack's memory beside what Port holds.

    `mark` is what its entities are to say in this run. `unremembered` are entities that the state has and the memory
    has not, by blueprint: a run that failed, or was killed, left them. `spent_beside` counts by kind what undos and
    `live` have deleted without a release in the last day: neither writes the memory.
    """

    memory: Memory
    held: Holdings
    mark: Mark
    unremembered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    spent_beside: Mapping[str, int] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    """The actions that the stack has: those of the memory, and those that only the state has, where that was read."""
    answers: frozenset[str] = frozenset()
    """The same of answers, by key."""
    pointed: Mapping[Ref, tuple[str, ...]] = field(default_factory=dict)
    """What would go and entities of blueprints that are not ours point at: which, as blueprint:identifier."""
    required: Mapping[Ref, tuple[str, ...]] = field(default_factory=dict)
    """What would go and entities that stay may not be without: which. Port would refuse to delete it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", self.actions | self.memory.actions)
        object.__setattr__(self, "answers", self.answers | self.memory.answers)

    @property
    def is_complete(self) -> bool:
        """Whether the memory accounts for all in Port that has this state's mark; else the state is looked at."""
        owner = self.owner()
        return not any(
            owner.holds(held) - owner.record.get(name, frozenset()) for name, held in self.held.entities.items()
        )

    def completed(self, state: Memory) -> Past:
        """The same with what the state's resources tell (see `coderport.planning.memory.rebuilt`)."""
        more = {name: ids - self.memory.declared.get(name, frozenset()) for name, ids in state.declared.items()}
        return replace(self, unremembered={name: ids for name, ids in more.items() if ids})

    def owner(self, deployment: str = "") -> Owner:
        """This state as the owner of entities."""
        owner = self.memory.owner(self.mark, deployment)
        names = owner.record.keys() | self.unremembered.keys()
        nothing: frozenset[str] = frozenset()
        record = {name: owner.record.get(name, nothing) | self.unremembered.get(name, nothing) for name in names}
        return replace(owner, record=record)


def known_of(past: Past, settings: Settings) -> KnownIds:
    """By kind the ids whose disappearance would have to be proven: those of the state and those of ours in Port."""
    owner = replace(past.owner(), takes_over=settings.take_over)

    return {
        each.name: owner.record.get(each.name, frozenset()) | owner.holds(past.held.entities.get(each.name, {}))
        for each in KINDS
    }
