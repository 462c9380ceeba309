"""How well workspaces, templates and provisioners are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from coderport.catalog.answers.aggregations import COUNTED, FAILED, OUTDATED
from coderport.catalog.answers.values import Answer, Json, conditions, rule
from coderport.catalog.identifiers import PROVISIONERS, TEMPLATES, WORKSPACES

FEW_OUTDATED: Final = 3
"""How many workspaces of a well-kept template may be outdated."""

WORKSPACE_HEALTH: Final = "coder_workspace_health"
TEMPLATE_CARE: Final = "coder_template_care"
PROVISIONER_HEALTH: Final = "coder_provisioner_health"
BLUEPRINT_OF: Final[Mapping[str, str]] = {
    WORKSPACE_HEALTH: WORKSPACES,
    TEMPLATE_CARE: TEMPLATES,
    PROVISIONER_HEALTH: PROVISIONERS,
}
"""Which blueprint each scorecard is on."""

_LEVELS: Final = (("Basic", "paleBlue"), ("Bronze", "bronze"), ("Silver", "silver"), ("Gold", "gold"))


def _rule(
    identifier: str,
    level: Literal["Bronze", "Silver", "Gold"],
    title: str,
    *several: Json,
    combinator: Literal["and", "or"] = "and",
) -> Json:
    return {"identifier": identifier, "title": title, "level": level, "query": conditions(combinator, several)}


def _scorecard(identifier: str, title: str, blueprint: str, rules: Iterable[Json]) -> Answer:
    body: Json = {
        "identifier": identifier,
        "title": title,
        "levels": [{"title": name, "color": colour} for name, colour in _LEVELS],
        "rules": list(rules),
    }
    return Answer("scorecard", identifier, title, blueprint, body)


def of_workspace(daily_cost: int) -> Answer:
    """The scorecard of workspaces; one within cost costs `daily_cost` a day at most, or has no cost."""
    cost = (rule("daily_cost", "<=", daily_cost), rule("daily_cost", "isEmpty"))
    return _scorecard(
        WORKSPACE_HEALTH,
        "Workspace Health",
        WORKSPACES,
        (
            _rule("healthy", "Bronze", "No agent is unhealthy", rule("healthy", "=", True)),
            _rule("used", "Silver", "Used in the last month", rule("last_used_at", "between", {"preset": "lastMonth"})),
            _rule("within_cost", "Silver", f"Costs {daily_cost} a day at most", *cost, combinator="or"),
            _rule("fresh", "Gold", "Built with the template's active version", rule("outdated", "=", False)),
        ),
    )


def of_template(*, with_aggregations: bool) -> Answer:
    """The scorecard of templates; the rules about their workspaces are there with the aggregations only."""
    rules = [
        _rule("described", "Bronze", "Has a description", rule("description", "isNotEmpty")),
        _rule("icon", "Bronze", "Has an icon", rule("icon_url", "isNotEmpty")),
    ]
    if with_aggregations:
        unused = (rule("deprecated", "=", False), rule(COUNTED, "=", 0))
        rules += [
            _rule("not_deprecated", "Silver", "Not deprecated while it has workspaces", *unused, combinator="or"),
            _rule("builds_succeed", "Silver", "No latest build of a workspace failed", rule(FAILED, "=", 0)),
            _rule(
                "few_outdated",
                "Gold",
                f"{FEW_OUTDATED} outdated workspaces at most",
                rule(OUTDATED, "<=", FEW_OUTDATED),
            ),
        ]
    return _scorecard(TEMPLATE_CARE, "Template Care", TEMPLATES, rules)


def of_provisioner(version: str) -> Answer:
    """The scorecard of provisioners; `version` is that of the server, empty where it does not say."""
    done = (rule("previous_job_status", "isEmpty"), rule("previous_job_status", "=", "succeeded"))
    rules = [
        _rule("online", "Bronze", "Is not offline", rule("status", "!=", "offline")),
        _rule("jobs_succeed", "Silver", "Its last job succeeded", *done, combinator="or"),
    ]
    if version:
        rules.append(_rule("current", "Gold", "Runs the version of the server", rule("version", "=", version)))
    return _scorecard(PROVISIONER_HEALTH, "Provisioner Health", PROVISIONERS, rules)
