"""What there is to say of a property: of a kind, or of one object. Relations, calculated ones and the title count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coderport.catalog.agreement import differences as blueprint_differences
from coderport.catalog.blueprint import Calculation, Property, Relation
from coderport.catalog.meaning import TITLE
from coderport.catalog.values import Ref
from coderport.kinds.all import KIND_OF, KINDS
from coderport.kinds.kind import Kind
from coderport.live.values import KEPT
from coderport.settings import NAMESPACE
from coderport.terminal.text import short
from coderport.why.differing import differing
from coderport.why.entities import in_coder, next_run
from coderport.why.knowledge import Knowledge
from coderport.why.sources import source_of
from coderport.why.statement import Statement, name_of, shown

SHOWN = 5
_IN_PORT = ("mirrorProperties", "calculationProperties", "aggregationProperties", "relations")
"""Where a blueprint of Port has what is beside its `schema.properties`."""


def members(knowledge: Knowledge, blueprint: str) -> Mapping[str, str]:
    """The properties of a kind, by identifier their titles: those that we declare, and those of others in Port."""
    live = {name: str(body.get("title") or name) for name, body in _live(knowledge, blueprint).items()}
    return {TITLE: "Title", **live, **{name: each.title for name, each in _all_declared(KIND_OF[blueprint]).items()}}


def of_kind(knowledge: Knowledge, blueprint: str, name: str) -> Iterator[Statement]:
    """What it is, from what it comes, who writes it, whether it is volatile, and how Port's blueprint differs."""
    kind = KIND_OF[blueprint]
    yield Statement(topic="property", said=_what(kind, name))
    yield Statement(topic="coder", said=_source(kind, name))
    if not any(each.name == blueprint for each in knowledge.read.kinds):
        yield Statement(topic="scope", said=f"{NAMESPACE}:kinds does not ask for {kind.words[1]}.")
    elif why := knowledge.read.skipped.get(blueprint):
        yield Statement(topic="scope", said=f"The {kind.words[1]} were not read: {why}.")
    yield Statement(topic="port", said=_in_blueprint(knowledge, blueprint, name))
    yield Statement(topic="owner", said=_writer(knowledge, kind, name))
    if name in kind.volatile:
        yield Statement(topic="property", said=_volatile(knowledge))
    if not _is_written(kind, name):
        return
    titles, waiting = [], 0
    for each in knowledge.found.changed:
        if each.entity.blueprint == blueprint and name in each.values:
            titles.append(short(each.entity.title))
    for ref in knowledge.entities:
        waiting += ref.blueprint == blueprint and name in knowledge.waiting(ref)
    there = sum(ref.blueprint == blueprint and knowledge.held(ref) is not None for ref in knowledge.entities)
    more = f", {len(titles) - SHOWN:,} more" if len(titles) > SHOWN else ""
    named = f": {', '.join(titles[:SHOWN])}{more}" if titles else ""
    yield Statement(topic="next run", said=f"Of {kind.several(there)} in Port it differs in {len(titles):,}{named}.")
    if waiting:
        yield Statement(topic="next run", said=f"In {waiting:,} Port's value is older than Coder's and not due yet.")
    if (refused := knowledge.wanted.refused.get((blueprint, name))) is not None:
        said = f"Port refuses its value in {len(refused.values):,}, which are written without it: {refused.why}"
        yield Statement(topic="property", said=said)


def of_object(knowledge: Knowledge, ref: Ref, name: str) -> Iterator[Statement]:
    """Its value in Coder and in Port, whether these differ, why, and what the next run does about it."""
    kind = KIND_OF[ref.blueprint]
    entity, held = knowledge.entities.get(ref), knowledge.held(ref)
    yield Statement(topic="property", said=_what(kind, name))
    if _is_written(kind, name):
        yield Statement(topic="coder", said=_coders(knowledge, ref, name))
    else:
        yield Statement(topic="coder", said=_source(kind, name))
    if held is None:
        yield Statement(topic="port", said="The object is not in Port.")
    else:
        own = held.title if name == TITLE else held.properties.get(name, held.relations.get(name))
        yield Statement(topic="port", said=f"Port has {shown(own)}.")
    unwanted = entity is None and _is_written(kind, name)
    yield Statement(topic="owner", said=_UNWANTED if unwanted else _writer(knowledge, kind, name))
    if not _is_written(kind, name):
        return
    if entity is None or held is None:
        yield Statement(topic="next run", said=next_run(knowledge, ref, entity, held))
        return
    found = [said for its, said in differing(knowledge, entity, held) if its == name]
    for said in found or [_agreeing(knowledge, ref, name)]:
        yield Statement(topic="property", said=f"{said[0].upper()}{said[1:]}")
    if name in kind.volatile:
        yield Statement(topic="property", said=_volatile(knowledge))
    changes = any(each.entity.ref == ref and name in each.values for each in knowledge.found.changed)
    done = "writes it" if changes else "leaves it as it is"
    refused = " The guard would refuse that run." if changes and knowledge.verdict.refused else ""
    yield Statement(topic="next run", said=f"The next run {done}.{refused}")


Member = Property | Calculation | Relation


def _all_declared(kind: Kind[Any]) -> Mapping[str, Member]:
    its = kind.blueprint
    several: tuple[Member, ...] = (*its.properties, *its.calculations, *its.relations)
    return {each.identifier: each for each in several}


def _declared(kind: Kind[Any], name: str) -> Member | None:
    return _all_declared(kind).get(name)


def _is_written(kind: Kind[Any], name: str) -> bool:
    """Whether runs write it."""
    return name == TITLE or isinstance(_declared(kind, name), Property | Relation)


def _what(kind: Kind[Any], name: str) -> str:
    each, of = _declared(kind, name), f"of {kind.words[1]} ({kind.name})"
    if name == TITLE:
        return f"The title {of}."
    if each is None:
        return f"A property of somebody else {of}: coderport declares no {name}."
    if isinstance(each, Relation):
        what = f"A relation {of} to {'several' if each.many else 'one'} of {each.target}"
    elif isinstance(each, Calculation):
        what = f"A calculated property {of}, {each.type}"
    else:
        what = f"A property {of}, {each.type}{f' ({each.format})' if each.format else ''}"
    return f"{what}.{f' {each.description}.' if each.description else ''}"


def _source(kind: Kind[Any], name: str) -> str:
    each = _declared(kind, name)
    if isinstance(each, Calculation):
        return f"Not in Coder: Port computes it by {each.jq}"
    if each is None and name != TITLE:
        return "Not in Coder."
    found = source_of(kind, name)
    where = f"{kind.entity.__module__.replace('.', '/')}.py"
    return f"From {found} ({where})." if found else f"Made by {where}."


def _writer(knowledge: Knowledge, kind: Kind[Any], name: str) -> str:
    each = _declared(kind, name)
    if isinstance(each, Calculation):
        return "Port computes it; nobody writes its value."
    if each is None and name != TITLE:
        return "Not coderport's: no run reads or writes it."
    target = KIND_OF.get(each.target) if isinstance(each, Relation) and each.with_target else None
    if target is not None and target not in knowledge.read.kinds:
        return f"Not written by this stack: {NAMESPACE}:kinds does not ask for {target.words[1]}."
    live = ", and by live where that runs" if kind.blueprint in KEPT else ""
    return f"Written by this stack's runs{live}. What others write there the next run corrects."


_UNWANTED = "No run writes a value of it: this stack does not want the object in Port."


def _volatile(knowledge: Knowledge) -> str:
    period = knowledge.settings.volatile_refresh
    if not period:
        return f"Volatile in Coder, and followed at once ({NAMESPACE}:volatileRefresh is 0)."
    often = f"once in {period.total_seconds() / 3600:g} hours"
    return f"Volatile: written when something else of the entity is, or {often} ({NAMESPACE}:volatileRefresh)."


def _live(knowledge: Knowledge, blueprint: str) -> Mapping[str, Mapping[str, Any]]:
    """What Port's blueprint has of properties, by identifier as Port's JSON."""
    body = knowledge.past.held.blueprints.get(blueprint, {})
    places = [(body.get("schema") or {}).get("properties"), *(body.get(each) for each in _IN_PORT)]
    found: dict[str, Mapping[str, Any]] = {}
    for place in places:
        if isinstance(place, Mapping):
            found |= {str(name): each for name, each in place.items() if isinstance(each, Mapping)}
    return found


def _in_blueprint(knowledge: Knowledge, blueprint: str, name: str) -> str:
    live = knowledge.past.held.blueprints.get(blueprint)
    if live is None:
        return f"Port has no blueprint {blueprint} yet."
    if name == TITLE:
        return "Every entity in Port has a title."
    if _declared(KIND_OF[blueprint], name) is None:
        return f"Port's blueprint {blueprint} has it."
    declared = next((each for each in knowledge.plan.blueprints if each.identifier == blueprint), None)
    of_it = KIND_OF[blueprint].blueprint if declared is None else declared
    place = f"{blueprint}.{name}"
    found = [each.text for each in blueprint_differences(of_it, live) if each.path == place]
    if found:
        return f"Port's blueprint differs: {'; '.join(found)}."
    there = name in _live(knowledge, blueprint)
    return "Port's blueprint has it as it is declared." if there else "Port's blueprint does not have it."


def _coders(knowledge: Knowledge, ref: Ref, name: str) -> str:
    """What Coder has of it now, from the read."""
    raw, fresh = knowledge.seen.get(ref), knowledge.unsettled.get(ref)
    if raw is None:
        return in_coder(knowledge, ref)
    if isinstance(_declared(KIND_OF[ref.blueprint], name), Relation):
        if fresh is None:
            return "In Coder; relations are made of what is in scope only."
        return f"Coder has {shown(fresh.relations.get(name))}."
    return f"Coder has {shown(raw.title if name == TITLE else raw.properties.get(name))}."


def _agreeing(knowledge: Knowledge, ref: Ref, name: str) -> str:
    raw, entity = knowledge.seen.get(ref), knowledge.entities[ref]
    if raw is None:
        return "Not read in Coder, so what Port has stays."
    kept = name in entity.properties and name not in raw.properties
    if kept:
        return "Coder did not show it in this read, so what Port has stays."
    return "The same in Coder and in Port."


def kinds_named(text: str) -> tuple[str, ...]:
    """The kind that is called so: by the identifier of its blueprint, or by the words for one or several."""
    known = ((each.name, (each.name, *each.words)) for each in KINDS)
    return tuple(name for name, words in known if text.lower() in words)


def named(knowledge: Knowledge, blueprint: str, text: str) -> tuple[str, ...]:
    """The properties of the kind that the text names, by identifier or else by title."""
    its = members(knowledge, blueprint)
    wanted = text.lower()
    by_id = tuple(each for each in its if name_of(each).lower() == wanted)
    return by_id or tuple(each for each, title in its.items() if title.lower() == wanted)
