"""The routes of scorecards: they are checked and kept, no level is calculated."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import created, held, replaced
from coderport.emulators.port.records import Json
from coderport.emulators.port.shapes import BLUEPRINT_IDENTIFIER, COLOURS, identifier, member, one_of, typed

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
        one_of(rule.get("level"), levels[1:], f"{path}.level")
        query = member(rule, "query", dict, path, required=True)
        one_of(query.get("combinator"), {"and", "or"}, f"{path}.query.combinator")
        member(query, "conditions", list, f"{path}.query", required=True)
    return {**body, "blueprint": call.names["blueprint"]}
