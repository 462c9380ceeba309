"""An answer as the keyword arguments of `port_pulumi`'s resources, without importing it.

What Port holds as a JSON value the SDK takes as JSON text, and a method of an aggregation by a name of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coderport.catalog.answers.values import Answer, Json


def scorecard_args(answer: Answer) -> Json:
    """Keyword arguments of `port_pulumi.Scorecard`."""
    rules = [{**each, "query": _query(each["query"])} for each in answer.body["rules"]]
    return {**answer.body, "blueprint": answer.blueprint, "rules": rules}


def page_args(answer: Answer) -> Json:
    """Keyword arguments of `port_pulumi.Page`."""
    return {**answer.body, "widgets": [_json(each) for each in answer.body["widgets"]]}


def aggregations_args(answer: Answer) -> Json:
    """Keyword arguments of `port_pulumi.AggregationProperties`."""
    return {
        "blueprint_identifier": answer.identifier,
        "properties": {key: _aggregation(each) for key, each in answer.body.items()},
    }


def _aggregation(body: Mapping[str, Any]) -> Json:
    spec = body["calculationSpec"]
    method: Json = {"count_entities": True}
    if spec["calculationBy"] == "property":
        method = {"aggregate_by_property": {"func": spec["func"], "property": spec["property"]}}
    more: Json = {"query": _json(body["query"])} if "query" in body else {}
    if "pathFilter" in body:
        more["path_filters"] = [
            {"from_blueprint": each["fromBlueprint"], "paths": each["path"]} for each in body["pathFilter"]
        ]
    return {
        "title": body["title"],
        "description": body["description"],
        "target_blueprint_identifier": body["target"],
        "method": method,
        **more,
    }


def _query(query: Mapping[str, Any]) -> Json:
    return {**query, "conditions": [_json(each) for each in query["conditions"]]}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
