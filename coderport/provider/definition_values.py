"""The inputs of a scorecard and of a page, and Port's members for them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.meaning import returnable, unstamped
from coderport.provider.protocol import UNKNOWN, Kind, Problem, Properties
from coderport.provider.translation import TEXT, Each, Field, Json, Shape, Trail, compared, same

_QUERY = Shape((*same("combinator"), Field("conditions", "conditions", Each(TEXT))))
_OF_OTHERS = (Field("properties", "properties", TEXT), Field("relations", "relations", TEXT))


class _Widget:
    """A widget's JSON, in which Port notes who changed it and when (schema of `POST /v1/pages`)."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        return TEXT.to_port(given, trail)

    def to_input(self, live: Any) -> Any:
        return TEXT.to_input(unstamped(live))

    def seen(self, live: Any) -> Any:
        return TEXT.seen(unstamped(live))


@dataclass(frozen=True)
class Form:
    """One type of definition: its inputs, the ones that it must have, and those that are ours as a whole.

    What the program says nothing of stays as others set it, apart from what is `owned`. `within` is the input that
    names where it is, which is no part of what is written. An `open` one has members at Port that are no inputs, and
    a replacement sends them back; Port's OpenAPI closes the others.
    """

    what: str
    shape: Shape
    needed: tuple[str, ...]
    owned: tuple[str, ...]
    within: str = ""
    open: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return (*((self.within,) if self.within else ()), *(each.input for each in self.shape.fields))

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        found = [Problem(name, f"a {self.what} needs {name}") for name in self.needed if not inputs.get(name)]
        trail = Trail()
        self.shape.to_port(self._inner(inputs), trail)
        return found + [Problem(path.partition(".")[0], f"{path} {reason}") for path, reason in trail.complaints]

    def body(self, inputs: Properties) -> Json:
        """It as Port's API takes it."""
        return dict(self.shape.to_port(self._inner(inputs), Trail()))

    def inputs(self, live: Mapping[str, Any], within: str) -> Json:
        """The inputs that make what is live."""
        found: Json = copy.deepcopy(self.shape.to_input(live))
        return {self.within: within, **found} if self.within else found

    def merged(self, live: Mapping[str, Any], new: Properties, old: Properties) -> Json:
        """What to put: ours, and what others set of that of which the program says nothing, now or before."""
        ours = {*self.owned, *_named(new), *_named(old)}
        held = self.shape.to_input(live)
        body = self.body({**{key: value for key, value in held.items() if key not in ours}, **new})
        return {**(self._beside(live) if self.open else {}), **body}

    def differences(self, live: Mapping[str, Any], new: Properties, old: Properties) -> dict[str, Kind]:
        """Where what is live is not what the inputs wish for, by property path of the inputs."""
        return compared(self.shape.seen(live), self.shape.seen(self.merged(live, new, old)))

    def restricted(self, live: Mapping[str, Any], ours: Properties, within: str) -> Json:
        """The inputs of what is live, without that which others set beside ours."""
        named = _named(ours)
        found = self.inputs(live, within)
        return {key: value for key, value in found.items() if key in self.owned or key == self.within or key in named}

    def _beside(self, live: Mapping[str, Any]) -> Json:
        """What is live and no input."""
        known = {each.member for each in self.shape.fields}
        return {key: value for key, value in returnable(live).items() if key not in known}

    def _inner(self, inputs: Properties) -> Json:
        return {key: value for key, value in inputs.items() if key != self.within or not self.within}


def outputs(given: Properties, identifier: str, stamps: Mapping[str, Any]) -> Json:
    """The outputs as the stock provider shapes them, each JSON text as the program wrote it."""
    return {**{key: copy.deepcopy(each) for key, each in given.items() if each is not None}, "id": identifier, **stamps}


def _named(given: Properties) -> set[str]:
    return {key for key, value in given.items() if value is not None}


SCORECARD = Form(
    "scorecard",
    Shape(
        (
            *same("identifier", "title"),
            Field("filter", "filter", _QUERY),
            Field("levels", "levels", Each(Shape(same("title", "color")))),
            Field(
                "rules",
                "rules",
                Each(Shape((*same("identifier", "title", "description", "level"), Field("query", "query", _QUERY)))),
            ),
            *_OF_OTHERS,
        )
    ),
    needed=("blueprint", "identifier", "title", "rules"),
    owned=("identifier", "title", "rules", "filter"),
    within="blueprint",
)

PAGE = Form(
    "page",
    Shape(
        (
            *same("identifier", "type", "title", "icon", "description", "blueprint", "parent", "after", "locked"),
            Field("widgets", "widgets", Each(_Widget())),
            Field("pageFilters", "pageFilters", Each(TEXT)),
            Field("pageFilterPresets", "pageFilterPresets", Each(TEXT)),
        )
    ),
    needed=("identifier", "type"),
    owned=("identifier", "type", "widgets"),
    open=True,
)


def computed(state: Properties) -> Json:
    """The stamps of a preview: what only Port can know is unknown."""
    unknown: Json = dict.fromkeys(("createdAt", "createdBy", "updatedAt", "updatedBy"), UNKNOWN)
    return unknown | {key: state[key] for key in ("createdAt", "createdBy") if key in state}
