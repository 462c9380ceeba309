"""The routes of scorecards: they are checked and kept, no level is calculated."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import created, held, replaced
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.records import Json
from coderport.emulators.port.shapes import BLUEPRINT_IDENTIFIER, COLOURS, identifier, member, one_of, typed

_EMPTY: Final = frozenset({"isEmpty", "isNotEmpty"})
_OPERATORS: Final = _EMPTY | {
    "=",
    "!=",
    ">",
    "<",
    ">=",
    "<=",
    "between",
    "notBetween",
    "contains",
    "containsAny",
    "in",
    "doesNotContains",
    "beginsWith",
    "doesNotBeginsWith",
    "endsWith",
    "doesNotEndsWith",
}
_LEVELS: Final = ("Basic", "Bronze", "Silver", "Gold")


def create_scorecard(call: Call) -> Response:
    return answer(201, scorecard=created(call, "Scorecard", _scorecards(call), _scorecard(call)))


def read_scorecards(call: Call) -> Response:
    return answer(scorecards=list(_scorecards(call).values()))


def read_scorecard(call: Call) -> Response:
    return answer(scorecard=held("Scorecard", _scorecards(call), call.names["scorecard"]))


def replace_scorecard(call: Call) -> Response:
    body = _scorecard(call)
    return answer(scorecard=replaced(call, "Scorecard", _scorecards(call), call.names["scorecard"], body))


def delete_scorecard(call: Call) -> Response:
    held("Scorecard", _scorecards(call), call.names["scorecard"])
    del _scorecards(call)[call.names["scorecard"]]
    return answer()


def _scorecards(call: Call) -> dict[str, Json]:
    return call.store.blueprint(call.names["blueprint"]).scorecards


def _scorecard(call: Call) -> Json:
    body = call.body()
    identifier(body.get("identifier"), BLUEPRINT_IDENTIFIER, 100, "body.identifier")
    member(body, "title", str, "body", required=True)
    levels: list[Any] = list(_LEVELS)
    if "levels" in body:
        levels = []
        for at, level in enumerate(typed(body["levels"], list, "body.levels")):
            typed(level, dict, f"body.levels[{at}]")
            levels.append(member(level, "title", str, f"body.levels[{at}]", required=True))
            one_of(level.get("color"), COLOURS, f"body.levels[{at}].color")
    for at, rule in enumerate(member(body, "rules", list, "body", required=True)):
        path = f"body.rules[{at}]"
        typed(rule, dict, path)
        member(rule, "identifier", str, path, required=True)
        member(rule, "title", str, path, required=True)
        member(rule, "description", str, path)
        one_of(rule.get("level"), levels[1:], f"{path}.level")
        _check_query(member(rule, "query", dict, path, required=True), f"{path}.query")
    if body.get("filter") is not None:
        _check_query(member(body, "filter", dict, "body"), "body.filter")
    return {**body, "blueprint": call.names["blueprint"]}


def _check_query(query: Json, path: str) -> None:
    """One or more conditions, each on a property or a relation (schema of `POST …/scorecards`)."""
    one_of(query.get("combinator"), {"and", "or"}, f"{path}.combinator")
    conditions = member(query, "conditions", list, path, required=True)
    if not conditions:
        raise invalid(f"{path}.conditions", "must NOT have fewer than 1 items")
    for at, condition in enumerate(conditions):
        where = f"{path}.conditions[{at}]"
        typed(condition, dict, where)
        member(condition, "relation" if "relation" in condition else "property", str, where, required=True)
        operator = one_of(condition.get("operator"), _OPERATORS, f"{where}.operator")
        if operator not in _EMPTY and "value" not in condition:
            raise invalid(where, "must have required property 'value'")
