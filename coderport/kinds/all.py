"""All kinds, in the order in which Port must get them: what a relation leads to before what has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from coderport.catalog import meaning
from coderport.catalog.blueprint import Blueprint, Ownership, ordered
from coderport.catalog.values import Entity, Held
from coderport.errors import SettingsError
from coderport.kinds import (
    agent,
    failed_build,
    group,
    licence,
    organization,
    prebuild_preset,
    provisioner_daemon,
    quota,
    template,
    template_version,
    user,
    workspace,
    workspace_proxy,
)
from coderport.kinds.kind import Kind
from coderport.terminal.text import short
from coderport.terminal.wording import nearest

if TYPE_CHECKING:
    from coderport.settings import Settings


def in_order(kinds: Iterable[Kind[Any]]) -> tuple[Kind[Any], ...]:
    """The kinds in the order of their relations; graphlib.CycleError where those run in a circle."""
    by_name = {each.name: each for each in kinds}
    return tuple(by_name[each.identifier] for each in ordered(each.blueprint for each in by_name.values()))


KINDS: tuple[Kind[Any], ...] = in_order(
    (
        organization.KIND,
        user.KIND,
        group.KIND,
        template_version.KIND,
        template.KIND,
        prebuild_preset.KIND,
        provisioner_daemon.KIND,
        workspace_proxy.KIND,
        licence.KIND,
        failed_build.KIND,
        agent.KIND,
        quota.KIND,
        workspace.KIND,
    )
)

KIND_OF: Mapping[str, Kind[Any]] = {each.name: each for each in KINDS}
"""By the identifier of the blueprint."""

RANK: Mapping[str, int] = {each.name: at for at, each in enumerate(KINDS)}
"""The place of each in the order."""

BLUEPRINTS: tuple[Blueprint, ...] = tuple(each.blueprint for each in KINDS)

BY_IDENTIFIER: Mapping[str, Blueprint] = {each.identifier: each for each in BLUEPRINTS}

DECLARED_PROPERTIES: Mapping[str, frozenset[str]] = {
    blueprint.identifier: frozenset(each.identifier for each in blueprint.properties) for blueprint in BLUEPRINTS
}
"""Per blueprint the properties whose values are ours (calculated ones are Port's own)."""

DECLARED_RELATIONS: Mapping[str, frozenset[str]] = {
    blueprint.identifier: frozenset(each.identifier for each in blueprint.relations if not each.with_target)
    for blueprint in BLUEPRINTS
}
"""Per blueprint the relations whose values are ours in every stack."""


RELATIONS_WITH_TARGET: Mapping[str, frozenset[str]] = {
    blueprint.identifier: frozenset(each.identifier for each in blueprint.relations if each.with_target)
    for blueprint in BLUEPRINTS
}
"""Per blueprint the relations that are ours where the kind that they lead to is there."""


OWNERSHIPS: Mapping[str, Ownership] = {workspace.WORKSPACE.identifier: workspace.OWNING_TEAMS}
"""By blueprint how its entities get the teams that own them, where the settings ask for that."""


def end_of(kind: str) -> str:
    """What is so of one that is proven gone, in words; that of an action or an answer is its template's."""
    return KIND_OF[kind].end if kind in KIND_OF else Kind.end


def kinds_asked(settings: Settings) -> tuple[Kind[Any], ...]:
    """The kinds that the settings of a stack ask for.

    SettingsError for a name that no kind has, and where another setting needs a kind that is not among them.
    """
    found = kinds_of(settings.kinds, settings)
    if settings.owning_teams and user.KIND not in found:
        named = () if isinstance(settings.kinds, str) else settings.kinds
        meant = ",".join((*named, user.KIND.words[1]))
        raise _wrong(f"must name users, by whom {settings.path('owningTeams')} finds the teams", meant, settings)
    return found


def kinds_of(
    names: Literal["default", "all"] | Iterable[str], settings: Settings | None = None
) -> tuple[Kind[Any], ...]:
    """The kinds that a stack has: those that are always there, and those asked for by the names of several of them.

    SettingsError for a name that no kind has, with the way to set it for the stack of these settings.
    """
    if names == "all":
        return KINDS
    asked = set() if names == "default" else {each.strip().lower() for each in names}
    if unknown := {word for word in asked if not any(each.is_called(word) for each in KINDS)}:
        from coderport.settings.remedies import placeholder_of  # see `_wrong`

        known = sorted(each.words[1] for each in KINDS)
        like = [found for each in sorted(unknown) if (found := nearest(each, known))]
        hint = f"; did you mean {', '.join(dict.fromkeys(like))}?" if like else ""
        wrong = ", ".join(short(each) or "an empty name" for each in sorted(unknown))
        reason = f"names no kind of objects by {wrong} (known: {', '.join(known)}; or all alone){hint}"
        meant = [
            (nearest(each, known) or placeholder_of("kinds")) if each in unknown else each for each in sorted(asked)
        ]
        raise _wrong(reason, ",".join(dict.fromkeys(meant)), settings)
    return tuple(each for each in KINDS if each.always or any(map(each.is_called, asked)))


def _wrong(reason: str, meant: str, settings: Settings | None) -> SettingsError:
    # The provider loads this module, and has no need for settings.
    from coderport.settings.problem import Problem
    from coderport.settings.problems import report
    from coderport.terminal.placeholder import NO_STACK

    problem = Problem(("kinds",), reason, meant=meant)
    stack, spaces = (NO_STACK, {}) if settings is None else (settings.of_stack, settings.namespaces)
    return SettingsError(report([problem], stack, namespaces=spaces))


def blueprints_of(kinds: Iterable[Kind[Any]]) -> tuple[Blueprint, ...]:
    """The blueprints of these kinds, without relations to a kind that is not among them."""
    several = [each.blueprint for each in kinds]
    names = {each.identifier for each in several}
    return tuple(
        replace(
            each,
            relations=tuple(one for one in each.relations if not one.with_target or one.target in names),
        )
        for each in several
    )


ALWAYS: tuple[Blueprint, ...] = blueprints_of(each for each in KINDS if each.always)
"""The blueprints of a stack that asks for no other kinds."""


def difference(entity: Entity, held: Held) -> dict[str, tuple[Any, Any]]:
    """What differs in Port (see `coderport.catalog.meaning.difference`)."""
    return meaning.difference(BY_IDENTIFIER[entity.blueprint], entity, held)
