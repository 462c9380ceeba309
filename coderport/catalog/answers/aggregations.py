"""What a template counts of its workspaces."""

from __future__ import annotations

from typing import Final

from coderport.catalog.answers.values import Answer, Json, dataset, rule
from coderport.catalog.identifiers import TEMPLATES, WORKSPACES

WORKSPACES_OF_TEMPLATE: Final = "workspaces"
OUTDATED: Final = "outdated_workspaces"


def _counted(title: str, description: str, *rules: Json) -> Json:
    body: Json = {
        "title": title,
        "description": description,
        "target": WORKSPACES,
        "calculationSpec": {"calculationBy": "entities", "func": "count"},
    }
    return {**body, "query": dataset(*rules)} if rules else body


OF_TEMPLATE: Final = Answer(
    kind="aggregations",
    identifier=TEMPLATES,
    title="Aggregations of Coder Template",
    blueprint=TEMPLATES,
    body={
        WORKSPACES_OF_TEMPLATE: _counted("Workspaces", "Workspaces of the template"),
        "running_workspaces": _counted(
            "Running Workspaces", "Workspaces whose status is running", rule("status", "=", "running")
        ),
        "dormant_workspaces": _counted(
            "Dormant Workspaces", "Workspaces that Coder made dormant", rule("dormant_at", "isNotEmpty")
        ),
        OUTDATED: _counted(
            "Outdated Workspaces",
            "Workspaces whose latest build used another version than the active one",
            rule("outdated", "=", True),
        ),
        "failed_workspaces": _counted(
            "Failed Workspaces", "Workspaces whose status is failed", rule("status", "=", "failed")
        ),
        "workspaces_daily_cost": {
            "title": "Daily Cost",
            "description": "Sum of the daily cost of the workspaces",
            "target": WORKSPACES,
            "calculationSpec": {"calculationBy": "property", "func": "sum", "property": "daily_cost"},
        },
    },
)
"""Aggregations of templates."""
