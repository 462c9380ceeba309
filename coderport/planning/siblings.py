"""The templates of sibling stacks: other stacks of the same project, for which this one declares the actions.

They are only offered here. What this stack declares as entities, and what of them it may delete, does not depend on
them. A form stays while its template lives in Coder, also where no stack keeps that in Port any more.
"""

from __future__ import annotations

from collections.abc import Collection

from coderport.catalog.actions.declared import form_of
from coderport.catalog.values import is_id
from coderport.coder.client import CoderClient
from coderport.coder.models import Template
from coderport.coder.reading.proof import template_or_none
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark
from coderport.kinds.inventory import KnownIds
from coderport.kinds.template import TEMPLATE
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.planning.past import Past, known_of
from coderport.settings import Settings
from coderport.tasks import together


def templates_of_siblings(held: Holdings, mark: Mark, deployment: str) -> frozenset[str]:
    """The ids of the templates of this Coder deployment that sibling stacks keep in Port; `mark` is this stack's.

    Port's rows may say anything: what cannot be an id in Coder is never asked for.
    """
    return frozenset(
        identifier
        for identifier, each in held.entities.get(TEMPLATE.identifier, {}).items()
        if mark.is_sibling(Mark.read(each.properties.get(MANAGED_BY)))
        and (each.properties.get(DEPLOYMENT) or "") == deployment
        and is_id(identifier)
    )


def templates_of_forms(memory: Memory) -> frozenset[str]:
    """The ids of the templates whose forms this stack has declared."""
    return frozenset(form.template_id for each in memory.actions if (form := form_of(each)) is not None)


def unkept_templates(past: Past, settings: Settings) -> frozenset[str]:
    """Those of them that Port has no entity of and that are not this stack's own: nobody says why it has none."""
    name = TEMPLATE.identifier
    kept = past.held.entities.get(name, {}).keys() | known_of(past, settings)[name]
    return templates_of_forms(past.memory) - kept


def templates_offered(past: Past, settings: Settings, deployment: str) -> frozenset[str]:
    """The ids of the templates of others that have forms here, or can have."""
    return templates_of_siblings(past.held, past.mark, deployment) | unkept_templates(past, settings)


def ids_to_prove(past: Past, settings: Settings) -> KnownIds:
    """What `known_of` has, and the templates of all forms: they go when Coder says that those were deleted."""
    known = known_of(past, settings)
    return {**known, TEMPLATE.identifier: known[TEMPLATE.identifier] | templates_of_forms(past.memory)}


async def read_templates(client: CoderClient, snapshot: Snapshot, ids: Collection[str]) -> tuple[Template, ...]:
    """Those of `ids` that exist and that the token sees; those that the snapshot does not hold cost a request each."""
    seen = {**snapshot.outside_templates, **snapshot.templates}
    asked = await together(template_or_none(client, each) for each in sorted(set(ids) - seen.keys()))
    found = {**seen, **{each.id: each for each in asked if each is not None}}
    return tuple(found[each] for each in sorted(ids) if each in found)
