"""Template versions, provisioners, presets, proxies, licences, failures, agents and quotas, read from the emulator."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from catalog_samples import CONTEXT
from coder_talk import Api, Deploy

from coderport.catalog.values import Entity, LeftOut, OrganizationNames, Ref, named_id
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderForbidden, CoderNotFound
from coderport.coder.facilities import Licence
from coderport.coder.fate import Fate
from coderport.coder.models import Workspace, read_as
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.written import derived_id
from coderport.kinds.all import KIND_OF, KINDS
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import Inventory, read_inventory
from coderport.kinds.kind import Chosen, Reading
from coderport.kinds.prebuild_preset import identifier_of

VERSION, PROVISIONER, PRESET = "coder_template_version", "coder_provisioner_daemon", "coder_prebuild_preset"
PROXY, LICENCE, FAILURE, AGENT = "coder_workspace_proxy", "coder_licence", "coder_failed_build", "coder_agent"
QUOTA = "coder_quota"
EVERYTHING = Filters()
RECORDINGS = Path(__file__).parent / "recordings"
HISTORIES = int(os.environ.get("KINDS_HISTORIES", "60"))
GHOST = "00000000-0000-4000-8000-00000000dead"


def read(
    api: Api,
    known: dict[str, frozenset[str]] | None = None,
    token: str = "",
    within: tuple[str, ...] = (),
    client: type[CoderClient] = CoderClient,
) -> Inventory:
    async def ids() -> dict[str, frozenset[str]]:
        return known or {}

    async def run() -> Inventory:
        async with client(str(api.http.base_url), token or api.emulator.token) as coder:
            return await read_inventory(coder, KINDS, organizations=within, known=ids, progress=lambda *_: None)

    return asyncio.run(run())


def shown(found: Inventory, name: str, filters: Filters = EVERYTHING) -> dict[str, Entity]:
    """The entities of that kind where Port has all that they could lead to."""
    kind, known = KIND_OF[name], {each.id: each for each in found.snapshot.organizations}
    names = {key: OrganizationNames(each.name, each.display_name) for key, each in known.items()}
    context = replace(CONTEXT, organizations=names)
    everything = Chosen({Ref(each, one) for each, listing in found.listings.items() for one in listing.rows})
    return {
        identifier: kind.entity(row, context, everything)
        for identifier, row in found.listings[name].rows.items()
        if kind.left_out(row, filters, context, everything) is None
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


def reading_of(
    api: Api,
    name: str,
    snapshot: Any,
    known: frozenset[str],
    client: type[CoderClient] = CoderClient,
    token: str = "",
) -> Any:
    """That kind's own read, beside a given read of templates and workspaces."""

    async def run() -> Any:
        async with client(str(api.http.base_url), token or api.emulator.token) as coder:
            kind = KIND_OF[name]
            assert kind.read is not None
            return await kind.read(Reading(coder, snapshot, False, known, lambda *_: None))

    return asyncio.run(run())


# ---------------------------------------------------------------- provisioners


def test_a_provisioner_says_what_it_is_and_what_it_did(api: Api) -> None:
    coder = api.emulator
    coder.set_provisioners(2)
    workspace = coder.create_workspace()
    assert api.build(workspace, transition="stop").status_code == 201
    api.clock.now += 60
    found = shown(read(api), PROVISIONER)
    assert sorted(each.title for each in found.values()) == ["vm-0", "vm-1"]
    entity = found[str(coder.workspace(workspace).build.worker_id)]
    default = coder.organization("default")
    values = {
        "status": "idle", "version": coder.state.flavour.version, "key_name": "built-in",
        "tags": ["scope=organization"], "previous_job_status": "succeeded", "organization_name": default.name,
    }  # fmt: skip
    assert {key: entity.properties[key] for key in values} == values
    assert entity.relations == {"organization": default.id}


def test_only_signs_of_life_move_between_two_reads(api: Api) -> None:
    one = shown(read(api), PROVISIONER)
    api.clock.now += 60
    other = shown(read(api), PROVISIONER)
    moved = {
        key for each in one for key in one[each].properties if one[each].properties[key] != other[each].properties[key]
    }
    assert moved == {"last_seen_at"} == KIND_OF[PROVISIONER].volatile


def test_provisioners_that_are_no_more_are_gone_in_any_number(api: Api) -> None:
    api.emulator.set_provisioners(3)
    known = frozenset(read(api).listings[PROVISIONER].rows)
    api.emulator.set_provisioners(0)
    assert read(api, {PROVISIONER: known}).listings[PROVISIONER].fates == dict.fromkeys(known, Fate.GONE)
    assert KIND_OF[PROVISIONER].ends == "derived"


def test_roles_without_jobs_do_not_see_provisioners(api: Api) -> None:
    token = api.emulator.create_token("template-admin")
    found = read(api, {PROVISIONER: frozenset({GHOST})}, token)
    assert found.skipped[PROVISIONER].startswith("the token may not read every provisioner job,")
    assert found.listings[PROVISIONER].fates == {}


def test_a_coder_without_the_list_of_provisioners_skips_them(deploy: Deploy) -> None:
    found = read(deploy(flavour="2.19"), {PROVISIONER: frozenset({GHOST})})
    assert "this version of Coder has no such list" in found.skipped[PROVISIONER]
    assert found.listings[PROVISIONER].fates == {}


def test_a_right_to_read_provisioners_that_is_lost_on_the_way_ends_none(deploy: Deploy) -> None:
    api = deploy(organizations=1)
    coder = api.emulator
    admin = coder.create_user("admin-for-now", roles=("owner",))
    snapshot = read(api).snapshot

    class Losing(CoderClient):
        async def _request(self, method: str, path: str, **how: Any) -> Any:
            answer = await super()._request(method, path, **how)
            if "ids" in (how.get("params") or {}):
                coder.set_user(admin, roles=frozenset())
            return answer

    listing = reading_of(api, PROVISIONER, snapshot, frozenset({GHOST}), Losing, coder.create_token(user=admin))
    assert (listing.skipped, listing.fates) == ("the token lost the right to read them meanwhile", {})


def test_provisioners_of_organizations_out_of_scope_are_not_gone(api: Api) -> None:
    known = frozenset(read(api).listings[PROVISIONER].rows)
    default = api.emulator.organization("default").name
    others = tuple(each.name for each in api.emulator.state.organizations.values() if each.name != default)
    listing = read(api, {PROVISIONER: known}, within=others).listings[PROVISIONER]
    assert listing.outside.keys() == known
    assert not listing.rows and not listing.fates


# ---------------------------------------------------------------- presets


def test_a_preset_counts_the_prebuilt_workspaces_of_its_name(deploy: Deploy) -> None:
    api = deploy(prebuilds=3, flavour="2.30")
    coder = api.emulator
    pool = [each for each in coder.state.undeleted() if each.is_prebuild]
    template = coder.template(pool[0].template_id)
    preset = pool[0].build.preset_id
    coder.fail(pool[0].id)
    coder.set_build(pool[0].id, preset_id=preset)
    (key,) = (each for each in shown(read(api), PRESET) if each.startswith(template.id))
    entity = shown(read(api), PRESET)[key]
    numbers = {"desired": 2, "running": 2, "ready": 2, "invalid": 1}
    assert {each: entity.properties[each] for each in numbers} == numbers
    assert entity.title == f"{template.display_name or template.name}/Standard"
    assert entity.relations == {"template": template.id}
    assert KIND_OF[PRESET].is_identifier(key) and not KIND_OF[PRESET].is_identifier(template.id)
    coder.promote_version(template.id)
    promoted = shown(read(api), PRESET)[key]
    assert [promoted.properties[each] for each in numbers] == [2, 0, 0, 3]


def test_a_claimed_workspace_counts_no_more(deploy: Deploy) -> None:
    api = deploy(prebuilds=2, flavour="2.30")
    before = sum(int(str(each.properties["running"])) for each in shown(read(api), PRESET).values())
    api.emulator.claim_prebuild(next(each.username for each in api.emulator.state.users.values()), "mine")
    after = sum(int(str(each.properties["running"])) for each in shown(read(api), PRESET).values())
    assert (before, after) == (2, 1)


def test_a_coder_that_does_not_say_how_many_are_prebuilt_skips_presets(deploy: Deploy) -> None:
    found = read(deploy(flavour="2.20"), {PRESET: frozenset({f"{GHOST}:{'0' * 16}"})})
    assert found.skipped[PRESET] == "this version of Coder does not say how many workspaces are prebuilt"
    assert found.listings[PRESET].fates == {}


# ---------------------------------------------------------------- proxies and licences


def test_proxies_are_shown_with_what_is_wrong_with_them(api: Api) -> None:
    coder = api.emulator
    far = coder.create_proxy("sydney", status="unhealthy", errors=("no route",))
    found = shown(read(api), PROXY)
    assert found.keys() == {far, coder.deployment_id}
    values = {"name": "sydney", "status": "unhealthy", "healthy": False, "errors": ["no route"]}
    assert {key: found[far].properties[key] for key in values} == values
    assert found[coder.deployment_id].properties["status"] == "ok"
    api.clock.now += 60
    assert shown(read(api), PROXY) == found


def test_a_deleted_proxy_is_gone_and_one_that_never_was_is_not(api: Api) -> None:
    far = api.emulator.create_proxy("sydney")
    api.emulator.delete_proxy(far)
    listing = read(api, {PROXY: frozenset({far, GHOST})}).listings[PROXY]
    assert listing.fates == {far: Fate.GONE, GHOST: Fate.UNPROVEN}
    assert far not in listing.rows


def test_without_a_licence_proxies_are_skipped_with_coders_words(deploy: Deploy) -> None:
    found = read(deploy(licensed=False), {PROXY: frozenset({GHOST})})
    assert found.skipped[PROXY] == "Coder says: Workspace Proxy is a Premium feature. Contact sales"
    assert found.listings[PROXY].fates == {}


def test_a_licence_says_what_it_grants_to_how_many_and_when_it_ends(api: Api) -> None:
    (entity,) = shown(read(api), LICENCE).values()
    people = sum(not (user.system or user.deleted) for user in api.emulator.state.users.values())
    values = {
        "number": 1, "feature_set": "premium", "trial": False, "ends_at": "2035-01-01T00:00:00Z", "users": people,
        "user_limit": 500,
    }  # fmt: skip
    assert {key: entity.properties[key] for key in values} == values
    assert "workspace_proxy" in entity.properties["features"]  # type: ignore[operator]
    assert "acme" not in str(entity)


def test_a_licence_that_owners_see_no_more_is_gone_and_for_others_the_kind_is_skipped(api: Api) -> None:
    known = {LICENCE: frozenset(read(api).listings[LICENCE].rows)}
    weak = api.emulator.create_token("template-admin")
    listing = read(api, known, weak).listings[LICENCE]
    assert listing.skipped.startswith("the token may not read every license,") and listing.fates == {}
    admin = api.emulator.create_token("organization-admin")
    assert api.get("/licenses", admin) is None  # 200, as if there were none
    api.emulator.set_licensed(False)
    assert set(read(api, known).listings[LICENCE].fates.values()) == {Fate.GONE}


def test_a_right_in_an_organization_is_none_to_what_belongs_to_no_organization(api: Api) -> None:
    (inside, *_) = sorted(api.emulator.state.organizations)
    admin = api.emulator.create_user("admin-of-one", organizations={inside: ("organization-admin",)})
    found = read(api, token=api.emulator.create_token(user=admin))
    assert LICENCE in found.skipped


def test_times_of_a_licence_that_are_none_are_left_out() -> None:
    for wrong in (None, "soon", True, 1e30, float("inf")):
        row = {"id": 1, "uuid": GHOST, "claims": {"license_expires": wrong}}
        assert read_as(Licence, row).claims.license_expires is None


def test_what_a_list_has_lost_on_the_way_is_not_gone(api: Api) -> None:
    """Each list lacks its first row once; what is asked for again, or by id, is there."""
    api.emulator.create_proxy("sydney")
    found = read(api)
    for name, word in ((PROVISIONER, "provisionerdaemons"), (PROXY, "workspaceproxies"), (LICENCE, "licenses")):
        asked: list[str] = []

        class Losing(CoderClient):
            async def _request(
                self, method: str, path: str, *, word: str = word, asked: list[str] = asked, **how: Any
            ) -> Any:
                answer = await super()._request(method, path, **how)
                if not path.endswith(word) or path in asked:
                    return answer
                asked.append(path)
                data = {"regions": answer.data["regions"][1:]} if word == "workspaceproxies" else answer.data[1:]
                return replace(answer, data=data)

        known = frozenset(found.listings[name].rows)
        listing = reading_of(api, name, found.snapshot, known, Losing)
        assert asked
        assert (listing.rows.keys(), listing.fates, listing.skipped) == (known, {}, "")


# ---------------------------------------------------------------- failed builds


def test_a_build_that_failed_says_why_until_a_newer_one_comes(api: Api) -> None:
    coder = api.emulator
    workspace = coder.create_workspace()
    coder.fail(workspace, "no room left " + "x" * 3000)
    row = coder.workspace(workspace)
    build = row.build.id
    entity = shown(read(api), FAILURE)[build]
    assert str(entity.properties["error"]).startswith("no room left") and len(str(entity.properties["error"])) == 2000
    assert (entity.properties["transition"], entity.properties["build_number"]) == ("start", row.build.number)
    assert entity.relations == {"workspace": workspace, "version": row.build.version_id}
    coder.start(workspace)
    listing = read(api, {FAILURE: frozenset({build})}).listings[FAILURE]
    assert (build in listing.rows, listing.fates) == (False, {build: Fate.GONE})


def test_where_workspaces_were_missed_no_failure_has_ended(api: Api) -> None:
    snapshot = replace(read(api).snapshot, short=1)
    listing = reading_of(api, FAILURE, snapshot, frozenset({GHOST}))
    assert listing.skipped.startswith("the read of workspaces missed some")


def test_the_failure_of_a_workspace_that_is_left_out_is_left_out_as_well(api: Api) -> None:
    workspace = api.emulator.create_workspace()
    api.emulator.fail(workspace)
    row = read(api).listings[FAILURE].rows[api.emulator.workspace(workspace).build.id]
    chosen = Chosen(left_out={Ref("coder_workspace", workspace): LeftOut.TEMPLATE})
    assert KIND_OF[FAILURE].left_out(row, EVERYTHING, CONTEXT, chosen) is LeftOut.TEMPLATE


# ---------------------------------------------------------------- agents


def running_one(api: Api) -> str:
    """A workspace whose agents are up."""
    running = (each.id for each in api.emulator.state.undeleted() if each.running and not each.is_prebuild)
    return sorted(running)[0]


def agents_of(api: Api, workspace: str) -> dict[str, Entity]:
    return {key: each for key, each in shown(read(api), AGENT).items() if key.startswith(workspace)}


def test_an_agent_says_what_it_is_and_stays_the_same_in_the_next_build(api: Api) -> None:
    workspace = running_one(api)
    before = agents_of(api, workspace)
    (entity,) = before.values()
    values = entity.properties
    assert (values["status"], values["lifecycle_state"], values["healthy"]) == ("connected", "ready", True)
    assert str(values["version"]).startswith("v2.20") and values["operating_system"] == "linux"
    assert entity.relations == {"workspace": workspace}
    assert all(KIND_OF[AGENT].is_identifier(each) for each in before)
    ids = api.emulator.workspace(workspace).build.id
    api.emulator.start(workspace)
    assert api.emulator.workspace(workspace).build.id != ids
    assert agents_of(api, workspace).keys() == before.keys()


def test_nothing_of_an_agent_that_may_be_secret_is_read(api: Api) -> None:
    found = read(api)
    kept = {key for each in found.snapshot.workspaces.values() for one in each.agents for key in one.model_dump()}
    assert kept == {
        "name", "status", "lifecycle_state", "version", "api_version", "operating_system", "architecture", "healthy",
        "health_reason",
    }  # fmt: skip


def test_an_agent_that_is_not_healthy_says_why(api: Api) -> None:
    workspace = running_one(api)
    row = api.get(f"/workspaces/{workspace}")
    ids = [agent["id"] for each in row["latest_build"]["resources"] for agent in each.get("agents", ())]
    api.emulator.set_workspace(workspace, failing_agents=ids)
    (entity,) = agents_of(api, workspace).values()
    assert entity.properties["healthy"] is False
    assert entity.properties["health_reason"] == "agent has lost connection"


def test_the_agents_of_a_workspace_that_stops_have_ended(api: Api) -> None:
    workspace = running_one(api)
    known = frozenset(agents_of(api, workspace))
    api.emulator.stop(workspace)
    listing = read(api, {AGENT: known}).listings[AGENT]
    assert listing.fates == dict.fromkeys(known, Fate.GONE)


def test_the_agent_that_coder_lists_of_a_stopped_workspace_is_none(api: Api) -> None:
    lines = (RECORDINGS / "coder-2.20.0-wide.jsonl").read_text(encoding="utf-8").splitlines()
    (recorded,) = (
        each for each in map(json.loads, lines) if each["name"] == "workspaces with status stopped, count only"
    )
    (row,) = recorded["response"]["workspaces"]
    workspace = read_as(Workspace, row)
    assert [each.status for each in workspace.agents] == ["connecting"]
    snapshot = read(api).snapshot
    listing = reading_of(api, AGENT, replace(snapshot, workspaces={workspace.id: workspace}), frozenset())
    assert listing.rows == {}


def test_where_workspaces_were_missed_no_agent_has_ended(api: Api) -> None:
    snapshot = replace(read(api).snapshot, short=1)
    listing = reading_of(api, AGENT, snapshot, frozenset({f"{GHOST}:{'0' * 16}"}))
    assert listing.skipped.startswith("the read of workspaces missed some")


def test_the_agents_of_a_workspace_that_is_left_out_are_left_out_as_well(api: Api) -> None:
    workspace = running_one(api)
    chosen = Chosen(left_out={Ref("coder_workspace", workspace): LeftOut.TEMPLATE})
    rows = {key: row for key, row in read(api).listings[AGENT].rows.items() if key.startswith(workspace)}
    assert [KIND_OF[AGENT].left_out(each, EVERYTHING, CONTEXT, chosen) for each in rows.values()] == [LeftOut.TEMPLATE]


# ---------------------------------------------------------------- quotas


class Watched(CoderClient):
    """A client that notes which quotas are asked for, and gives other answers where a test says so."""

    asked: ClassVar[list[str]] = []
    instead: ClassVar[dict[str, Exception]] = {}

    async def _request(self, method: str, path: str, **how: Any) -> Any:
        if path.endswith("/workspace-quota"):
            self.asked.append(path)
            for part, error in self.instead.items():
                if part in path:
                    raise error
        return await super()._request(method, path, **how)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setattr(Watched, "asked", [])
    monkeypatch.setattr(Watched, "instead", {})
    return Watched


def members(api: Api) -> dict[str, tuple[str, str]]:
    """The organization and the user of each quota there is."""
    state = api.emulator.state
    people = [each for each in state.users.values() if not (each.system or each.deleted)]
    pairs = [(one, each.id) for each in people for one in each.organizations if one in state.organizations]
    return {named_id(*pair): pair for pair in pairs}


def test_a_quota_is_what_a_member_uses_and_may_in_one_organization(deploy: Deploy, watched: type[Watched]) -> None:
    api = deploy(organizations=2)
    coder = api.emulator
    workspace = coder.workspace(running_one(api))
    here, there = workspace.organization_id, next(iter(coder.state.organizations.keys() - {workspace.organization_id}))
    owner = coder.state.users[workspace.owner_id]
    coder.set_user(owner.id, organizations={here: (), there: ()})
    for name, allowance in (("some", 5), ("more", 30)):
        coder.set_group(coder.create_group(name, organization=here, members=[owner.id]), quota_allowance=allowance)
    coder.set_group(coder.create_group("others", organization=here), quota_allowance=100)
    cost = sum(
        api.get(f"/workspaces/{each.id}")["latest_build"]["daily_cost"]
        for each in coder.state.undeleted()
        if (each.owner_id, each.organization_id) == (owner.id, here)
    )
    found = read(api, client=watched)
    entities = shown(found, QUOTA)
    assert entities.keys() == members(api).keys() and len(watched.asked) == len(entities)
    assert all(KIND_OF[QUOTA].is_identifier(each) for each in entities)
    one = entities[named_id(here, owner.id)]
    values = {"credits_consumed": cost, "budget": 35, "remaining": 35 - cost, "username": owner.username}
    assert cost > 0 and {key: one.properties[key] for key in values} == values
    assert one.relations == {"user": owner.id, "organization": here}
    assert one.properties["organization_name"] == coder.state.organizations[here].name
    elsewhere = entities[named_id(there, owner.id)].properties
    assert elsewhere["budget"] == 0 and elsewhere["credits_consumed"] != cost


def test_without_a_licence_few_quotas_are_asked_for_and_all_are_kept(deploy: Deploy, watched: type[Watched]) -> None:
    api = deploy(licensed=False, users=20)
    listing = read(api, {QUOTA: frozenset(members(api))}, client=watched).listings[QUOTA]
    assert listing.skipped == "Coder gives nobody a budget: quotas need a licence for groups (Premium)"
    assert listing.fates == {} and len(watched.asked) == 3 < len(members(api))


def test_a_refusal_skips_quotas_in_coders_words_and_a_coder_without_them_says_so(
    api: Api, watched: type[Watched]
) -> None:
    known = {QUOTA: frozenset({named_id(GHOST, GHOST)})}
    words = "Template RBAC is a Premium feature. Contact sales!"
    watched.instead["/members/"] = CoderForbidden(words, status=403, reason=words)
    listing = read(api, known, client=watched).listings[QUOTA]
    assert listing.skipped == "Coder says: Template RBAC is a Premium feature. Contact sales" and not listing.fates
    for status, error in ((404, CoderNotFound), (400, CoderBadRequest)):
        watched.asked.clear()
        watched.instead["/members/"] = error("no", status=status, reason="no")
        listing = read(api, known, client=watched).listings[QUOTA]
        assert listing.skipped.startswith("Coder does not show the quotas of members") and not listing.fates
        assert len(watched.asked) == 3


def test_a_member_whose_quota_coder_does_not_show_keeps_what_port_has(api: Api, watched: type[Watched]) -> None:
    key, (_, user) = sorted(members(api).items())[-1]
    watched.instead[f"/members/{user}/"] = CoderNotFound("no", status=404, reason="no")
    name = api.emulator.state.users[user].username
    listing = read(api, {QUOTA: frozenset(members(api))}, client=watched).listings[QUOTA]
    assert listing.skipped == f"Coder did not show the quota of 1 members, such as {name}"
    fresh = read(api, client=watched).listings[QUOTA]
    assert not fresh.skipped and fresh.rows.keys() == members(api).keys() - {key}


def test_a_quota_ends_with_the_membership_by_a_whole_list_of_users(api: Api) -> None:
    coder = api.emulator
    leaving = coder.create_user("leaving")
    known = frozenset(members(api))
    coder.delete_user(leaving)
    ended = known - members(api).keys()
    found = read(api, {QUOTA: known})
    assert found.listings[QUOTA].fates == dict.fromkeys(ended, Fate.GONE) != {}
    uncertain = replace(found.snapshot, users_whole=False)
    assert reading_of(api, QUOTA, uncertain, known).skipped.startswith("the read of users missed some")

    class Blinded(CoderClient):
        async def authcheck(self, checks: Any, **how: Any) -> dict[str, bool]:
            return dict.fromkeys(checks, False)

    assert reading_of(api, QUOTA, found.snapshot, known, Blinded).skipped.startswith("the read of users missed some")


def test_a_token_that_may_not_read_all_users_skips_quotas(api: Api) -> None:
    weak = api.emulator.create_token("organization-template-admin")
    snapshot = replace(read(api).snapshot, users=None)
    assert reading_of(api, QUOTA, snapshot, frozenset()).skipped == "Coder did not show its users to the token"
    assert read(api, token=weak).listings[QUOTA].skipped.startswith("the token may not read every user")


def test_members_of_an_organization_out_of_scope_are_not_asked_for_and_not_gone(
    deploy: Deploy, watched: type[Watched]
) -> None:
    api = deploy(organizations=2)
    known = frozenset(members(api))
    (inside, _) = sorted(api.emulator.state.organizations)
    listing = read(api, {QUOTA: known}, within=(inside,), client=watched).listings[QUOTA]
    assert listing.rows.keys() == {key for key, (one, _) in members(api).items() if one == inside}
    assert listing.outside.keys() == known - listing.rows.keys() and listing.fates == {}
    assert len(watched.asked) == len(listing.rows)


# ---------------------------------------------------------------- histories


def alive(api: Api) -> dict[str, set[str]]:
    """By kind what there is."""
    state, coder = api.emulator.state, api.emulator
    templates = [each for each in state.templates.values() if not each.deleted]
    workspaces = list(state.undeleted())
    return {
        VERSION: {each.active_version_id for each in templates} | {each.build.version_id for each in workspaces},
        PROVISIONER: set(state.daemon_ids),
        PRESET: {
            identifier_of(each.id, preset.name)
            for each in templates
            for preset in state.versions[each.active_version_id].presets
        },
        PROXY: {coder.deployment_id, *(key for key, each in state.proxies.items() if not each.deleted)},
        LICENCE: {derived_id(coder.deployment_id, "licence")} if state.licensed else set(),
        FAILURE: {each.build.id for each in workspaces if each.build.status == "failed"},
        AGENT: {
            named_id(each.id, agent.name)
            for each in workspaces
            if each.build.transition == "start" and each.build.job_status == "succeeded"
            for resource in state.versions[each.build.version_id].resources
            for agent in resource.agents
        },
        QUOTA: set(members(api)),
    }


class Lossy(CoderClient):
    """A client of a Coder whose lists lose rows, each list once at most."""

    chance = random.Random()

    async def _request(self, method: str, path: str, **how: Any) -> Any:
        answer = await super()._request(method, path, **how)
        lists = ("provisionerdaemons", "workspaceproxies", "licenses", "presets", "/users")
        lost = self.__dict__.setdefault("lost", set())
        if not path.endswith(lists) or path in lost or self.chance.random() < 0.5:
            return answer
        lost.add(path)
        name = "users" if path.endswith("/users") else "regions"
        rows = answer.data[name] if isinstance(answer.data, dict) else answer.data or []
        kept = [each for each in rows if self.chance.random() < 0.5]
        return replace(answer, data={**answer.data, name: kept} if isinstance(answer.data, dict) else kept)


def something_happens(coder: CoderEmulator, chance: random.Random, name: str) -> None:
    """One change of what there is."""
    template, workspaces = chance.choice(sorted(coder.template_ids())), sorted(coder.workspace_ids())
    workspace = chance.choice(workspaces)
    proxies = sorted(key for key, each in coder.state.proxies.items() if not each.deleted)
    visitors = sorted(
        each.id for each in coder.state.users.values() if each.username.startswith("proxy-") and not each.deleted
    )
    changes: list[Callable[[], object]] = [
        lambda: coder.promote_version(template),
        lambda: coder.promote_version(template, presets=()),
        lambda: coder.create_workspace(template=template),
        lambda: coder.delete_workspace(workspace) if len(workspaces) > 2 else None,
        lambda: coder.fail(workspace),
        lambda: coder.update_workspace(workspace),
        lambda: coder.set_provisioners(chance.randrange(4)),
        lambda: coder.delete_proxy(proxies[0]) if proxies else coder.create_proxy(name),
        lambda: coder.set_licensed(chance.random() < 0.7),
        lambda: coder.delete_user(visitors[0]) if visitors else coder.create_user(name),
    ]
    chance.choice(changes)()


def test_nothing_that_exists_is_called_gone_whatever_the_reads_lack(
    deploy: Deploy, figure: Callable[[str], None]
) -> None:
    api = deploy(workspaces=4, templates=2, organizations=1, users=3, prebuilds=2, flavour="newest")
    coder, ends, known = api.emulator, Counter[str](), {name: set[str]() for name in alive(api)}
    for seed in range(HISTORIES):
        Lossy.chance = chance = random.Random(seed)
        for _ in range(3):
            something_happens(coder, chance, f"proxy-{seed}")
        there = alive(api)
        for name, ids in there.items():
            known[name] |= ids
        if chance.random() < 0.3:
            coder.drop_rows(*chance.sample(sorted(coder.workspace_ids()), 1))
        found = read(api, {name: frozenset(ids) for name, ids in known.items()}, client=Lossy)
        coder.clear_list_faults()
        for name, ids in there.items():
            listing = found.listings[name]
            gone = {each for each, fate in listing.fates.items() if fate is Fate.GONE}
            assert not gone & ids, f"seed {seed}: {name}"
            assert not (listing.skipped and listing.fates)
            ends[f"{name} gone"] += len(gone)
            ends[f"{name} skipped"] += bool(listing.skipped)
            known[name] -= gone
    figure(f"facilities over {HISTORIES} histories: {dict(ends)}")
    assert min(ends[f"{name} gone"] for name in known) > 0
