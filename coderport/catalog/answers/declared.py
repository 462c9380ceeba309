"""The answers that a stack declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from coderport.catalog.answers.aggregations import OF_TEMPLATE
from coderport.catalog.answers.pages import of_everybody, of_organization
from coderport.catalog.answers.scorecards import of_template, of_workspace
from coderport.catalog.answers.values import Answer, Part


def declared(parts: Collection[Part], organizations: Mapping[str, str], daily_cost: int) -> tuple[Answer, ...]:
    """Those of the parts, what others name before what names it. `organizations` are names by id."""
    return tuple(_declared(parts, organizations, daily_cost))


def _declared(parts: Collection[Part], organizations: Mapping[str, str], daily_cost: int) -> Iterator[Answer]:
    if "aggregations" in parts:
        yield OF_TEMPLATE
    if "scorecards" in parts:
        yield of_template(with_aggregations="aggregations" in parts)
        yield of_workspace(daily_cost)
    if "pages" in parts:
        yield of_everybody()
        for identifier, name in sorted(organizations.items()):
            yield of_organization(identifier, name)
