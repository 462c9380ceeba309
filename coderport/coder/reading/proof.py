"""What became of objects that are known and were not listed: only a positive answer counts as deletion.

Workspaces: `q=id:…` asks for many at once, and a row completes the read. Those still missing are asked for
one by one: Coder answers 410 only for a workspace that existed and was deleted; 404 and 403 may as well mean
that the token lost sight of it. Templates answer 404 either way, so their proof is to be listed under
`deleted:true`, which servers before July 2024 ignore: they would list the live ones, and that proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderForbidden, CoderGone, CoderNotFound
from coderport.coder.fate import Fate
from coderport.coder.models import Template, Workspace
from coderport.tasks import together

IDS_PER_QUERY = 100
OVERLAPS_ASKED = 3


async def listed_by_id(client: CoderClient, ids: Collection[str]) -> dict[str, Workspace]:
    """Those of `ids` that exist and are visible, in batches; none at all from servers before March 2024."""
    wanted = sorted(ids)
    batches = [wanted[start : start + IDS_PER_QUERY] for start in range(0, len(wanted), IDS_PER_QUERY)]
    try:
        pages = await together(client.workspaces(f"id:{','.join(batch)}", limit=IDS_PER_QUERY) for batch in batches)
    except CoderBadRequest:
        return {}
    return {row.id: row for page in pages for row in page.rows if row.id in ids}


async def workspace_fates(
    client: CoderClient, ids: Collection[str], done: Callable[[int], None] | None = None
) -> dict[str, Workspace | Fate]:
    """Each of `ids` asked for by itself; `done` is told how many have been answered so far."""
    answered = 0

    async def fate(workspace_id: str) -> Workspace | Fate:
        nonlocal answered
        try:
            return await client.workspace(workspace_id)
        except CoderGone:
            return Fate.GONE
        except (CoderNotFound, CoderForbidden):
            return Fate.UNPROVEN
        finally:
            answered += 1
            if done is not None:
                done(answered)

    wanted = sorted(ids)
    return dict(zip(wanted, await together(fate(one) for one in wanted), strict=True))


async def template_or_none(client: CoderClient, template_id: str) -> Template | None:
    """The template if it exists and is visible."""
    try:
        found = await client.template(template_id)
    except (CoderNotFound, CoderForbidden):
        return None
    return None if found.deleted else found


async def template_fates(
    client: CoderClient, ids: Collection[str], live: Mapping[str, Template]
) -> dict[str, Template | Fate]:
    """Each of `ids`; `live` is what the listing without `deleted:true` held.

    GONE takes two answers that agree: listed as deleted by a server that understands the question, and
    afterwards not found by id.
    """
    if not ids:
        return {}
    deleted = await _listed_as_deleted(client)
    overlapping = sorted(deleted.keys() & live.keys())[:OVERLAPS_ASKED]
    still_there = await together(template_or_none(client, one) for one in overlapping)
    understood = not any(still_there)
    wanted = sorted(ids)
    found = await together(template_or_none(client, one) for one in wanted)
    fates: dict[str, Template | Fate] = {}
    for template_id, template in zip(wanted, found, strict=True):
        says_deleted = template_id in deleted and deleted[template_id].deleted is not False
        proven = Fate.GONE if understood and says_deleted else Fate.UNPROVEN
        fates[template_id] = template or proven
    return fates


async def _listed_as_deleted(client: CoderClient) -> dict[str, Template]:
    listed: dict[str, Template] = {}
    for query in ("deleted:true", "deleted:true deprecated:true"):
        try:
            rows = await client.templates(query)
        except (CoderBadRequest, CoderNotFound):
            continue
        listed.update((row.id, row) for row in rows)
    return listed
