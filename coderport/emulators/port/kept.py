"""Objects that are kept and answered as they were written: how one is created, found and replaced."""

from __future__ import annotations

from typing import Any

from coderport.emulators.port.blueprints import STAMPS
from coderport.emulators.port.http import Call
from coderport.emulators.port.problems import not_found, taken
from coderport.emulators.port.records import Json


def created(call: Call, kind: str, objects: dict[str, Json], body: Json) -> Json:
    """The new object with its times; 409 for an identifier that is in use."""
    if body["identifier"] in objects:
        raise taken(kind, body["identifier"])
    new = objects[body["identifier"]] = _stamped(call, body, None)
    return new


def replaced(call: Call, kind: str, objects: dict[str, Json], name: str, body: Json) -> Json:
    """The object as the body has it, perhaps under another identifier; its creation stays."""
    before = held(kind, objects, name)
    identifier = body["identifier"]
    if identifier != name and identifier in objects:
        raise taken(kind, identifier)
    del objects[name]
    after = objects[identifier] = _stamped(call, body, before)
    return after


def held(kind: str, objects: dict[str, Json], name: str) -> Json:
    """The object, or 404."""
    if name not in objects:
        raise not_found(kind, name)
    return objects[name]


def without_stamps(body: Json) -> Json:
    """The body without the times and writers that clients send back."""
    return {key: value for key, value in body.items() if key not in STAMPS}


def merged(before: Any, change: Any) -> Any:
    """Objects key by key, anything else replaced."""
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    return {**before, **{key: merged(before.get(key), value) for key, value in change.items()}}


def _stamped(call: Call, body: Json, before: Json | None) -> Json:
    now, by = call.store.now(), call.writer.client_id
    first = (before["createdAt"], before["createdBy"]) if before else (now, by)
    stamps = {"createdAt": first[0], "createdBy": first[1], "updatedAt": now, "updatedBy": by}
    return {**without_stamps(body), **stamps}
