"""How a declared answer stands to what Port holds: what is stated and held otherwise. What others added is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coderport.catalog.agreement import Difference
from coderport.catalog.answers.values import Answer
from coderport.catalog.meaning import same_value, unstamped

_LISTS = ("rules", "levels", "widgets")
_OF_AGGREGATION = ("title", "description", "icon", "target", "calculationSpec", "query", "pathFilter")
MISSING = "missing in Port"


def differences(answer: Answer, live: Mapping[str, Any]) -> list[Difference]:
    """What of `answer` is missing or different in Port's JSON `live` (the aggregations of the blueprint, for those)."""
    found = _of_aggregations if answer.kind == "aggregations" else _of_definition
    return [Difference(f"{answer.identifier}.{path}", text) for path, text in found(answer, live)]


def _of_aggregations(answer: Answer, live: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """An aggregation of ours is ours as a whole; those of others count for nothing."""
    for key, want in answer.body.items():
        have = live.get(key)
        if not isinstance(have, Mapping):
            yield key, MISSING
            continue
        for member in _OF_AGGREGATION:
            if not same_value(have.get(member), want.get(member)):
                yield key, f"another {member} in Port"


def _of_definition(answer: Answer, live: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, want in answer.body.items():
        have = live.get(key)
        if have is None:
            yield key, MISSING
        elif key in _LISTS and isinstance(have, list) and len(have) != len(want):
            yield key, f"{len(have)} in Port, {len(want)} here"
        elif not same_value(unstamped(have), want):
            yield key, "another in Port" if isinstance(want, (list, Mapping)) else f'"{have}" in Port, "{want}" here'
    if answer.kind == "scorecard" and live.get("filter"):
        yield "filter", "one in Port, none here"


def live_of(answer: Answer, blueprints: Mapping[str, Mapping[str, Any]], others: Mapping[str, Any]) -> Any:
    """What Port holds of the answer: of its blueprint, or of the scorecards and pages by key; None for nothing."""
    if answer.kind != "aggregations":
        return others.get(answer.key)
    held = (blueprints.get(answer.identifier) or {}).get("aggregationProperties") or {}
    return held if answer.body.keys() & held.keys() else None
