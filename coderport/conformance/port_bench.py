"""What a probe asks Port with: requests, throwaway objects under the prefix of the run, and their removal."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

from coderport.conformance.probe import Unexpected
from coderport.conformance.talk import Answer, ConformanceError, Exchange, Talk, decoded
from coderport.port.errors import PortUnauthorized
from coderport.settings import PortAccess
from coderport.settings.corrections import corrected_in_environment

BUDGET: Final = 300
RESERVE: Final = 60
"""Requests that are kept for removing what was made."""

NAMES: Final = "coderport_probe_"
"""How the identifiers of throwaway objects begin."""
_OURS: Final = re.compile(NAMES + r"[0-9a-f]{8}_")
Made = TypeVar("Made")

_PAUSES: Final = (0.2, 0.4, 0.8, 1.6, *(2.0,) * 7)
_ROUNDS: Final = 15
_KINDS: Final = ("actions", "pages", "blueprints")
"""What runs make, in the order in which it is removed."""
_ABSENT: Final = frozenset({404, 410})


class PortBench:
    """One run's own corner of a Port organization."""

    def __init__(self, talk: Talk, prefix: str) -> None:
        self.talk, self.prefix = talk, prefix
        self._shared: dict[str, Any] = {}

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """One request; `path` is under ``/v1``."""
        return self.talk.ask(method, f"/v1{path}", body, **query)

    def name(self, word: str) -> str:
        """The identifier of a throwaway object."""
        return f"{self.prefix}{word}"

    def blueprint(
        self, word: str, properties: Mapping[str, Any] | None = None, /, required: Iterable[str] = (), **members: Any
    ) -> str:
        """A new throwaway blueprint, without the catalog page that Port would make; its identifier."""
        body = {
            "identifier": self.name(word),
            "title": f"Throwaway of coderport conformance ({word})",
            "schema": {"properties": dict(properties or {"text": {"type": "string"}}), "required": list(required)},
            "relations": {},
            **members,
        }
        self.ask("POST", "/blueprints", body, create_catalog_page="false").expect(200, 201)
        return self.name(word)

    def shared(self, word: str, make: Callable[[], Made]) -> Made:
        """What several probes use, made (or asked for) by the first of them."""
        if word not in self._shared:
            self._shared[word] = make()
        found: Made = self._shared[word]
        return found

    def put(self, blueprint: str, identifier: str, /, **members: Any) -> Answer:
        """Upsert one entity, whole."""
        return self.ask(
            "POST", f"/blueprints/{blueprint}/entities", {"identifier": identifier, **members}, upsert="true"
        )

    def seconds_until(self, holds: Callable[[], bool]) -> float | str:
        """How long it takes until something holds, to the length of a pause; 0 if it does at once."""
        waited = 0.0
        for pause in _PAUSES:
            if holds():
                return round(waited, 1)
            time.sleep(pause)
            waited += pause
        return round(waited, 1) if holds() else f"not within {waited:.0f} s"

    def entity_path(self, blueprint: str, identifier: str) -> str:
        """The route of one entity."""
        return f"/blueprints/{blueprint}/entities/{quote(identifier, safe='')}"


class PortCredentials:
    """Port's token for a client id and secret, asked for once."""

    name = "the token that it gave for PORT_CLIENT_ID"

    def __init__(self, access: PortAccess) -> None:
        self._access = access
        self._token: str | None = None

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The authorization of a request; a CoderportError where Port cannot be reached, is another, or says no."""
        if self._token is None:
            body = {
                "clientId": self._access.port_client_id,
                "clientSecret": self._access.port_client_secret.get_secret_value(),
            }
            response = exchange("POST", "/v1/auth/access_token", body)
            status, answered = response.status_code, decoded(response.content)
            token = answered.get("accessToken") if isinstance(answered, dict) else None
            if isinstance(answered, dict) and 400 <= status < 500 and status != 429:
                refused = PortUnauthorized.for_credentials(self._access.port_base_url, f"status {status}")
                raise corrected_in_environment(refused)
            if not isinstance(token, str):
                raise ConformanceError(
                    f"{self._access.port_base_url} answered {status} without a token to POST /v1/auth/access_token. "
                    "Is PORT_BASE_URL the address of Port's API, and does Port answer there?"
                )
            self._token = token
        return {"Authorization": f"Bearer {self._token}"}


def taken_unknown(name: Callable[[str, list[str]], Answer]) -> list[str]:
    """Which of users, teams and roles permissions take that do not exist; `name` asks for a right of such ones."""
    unknown = {"users": ["nobody@conformance.example"], "teams": ["no-such-team"], "roles": ["no-such-role"]}
    return sorted(key for key, names in unknown.items() if name(key, names).status < 400)


def new_prefix() -> str:
    """What the identifiers of a run's throwaway objects begin with; no two runs have the same."""
    return f"{NAMES}{secrets.token_hex(4)}_"


def is_throwaway(identifier: str) -> bool:
    """Whether any run of `conformance` made the object, this one or one that was killed."""
    return _OURS.match(identifier) is not None


def remove(talk: Talk, prefix: str = NAMES) -> tuple[int, tuple[str, ...]]:
    """Removes the throwaway actions, pages and blueprints whose identifiers begin so, entities included, and ends runs.

    How many are gone, and what is left. What there is comes from Port's own lists, so nothing that a killed run made is
    missed. A list that Port does not give keeps no other from being removed: what it may hold is named as left.
    """
    talk.release_reserve()
    number, left = 0, list[str]()
    for kind in _KINDS:
        delete = _delete_blueprints if kind == "blueprints" else partial(_delete_each, kind=kind)
        try:
            removed, still = delete(talk, prefix)
        except (Unexpected, ConformanceError) as refused:
            left.append(f"perhaps {kind} named {prefix}… ({refused})")
        else:
            number += removed
            left += [f"{kind[:-1]} {name}" for name in still]
    return number, tuple(left)


def _delete_each(talk: Talk, prefix: str, *, kind: str) -> tuple[int, list[str]]:
    """Deletes the actions or pages that begin so: how many are gone, and those that are still there."""
    found = [row["identifier"] for row in _listed(talk, kind, prefix)]
    for name in found:
        if kind == "actions":
            _end_runs(talk, name)
        talk.ask("DELETE", f"/v1/{kind}/{quote(name, safe='')}")
    left = [row["identifier"] for row in _listed(talk, kind, prefix)] if found else []
    return len(found) - len(left), left


def _end_runs(talk: Talk, action: str) -> None:
    """Ends the action's open runs. They would outlive it, and be there for an agent of the organization to take."""
    answer = talk.ask("GET", "/v1/actions/runs", action=action, active="true", version="v2")
    for run in answer.member("runs") if answer.status == 200 else ():
        talk.ask("PATCH", f"/v1/actions/runs/{quote(str(run['id']), safe='')}", {"status": "FAILURE"})


def _delete_blueprints(talk: Talk, prefix: str) -> tuple[int, list[str]]:
    """The same for blueprints, in the rounds that it takes."""
    found = left = _blueprints(talk, prefix)
    for round_number in range(_ROUNDS):
        if not left:
            break
        if round_number:
            time.sleep(min(2.0, 0.1 * 2**round_number))  # Port deletes all entities of a blueprint in the background
        for blueprint in left:
            path = f"/v1/blueprints/{quote(blueprint, safe='')}"
            if talk.ask("DELETE", path).status not in (200, *_ABSENT):
                talk.ask("DELETE", f"{path}/all-entities", delete_blueprint="true")
        left = _blueprints(talk, prefix)
    return len(found) - len(left), left


def _listed(talk: Talk, kind: str, prefix: str) -> list[Mapping[str, Any]]:
    """The throwaway objects of a kind whose identifiers begin so; Unexpected where Port does not list the kind."""
    answer = talk.ask("GET", f"/v1/{kind}").expect(200)
    rows = answer.member(kind)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unexpected(f"{answer.asked} answered no list of {kind}")
    names = ((row, str(row.get("identifier"))) for row in rows)
    return [row for row, name in names if name.startswith(prefix) and is_throwaway(name)]


def _blueprints(talk: Talk, prefix: str) -> list[str]:
    """The blueprints in an order in which each can be deleted: before those that its relations target."""
    waiting = {row["identifier"]: row for row in _listed(talk, "blueprints", prefix)}
    ordered: list[str] = []
    while waiting:
        targeted = {
            relation.get("target")
            for name, row in waiting.items()
            for relation in (row.get("relations") or {}).values()
            if relation.get("target") != name
        }
        free = [name for name in waiting if name not in targeted] or list(waiting)
        ordered += free
        for name in free:
            del waiting[name]
    return ordered
