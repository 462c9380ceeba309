"""An aggregation, a scorecard or a page that a stack declares, as the value that Port is to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from coderport.catalog import resource_types

Json = dict[str, Any]
Part = Literal["aggregations", "scorecards", "pages"]
AnswerKind = Literal["aggregations", "scorecard", "page"]

PART_OF: Final[Mapping[AnswerKind, Part]] = {"aggregations": "aggregations", "scorecard": "scorecards", "page": "pages"}
"""Which part of `coderport:answers` declares a kind."""

TYPES: Final[Mapping[AnswerKind, str]] = {
    "aggregations": resource_types.AGGREGATIONS,
    "scorecard": resource_types.SCORECARD,
    "page": resource_types.PAGE,
}
"""The type of its resource."""


@dataclass(frozen=True)
class Answer:
    """One of them. `body` is Port's JSON; that of aggregations is what stands under `aggregationProperties`.

    The identifier of aggregations is their blueprint's. `blueprint` is where a scorecard is, empty for a page.
    """

    kind: AnswerKind
    identifier: str
    title: str
    blueprint: str
    body: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The kind and the identifier: unique among all answers."""
        return f"{self.kind}/{self.identifier}"

    @property
    def words(self) -> str:
        """What people call it: its kind and its identifier."""
        if self.kind == "aggregations":
            return f"aggregations of blueprint {self.identifier}"
        return f"a {self.kind} {self.identifier}"


def split(key: str) -> tuple[AnswerKind, str]:
    """The kind and the identifier of a key; ValueError for a text that is none."""
    kind, _, identifier = key.partition("/")
    for each in TYPES:
        if kind == each and identifier:
            return each, identifier
    raise ValueError(f"{key!r} names no aggregations, scorecard or page")


def rule(property: str, operator: str, value: Any = None) -> Json:
    """One condition of a query, a dataset or a scorecard's rule."""
    return {"property": property, "operator": operator, **({} if value is None else {"value": value})}


def dataset(*rules: Json) -> Json:
    """All of the rules."""
    return {"combinator": "and", "rules": list(rules)}


def conditions(combinator: Literal["and", "or"], rules: Iterable[Json]) -> Json:
    """The query of a scorecard's rule, which calls its rules conditions."""
    return {"combinator": combinator, "conditions": list(rules)}
