"""What a run did, or would do, to one thing in Port; and how several of these are ordered, grouped and worded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Literal

from coderport.kinds.all import KINDS
from coderport.terminal.text import line

Operation = Literal["created", "adopted", "updated", "deleted", "released", "unchanged"]

PERMISSIONS_OF: Final = "permissions of"
"""What people call permissions: of an action, by its identifier."""
OTHER: Final = "other"
"""What is of no kind of objects: blueprints, actions and their permissions, answers."""

SIGNS: Final[Mapping[Operation, str]] = {
    "deleted": "-",
    "released": "<",
    "created": "+",
    "updated": "~",
    "adopted": "=",
}
"""How a change is shown, in the order in which the changes of a kind are. What was adopted is as it was in Port, what
was released stays there.
"""

_KINDS: Final = {each.words[0]: each.words[1] for each in KINDS}
_DECLARED: Final = ("blueprint", "action", PERMISSIONS_OF, "aggregations", "scorecard", "page")
_RANK: Final = {kind: at for at, kind in enumerate((*_DECLARED, *_KINDS))}
_ORDER: Final = {operation: at for at, operation in enumerate((*SIGNS, "unchanged"))}
_ONE_BY_ONE: Final = 3
_NAMED: Final = 3
_LONGEST_VALUE: Final = 400
"""Characters that are shown of a value; the JSON has all of it."""


@dataclass(frozen=True)
class Change:
    """One thing that was not left as it was: `kind` in people's words, `details` the changed properties' names.

    `values` is {property or relation: (held, desired)} with the title as `$title`; for what is declared (a blueprint,
    an action, an answer), whose parts are no values, `findings` says it in words. Of what a preview finds to be created
    `values` has all that Port gets. `why` is the reason of what goes.
    """

    operation: Operation
    kind: str
    title: str
    details: tuple[str, ...] = ()
    identifier: str = field(default="", compare=False)
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, compare=False)
    findings: tuple[str, ...] = field(default=(), compare=False)
    why: str = field(default="", compare=False)

    @property
    def group(self) -> str:
        """The field of `Kinds` that it counts in."""
        return self.kind if self.kind in _KINDS else OTHER

    @property
    def place(self) -> tuple[object, ...]:
        """Where it stands among others: what is declared before the entities, what goes before what comes."""
        return _RANK.get(self.kind, -1), self.kind, _ORDER[self.operation], self.title, self.identifier

    @property
    def name(self) -> str:
        """The thing in people's words, as a part of one line."""
        return line(f"{self.kind} {self.title or self.identifier}")

    def told(self) -> Iterator[str]:
        """What is different, each as one line: property, old and new; of what is created, what it gets."""
        for key, (held, desired) in self.values.items():
            old = "" if self.operation == "created" else f"{value_text(held)} → "
            yield f"{line(key.removeprefix('$'))}: {old}{value_text(desired)}"
        yield from map(line, self.findings)
        if self.details and not self.values and not self.findings:
            yield line(", ".join(self.details))


def value_text(value: object) -> str:
    """A value as a part of one line; `-` where there is none."""
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    more = f" … {len(text) - _LONGEST_VALUE:,} characters more" if len(text) > _LONGEST_VALUE else ""
    return line(text[:_LONGEST_VALUE]) + more


def ordered(changes: Iterable[Change]) -> list[Change]:
    """In an order that the same changes always have, whatever order the engine did them in."""
    return sorted(changes, key=lambda each: each.place)


def several(kind: str, number: int) -> str:
    """So many of a kind, in people's words."""
    if kind == PERMISSIONS_OF:
        return f"permissions of {number:,} {'action' if number == 1 else 'actions'}"
    plural = _KINDS.get(kind) or (kind if kind.endswith("s") else f"{kind}s")
    return f"{number:,} {kind if number == 1 else plural}"


def summed_up(changes: Iterable[Change]) -> Iterator[tuple[Operation, str]]:
    """A line for each change, and one for all where more than a few of a kind are changed alike."""
    for (operation, kind, details), found in groupby(
        sorted(changes, key=lambda each: (*each.place[:3], each.details, each.title, each.identifier)),
        key=lambda each: (each.operation, each.kind, each.details),
    ):
        members = tuple(found)
        names = line(f" ({', '.join(details)})") if details else ""
        if len(members) <= _ONE_BY_ONE:
            yield from ((operation, f"{SIGNS[operation]} {each.name}{names}") for each in members)
            continue
        first = ", ".join(line(each.title or each.identifier) for each in members[:_NAMED])
        more = f": {first} and {len(members) - _NAMED:,} more" if kind != PERMISSIONS_OF else ""
        yield operation, f"{SIGNS[operation]} {several(kind, len(members))}{names}{more}"


def spelled_out(changes: Iterable[Change]) -> Iterator[tuple[Operation | None, str]]:
    """Every change with old and new below it, under headings (of no operation) for each kind and operation."""
    for (kind, operation), found in groupby(ordered(changes), key=lambda each: (each.kind, each.operation)):
        members = tuple(found)
        yield None, f"{several(kind, len(members))} {operation}"
        for each in members:
            why = f" ({line(each.why)})" if each.why else ""
            yield operation, f"  {SIGNS[operation]} {line(each.title or each.identifier)}{why}"
            for text in each.told():
                yield operation, f"      {text}"


def counted(changes: Sequence[Change]) -> Mapping[Operation, int]:
    """How many of each operation there are, in the order in which they are shown."""
    return {each: number for each in SIGNS if (number := sum(change.operation == each for change in changes))}
