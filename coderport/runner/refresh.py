"""The workspace's entity after a run: written at once, by the same mapping as the program's, tied to the run.

So the next `up` finds every value as it would declare it. What cannot be written is only noted: the build has
happened, and the next `up` puts the catalog right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coderport.catalog.values import Context, Entity, Ref
from coderport.coder.errors import CoderError, CoderForbidden, CoderGone
from coderport.coder.models import User, Workspace
from coderport.coder.people import People
from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.kinds.body import entity_body
from coderport.kinds.filters import Filters
from coderport.kinds.mapping import organization_names
from coderport.kinds.template import TEMPLATE
from coderport.kinds.unread import with_held
from coderport.kinds.workspace import WORKSPACE, workspace_entity
from coderport.port.errors import PortError
from coderport.port.models import ItemOutcome, PortEntity
from coderport.port.refusals import Refusals
from coderport.runner.values import RunContext

_LATER = "The next run of coderport brings the catalog up to date."


async def refresh(context: RunContext, workspace_id: str, run_id: str | None) -> str:
    """Writes or deletes the entity; returns what a person should know if that did not work, else "".

    `run_id` ties the change to the run, as long as that is in progress. An entity of a sibling is written as its own.
    One of another owner, or without a mark, is left alone: whoever took the mark away meanwhile has a reason. One is
    deleted only if Coder says that the workspace was deleted (410).
    """
    try:
        held = await context.port.entity(WORKSPACE.identifier, workspace_id)
        if held is not None and not _is_served(_keeper(held), context):
            return ""
        try:
            workspace = await context.coder.workspace(workspace_id)
        except CoderGone:
            if held is not None:
                await context.port.delete(WORKSPACE.identifier, [workspace_id], run_id=run_id)
            return ""
        entity = await _entity(workspace, held, context)
        if entity is None:
            return ""
        await _written(context, entity_body(entity), held, run_id)
    except (PortError, CoderError) as error:
        return f"The workspace's entity in Port could not be refreshed: {error} {_LATER}"
    return ""


async def _written(context: RunContext, body: Mapping[str, Any], held: PortEntity | None, run_id: str | None) -> None:
    """Writes the entity, without a value that Port does not take."""

    async def validate(blueprint: str, bodies: Sequence[Mapping[str, Any]]) -> list[ItemOutcome]:
        return await context.port.upsert(blueprint, bodies, validate_only=True)

    async def send(body: Mapping[str, Any]) -> None:
        (outcome,) = await context.port.upsert(WORKSPACE.identifier, [body], run_id=run_id)
        if outcome.error is not None:
            raise outcome.error

    older = frozenset(held.properties) if held is not None else frozenset()
    await Refusals(validate).written(WORKSPACE.identifier, body, older, send)


def _keeper(held: PortEntity | None) -> str | None:
    """The stack that the entity says it belongs to."""
    mark = Mark.read(held.properties.get(MANAGED_BY)) if held is not None else None
    return None if mark is None else str(mark)


def _is_served(keeper: str | None, context: RunContext) -> bool:
    return context.is_own(keeper) or context.is_sibling(keeper)


async def _entity(workspace: Workspace, held: PortEntity | None, context: RunContext) -> Entity | None:
    """The workspace as the program would declare it; None where the stack's settings leave it out.

    Where Port holds none with a keeper it belongs to the stack that keeps its template.
    """
    template = await context.port.entity(TEMPLATE.identifier, workspace.template_id)
    keeper = _keeper(held) or _keeper(template) or context.managed_by
    if not _is_served(keeper, context):
        return None
    deployment = await context.deployments.of(context.coder, context.clock.monotonic, context.patience.pause)
    owner = await _owner(workspace, context)
    mapping = Context(
        deployment_id=deployment.id,
        dashboard_url=deployment.dashboard_url,
        managed_by=keeper,
        emails={owner.id: owner.email} if owner is not None else {},
        organizations=deployment.organizations,
    )
    if context.is_own(keeper) and not _is_taken(workspace, mapping, context.filters):
        return None
    # A template that is newer than the last `up` has no entity yet, and Port refuses a relation to none.
    entity = workspace_entity(
        workspace, mapping, set() if template is None else {Ref(TEMPLATE.identifier, workspace.template_id)}
    )
    return with_held(entity, held, mapping)[0]


async def _owner(workspace: Workspace, context: RunContext) -> User | None:
    """The workspace's owner, or None where Coder does not show them."""
    try:
        return await People(context.coder).user(workspace.owner_id)
    except CoderForbidden:
        return None


def _is_taken(workspace: Workspace, mapping: Context, filters: Filters) -> bool:
    if workspace.is_prebuild and not filters.include_prebuilds:
        return False
    return filters.takes(organization_names(workspace, mapping).name, workspace.template_name)
