"""The routes of teams, as Port's OpenAPI and its Terraform provider have them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import held
from coderport.emulators.port.problems import taken
from coderport.emulators.port.records import Json
from coderport.emulators.port.shapes import identifier, one_of, only, strings, typed

_NAME: Final = re.compile(r"[^;#/?\s]([^;#/?]*[^;#/?\s])?\Z")
_FIELDS: Final = frozenset(
    {"id", "name", "createdAt", "updatedAt", "provider", "description"}
    | {"users.firstName", "users.lastName", "users.email", "users.picture", "users.status"}
)


def create_team(call: Call) -> Response:
    body = _body(call)
    name = identifier(body.get("name"), _NAME, None, "body.name")
    if name in call.store.teams:
        raise taken("Team", name)
    now = call.store.now()
    team = {"id": call.store.new_id("t_"), "name": name, "provider": "port", "createdAt": now, "updatedAt": now}
    return answer(team=_kept(call, team, {"users": [], **body}))


def read_teams(call: Call) -> Response:
    return answer(teams=[_shown(call, team) for team in call.store.teams.values()])


def read_team(call: Call) -> Response:
    return answer(team=_shown(call, held("Team", call.store.teams, call.names["team"])))


def replace_team(call: Call) -> Response:
    return _change(call, {"users": [], "description": None})


def patch_team(call: Call) -> Response:
    return _change(call, {})


def delete_team(call: Call) -> Response:
    held("Team", call.store.teams, call.names["team"])
    del call.store.teams[call.names["team"]]
    _let_members_be(call, call.names["team"], [])
    return answer()


def _change(call: Call, dropped: Json) -> Response:
    old = call.names["team"]
    before, body = held("Team", call.store.teams, old), _body(call)
    name = identifier(body.get("name", old), _NAME, None, "body.name")
    if name != old and name in call.store.teams:
        raise taken("Team", name)
    del call.store.teams[old]
    return answer(team=_kept(call, {**before, **dropped, "updatedAt": call.store.now()}, {**body, "name": name}))


def _body(call: Call) -> Json:
    body = call.body()
    only(body, {"name", "users", "description"}, "body")
    typed(body.get("description"), str, "body.description", nullable=True)
    if "users" in body:
        strings(body["users"], "body.users")
    return body


def _kept(call: Call, team: Json, change: Json) -> Json:
    """The stored team without its people: what an answer to a write has of them is not established."""
    new = {**team, **change}
    call.store.teams[new["name"]] = new
    _let_members_be(call, team["name"], [])
    _let_members_be(call, new["name"], new["users"])
    return _without_nulls({key: value for key, value in new.items() if key != "users"})


def _let_members_be(call: Call, team: str, emails: list[str]) -> None:
    for email, user in call.store.users.items():
        others = tuple(each for each in user.teams if each != team)
        call.store.users[email] = replace(user, teams=(*others, team) if email in emails else others)


def _shown(call: Call, team: Json) -> Json:
    fields = [one_of(name, _FIELDS, "querystring.fields") for name in call.several("fields")]
    whole = {**team, "users": [_member(call, email) for email in team["users"]]}
    if not fields:
        return _without_nulls(whole)
    of_users = {name.partition(".")[2] for name in fields if name.startswith("users.")}
    shown = {key: value for key, value in whole.items() if key in fields}
    if of_users:
        shown["users"] = [{key: each[key] for key in each if key in of_users} for each in whole["users"]]
    return _without_nulls(shown)


def _member(call: Call, email: str) -> dict[str, Any]:
    user = call.store.users.get(email)
    first, last = user.names if user else ("", "")
    return {"email": email, "firstName": first, "lastName": last, "picture": "", "status": "ACTIVE"}


def _without_nulls(team: Json) -> Json:
    return {key: value for key, value in team.items() if value is not None}
