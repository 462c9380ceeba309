"""What was not read of an object that was read: the value that Port holds stays, because silence is no value.

An owner's address is in Coder's list of users, and an organization's display name in that of organizations. Coder may
refuse either in one run, leaves out what the token may not see, and moves rows between pages while they are read. A row
may also come without a name that Coder looks up elsewhere, or with fewer members than it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coderport.catalog.blueprint import Blueprint, Relation
from coderport.catalog.identifiers import GROUPS, ORGANIZATIONS, TEMPLATE_GROUPS, TEMPLATES, USERS
from coderport.catalog.values import Context, Entity, Held, Ref
from coderport.kinds.all import KIND_OF
from coderport.kinds.kind import Chosen
from coderport.kinds.workspace import WORKSPACE
from coderport.terminal.text import counted

_NAMES = (
    ("organization_id", "organization_name"),
    ("owner_id", "owner_name"),
    ("created_by_id", "created_by_name"),
    ("latest_build_number", "build_initiator"),
    ("latest_build_number", "template_version"),
)
"""Names behind what they are the names of, each of which always has one: where it is missing, it was not shown."""

_SAID = {
    TEMPLATE_GROUPS: ("which groups may use", TEMPLATES),
    "users": ("who is in", GROUPS),
    "member_count": ("how many are in", GROUPS),
    "organizations": ("the organizations of", USERS),
    "members": ("how many belong to", ORGANIZATIONS),
}
"""What is said of properties and relations that were not shown, and the kind whose they are."""


def with_held(entity: Entity, held: Held | None, context: Context) -> tuple[Entity, frozenset[str]]:
    """The entity with what Port holds in place of what was not read, and the properties of which that is so.

    A value is taken only from an entity of the same owner, or organization.
    """
    if held is None:
        return entity, frozenset()
    kept = {
        key: held.properties[key]
        for whose, key in _unread(entity, context)
        if held.properties.get(key) not in (None, "") and held.properties.get(whose) == entity.properties.get(whose)
    }
    if not kept:
        return entity, frozenset()
    return replace(entity, properties={**entity.properties, **kept}), frozenset(kept)


def with_held_relations(
    entity: Entity, held: Held | None, blueprint: Blueprint, chosen: Chosen
) -> tuple[Entity, frozenset[str]]:
    """The same of relations to several that Coder did not show, as far as what they lead to is still there.

    Such a relation is not among the entity's. One to a kind that the stack does not have is nobody's.
    """
    if held is None:
        return entity, frozenset()
    kept = {
        each.identifier: tuple(
            one for one in held.relations.get(each.identifier) or () if chosen.stays(Ref(each.target, one))
        )
        for each in blueprint.relations
        if each.many and each.identifier not in entity.relations and _is_ours(each, chosen)
    }
    if not kept:
        return entity, frozenset()
    told = frozenset(key for key, value in kept.items() if value)
    return replace(entity, relations={**entity.relations, **kept}), told


def notes(kept: Mapping[str, int]) -> Iterator[str]:
    """What a person should know of it, by property the number of entities that keep theirs."""
    if number := kept.get("owner_email"):
        yield (
            f"The owners of {number:,} workspaces were not among the users that Coder showed. Their owner_email stays "
            "as Port has it."
        )
    if number := kept.get("organization_display_name"):
        yield (
            f"The organizations of {counted(number, 'entities')} were not among those that Coder showed. Their names "
            "stay as Port has them."
        )
    for key, (words, kind) in _SAID.items():
        if number := kept.get(key):
            yield f"Coder did not show {words} {KIND_OF[kind].several(number)}. That stays as Port has it."
    for _, key in _NAMES:
        if number := kept.get(key):
            yield f"Coder did not show {key} of {counted(number, 'entities')}, which stays as Port has it."


def _is_ours(relation: Relation, chosen: Chosen) -> bool:
    return not relation.with_target or chosen.kinds is None or relation.target in chosen.kinds


def _unread(entity: Entity, context: Context) -> Iterator[tuple[str, str]]:
    """The properties without an answer, each behind the one that says whose it is."""
    values = entity.properties
    if entity.blueprint == WORKSPACE.identifier and values.get("owner_id") not in context.emails:
        yield "owner_id", "owner_email"
    if entity.blueprint == ORGANIZATIONS and "members" not in values:
        yield "coder_deployment", "members"
    if entity.blueprint == GROUPS and "member_count" not in values:
        yield "organization_id", "member_count"
    if values.get("organization_id") not in context.organizations:
        yield "organization_id", "organization_display_name"
    for whose, key in _NAMES:
        if key not in values and whose in values:
            yield whose, key
