"""An entity's Pulumi inputs, Port's body for it, and how the two differ by meaning."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from coderport.catalog.meaning import same_targets, same_value
from coderport.port.models import PortEntity
from coderport.provider.protocol import UNKNOWN, Kind, Problem, Properties

_SCALARS = ("stringProps", "numberProps", "booleanProps")
_LISTS = ("stringItems", "numberItems", "booleanItems")


@dataclass(frozen=True)
class Wanted:
    """What the inputs ask for, in Port's terms.

    A null input is left out: it is the same as none. `places` has the property path of each property
    and relation. `unknown` has the paths of whole bags that are not known before the update.
    """

    blueprint: str
    identifier: str | None
    title: str
    icon: str | None
    teams: tuple[str, ...] | None
    properties: Mapping[str, Any]
    relations: Mapping[str, Any]
    places: Mapping[str, str]
    create_missing: bool = False
    run_id: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Owned:
    """What of an entity is ours to compare and to change; everything else is somebody else's."""

    properties: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    icon: bool = False
    teams: bool = False

    @classmethod
    def by(cls, *wishes: Wanted) -> Owned:
        """All that any of the wishes says something about."""
        return cls(
            frozenset().union(*(wish.properties for wish in wishes)),
            frozenset().union(*(wish.relations for wish in wishes)),
            any(wish.icon is not None for wish in wishes),
            any(wish.teams is not None for wish in wishes),
        )

    def and_also(self, properties: frozenset[str], relations: frozenset[str]) -> Owned:
        """The same with more properties and relations."""
        return Owned(self.properties | properties, self.relations | relations, self.icon, self.teams)


@dataclass
class _Reader:
    places: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def items(self, bags: Any, path: str, *names: str) -> Iterator[tuple[str, str, Any]]:
        """(bag, key, value) of each value of the named bags, remembering where each was."""
        if bags == UNKNOWN:
            self.unknown.append(path)
            return
        for name in names:
            bag = (bags or {}).get(name)
            if bag == UNKNOWN:
                self.unknown.append(f"{path}.{name}")
                continue
            for key, value in (bag or {}).items():
                self.places[key] = f"{path}.{name}.{key}"
                if value is not None:
                    yield name, key, value


def wanted(inputs: Properties) -> Wanted:
    """The inputs in Port's terms; a JSON text that does not parse is a ValueError."""
    reader = _Reader()
    bags = inputs.get("properties")
    values = {key: value for _, key, value in reader.items(bags, "properties", *_SCALARS)}
    values |= {key: _parsed(text) for _, key, text in reader.items(bags, "properties", "objectProps")}
    if isinstance(bags, Mapping):
        lists, path = bags.get("arrayProps"), "properties.arrayProps"
        values |= {key: value for _, key, value in reader.items(lists, path, *_LISTS)}
        for _, key, texts in reader.items(lists, path, "objectItems"):
            values[key] = texts if texts == UNKNOWN else [_parsed(text) for text in texts]
    places, reader.places = reader.places, {}
    related = reader.items(inputs.get("relations"), "relations", "singleRelations", "manyRelations")
    relations = {key: value for _, key, value in related}
    teams = inputs.get("teams")
    return Wanted(
        blueprint=inputs["blueprint"],
        identifier=inputs.get("identifier") or None,
        title=inputs["title"],
        icon=inputs.get("icon") or None,
        teams=None if teams is None else (teams,) if isinstance(teams, str) else tuple(teams),
        properties=values,
        relations=relations,
        places={**places, **{f"relation {key}": path for key, path in reader.places.items()}},
        create_missing=bool(inputs.get("createMissingRelatedEntities")),
        run_id=inputs.get("runId") or None,
        unknown=tuple(reader.unknown),
    )


def problems(inputs: Properties) -> list[Problem]:
    """What of the inputs cannot be accepted."""
    found = [
        Problem(key, f"an entity needs a {key}")
        for key in ("blueprint", "title")
        if inputs.get(key) is None or inputs.get(key) == ""
    ]
    if not found:
        try:
            wanted(inputs)
        except ValueError as error:
            found.append(Problem("properties", str(error)))
    return found


def _parsed(text: Any) -> Any:
    if text is None or text == UNKNOWN:
        return text
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        raise ValueError("a value of objectProps or objectItems is not JSON text") from None


def differences(wish: Wanted, owned: Owned, held: PortEntity) -> dict[str, Kind]:
    """Where Port's entity is not what is wished for, by property path; only what is owned is compared."""
    found: dict[str, Kind] = dict.fromkeys(wish.unknown, Kind.UPDATE)
    if wish.blueprint != held.blueprint:
        found["blueprint"] = Kind.UPDATE
    if wish.identifier is not None and wish.identifier != held.identifier:
        found["identifier"] = Kind.UPDATE
    if wish.title != held.title:
        found["title"] = Kind.UPDATE
    if owned.icon and (wish.icon or None) != (held.icon or None):
        found["icon"] = _kind(wish.icon, held.icon)
    if owned.teams and set(wish.teams or ()) != set(held.team):
        found["teams"] = _kind(wish.teams, held.team)
    for key in owned.properties:
        want, have = wish.properties.get(key), held.properties.get(key)
        if not same_value(want, have, times=True):
            found[wish.places.get(key) or f"properties.{_home(have)}.{key}"] = _kind(want, have)
    for key in owned.relations:
        want, have = wish.relations.get(key), held.relations.get(key)
        if not same_targets(want, have):
            place = "manyRelations" if isinstance(have, list) else "singleRelations"
            found[wish.places.get(f"relation {key}") or f"relations.{place}.{key}"] = _kind(want, have)
    return found


def _kind(want: Any, have: Any) -> Kind:
    if same_value(have, None):
        return Kind.ADD
    return Kind.DELETE if same_value(want, None) else Kind.UPDATE


def body(wish: Wanted, identifier: str, owned: Owned, held: PortEntity | None) -> dict[str, Any]:
    """The entity for a merging upsert.

    What is wished for, and a null for each value that is ours, that Port still has and that is no longer wanted. An
    icon cannot be cleared so: Port takes no null for it (see `clears_icon`).
    """
    result: dict[str, Any] = {"identifier": identifier, "title": wish.title}
    if wish.icon is not None:
        result["icon"] = wish.icon
    if wish.teams is not None:
        result["team"] = list(wish.teams)
    elif owned.teams and held is not None and held.team:
        result["team"] = []
    result["properties"] = dict(wish.properties)
    result["relations"] = dict(wish.relations)
    if held is not None:
        for key in owned.properties - wish.properties.keys():
            if held.properties.get(key) is not None:
                result["properties"][key] = None
        for key in owned.relations - wish.relations.keys():
            have = held.relations.get(key)
            if not same_value(have, None):
                result["relations"][key] = [] if isinstance(have, list) else None
    return result


def clears_icon(wish: Wanted, owned: Owned, held: PortEntity | None) -> bool:
    """Whether Port has an icon that is to go, which only a replacement of the whole entity can do."""
    return owned.icon and wish.icon is None and held is not None and bool(held.icon)


def without_values(inputs: Properties, wish: Wanted, names: Collection[str]) -> Properties:
    """The inputs without the values of those properties."""
    if not names:
        return inputs
    result = copy.deepcopy(dict(inputs))
    for name in names:
        _put(result, tuple(wish.places[name].split(".")), None)
    return result


def merged(held: PortEntity | None, blueprint: str, sent: Mapping[str, Any]) -> PortEntity:
    """What Port holds after a merging upsert of `sent`, without the times."""
    base = held or PortEntity(sent["identifier"], blueprint)
    return PortEntity(
        identifier=sent["identifier"],
        blueprint=blueprint,
        title=sent["title"],
        icon=sent.get("icon", base.icon),
        team=tuple(sent.get("team", base.team)),
        properties={**base.properties, **sent["properties"]},
        relations={**base.relations, **sent["relations"]},
    )


def refreshed(inputs: Properties, owned: Owned, held: PortEntity) -> dict[str, Any]:
    """The old inputs with Port's values where those differ by meaning, each in the form that it had.

    What is not owned is not added, so a colleague's properties never become ours by a refresh.
    """
    changes = differences(wanted(inputs), owned, held)
    if not changes:
        return dict(inputs)
    result = copy.deepcopy(dict(inputs))
    for path in changes:
        if path in ("blueprint", "identifier", "title"):
            result[path] = getattr(held, path)
        elif path == "icon":
            _put(result, ("icon",), held.icon)
        elif path == "teams":
            _put(result, ("teams",), list(held.team) or None)
        else:
            group, *_, key = steps = path.split(".")
            _put(result, tuple(steps), None)
            if group == "relations":
                have = held.relations.get(key)
                place = "manyRelations" if isinstance(have, list) else "singleRelations"
                _put(result, ("relations", place, key), have)
            else:
                _place(result, key, held.properties.get(key))
    return result


def imported(held: PortEntity, item_types: Mapping[str, str]) -> dict[str, Any]:
    """The inputs of an entity that no program declared yet: everything that Port holds and that is not null.

    `item_types` says of what the lists are by property: an empty list cannot tell.
    """
    result: dict[str, Any] = {
        "blueprint": held.blueprint,
        "identifier": held.identifier,
        "title": held.title,
    }
    if held.icon:
        result["icon"] = held.icon
    if held.team:
        result["teams"] = list(held.team)
    for key, value in held.properties.items():
        _place(result, key, value, item_types.get(key))
    for key, value in held.relations.items():
        place = "manyRelations" if isinstance(value, list) else "singleRelations"
        _put(result, ("relations", place, key), value or None)
    return result


def outputs(inputs: Properties, identifier: str, stamps: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs as the stock provider shapes them: the inputs, the id, defaults and the four stamps."""
    return {
        **{key: value for key, value in inputs.items() if value is not None},
        "id": f"{inputs['blueprint']}:{identifier}",
        "identifier": identifier,
        "createMissingRelatedEntities": bool(inputs.get("createMissingRelatedEntities")),
        **stamps,
    }


def _home(value: Any) -> str:
    """The bag (below `properties`) for a JSON value that Port holds."""
    if isinstance(value, bool):
        return "booleanProps"
    if isinstance(value, (int, float)):
        return "numberProps"
    if isinstance(value, Mapping):
        return "objectProps"
    return f"arrayProps.{_items(value)}" if isinstance(value, list) else "stringProps"


def _items(values: list[Any]) -> str:
    first = values[0] if values else ""
    if isinstance(first, bool):
        return "booleanItems"
    if isinstance(first, (int, float)):
        return "numberItems"
    return "objectItems" if isinstance(first, (Mapping, list)) else "stringItems"


def _place(inputs: dict[str, Any], key: str, value: Any, item_type: str | None = None) -> None:
    """Put a property's JSON value into the bag of its type, objects as compact JSON text."""
    home = _home(value)
    if isinstance(value, Mapping):
        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    elif isinstance(value, list):
        if not value and item_type is not None:
            home = f"arrayProps.{item_type}Items"
        if home == "arrayProps.objectItems":
            value = [json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in value]
    _put(inputs, ("properties", *home.split("."), key), value)


def _put(inputs: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the value at the path; None takes it away, and bags that become empty by that with it."""
    key, *rest = path
    if not rest:
        if value is None:
            inputs.pop(key, None)
        else:
            inputs[key] = value
        return
    inner = inputs.get(key)
    if not isinstance(inner, dict):
        if value is None:
            return
        inner = inputs[key] = {}
    _put(inner, tuple(rest), value)
    if not inner:
        del inputs[key]
