"""How to undo a run: what goes back to how it was, and what stays because somebody changed it since. Values only."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coderport.catalog.digest import digest
from coderport.catalog.meaning import IDENTIFIER, TITLE, same_targets, same_value
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.history.definitions import definitions_back
from coderport.history.images import DefinitionImage, EntityImage, Pointer
from coderport.history.record import Record
from coderport.kinds.refused import Refused
from coderport.port.models import PortEntity
from coderport.terminal.text import short

Place = tuple[str, str]
"""Blueprint and identifier of an entity."""


@dataclass(frozen=True)
class Stays:
    """Something of the run that an undo leaves as it is, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Undo:
    """What an undo writes, in this order: `rename`, `delete`, `write`, then the relations in `point`, then `define`.

    All but `define` are by place bodies that merge: what a body does not name keeps its value. Those of `rename` have
    the identifier that the entity of the place had before.
    """

    rename: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    delete: tuple[PortEntity, ...] = ()
    write: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    point: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    define: tuple[DefinitionImage, ...] = ()
    stays: tuple[Stays, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing would be written."""
        return not (self.rename or self.delete or self.write or self.point or self.define)


@dataclass(frozen=True)
class Undone:
    """What an undo comes to. `applied` is the name under which it is kept itself; empty where it was only shown."""

    record: Record
    undo: Undo
    refused_by_port: tuple[str, ...] = ()
    applied: str = ""


@dataclass(frozen=True)
class Now:
    """What Port holds at this moment of all that a record is about; what it does not hold is absent.

    `later` are by place the runs of this stack that came after and wrote there, the last one. `held` has all entities
    of the blueprints that were read, by identifier. `defaults` are the values that Port gives a new entity, by
    blueprint and property. Of the blueprints `inherited` Port derives the teams of entities itself; `absent` are those
    that Port does not have and the record does not bring back. `refused` are the values that Port did not take of the
    last run, by blueprint and property.
    """

    entities: Mapping[Place, PortEntity]
    definitions: Mapping[tuple[str, str], Mapping[str, Any]]
    later: Mapping[Place, str] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, PortEntity]] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    refused: Mapping[Place, Refused] = field(default_factory=dict)

    def was_refused(self, blueprint: str, identifier: str, key: str, value: Any) -> bool:
        """Whether Port did not take this value: then it has none, and nobody has changed that."""
        found = self.refused.get((blueprint, key))
        return found is not None and found.values.get(identifier) == digest(value)


def undo_of(record: Record, now: Now, owner: Owner) -> Undo:
    """The undo of a run of `owner`'s state, where nobody has changed since, or signed, what that run wrote."""
    delete: list[PortEntity] = []
    write: dict[Place, Mapping[str, Any]] = {}
    last: list[tuple[Place, Mapping[str, Any]]] = []
    stays: list[Stays] = []
    rename, not_renamed = _renames(record.entities, now, owner)
    names = _names_again(record.entities, now)
    deleted = {(each.blueprint, each.identifier) for each in record.entities if each.step == "deleted"}
    for image in record.entities:
        held = now.entities.get((image.blueprint, image.identifier))
        since = _since(image, held, now)
        if image.step == "created":
            if held is not None and (theirs := _kept_by_others(image, held, owner)):
                stays.append(Stays(_named(image), f"is not deleted: {theirs}"))
            elif held is not None and _same_entity(held, _as_taken(image.created, held, now), now):
                delete.append(held)
            elif held is not None:
                stays.append(Stays(_named(image), f"is not deleted: {since}"))
        elif image.step == "deleted":
            if held is None and image.blueprint in now.absent:
                stays.append(
                    Stays(_named(image), f"does not come back: Port has no blueprint {image.blueprint} any more")
                )
            elif held is None:
                body = _whole(image, now)
                write[image.blueprint, image.identifier] = body
                if among := _among(image.blueprint, body, deleted):
                    body["relations"] = {key: each for key, each in body["relations"].items() if key not in among}
                    last.append(((image.blueprint, image.identifier), {"title": body["title"], "relations": among}))
            elif not _same_entity(held, was := _as_cut_off(image, held, deleted), now):
                stays.append(Stays(_named(image), f"exists again: {since}"))
            elif lacks := _lacking(image, was):  # an undo was cut off before it came to these
                last.append(((image.blueprint, image.identifier), {"title": held.title, "relations": lacks}))
        elif held is None:
            if (again := _under_its_old_name(image, now)) is None:
                stays.append(Stays(_named(image), "does not exist any more"))
            elif theirs := _kept_by_others(image, again, owner):
                stays.append(Stays(_named(image), f"is left as it is: {theirs}"))
            elif relations := _values_back(image, again, names, now)[0].get("relations"):
                last.append(((image.blueprint, again.identifier), {"title": again.title, "relations": relations}))
        else:
            body, kept = _values_back(image, held, names, now)
            place = (image.blueprint, image.identifier)
            if theirs := _kept_by_others(image, held, owner):
                if body or kept:
                    stays.append(Stays(_named(image), f"is left as it is: {theirs}"))
                continue
            name = rename[place]["identifier"] if place in rename else image.identifier
            waits = place in rename or _among(image.blueprint, body, deleted)
            if waits and (relations := body.pop("relations", None)):  # until their targets are back
                last.append(((image.blueprint, name), {"title": held.title, "relations": relations}))
            if place in rename:
                rename[place] = {**rename[place], **body}
            elif body:
                write[place] = {"identifier": name, "title": held.title, **body}
            stays += [Stays(f"{key} of {_named(image)}", f"keeps its value: {since}") for key in kept]
    write, unfit = _with_targets(write, now, {(each.blueprint, each.identifier) for each in delete}, record)
    point, lost = _pointers(
        record.pointers,
        now,
        write,
        {identifier for blueprint, identifier in deleted if (blueprint, identifier) in now.entities},
        {place: body["identifier"] for place, body in rename.items()},
    )
    for at, more in last:
        there = point.get(at, {}).get("relations", {})
        point[at] = {"identifier": at[1], **more, "relations": {**there, **more["relations"]}}
    define, unlike = definitions_back(record.definitions, now.definitions)
    return Undo(
        rename=rename,
        delete=tuple(delete),
        write=write,
        point=point,
        define=define,
        stays=(*stays, *not_renamed, *unfit, *lost, *(Stays(*each) for each in unlike)),
    )


def _kept_by_others(image: EntityImage, held: PortEntity, owner: Owner) -> str:
    """Who keeps the entity, where this state may not write it any more; empty where it may.

    It may write its own. Of others', signed as the run left them, it may write what nobody has signed, and relations
    that an adoption moved.
    """
    whose = owner.whose(held)
    if whose in (Whose.OURS, Whose.OURS_BY_NAME):
        return ""
    mark = Mark.read(held.properties.get(MANAGED_BY))
    if mark == _mark_left(image) and (mark is None or not (image.values or image.created)):
        return ""
    if mark is None:
        return "it is signed by no stack any more"
    return f"it belongs to {short(str(mark))} by now" if whose is Whose.OTHERS else whose.value


def _mark_left(image: EntityImage) -> Mark | None:
    """The mark with which the run left the entity."""
    if MANAGED_BY in image.values:
        return Mark.read(image.values[MANAGED_BY][1])
    left = image.created or image.before
    return Mark.read(left.properties.get(MANAGED_BY)) if left else None


def _renames(
    images: Iterable[EntityImage], now: Now, owner: Owner
) -> tuple[dict[Place, Mapping[str, Any]], list[Stays]]:
    """The renames to take back; one that a stack has signed since is in its state under the new identifier."""
    rename: dict[Place, Mapping[str, Any]] = {}
    stays: list[Stays] = []
    for image in images:
        held = now.entities.get((image.blueprint, image.identifier))
        if held is None or IDENTIFIER not in image.values:
            continue
        old, _ = image.values[IDENTIFIER]
        what = f"identifier of {_named(image)}"
        if (image.blueprint, old) in now.entities:
            stays.append(Stays(what, f"keeps its value: {old} exists again"))
        elif owner.whose(held) is not Whose.NOBODYS:
            stays.append(Stays(what, f"keeps its value: a stack keeps the entity by now ({_since(image, held, now)})"))
        else:
            rename[image.blueprint, image.identifier] = {"identifier": old}
    return rename, stays


def _under_its_old_name(image: EntityImage, now: Now) -> PortEntity | None:
    """The entity where it still has, or has again, the identifier from before the run."""
    return now.entities.get((image.blueprint, image.values[IDENTIFIER][0])) if IDENTIFIER in image.values else None


def _names_again(images: Iterable[EntityImage], now: Now) -> dict[str, str]:
    """The identifiers that the run gave, by those that an undo that was cut off has given back: relations followed."""
    return {
        again.identifier: image.identifier
        for image in images
        if (image.blueprint, image.identifier) not in now.entities
        and (again := _under_its_old_name(image, now)) is not None
    }


def _among(blueprint: str, body: Mapping[str, Any], deleted: Container[Place]) -> dict[str, Any]:
    """The relations of a body to entities of its own blueprint that come back in the same bulk writes."""
    return {
        name: value
        for name, value in (body.get("relations") or {}).items()
        if any((blueprint, each) in deleted for each in (value if isinstance(value, list) else [value]))
    }


def _named(image: EntityImage) -> str:
    return f"{image.blueprint} {short(image.title)} ({short(image.identifier)})"


def _since(image: EntityImage, held: PortEntity | None, now: Now) -> str:
    if run := now.later.get((image.blueprint, image.identifier)):
        return f"the later run {run} changed it (undo that one first)"
    if held is None:
        return "it is gone"
    return f"changed since, last by {held.updated_by or 'somebody'} at {held.updated_at or 'an unknown time'}"


def _as_cut_off(image: EntityImage, held: PortEntity, deleted: Container[Place]) -> PortEntity:
    """The entity as it was before the run, or as an undo leaves it that was cut off: without relations to others that
    came back with it.
    """
    assert image.before is not None
    among = _among(image.blueprint, {"relations": image.before.relations}, deleted)
    empty = {key: None for key in among if held.relations.get(key) in (None, [])}
    return replace(image.before, relations={**image.before.relations, **empty})


def _lacking(image: EntityImage, was: PortEntity) -> dict[str, Any]:
    """The relations of before the run that the entity `was` has not."""
    assert image.before is not None
    before = image.before.relations
    return {key: value for key, value in before.items() if not same_targets(value, was.relations.get(key))}


def _same_entity(held: PortEntity, other: PortEntity | None, now: Now) -> bool:
    return other is not None and (
        held.title == other.title
        and held.icon == other.icon
        and (held.blueprint in now.inherited or set(held.team) == set(other.team))
        and same_value(held.properties, other.properties, times=True)
        and _same_relations(held.relations, other.relations)
    )


def _as_taken(created: PortEntity | None, held: PortEntity, now: Now) -> PortEntity | None:
    """The entity as Port took it from the run: with the defaults of others' properties that it gave, and without the
    values that it refused.
    """
    if created is None:
        return None
    taken = {
        key: value
        for key, value in created.properties.items()
        if held.properties.get(key) is not None or not now.was_refused(held.blueprint, held.identifier, key, value)
    }
    given = {
        key: value
        for key, value in now.defaults.get(held.blueprint, {}).items()
        if key not in created.properties and same_value(held.properties.get(key), value)
    }
    return replace(created, properties={**given, **taken})


def _same_relations(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(same_targets(one.get(key), other.get(key)) for key in one.keys() | other.keys())


def _whole(image: EntityImage, now: Now) -> dict[str, Any]:
    """The entity as it was, for an upsert; what had no value is not sent."""
    assert image.before is not None
    was = image.before
    body: dict[str, Any] = {
        "identifier": was.identifier,
        "title": was.title,
        "properties": {key: value for key, value in was.properties.items() if value is not None},
        "relations": {key: value for key, value in was.relations.items() if value is not None and value != []},
    }
    if was.icon:
        body["icon"] = was.icon
    if was.team and image.blueprint not in now.inherited:
        body["team"] = list(was.team)
    return body


def _values_back(
    image: EntityImage, held: PortEntity, names: Mapping[str, str], now: Now
) -> tuple[dict[str, Any], list[str]]:
    """What of the run's changes goes back (null where there was no value), and what somebody changed since.

    `names` are the identifiers that the run gave, by those that entities have again.
    """
    back: dict[str, Any] = {}
    kept: list[str] = []
    for key, (before, after) in image.values.items():
        if key == IDENTIFIER:
            continue
        has = held.title if key == TITLE else held.properties.get(key)
        if same_value(has, before, times=True):
            continue
        refused = has is None and now.was_refused(image.blueprint, image.identifier, key, after)
        if not (same_value(has, after, times=True) or refused):
            kept.append(key)
        elif key == TITLE:
            back["title"] = before
        else:
            back.setdefault("properties", {})[key] = before
    for key, (before, after) in image.relations.items():
        has = held.relations.get(key)
        if same_targets(has, before):
            continue
        if same_targets(has, after) or same_targets(_renamed(has, names), after):
            back.setdefault("relations", {})[key] = before
        else:
            kept.append(key)
    return back, kept


def _with_targets(
    write: Mapping[Place, Mapping[str, Any]], now: Now, going: set[Place], record: Record
) -> tuple[dict[Place, Mapping[str, Any]], list[Stays]]:
    """The bodies without relations of ours to an entity that does not exist (any more), and what that leaves out."""
    images = {(each.blueprint, each.identifier) for each in record.entities}
    absent = {place for place in images if place not in write and (place not in now.entities or place in going)}
    lost = {identifier for _, identifier in absent}
    fit: dict[Place, Mapping[str, Any]] = {}
    stays: list[Stays] = []
    for place, body in write.items():
        relations = body.get("relations") or {}
        empty = {key for key, value in relations.items() if isinstance(value, str) and value in lost}
        fit[place] = {**body, "relations": {k: v for k, v in relations.items() if k not in empty}} if empty else body
        stays += [
            Stays(f"{key} of {' '.join(place)}", f"stays empty: {relations[key]} does not exist") for key in empty
        ]
    return fit, stays


def _pointers(
    pointers: Iterable[Pointer],
    now: Now,
    write: Mapping[Place, Mapping[str, Any]],
    there: Collection[str],
    renamed: Mapping[Place, str],
) -> tuple[dict[Place, Mapping[str, Any]], list[Stays]]:
    """The relations of others that Port emptied when their targets went, for those targets that come back.

    `there` are the identifiers of those that an undo has brought back that was cut off after that. `renamed` are the
    identifiers that entities get back before, and relations to them with them.
    """
    names = {identifier: old for (_, identifier), old in renamed.items()}
    point: dict[Place, dict[str, Any]] = {}
    stays: list[Stays] = []
    back = {*there, *(identifier for _, identifier in write)}
    for each in pointers:
        place = (each.blueprint, each.identifier)
        held = now.entities.get(place)
        has = _renamed(held.relations.get(each.relation), names) if held else None
        if held is None or same_targets(has, each.value):
            continue
        if isinstance(each.value, list):
            has = has if isinstance(has, list) else []
            whole = [one for one in each.value if one in back or one in has]
            fits = not (set(has) - set(each.value))
        else:
            whole, fits = each.value, has is None and each.value in back
        if not fits or same_targets(has, whole):
            stays.append(Stays(f"{each.relation} of {' '.join(place)}", "keeps its value: it was changed since"))
            continue
        name = renamed.get(place, each.identifier)
        blank = {"identifier": name, "title": held.title, "relations": {}}
        body = point.setdefault((each.blueprint, name), blank)
        body["relations"][each.relation] = whole
    return dict(point), stays


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [names.get(each, each) for each in value]
    return names.get(value, value)


def places_of(record: Record) -> Iterator[Place]:
    """All entities that an undo of the record looks at."""
    for image in record.entities:
        yield image.blueprint, image.identifier
        if IDENTIFIER in image.values:
            yield image.blueprint, image.values[IDENTIFIER][0]
    for pointer in record.pointers:
        yield pointer.blueprint, pointer.identifier
