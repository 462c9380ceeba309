"""Requests and answers as Coder's API has them: tokens, error bodies, body and query values, paging."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import Response

from coderport.emulators.coder.query import QueryError
from coderport.emulators.coder.records import Token, User
from coderport.emulators.coder.roles import Subject
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import read_time
from coderport.emulators.kit import compact_json

JSON_TYPE = "application/json; charset=utf-8"
SIGNED_OUT = "You are signed out or your session has expired. Please sign in again to continue."
_INT32 = 2**31 - 1


class Refused(Exception):
    """An answer that is not the one asked for, with Coder's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        detail: str = "",
        validations: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        body: dict[str, Any] = {"message": message}
        if detail:
            body["detail"] = detail
        if validations:
            body["validations"] = [{"field": field, "detail": text} for field, text in validations]
        self.response = json_response(body, status, headers)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return bytes_response(compact_json(value), status, headers)


def bytes_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is already encoded."""
    return Response(body, status, {**(headers or {}), "content-type": JSON_TYPE})


def empty_response(status: int = 204) -> Response:
    return Response(b"", status)


def not_found() -> Refused:
    """Not there, or not for this token's eyes: Coder says the same of both."""
    return Refused(404, "Resource not found or you do not have access to this resource")


FORBIDDEN_DETAIL = (
    "You don't have permission to view this content. If you believe this is a mistake, please contact your "
    "administrator or try signing in with different credentials."
)


def forbidden(message: str = "Forbidden.") -> Refused:
    return Refused(403, message, FORBIDDEN_DETAIL if message == "Forbidden." else "")


def invalid(field: str, detail: str, message: str = "Validation failed.") -> Refused:
    return Refused(400, message, validations=[(field, detail)])


# ---------------------------------------------------------------- who asks


def subject_of(state: State, connection: HTTPConnection) -> Subject | None:
    """Whose token a request carries; None without one, 401 if it is no good.

    The first place that has one counts: the cookie, the query, Coder's header, the bearer, `access_token` in the query
    (source: `APITokenFromRequest` in coder/coder, `coderd/httpmw/apikey.go`).
    """
    given = (
        connection.cookies.get("coder_session_token")
        or connection.query_params.get("coder_session_token")
        or connection.headers.get("coder-session-token")
        or _bearer(connection)
        or connection.query_params.get("access_token")
    )
    if not given:
        return None
    key, dash, secret = given.partition("-")
    if not dash or "-" in secret:
        parts = given.count("-") + 1
        raise unauthorized(f"Invalid API key format: incorrect amount of API key parts, expected 2 got {parts}")
    if len(key) != 10:
        raise unauthorized(f"Invalid API key format: invalid API key ID length, expected 10 got {len(key)}")
    if len(secret) != 22:
        raise unauthorized(f"Invalid API key format: invalid API key secret length, expected 22 got {len(secret)}")
    token = state.tokens.get(key)
    if token is None:
        raise unauthorized("API key is invalid.")
    if token.secret != secret:
        raise unauthorized("API key secret is invalid.")
    return Subject(state, _active_user(state, token), token)


def _bearer(connection: HTTPConnection) -> str:
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    return bearer if scheme.lower() == "bearer" else ""


def _active_user(state: State, token: Token) -> User:
    if token.expires_at is not None and token.expires_at <= state.now():
        raise unauthorized(f"API key expired at {token.expires_at.isoformat()!r}.")
    user = state.users[token.user_id]
    if user.status == "suspended":
        raise unauthorized(f"User is not active (status = {user.status!r}); an admin can reactivate them.")
    if user.status == "dormant":
        user.status = "active"  # using the token is what re-activates them
    return user


def unauthorized(detail: str) -> Refused:
    return Refused(401, SIGNED_OUT, detail, headers={"www-authenticate": 'Bearer realm="coder"'})


# ---------------------------------------------------------------- what is asked


@dataclass(frozen=True)
class Call:
    """One authenticated request, as the handlers see it.

    `subject` is None only on routes that need no token.
    """

    state: State
    caller: Subject | None
    path: Mapping[str, str]
    query: QueryParams
    host: str
    raw_body: bytes
    bill: list[float] = field(default_factory=list)
    """Seconds that the answer takes, where the deployment has prices."""

    def charge(self, seconds: float) -> None:
        """Have the answer take that long, if the deployment has prices."""
        if self.state.priced:
            self.bill.append(seconds)

    @property
    def subject(self) -> Subject:
        if self.caller is None:
            raise unauthorized('Cookie "coder_session_token" or query parameter must be provided.')
        return self.caller

    def id(self, name: str) -> str:
        """A UUID of the path; 400 if it is none."""
        value = self.path[name]
        try:
            return str(uuid.UUID(value))
        except ValueError:
            raise Refused(400, f'Invalid UUID "{value}".', f"invalid UUID length: {len(value)}") from None

    def flag(self, name: str) -> bool:
        """A boolean of the query string, false where it is absent."""
        value = self.query.get(name, "false").lower()
        if value not in ("true", "false", "1", "0", "t", "f", ""):
            raise _bad_query(name, f'Query param "{name}" must be a valid boolean: strconv.ParseBool: invalid syntax')
        return value in ("true", "1", "t")

    def number(self, name: str) -> int:
        """A 32-bit number ≥ 0 of the query string, 0 where it is absent."""
        value = self.query.get(name, "")
        if value == "":
            return 0
        if not re.fullmatch(r"[+-]?\d+", value):
            problem = f'strconv.ParseInt: parsing "{value}": invalid syntax'
        elif int(value) < 0:
            problem = "value is negative"
        elif int(value) > _INT32:
            problem = f'strconv.ParseInt: parsing "{value}": value out of range'
        else:
            return int(value)
        raise _bad_query(name, f'Query param "{name}" must be a valid 32-bit positive integer: {problem}')

    def body(self) -> Body:
        """The JSON object that was sent; 400 if it is none."""
        try:
            value = json.loads(self.raw_body)
        except ValueError as error:
            raise Refused(400, "Request body must be valid JSON.", str(error)) from None
        if not isinstance(value, dict):
            raise Refused(400, "Request body must be valid JSON.", "json: cannot unmarshal into a Go struct")
        return Body(value)


def _bad_query(name: str, detail: str) -> Refused:
    return invalid(name, detail, "Query parameters have invalid values.")


def bad_search(what: str, error: QueryError) -> Refused:
    """The 400 for a `q` that is not understood."""
    return Refused(400, f"Invalid {what} search query.", validations=error.validations)


class Body:
    """A JSON object with the types that Go would decode it into.

    A wrong type is 400, an unknown key is ignored.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def has(self, key: str) -> bool:
        """Whether the key is there at all, null included."""
        return key in self._value

    def text(self, key: str, default: str = "") -> str:
        value: str = self._typed(key, str, default)
        return value

    def number(self, key: str) -> int | None:
        value = self._value.get(key)
        if isinstance(value, bool):
            raise self._mismatch(key, "bool", "int64")
        number: int | None = self._typed(key, int, None)
        return number

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._typed(key, bool, None)
        return value

    def id(self, key: str) -> str | None:
        """A UUID; null, absent and the nil UUID are none."""
        value = self.text(key)
        try:
            parsed = uuid.UUID(value) if value else uuid.UUID(int=0)
        except ValueError:
            raise Refused(400, "Request body must be valid JSON.", f"invalid UUID length: {len(value)}") from None
        return str(parsed) if parsed.int else None

    def bytes(self, key: str) -> bytes:
        """Bytes as Go's JSON has them, in base64; none where it is null or absent."""
        try:
            return base64.b64decode(self.text(key), validate=True)
        except ValueError:
            raise Refused(400, "Request body must be valid JSON.", "illegal base64 data") from None

    def time(self, key: str) -> datetime | None:
        value = self.text(key)
        if not value:
            return None
        try:
            return read_time(value)
        except ValueError as error:
            raise Refused(400, "Request body must be valid JSON.", f"parsing time: {error}") from None

    def object(self, key: str) -> Body | None:
        value = self._typed(key, dict, None)
        return None if value is None else Body(value)

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        """An object as it is."""
        value: Mapping[str, Any] | None = self._typed(key, dict, None)
        return value

    def pairs(self, key: str) -> dict[str, str]:
        """``[{"name", "value"}, …]``, where both are text."""
        found: dict[str, str] = {}
        for item in self._typed(key, list, []):
            if not isinstance(item, dict):
                raise self._mismatch(key, type(item).__name__, "codersdk.WorkspaceBuildParameter")
            entry = Body(item)
            found[entry.text("name")] = entry.text("value")
        return found

    def texts(self, key: str) -> list[str] | None:
        values: list[str] | None = self._typed(key, list, None)
        if values is not None and not all(isinstance(value, str) for value in values):
            raise self._mismatch(key, "value", "[]string")
        return values

    def items(self, key: str) -> list[Any]:
        """A list of whatever; none where it is null or absent."""
        values: list[Any] = self._typed(key, list, [])
        return values

    def _typed(self, key: str, kind: type, default: Any) -> Any:
        value = self._value.get(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise self._mismatch(key, type(value).__name__, kind.__name__)
        return value

    @staticmethod
    def _mismatch(key: str, got: str, wanted: str) -> Refused:
        return Refused(
            400,
            "Request body must be valid JSON.",
            f"json: cannot unmarshal {got} into field {key} of type {wanted}",
        )
