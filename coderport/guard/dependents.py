"""What of others stands in the way of a kind that is switched off: its blueprint, or its entities, cannot go then.

Port refuses to delete a blueprint that a relation leads to, and an entity that another one requires (403
`has_dependents`). What refers to a blueprint otherwise, or was added to it, would be lost with it, without a way back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from coderport.catalog.answers.aggregations import AGGREGATIONS
from coderport.catalog.blueprint import Blueprint, to_port
from coderport.guard.verdict import Verdict, listed
from coderport.kinds.all import BY_IDENTIFIER, KIND_OF
from coderport.terminal.text import short

Json = Mapping[str, Any]

_ADDED = {
    "relations": "relation",
    "calculationProperties": "calculation",
    "mirrorProperties": "mirror property",
    "aggregationProperties": "aggregation",
}


@dataclass(frozen=True)
class Surroundings:
    """What Port holds around the blueprints of kinds that are asked for no longer, as its JSON.

    `blueprints` are all of the organization's, `actions` all by identifier, `scorecards` the identifiers of those of
    each blueprint in question. `populated` are blueprints with a required relation to one of these, and with entities.
    """

    blueprints: tuple[Json, ...] = ()
    actions: Mapping[str, Json] = field(default_factory=dict)
    scorecards: Mapping[str, Collection[str]] = field(default_factory=dict)
    populated: frozenset[str] = frozenset()


def dependents(name: str, around: Surroundings, actions: Collection[str], answers: Collection[str]) -> tuple[str, ...]:
    """What of others refers to the blueprint of a kind or was added to it, each in words.

    `actions` and `answers` are this stack's own, by identifier and by key.
    """
    return (*_pointing(name, around), *_asking(name, around, actions), *_added(name, around, answers))


def requirers(name: str, around: Surroundings) -> tuple[str, ...]:
    """The required relations that keep Port from deleting entities of the blueprint, each in words."""
    return tuple(
        _relation(key, source)
        for source, key, relation in _relations_to(name, around)
        if relation.get("required") is True and source["identifier"] in around.populated
    )


def requiring(name: str, blueprints: Collection[Json]) -> frozenset[str]:
    """The blueprints with a required relation of others to that one."""
    found = _relations_to(name, Surroundings(tuple(blueprints)))
    return frozenset(source["identifier"] for source, _, relation in found if relation.get("required") is True)


def requirers_verdict(several: Mapping[str, Collection[str]], again: str) -> Verdict:
    """Whether Port would delete what goes, by blueprint what others require of it; `again` asks for those kinds."""
    if not several:
        return Verdict()
    found = [f"{KIND_OF[name].words[1]} ({', '.join(words)})" for name, words in several.items()]
    return Verdict(
        (
            listed("Port would delete none of these, because entities of others require them:", found)
            + "\nMake those relations optional in Port, or take the entities there away. Or ask for the kinds again:"
            + f"\n  {again}",
        )
    )


def _relations_to(name: str, around: Surroundings) -> Iterator[tuple[Json, str, Json]]:
    """The relations of others that lead to the blueprint: where, under which identifier, and the relation."""
    for source in around.blueprints:
        declared = BY_IDENTIFIER.get(source["identifier"])
        ours = {each.identifier: each.target for each in declared.relations} if declared is not None else {}
        for key, relation in (source.get("relations") or {}).items():
            if relation.get("target") == name and ours.get(key) != name:
                yield source, key, relation


def _pointing(name: str, around: Surroundings) -> Iterator[str]:
    for source, key, _ in _relations_to(name, around):
        yield _relation(key, source)
    for source in around.blueprints:
        for key, each in (source.get("aggregationProperties") or {}).items():
            if each.get("target") == name and source["identifier"] != name:
                yield f"aggregation {short(key)} of blueprint {short(source['identifier'])}"


def _asking(name: str, around: Surroundings, ours: Collection[str]) -> Iterator[str]:
    for identifier, action in sorted(around.actions.items()):
        if identifier not in ours and _names(action, name):
            yield f"action {short(identifier)}"


def _added(name: str, around: Surroundings, answers: Collection[str]) -> Iterator[str]:
    for identifier in sorted(around.scorecards.get(name, ())):
        if f"scorecard/{identifier}" not in answers:
            yield f"scorecard {short(identifier)}"
    live = next((each for each in around.blueprints if each["identifier"] == name), None)
    if live is None:
        return
    ours = _members(BY_IDENTIFIER[name])
    if f"aggregations/{name}" in answers:
        ours["aggregationProperties"] = AGGREGATIONS[name].body.keys()
    properties = (live.get("schema") or {}).get("properties") or {}
    yield from (f"property {short(key)}" for key in properties if key not in ours["properties"])
    for member, words in _ADDED.items():
        several = live.get(member) or {}
        yield from (f"{words} {short(key)} of its own" for key in several if key not in ours[member])


def _members(blueprint: Blueprint) -> dict[str, Collection[str]]:
    body = to_port(blueprint)
    return {"properties": body["schema"]["properties"], **{member: body[member] for member in _ADDED}}


def _relation(key: str, source: Json) -> str:
    return f"relation {short(key)} of blueprint {short(source['identifier'])}"


def _names(value: Any, name: str) -> bool:
    """Whether a text in the JSON is that name."""
    if isinstance(value, Mapping):
        return any(_names(each, name) for each in value.values())
    if isinstance(value, list):
        return any(_names(each, name) for each in value)
    return bool(value == name)
