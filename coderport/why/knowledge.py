"""All that a run would know at this moment, kept for questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from coderport.catalog.actions.values import Action
from coderport.catalog.values import Entity, Held, Ref
from coderport.coder.fate import Fate
from coderport.guard.verdict import Verdict
from coderport.history.images import EntityImage
from coderport.history.record import Record
from coderport.kinds.all import difference
from coderport.kinds.desired import Desired
from coderport.kinds.inventory import Inventory
from coderport.kinds.kind import Chosen
from coderport.planning.difference import Difference
from coderport.planning.past import Past
from coderport.planning.plan import Plan, context_of
from coderport.settings import Settings


@dataclass(frozen=True)
class Knowledge:
    """`read` is Coder as the token shows it, `past` what the stack remembers and Port holds, `wanted` what the settings
    make of it, `plan` and `verdict` what a run would do, `found` where Port differs. `unsettled` are the desired
    entities with Coder's own usage times, `history` the runs that are kept, the newest first. `proofs` is what Coder
    says of those that a kept run has deleted, `outside` are those of them that live in an organization that is not in
    scope: no run asks for them any more. `unreadable` says which kept runs cannot be read.
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
    proofs: Mapping[Ref, Fate] = field(default_factory=dict)
    outside: frozenset[Ref] = frozenset()
    unreadable: tuple[str, ...] = ()

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

    def fate(self, ref: Ref) -> Fate | None:
        """What Coder says of one that it did not show; None where it was not asked."""
        listing = self.read.listings.get(ref.blueprint)
        return (None if listing is None else listing.fates.get(ref.identifier)) or self.proofs.get(ref)

    def last_written(self, ref: Ref) -> tuple[Record, EntityImage] | None:
        """The last kept run that created, changed or deleted the entity, and what it did."""
        for record in self.history:
            for image in record.entities:
                if (image.blueprint, image.identifier) == ref:
                    return record, image
        return None
