"""Routes of a user's API keys: tokens are listed and have names, sessions are not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from starlette.responses import Response

from coderport.emulators.coder.audit import note
from coderport.emulators.coder.http import Body, Call, Refused, empty_response, invalid, json_response, not_found
from coderport.emulators.coder.narrowing import allow_list_of, scopes_of
from coderport.emulators.coder.reading import user_of
from coderport.emulators.coder.records import Token, User
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import Json, stamp

_SECOND = 1_000_000_000
_LONGEST = 876_600 * 3600
"""Seconds: a hundred years, the default of `CODER_MAX_TOKEN_LIFETIME`."""
_LONGEST_OF_OWNERS = 7 * 24 * 3600
"""Seconds: the default of `CODER_MAX_ADMIN_TOKEN_LIFETIME`, on servers that have it."""
_USUAL = 7 * 24 * 3600
_SESSION = 24 * 3600
_ADJECTIVES = ("brave", "clever", "eager", "gallant", "jolly", "keen", "modest", "quirky", "serene", "vibrant")
_SURNAMES = ("curie", "dijkstra", "euler", "franklin", "hopper", "lovelace", "meitner", "noether", "ritchie", "turing")


def _keys_of(call: Call, action: str) -> User:
    """The user that the path names, whose keys the caller may read or change; 404 else."""
    user = user_of(call)
    if not call.subject.may(action, "api_key", owner=user.id):
        raise not_found()
    return user


def key_json(call: Call, key: str, token: Token) -> Json:
    """A key without its secret."""
    state = call.state
    scopes = sorted(token.scopes)
    made = token.created_at or state.users[token.user_id].created_at
    row: Json = {
        "id": key,
        "user_id": token.user_id,
        "last_used": stamp(token.last_used_at),
        "expires_at": stamp(token.expires_at or made + timedelta(seconds=_LONGEST)),
        "created_at": stamp(made),
        "updated_at": stamp(made),
        "login_type": "password" if token.name is None else "token",
        "scope": "application_connect" if scopes == ["application_connect"] else "all",
        "token_name": token.name or "",
        "lifetime_seconds": token.lifetime_seconds,
    }
    if state.flavour.prebuild_fields:
        allowed = sorted(token.allow_list or {"*:*"})
        row["scopes"] = ["coder:all" if scope == "all" else scope for scope in scopes]
        row["allow_list"] = [dict(zip(("type", "id"), entry.split(":"), strict=True)) for entry in allowed]
    return row


def list_tokens(call: Call) -> Response:
    """``GET /users/{user}/keys/tokens``: the user's, or with `include_all` those that the caller may read."""
    user, state = _keys_of(call, "read"), call.state
    everyone, expired = call.flag("include_all"), call.flag("include_expired")
    rows = []
    for key, token in state.tokens.items():
        if token.name is None or not (everyone or token.user_id == user.id):
            continue
        over = token.expires_at is not None and token.expires_at <= state.now()
        if over and state.flavour.prebuild_fields and not expired:
            continue
        if call.subject.may("read", "api_key", owner=token.user_id):
            rows.append({**key_json(call, key, token), "username": state.users[token.user_id].username})
    return json_response(rows)


def create_token(call: Call) -> Response:
    """``POST /users/{user}/keys/tokens``: 201 with the key, this once. `lifetime` is in nanoseconds."""
    user, state, body = _keys_of(call, "create"), call.state, call.body()
    scopes, allowed = _narrowing(call, body)
    lifetime = body.number("lifetime") or 0
    longest = _longest(call, user)
    if lifetime < 0 or lifetime > longest * _SECOND:
        detail = f"lifetime must be less than {_hours(longest)}" if lifetime > 0 else "lifetime must be positive number"
        raise Refused(400, "Failed to validate create API key request", detail)
    seconds = lifetime // _SECOND or min(_USUAL, longest)
    taken = {token.name for token in state.tokens.values() if token.user_id == user.id}
    name = body.text("token_name") or _made_up_name(state, taken)
    if name in taken:
        detail = "This value is already in use and should be unique."
        raise Refused(409, f'A token with name "{name}" already exists.', validations=[("name", detail)])
    key = state.new_token(
        user.id, scopes=scopes, allow_list=allowed, expires_at=state.now() + timedelta(seconds=seconds),
        name=name, created_at=state.now(), lifetime_seconds=seconds,
    )  # fmt: skip
    note(state, call.subject.user.id, "create", "api_key", user.id, resource_target=name, status_code=201)
    return json_response({"key": key}, 201)


def _narrowing(call: Call, body: Body) -> tuple[frozenset[str], frozenset[str] | None]:
    """The scopes of a new token and its allow list; servers before 2025 know one of two scopes."""
    if call.state.flavour.prebuild_fields:
        return scopes_of(body), allow_list_of(body)
    scope = body.text("scope") or "all"
    if scope not in ("all", "application_connect"):
        raise invalid("scope", f'Validation failed for tag "oneof" with value: "{scope}"')
    return frozenset({scope}), None


def _made_up_name(state: State, taken: Collection[str | None]) -> str:
    """As Coder names a token that nobody named: two words and a digit, such as ``brave_turing4``."""
    while True:
        name = f"{state.rng.choice(_ADJECTIVES)}_{state.rng.choice(_SURNAMES)}{state.rng.randrange(10)}"
        if name not in taken:
            return name


def create_session(call: Call) -> Response:
    """``POST /users/{user}/keys``: a key for a session, 201."""
    user, state = _keys_of(call, "create"), call.state
    expires = state.now() + timedelta(seconds=_SESSION)
    key = state.new_token(user.id, expires_at=expires, created_at=state.now(), lifetime_seconds=_SESSION)
    return json_response({"key": key}, 201)


def get_token_config(call: Call) -> Response:
    """``GET /users/{user}/keys/tokens/tokenconfig``: the longest lifetime, in nanoseconds."""
    return json_response({"max_token_lifetime": _longest(call, _keys_of(call, "read")) * _SECOND})


def _longest(call: Call, user: User) -> int:
    limited = "owner" in user.roles and call.state.flavour.prebuild_fields
    return _LONGEST_OF_OWNERS if limited else _LONGEST


def _hours(seconds: int) -> str:
    return f"{seconds // 3600}h0m0s"


def get_token_by_name(call: Call) -> Response:
    """``GET /users/{user}/keys/tokens/{name}``."""
    user, name = _keys_of(call, "read"), call.path["name"]
    for key, token in call.state.tokens.items():
        if token.name == name and token.user_id == user.id:
            return json_response(key_json(call, key, token))
    raise not_found()


def get_key(call: Call) -> Response:
    """``GET /users/{user}/keys/{key}``."""
    return json_response(key_json(call, *_key(call, "read")))


def _key(call: Call, action: str) -> tuple[str, Token]:
    user, key = _keys_of(call, action), call.path["key"]
    token = call.state.tokens.get(key)
    if token is None or token.user_id != user.id:
        raise not_found()
    return key, token


def delete_key(call: Call) -> Response:
    """``DELETE /users/{user}/keys/{key}``: 204, and the key is 401 from now on."""
    key, token = _key(call, "delete")
    del call.state.tokens[key]
    note(call.state, call.subject.user.id, "delete", "api_key", token.user_id, resource_target=token.name or "")
    return empty_response()


def expire_key(call: Call) -> Response:
    """``PUT /users/{user}/keys/{key}/expire``: 204; on servers that have it."""
    if not call.state.flavour.keys_expire:
        raise Refused(404, "Route not found.")
    key, token = _key(call, "update")
    call.state.tokens[key] = replace(token, expires_at=call.state.now())
    return empty_response()
