"""The ownership of blueprints, by which Port shows the teams that own an entity. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from coderport.catalog.blueprint import Blueprint, Ownership
from coderport.kinds.all import OWNERSHIPS
from coderport.settings import NAMESPACE, Settings

Live = Mapping[str, Mapping[str, Any]]
"""The blueprints that Port holds, as its JSON by identifier."""


def owned_by_teams(blueprints: Iterable[Blueprint], settings: Settings, live: Live) -> tuple[Blueprint, ...]:
    """The blueprints with their ownership, where the settings ask for one and nobody else gave Port another."""
    return tuple(
        replace(each, ownership=None if _of_others(each, live) else _asked(each, settings)) for each in blueprints
    )


def notes_on_ownership(blueprints: Iterable[Blueprint], settings: Settings, live: Live) -> Iterator[str]:
    """Where somebody else's ownership keeps the settings' own out, as a sentence for each."""
    for each in blueprints:
        if _asked(each, settings) is not None and (kind := _of_others(each, live)):
            yield (
                f"The blueprint {each.identifier} has {kind} ownership in Port that this stack did not give it. It "
                f"stays, and {NAMESPACE}:owningTeams has no effect. To have the teams of each workspace's owner there, "
                "take the ownership out of the blueprint in Port; the next run then sets its own."
            )


def _asked(blueprint: Blueprint, settings: Settings) -> Ownership | None:
    asked = settings.owning_teams and settings.blueprints == "manage"
    return OWNERSHIPS.get(blueprint.identifier) if asked else None


def _of_others(blueprint: Blueprint, live: Live) -> str:
    """How the blueprint in Port is owned by somebody else's will; empty where it is not."""
    held, ours = live.get(blueprint.identifier, {}), OWNERSHIPS.get(blueprint.identifier)
    if held.get("teamInheritance"):
        return "inherited"
    ownership = held.get("ownership")
    if not isinstance(ownership, Mapping) or (ours is not None and ours.is_live(held)):
        return ""
    return str(ownership.get("type") or "another").lower()
