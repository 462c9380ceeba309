"""What templates, organizations, users and groups count of their workspaces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from coderport.catalog.answers.values import Answer, Json, dataset, rule
from coderport.catalog.identifiers import GROUPS, ORGANIZATIONS, OWNER_GROUPS, TEMPLATES, USERS, WORKSPACES

COUNTED: Final = "workspaces"
OUTDATED: Final = "outdated_workspaces"
FAILED: Final = "failed_workspaces"


@dataclass(frozen=True)
class Whose:
    """Whose workspaces are counted.

    `relation` is that of a workspace that leads there, empty where it is the only one: where there are several, Port
    has no value unless it is told which. `kinds` are those that the relation needs.
    """

    blueprint: str
    title: str
    workspaces: str
    relation: str = ""
    kinds: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    """What the blueprint has as a property of its own."""


_OF: Final = (
    Whose(TEMPLATES, "Coder Template", "Workspaces of the template"),
    Whose(
        ORGANIZATIONS,
        "Coder Organization",
        "Workspaces of the organization",
        "organization",
        frozenset({ORGANIZATIONS}),
        without=frozenset({COUNTED}),
    ),
    Whose(USERS, "Coder User", "Workspaces that the user owns", "owner", frozenset({USERS})),
    Whose(GROUPS, "Coder Group", "Workspaces of the group's members", OWNER_GROUPS, frozenset({USERS, GROUPS})),
)


def _bodies(whose: Whose) -> Iterator[tuple[str, Json]]:
    how: Json = {"target": WORKSPACES}
    if whose.relation:
        how["pathFilter"] = [{"fromBlueprint": WORKSPACES, "path": [whose.relation]}]

    def counted(title: str, description: str, *rules: Json) -> Json:
        body: Json = {
            "title": title,
            "description": description,
            **how,
            "calculationSpec": {"calculationBy": "entities", "func": "count"},
        }
        return {**body, "query": dataset(*rules)} if rules else body

    yield COUNTED, counted("Workspaces", whose.workspaces)
    yield (
        "running_workspaces",
        counted("Running Workspaces", "Workspaces whose status is running", rule("status", "=", "running")),
    )
    yield (
        "dormant_workspaces",
        counted("Dormant Workspaces", "Workspaces that Coder made dormant", rule("dormant_at", "isNotEmpty")),
    )
    yield (
        OUTDATED,
        counted(
            "Outdated Workspaces",
            "Workspaces whose latest build used another version than the active one",
            rule("outdated", "=", True),
        ),
    )
    yield FAILED, counted("Failed Workspaces", "Workspaces whose status is failed", rule("status", "=", "failed"))
    yield (
        "workspaces_daily_cost",
        {
            "title": "Daily Cost",
            "description": "Sum of the daily cost of the workspaces",
            **how,
            "calculationSpec": {"calculationBy": "property", "func": "sum", "property": "daily_cost"},
        },
    )


def _answer(whose: Whose) -> Answer:
    return Answer(
        kind="aggregations",
        identifier=whose.blueprint,
        title=f"Aggregations of {whose.title}",
        blueprint=whose.blueprint,
        body={key: body for key, body in _bodies(whose) if key not in whose.without},
    )


AGGREGATIONS: Final[Mapping[str, Answer]] = {each.blueprint: _answer(each) for each in _OF}
"""By the identifier of the blueprint that they are on."""


def aggregations_of(kinds: Collection[str]) -> Iterator[Answer]:
    """Those of a stack that has these optional kinds, by the identifiers of their blueprints."""
    return (AGGREGATIONS[each.blueprint] for each in _OF if each.kinds <= set(kinds))
