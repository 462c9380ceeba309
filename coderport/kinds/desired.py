"""What Port should hold of a Coder deployment, and what was seen there but is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from coderport.catalog.blueprint import BLUEPRINTS, RANK, TEMPLATE, WORKSPACE
from coderport.catalog.unread import with_held
from coderport.catalog.values import Context, Entity, Held, LeftOut, Ref
from coderport.catalog.volatile import settled
from coderport.coder.models import Workspace
from coderport.coder.reading.snapshot import Snapshot
from coderport.kinds.mapping import organization_names, template_entity, workspace_entity
from coderport.kinds.refused import Place, Refused, withheld


@dataclass(frozen=True)
class Filters:
    """Which of the objects in scope belong into the catalog.

    The patterns are globs on template names, whatever their case; one with a slash is matched against
    organization/template. No `templates` means all of them; `exclude_templates` wins.
    """

    include_prebuilds: bool = False
    templates: tuple[str, ...] = ()
    exclude_templates: tuple[str, ...] = ()

    def takes(self, organization: str, template: str) -> bool:
        """Whether a template of that name, and so its workspaces, belongs into the catalog."""
        names = (template.lower(), f"{organization}/{template}".lower())
        if any(_matches(names, pattern) for pattern in self.exclude_templates):
            return False
        return not self.templates or any(_matches(names, pattern) for pattern in self.templates)


@dataclass(frozen=True)
class Desired:
    """The entities, what they have relations to first, and those that were seen but left out.

    `refused` are the values that are not among them because Port does not take them.
    """

    entities: tuple[Entity, ...]
    left_out: Mapping[Ref, LeftOut]
    refused: Mapping[Place, Refused] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    """By property, how many entities keep Port's value because Coder did not show one (see `unread`)."""

    def ids(self) -> dict[str, frozenset[str]]:
        """The identifiers of the entities by blueprint."""
        return {
            blueprint.identifier: frozenset(
                entity.identifier for entity in self.entities if entity.blueprint == blueprint.identifier
            )
            for blueprint in BLUEPRINTS
        }


def desired(
    snapshot: Snapshot,
    filters: Filters,
    context: Context,
    held: Mapping[str, Mapping[str, Held]],
    now: datetime,
    volatile_refresh: timedelta,
    refused: Mapping[Place, Refused] | None = None,
    blueprints: Mapping[str, Mapping[str, Any]] | None = None,
) -> Desired:
    """The entities that Port should hold after this run.

    `held` is what Port holds, by blueprint and identifier: it decides which volatile values are carried forward (see
    `volatile`), and stands in for what Coder did not show (see `unread`). A template that is left out takes its
    workspaces along. `refused` is what Port did not take before, `blueprints` are Port's now.
    """
    left_out = {Ref(TEMPLATE.identifier, each): LeftOut.ORGANIZATION for each in snapshot.outside_templates}
    left_out |= {Ref(WORKSPACE.identifier, each): LeftOut.ORGANIZATION for each in snapshot.outside_workspaces}
    entities: list[Entity] = []
    for template in snapshot.templates.values():
        if filters.takes(organization_names(template, context).name, template.name):
            entities.append(template_entity(template, context))
        else:
            left_out[Ref(TEMPLATE.identifier, template.id)] = LeftOut.TEMPLATE
    templates = frozenset(entity.identifier for entity in entities)
    for workspace in snapshot.workspaces.values():
        reason = _workspace_left_out(workspace, filters, context, templates, left_out)
        if reason is None:
            entities.append(workspace_entity(workspace, context, templates))
        else:
            left_out[Ref(WORKSPACE.identifier, workspace.id)] = reason
    kept: Counter[str] = Counter()
    for at, entity in enumerate(entities):
        entities[at], keys = with_held(entity, held.get(entity.blueprint, {}).get(entity.identifier), context)
        kept.update(keys)
    entities, still = withheld(entities, refused or {}, blueprints or {})
    entities.sort(key=lambda entity: (RANK[entity.blueprint], entity.identifier))
    return Desired(
        entities=tuple(
            settled(entity, held.get(entity.blueprint, {}).get(entity.identifier), now, volatile_refresh)
            for entity in entities
        ),
        left_out=left_out,
        refused=still,
        kept=kept,
    )


def _workspace_left_out(
    workspace: Workspace,
    filters: Filters,
    context: Context,
    templates: frozenset[str],
    left_out: Mapping[Ref, LeftOut],
) -> LeftOut | None:
    template_is_out = Ref(TEMPLATE.identifier, workspace.template_id) in left_out
    if workspace.template_id not in templates and not template_is_out:
        # The read did not see the template: the workspace's row has its name.
        organization = organization_names(workspace, context)
        template_is_out = not filters.takes(organization.name, workspace.template_name)
    if template_is_out:
        return LeftOut.TEMPLATE
    return LeftOut.PREBUILD if workspace.is_prebuild and not filters.include_prebuilds else None


def _matches(names: tuple[str, str], pattern: str) -> bool:
    return fnmatchcase(names["/" in pattern], pattern.lower())
