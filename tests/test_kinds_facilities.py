"""Template versions, provisioners, presets, proxies and licences, read from the emulated Coder."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from catalog_samples import CONTEXT
from coder_talk import Api

from coderport.catalog.values import Entity, LeftOut, Ref
from coderport.coder.client import CoderClient
from coderport.coder.reading.fate import Fate
from coderport.kinds.all import KIND_OF, KINDS
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import Inventory, read_inventory
from coderport.kinds.kind import Chosen, Reading

VERSION = "coder_template_version"
EVERYTHING = Filters()
GHOST = "00000000-0000-4000-8000-00000000dead"


def read(
    api: Api, known: dict[str, frozenset[str]] | None = None, token: str = "", within: tuple[str, ...] = ()
) -> Inventory:
    async def ids() -> dict[str, frozenset[str]]:
        return known or {}

    async def run() -> Inventory:
        async with CoderClient(str(api.http.base_url), token or api.emulator.token) as coder:
            return await read_inventory(coder, KINDS, organizations=within, known=ids, progress=lambda *_: None)

    return asyncio.run(run())


def shown(found: Inventory, name: str, filters: Filters = EVERYTHING) -> dict[str, Entity]:
    """The entities of that kind where Port has all that they could lead to."""
    kind = KIND_OF[name]
    everything = Chosen({Ref(each, one) for each, listing in found.listings.items() for one in listing.rows})
    return {
        identifier: kind.entity(row, CONTEXT, everything)
        for identifier, row in found.listings[name].rows.items()
        if kind.left_out(row, filters, CONTEXT, everything) is None
    }


def test_the_versions_are_the_active_ones_and_those_of_workspaces(api: Api) -> None:
    coder = api.emulator
    workspace = coder.create_workspace()
    template = coder.workspace(workspace).template_id
    old = coder.template(template).active_version_id
    unused = coder.promote_version(template)
    new = coder.promote_version(template, "spring", message="Faster disks")
    found = shown(read(api), VERSION)
    assert {old, new} <= found.keys() and unused not in found
    entity = found[new]
    assert entity.title == f"{coder.template(template).name}/spring"
    author = coder.state.users[coder.state.versions[new].created_by_id]
    values = {
        "name": "spring", "message": "Faster disks", "active": True, "workspaces": 0, "job_status": "succeeded",
        "archived": False, "template_id": template, "created_by_name": author.username,
    }  # fmt: skip
    assert {key: entity.properties[key] for key in values} == values
    assert found[old].properties["active"] is False
    used = sum(each.build.version_id == old for each in coder.state.undeleted())
    assert found[old].properties["workspaces"] == used > 0
    assert entity.relations == {"organization": coder.template(template).organization_id}


def test_a_template_leads_to_its_active_version_and_a_workspace_to_its_own(api: Api) -> None:
    coder = api.emulator
    workspace = coder.create_workspace()
    template = coder.workspace(workspace).template_id
    old = coder.template(template).active_version_id
    new = coder.promote_version(template)
    found = read(api)
    assert shown(found, "coder_template")[template].relations["active_version"] == new
    assert shown(found, "coder_workspace")[workspace].relations["version"] == old


def test_a_version_that_is_used_no_more_is_gone_and_one_in_use_is_not(api: Api) -> None:
    coder = api.emulator
    template = sorted(coder.template_ids())[0]
    old = coder.promote_version(template)
    new = coder.promote_version(template)
    listing = read(api, {VERSION: frozenset({old, new})}).listings[VERSION]
    assert listing.fates == {old: Fate.GONE}


def test_where_workspaces_were_missed_no_version_is_gone(api: Api) -> None:
    coder = api.emulator
    old = coder.promote_version(sorted(coder.template_ids())[0])
    coder.promote_version(sorted(coder.template_ids())[0])
    snapshot = read(api).snapshot
    for uncertain in (replace(snapshot, short=1), replace(snapshot, workspace_fates={GHOST: Fate.UNPROVEN})):
        assert old in reading_of(api, VERSION, uncertain, frozenset({old})).rows


def test_a_known_version_in_use_that_coder_does_not_show_skips_the_kind(api: Api) -> None:
    snapshot = read(api).snapshot
    key, row = next(iter(snapshot.workspaces.items()))
    build = row.latest_build.model_copy(update={"template_version_id": GHOST})
    workspaces = {**snapshot.workspaces, key: row.model_copy(update={"latest_build": build})}
    listing = reading_of(api, VERSION, replace(snapshot, workspaces=workspaces), frozenset({GHOST}))
    assert listing.skipped == f"Coder did not show 1 of the versions in use, such as {GHOST}"
    unknown = reading_of(api, VERSION, replace(snapshot, workspaces=workspaces), frozenset())
    assert not unknown.skipped and GHOST not in unknown.rows


def test_the_versions_of_a_template_that_is_left_out_are_left_out_as_well(api: Api) -> None:
    coder = api.emulator
    template = coder.template(sorted(coder.template_ids())[0])
    found = read(api)
    left = Filters(exclude_templates=(template.name,))
    assert template.active_version_id in shown(found, VERSION)
    assert template.active_version_id not in shown(found, VERSION, left)
    row = found.listings[VERSION].rows[template.active_version_id]
    assert KIND_OF[VERSION].left_out(row, left, CONTEXT, Chosen()) is LeftOut.TEMPLATE


def reading_of(api: Api, name: str, snapshot: Any, known: frozenset[str]) -> Any:
    """That kind's own read, beside a given read of templates and workspaces."""

    async def run() -> Any:
        async with CoderClient(str(api.http.base_url), api.emulator.token) as coder:
            kind = KIND_OF[name]
            assert kind.read is not None
            return await kind.read(Reading(coder, snapshot, False, known, lambda *_: None))

    return asyncio.run(run())
