"""What was not read of an object that was read: the value that Port holds stays, because silence is no value.

An owner's address is in Coder's list of users, and an organization's display name in that of organizations. Coder may
refuse either in one run, leaves out what the token may not see, and moves rows between pages while they are read. A row
may also come without a name that Coder looks up elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coderport.catalog.identifiers import GROUPS, TEMPLATE_GROUPS, TEMPLATES
from coderport.catalog.values import Context, Entity, Held, Ref
from coderport.kinds.kind import Chosen
from coderport.kinds.workspace import WORKSPACE

_NAMES = (
    ("organization_id", "organization_name"),
    ("owner_id", "owner_name"),
    ("created_by_id", "created_by_name"),
    ("latest_build_number", "build_initiator"),
    ("latest_build_number", "template_version"),
)
"""Names behind what they are the names of, each of which always has one: where it is missing, it was not shown."""


def with_held(entity: Entity, held: Held | None, context: Context) -> tuple[Entity, frozenset[str]]:
    """The entity with what Port holds in place of what was not read, and the properties of which that is so.

    A value is taken only from an entity of the same owner, or organization.
    """
    if held is None:
        return entity, frozenset()
    kept = {
        key: held.properties[key]
        for whose, key in _unread(entity, context)
        if held.properties.get(key) and held.properties.get(whose) == entity.properties.get(whose)
    }
    if not kept:
        return entity, frozenset()
    return replace(entity, properties={**entity.properties, **kept}), frozenset(kept)


def with_held_groups(entity: Entity, held: Held | None, chosen: Chosen) -> tuple[Entity, frozenset[str]]:
    """The same of the groups that may use a template, as far as those are still there."""
    unread = entity.blueprint == TEMPLATES and TEMPLATE_GROUPS not in entity.relations
    if held is None or not unread or (chosen.kinds is not None and GROUPS not in chosen.kinds):
        return entity, frozenset()
    found = held.relations.get(TEMPLATE_GROUPS) or ()
    kept = tuple(each for each in found if chosen.stays(Ref(GROUPS, each)))
    return replace(entity, relations={**entity.relations, TEMPLATE_GROUPS: kept}), frozenset(
        {TEMPLATE_GROUPS} if kept else ()
    )


def notes(kept: Mapping[str, int]) -> Iterator[str]:
    """What a person should know of it, by property the number of entities that keep theirs."""
    if number := kept.get("owner_email"):
        yield (
            f"The owners of {number:,} workspaces were not among the users that Coder showed. Their owner_email stays "
            "as Port has it."
        )
    if number := kept.get("organization_display_name"):
        yield (
            f"The organizations of {number:,} templates and workspaces were not among those that Coder showed. Their "
            "names stay as Port has them."
        )
    if number := kept.get(TEMPLATE_GROUPS):
        templates = "1 template" if number == 1 else f"{number:,} templates"
        yield f"Coder did not show which groups may use {templates}. That stays as Port has it."
    for _, key in _NAMES:
        if number := kept.get(key):
            yield f"Coder did not show {key} of {number:,} templates and workspaces, which stays as Port has it."


def _unread(entity: Entity, context: Context) -> Iterator[tuple[str, str]]:
    """The properties without an answer, each behind the one that says whose it is."""
    values = entity.properties
    if entity.blueprint == WORKSPACE.identifier and values.get("owner_id") not in context.emails:
        yield "owner_id", "owner_email"
    if values.get("organization_id") not in context.organizations:
        yield "organization_id", "organization_display_name"
    for whose, key in _NAMES:
        if key not in values and whose in values:
            yield whose, key
