"""What a probe asks Port with: requests, throwaway objects under the prefix of the run, and their removal."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from coderport.conformance.talk import Answer, Exchange, Talk
from coderport.port.errors import PortUnauthorized
from coderport.settings import PortAccess

BUDGET: Final = 300
RESERVE: Final = 60
"""Requests that are kept for removing what was made."""

_OURS: Final = re.compile(r"coderport_probe_[0-9a-f]{8}_")
Made = TypeVar("Made")

_ATTEMPTS: Final = 15
_ROUNDS: Final = 15
_KINDS: Final = ("actions", "pages")
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
        for attempt in range(_ATTEMPTS):
            if holds():
                return round(waited, 1)
            pause = min(1.5, 0.2 * (attempt + 1))
            time.sleep(pause)
            waited += pause
        return f"not within {waited:.0f} s"

    def entity_path(self, blueprint: str, identifier: str) -> str:
        """The route of one entity."""
        return f"/blueprints/{blueprint}/entities/{quote(identifier, safe='')}"


class PortCredentials:
    """Port's token for a client id and secret, asked for once."""

    def __init__(self, access: PortAccess) -> None:
        self._access = access
        self._token: str | None = None

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The authorization of a request; a CoderportError where Port cannot be reached or says no."""
        if self._token is None:
            body = {
                "clientId": self._access.port_client_id,
                "clientSecret": self._access.port_client_secret.get_secret_value(),
            }
            response = exchange("POST", "/v1/auth/access_token", body)
            token = response.json().get("accessToken") if "json" in response.headers.get("content-type", "") else None
            if not isinstance(token, str):
                raise PortUnauthorized.for_credentials(self._access.port_base_url, f"status {response.status_code}")
            self._token = token
        return {"Authorization": f"Bearer {self._token}"}


def new_prefix() -> str:
    """What the identifiers of a run's throwaway objects begin with; no two runs have the same."""
    return f"coderport_probe_{secrets.token_hex(4)}_"


def is_throwaway(identifier: str) -> bool:
    """Whether any run of `conformance` made the object, this one or one that was killed."""
    return _OURS.match(identifier) is not None


def remove(talk: Talk, belongs: Callable[[str], bool]) -> tuple[int, tuple[str, ...]]:
    """Removes the actions, pages and blueprints that belong, entities included; how many there were, and what is left.

    What there is comes from Port's own lists, so nothing that a killed run made is missed.
    """
    talk.release_reserve()
    found = [(kind, name) for kind in _KINDS for name in _listed(talk, kind, belongs)]
    kinds = {kind for kind, _ in found}
    for kind, name in found:
        talk.ask("DELETE", f"/v1/{kind}/{quote(name, safe='')}")
    blueprints = _blueprints(talk, belongs)
    number = len(found) + len(blueprints)
    for round_number in range(_ROUNDS):
        if not blueprints:
            break
        if round_number:
            time.sleep(min(2.0, 0.1 * 2**round_number))  # Port deletes all entities of a blueprint in the background
        for blueprint in blueprints:
            path = f"/v1/blueprints/{quote(blueprint, safe='')}"
            if talk.ask("DELETE", path).status not in (200, *_ABSENT):
                talk.ask("DELETE", f"{path}/all-entities", delete_blueprint="true")
        blueprints = _blueprints(talk, belongs)
    left = [f"{kind[:-1]} {name}" for kind in _KINDS if kind in kinds for name in _listed(talk, kind, belongs)]
    return number, (*left, *(f"blueprint {name}" for name in blueprints))


def _listed(talk: Talk, kind: str, belongs: Callable[[str], bool]) -> list[str]:
    rows = talk.ask("GET", f"/v1/{kind}").expect(200).member(kind)
    return [row["identifier"] for row in rows if belongs(str(row.get("identifier")))]


def _blueprints(talk: Talk, belongs: Callable[[str], bool]) -> list[str]:
    """The blueprints in an order in which each can be deleted: before those that its relations target."""
    rows = talk.ask("GET", "/v1/blueprints").expect(200).member("blueprints")
    waiting = {row["identifier"]: row for row in rows if belongs(str(row.get("identifier")))}
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
