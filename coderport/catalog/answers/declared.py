"""The answers that a stack declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from coderport.catalog.answers.aggregations import aggregations_of
from coderport.catalog.answers.pages import of_everybody, of_organization
from coderport.catalog.answers.scorecards import of_provisioner, of_template, of_workspace
from coderport.catalog.answers.values import Answer, Part
from coderport.catalog.identifiers import PROVISIONERS


def declared(
    parts: Collection[Part],
    organizations: Mapping[str, str],
    daily_cost: int,
    kinds: Collection[str] = (),
    version: str = "",
) -> tuple[Answer, ...]:
    """Those of the parts, what others name before what names it.

    `organizations` are names by id, `kinds` the optional kinds of the stack by the identifiers of their blueprints.
    `version` is Coder's own.
    """
    return tuple(_declared(parts, organizations, daily_cost, kinds, version))


def _declared(
    parts: Collection[Part],
    organizations: Mapping[str, str],
    daily_cost: int,
    kinds: Collection[str],
    version: str,
) -> Iterator[Answer]:
    with_provisioners = PROVISIONERS in kinds
    if "aggregations" in parts:
        yield from aggregations_of(kinds)
    if "scorecards" in parts:
        yield of_template(with_aggregations="aggregations" in parts)
        yield of_workspace(daily_cost)
        if with_provisioners:
            yield of_provisioner(version)
    if "pages" in parts:
        yield of_everybody()
        for identifier, name in sorted(organizations.items()):
            yield of_organization(identifier, name, with_provisioners=with_provisioners)
