"""The templates of sibling stacks: other stacks of the same project, for which this one declares the actions.

They are only offered here. What this stack declares as entities, and what it may delete, does not depend on them.
"""

from __future__ import annotations

from collections.abc import Collection

from coderport.catalog.values import is_id
from coderport.coder.client import CoderClient
from coderport.coder.models import Template
from coderport.coder.reading.proof import template_or_none
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark
from coderport.kinds.template import TEMPLATE
from coderport.planning.holdings import Holdings
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


async def read_templates(client: CoderClient, snapshot: Snapshot, ids: Collection[str]) -> tuple[Template, ...]:
    """Those of `ids` that exist and that the token sees; those that the snapshot does not hold cost a request each."""
    seen = {**snapshot.outside_templates, **snapshot.templates}
    asked = await together(template_or_none(client, each) for each in sorted(set(ids) - seen.keys()))
    found = {**seen, **{each.id: each for each in asked if each is not None}}
    return tuple(found[each] for each in sorted(ids) if each in found)
