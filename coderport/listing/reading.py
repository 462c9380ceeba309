"""The catalog as a run would write it now. Coder is read and mapped as for `up`; Port is not asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import Any

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import Entity, Ref
from coderport.errors import CoderportError, SettingsError
from coderport.guard.verdict import identity_verdict
from coderport.kinds.all import KINDS, blueprints_of, kinds_asked
from coderport.kinds.inventory import Inventory
from coderport.kinds.kind import Kind
from coderport.planning.holdings import Holdings
from coderport.planning.notes import missed_of
from coderport.planning.past import Past, known_of
from coderport.planning.plan import refusal, wanted_of
from coderport.port.models import Organization
from coderport.program.survey import read_both
from coderport.report.account import Account
from coderport.settings import NAMESPACE, Actions, Settings
from coderport.stack.stack import Stack
from coderport.terminal import ending
from coderport.terminal.remedy import CLI
from coderport.terminal.text import short
from coderport.terminal.wording import known_and_nearest

NOTHING_OF_PORT = Holdings(Organization("", ""), {}, {}, {})


@dataclass(frozen=True)
class Catalog:
    """What a stack would have in Port.

    `kinds` are those that the settings ask for, `read` what Coder showed of them, or of the one that was asked about
    and those that it leads to. `entities` are by kind, in the order of their titles. `left_out` counts by kind what
    Coder has and the settings leave out.
    """

    kinds: tuple[Kind[Any], ...]
    read: Inventory
    entities: Mapping[str, tuple[Entity, ...]]
    left_out: Mapping[str, int]

    @property
    def missed(self) -> str:
        """What the read of workspaces is known to have missed, as a sentence; empty where it is proven whole."""
        return missed_of(self.read.snapshot)

    @property
    def whole(self) -> bool:
        """Whether nothing was missed, and Coder failed at nothing that was asked for."""
        return not self.missed and not self.read.failures

    @cached_property
    def titles(self) -> Mapping[Ref, str]:
        """What people call the entities."""
        return {each.ref: each.title for entities in self.entities.values() for each in entities}

    def blueprint(self, kind: Kind[Any]) -> Blueprint:
        """The blueprint of the kind as this stack has it: without relations to kinds that it does not ask for."""
        return next(each for each in blueprints_of(self.kinds) if each.identifier == kind.name)


def kind_named(word: str) -> Kind[Any]:
    """The kind that people, or Port, call so, one or several of it. SettingsError names the nearest one."""
    for kind in KINDS:
        if kind.is_called(word):
            return kind
    known = known_and_nearest(word, [each.words[1] for each in KINDS])
    raise SettingsError(f"{short(word.strip()) or 'A name that is empty'} is no kind of objects {known}")


def catalog_of(stack: Stack, kind: Kind[Any] | None, check: Callable[[Blueprint], object] | None = None) -> Catalog:
    """Reads Coder and what the stack remembers. With `kind` only that and what it leads to are read.

    `check` takes the blueprint of the kind before Coder is asked, and raises where it does not have what is needed.
    Raises as a run does where a read fails, SettingsError for a kind that the stack does not have, and CoderportError
    where Coder did not show the kind.
    """
    found: list[Catalog] = []

    async def kept() -> None:
        found.append(await _read(stack, kind, check))

    ending.run(kept())
    return found[0]


async def _read(stack: Stack, kind: Kind[Any] | None, check: Callable[[Blueprint], object] | None) -> Catalog:
    settings = await asyncio.to_thread(stack.settings)
    kinds = kinds_asked(settings)
    if kind is not None:
        refuse_if_off(kind, kinds, stack.name)
        if check is not None:
            check(next(each for each in blueprints_of(kinds) if each.identifier == kind.name))
    narrow = _only(settings, kinds, kind)

    async def past() -> Past:
        memory = await asyncio.to_thread(stack.memory)
        return Past(memory, NOTHING_OF_PORT, memory.mark(stack.managed_by))

    before, (read, _, _) = await read_both(narrow, past(), partial(known_of, settings=narrow), Account())
    same = identity_verdict(
        read.snapshot.deployment.deployment_id,
        "",
        deployment_before=before.memory.deployment,
        port_organization_before=None,
    )
    if same.refused:
        raise refusal(same)
    if kind is not None and (why := read.skipped.get(kind.name)):
        raise CoderportError(f"{kind.words[1].capitalize()} were not read: {why}.")
    wanted = wanted_of(narrow, before, read, datetime.now(timezone.utc))
    entities: dict[str, list[Entity]] = {each.name: [] for each in read.kinds}
    for entity in wanted.entities:
        entities[entity.blueprint].append(entity)
    return Catalog(
        kinds,
        read,
        {name: tuple(sorted(several, key=_order)) for name, several in entities.items()},
        Counter(ref.blueprint for ref in _seen(read) if ref in wanted.left_out),
    )


def refuse_if_off(kind: Kind[Any], kinds: tuple[Kind[Any], ...], stack: str) -> None:
    """SettingsError where the stack does not have the kind, with what would bring it."""
    if kind not in kinds:
        raise SettingsError(
            f"This stack has no {kind.words[1]} in its catalog: {NAMESPACE}:kinds does not ask for them. "
            f"To have all kinds:\n  {CLI} config set --stack {stack} {NAMESPACE}:kinds all"
        )


def _only(settings: Settings, kinds: tuple[Kind[Any], ...], kind: Kind[Any] | None) -> Settings:
    """The settings of a run that has no forms to read, and no other kinds than those that the list is about."""
    if kind is not None:
        targets = {each.target for each in kind.blueprint.relations}
        kinds = tuple(each for each in kinds if each is kind or each.always or each.name in targets)
    names = tuple(each.words[0] for each in kinds if not each.always)
    return settings.model_copy(update={"kinds": names, "actions": Actions()})


def _seen(read: Inventory) -> Iterator[Ref]:
    for name, listing in read.listings.items():
        yield from (Ref(name, each) for each in (*listing.rows, *listing.outside))


def _order(entity: Entity) -> tuple[str, str]:
    return entity.title.lower(), entity.identifier
