"""All that a run would know at this moment, kept for questions. Writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from coderport.catalog.actions.values import Action
from coderport.catalog.values import Entity, Held, Ref
from coderport.guard.verdict import Verdict
from coderport.history.record import Record
from coderport.history.store import Store
from coderport.kinds.all import difference
from coderport.kinds.desired import Desired
from coderport.kinds.inventory import Inventory, KnownIds
from coderport.kinds.kind import Chosen
from coderport.planning.difference import Difference, difference_of
from coderport.planning.past import Past, known_of
from coderport.planning.plan import Plan, context_of, judge, wanted_of
from coderport.planning.siblings import templates_of_siblings
from coderport.program.survey import read_coder, read_permissions, read_port
from coderport.report.account import Account
from coderport.settings import Releases, Settings
from coderport.stack.comparison import past_of
from coderport.stack.stack import Stack


@dataclass(frozen=True)
class Knowledge:
    """`read` is Coder as the token shows it, `past` what the stack remembers and Port holds, `wanted` what the settings
    make of it, `plan` and `verdict` what a run would do, `found` where Port differs. `unsettled` are the desired
    entities with Coder's own usage times, `history` the runs that are kept, the newest first.
    """

    settings: Settings
    past: Past
    read: Inventory
    wanted: Desired
    unsettled: Mapping[Ref, Entity]
    plan: Plan
    verdict: Verdict
    found: Difference
    history: tuple[Record, ...]

    @cached_property
    def entities(self) -> Mapping[Ref, Entity]:
        """What Port should hold, by reference."""
        return {each.ref: each for each in self.wanted.entities}

    @cached_property
    def seen(self) -> Mapping[Ref, Entity]:
        """Every object that Coder showed as an entity without relations, those that the settings leave out as well."""
        context = context_of(self.settings, self.past, self.read.snapshot)
        return {
            Ref(kind.name, identifier): kind.entity(row, context, Chosen())
            for kind in self.read.kinds
            for identifier, row in self.rows(kind.name).items()
        }

    def rows(self, kind: str) -> Mapping[str, Any]:
        """What Coder showed of the kind, in the organizations in scope and outside of them."""
        listing = self.read.listings.get(kind)
        return {} if listing is None else {**listing.rows, **listing.outside}

    @cached_property
    def actions(self) -> Mapping[str, Action]:
        """What this stack declares of actions, by identifier."""
        return {each.identifier: each for each in self.plan.actions}

    def held(self, ref: Ref) -> Held | None:
        """The entity as Port holds it."""
        return self.past.held.entities.get(ref.blueprint, {}).get(ref.identifier)

    def waiting(self, ref: Ref) -> Mapping[str, tuple[Any, Any]]:
        """Values of use that Port holds older than Coder, because the entity's turn has not come."""
        held, fresh = self.held(ref), self.unsettled.get(ref)
        if held is None or fresh is None:
            return {}
        written = {key for each in self.found.changed if each.entity.ref == ref for key in each.values}
        return {key: pair for key, pair in difference(fresh, held).items() if key not in written}


def gathered(stack: Stack) -> Knowledge:
    """Reads Coder, Port and the stack side by side. Raises as a run does where a read fails."""
    return asyncio.run(_gather(stack, Account(), datetime.now(timezone.utc)))


async def _gather(stack: Stack, account: Account, now: datetime) -> Knowledge:
    settings = await asyncio.to_thread(stack.settings)
    memory = await asyncio.to_thread(stack.memory)
    past = await past_of(stack, memory, await read_port(settings, account), settings, account)

    async def known() -> KnownIds:
        return known_of(past, settings)

    def theirs(deployment: str) -> Awaitable[frozenset[str]]:
        async def ids() -> frozenset[str]:
            return templates_of_siblings(past.held, past.mark, deployment)

        return ids()

    read, of_siblings, forms = await read_coder(settings, known, theirs, account)
    plan, verdict = judge(settings, Releases(), past, read, forms, now, of_siblings)
    unsettled = wanted_of(settings.model_copy(update={"volatile_refresh": timedelta(0)}), past, read, now)
    permissions = await read_permissions(settings, plan, account)
    store = Store(settings.history, stack.managed_by, state=memory.state, project=stack.directory)
    return Knowledge(
        settings=settings,
        past=past,
        read=read,
        wanted=wanted_of(settings, past, read, now),
        unsettled={each.ref: each for each in unsettled.entities},
        plan=plan,
        verdict=verdict,
        found=difference_of(plan, past.memory, permissions),
        history=tuple(store.record(run) for run in store.runs()),
    )
