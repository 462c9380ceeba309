"""One request as the routes of the emulated Port see it: query, body, writer; and the answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.responses import Response

from coderport.emulators.kit import compact_json
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.records import Json, Writer
from coderport.emulators.port.shapes import flag, typed
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import Look
from coderport.emulators.port.writing import Manner


@dataclass(frozen=True)
class Call:
    """A request that was let in. `names` are the decoded parameters of the path."""

    store: Store
    names: Mapping[str, str]
    query: QueryParams
    raw: bytes
    writer: Writer

    def body(self) -> Json:
        """The body, which must be a JSON object."""
        try:
            value = json.loads(self.raw, parse_constant=_refused, parse_float=_finite)
            if b"\\u" in self.raw:
                compact_json(value)  # half a pair of surrogates could be stored, but never be answered
        except (ValueError, RecursionError) as error:
            raise invalid("body", "must be JSON") from error
        found: Json = typed(value, dict, "body")
        return found

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean of the query."""
        return flag(self.query[name], name) if name in self.query else default

    def several(self, name: str) -> list[str]:
        """All values of a list in the query: repeated, with or without brackets, or with commas."""
        given = [*self.query.getlist(name), *self.query.getlist(f"{name}[]")]
        return [each for value in given for each in value.split(",") if each]

    def number(self, name: str, default: int, least: int, most: int | None) -> int:
        """A whole number of the query within its bounds."""
        given = self.query.get(name)
        if given is None:
            return default
        found = int(given) if given.isascii() and given.isdecimal() else -1
        if found < least or (most is not None and found > most):
            raise invalid(f"querystring.{name}", f"must be a whole number from {least} on, up to {most or 'any'}")
        return found

    def manner(self) -> Manner:
        """The query of the routes that write entities."""
        return Manner(
            self.flag("upsert"),
            self.flag("merge"),
            self.flag("create_missing_related_entities"),
            self.flag("validation_only"),
        )

    def look(self, include: Sequence[str] | None = None, exclude: Sequence[str] = (), *, short: bool = False) -> Look:
        """The query of the routes that read entities; the paged search has the paths in its body.

        `short` takes ``$title`` and the bare name of a property or relation for its path as well.
        """
        wanted = [*self._list("include"), *(include or ())]
        unwanted = [*self._list("exclude"), *exclude]
        if short:
            wanted, unwanted = _whole_paths(wanted), _whole_paths(unwanted)
        return Look(
            self.flag("exclude_calculated_properties"),
            self.flag("attach_title_to_relation"),
            frozenset(wanted) if wanted else None,
            frozenset(unwanted),
        )

    def _list(self, name: str) -> list[str]:
        return [*self.query.getlist(name), *self.query.getlist(f"{name}[]")]


def _whole_paths(names: Sequence[str]) -> list[str]:
    paths: list[str] = []
    for name in names:
        paths += [name] if not name.startswith("$") else [name[1:]]
        if "." not in name and not name.startswith("$"):
            paths += [f"properties.{name}", f"relations.{name}"]
    return paths


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refused(number)


def answer(status: int = 200, /, **members: Any) -> Response:
    """A JSON answer that went well."""
    return json_response({"ok": True, **members}, status)


def json_response(value: Any, status: int) -> Response:
    return Response(compact_json(value), status, {"content-type": "application/json; charset=utf-8"})


def path_segments(raw_path: bytes) -> tuple[str, ...]:
    """The decoded segments of a path; an encoded slash stays inside its segment."""
    return tuple(unquote(segment) for segment in raw_path.decode("latin-1").split("/"))
