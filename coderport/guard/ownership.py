"""Whose an entity of our blueprints is. This is the one place that judges it: all others ask here.

An entity says in `managed_by` which state keeps it: `project/stack#state`. The part before the number sign is what the
stack was called when it wrote that, and may be shared by states in other backends. The part behind it is the id that a
state is given once and keeps, whatever becomes of the names of project and stack.

Marks without an id are older than that. One of those is ours where this state's own record has the entity.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from coderport.catalog.values import Held
from coderport.kinds.all import KIND_OF

MANAGED_BY = "managed_by"
"""The property that holds the mark."""
DEPLOYMENT = "coder_deployment"


def new_state_id() -> str:
    """An id for a state that has none yet."""
    return secrets.token_hex(4)


def stack_mark(project: str, stack: str) -> str:
    """How entities name a stack: project/stack, without the organization that Pulumi Cloud puts before its name."""
    return f"{project}/{stack.rpartition('/')[2]}"


@dataclass(frozen=True)
class Mark:
    """A value of `managed_by`: `stack` is project/stack, `state` the id of the state, empty in an older mark."""

    stack: str
    state: str = ""

    def __str__(self) -> str:
        return f"{self.stack}#{self.state}" if self.state else self.stack

    @property
    def project(self) -> str:
        """The name of the project alone."""
        return self.stack.partition("/")[0]

    @classmethod
    def read(cls, value: object) -> Mark | None:
        """The mark in a property's value; None where nobody has signed. A value that is no text is no signature."""
        if not isinstance(value, str) or not value.strip():
            return None
        stack, _, state = value.strip().partition("#")
        return cls(stack, state.lower())

    def is_sibling(self, other: Mark | None) -> bool:
        """Whether the other is of another stack of the same project."""
        return other is not None and other.stack != self.stack and other.project == self.project


class Whose(enum.Enum):
    """Whose an entity is, seen from one state."""

    OURS = "this state wrote it"
    OURS_BY_NAME = "it has the name of this stack, not the id of this state, and no record here"
    COPY = "it has our mark, and an identifier that no such object of Coder can have"
    ELSEWHERE = "it has our mark, and is of another Coder deployment"
    NOBODYS = "it has no mark"
    OTHERS = "it has the mark of another state or of somebody else"


@dataclass(frozen=True)
class Owner:
    """One state as an owner.

    `record` has by blueprint the identifiers that the state holds, `names` what its stack was called before (as
    project/stack). `remembers` is false for a state that has lost, or never had, what its last run left. `deployment`
    is the id of its Coder, empty where that is not known. `takes_over`: a person has said that what other states of the
    same name have written is this one's now. `called` is the stack's name for Pulumi, which remedies name; that of the
    mark where none is given.
    """

    mark: Mark
    record: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    remembers: bool = True
    deployment: str = ""
    takes_over: bool = False
    called: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "called", self.called or self.mark.stack.rpartition("/")[2])

    def whose(self, held: Held) -> Whose:
        """The judgement. What the state has in its record is ours until somebody else signs it."""
        recorded = held.identifier in self.record.get(held.blueprint, frozenset())
        mark = Mark.read(held.properties.get(MANAGED_BY))
        if mark is None:
            return Whose.OURS if recorded else Whose.NOBODYS
        inherited = self.takes_over and not recorded and mark.stack == self.mark.stack
        if not self._signed(mark, recorded) and not inherited:
            return Whose.OTHERS
        if recorded:
            return Whose.OURS
        if not self._possible(held):
            return Whose.COPY
        if self.deployment and str(held.properties.get(DEPLOYMENT) or self.deployment) != self.deployment:
            return Whose.ELSEWHERE
        return Whose.OURS if mark.state == self.mark.state else Whose.OURS_BY_NAME

    def holds(self, held: Mapping[str, Held]) -> frozenset[str]:
        """The identifiers of those of one blueprint's entities that are ours."""
        ours = (Whose.OURS, Whose.OURS_BY_NAME)
        return frozenset(identifier for identifier, each in held.items() if self.whose(each) in ours)

    def _signed(self, mark: Mark, recorded: bool) -> bool:
        if mark.state:
            return mark.state == self.mark.state
        known = {name.casefold() for name in (self.mark.stack, *self.names)}
        return mark.stack.casefold() in known and (recorded or self.remembers)

    def _possible(self, held: Held) -> bool:
        """Whether the identifier can be that of such an object.

        Of kinds whose ids are their own Coder gives each once: what the record has as another of them cannot.
        """
        kind = KIND_OF.get(held.blueprint)
        if kind is None or not kind.is_identifier(held.identifier):
            return False
        others = (KIND_OF.get(each) for each, ids in self.record.items() if held.identifier in ids)
        return not (kind.own_id and any(each is not None and each.own_id for each in others))
