"""What proves the end of an object of each kind, and what does not: absences, weaker tokens, shorter lists."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from catalog_samples import MARK, held, numbered
from coder_talk import Api, Deploy
from kinds_lab import (
    AGENT,
    FAILURE,
    GROUP,
    LICENCE,
    ORGANIZATION,
    PRESET,
    PROVISIONER,
    PROXY,
    QUOTA,
    USER,
    VERSION,
    WORKSPACE,
    Known,
    answering,
    as_kept,
    changing,
    known_in,
    read,
    verdict_on,
    wanted,
)

from coderport.catalog.values import Entity, LeftOut, Ref, named_id
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError, CoderNotFound
from coderport.coder.fate import Fate
from coderport.coder.reading import read_snapshot
from coderport.guard.deletions import Evidence, deletions_verdict
from coderport.guard.ownership import Owner
from coderport.kinds import inventory
from coderport.kinds.inventory import Inventory

# ---------------------------------------------------------------- users


def of_people(api: Api) -> list[str]:
    """Ids in the order of Coder's list."""
    people = [each for each in api.emulator.state.users.values() if not (each.system or each.deleted)]
    return [each.id for each in sorted(people, key=lambda each: each.username.lower())]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "read_snapshot", functools.partial(read_snapshot, page_limit=4))


@pytest.mark.usefixtures("small_pages")
def test_a_user_that_moved_to_a_page_already_read_keeps_the_quota(deploy: Deploy) -> None:
    """Rows and count agree: one user of the first page is deleted and one is made at the end, between two pages."""
    api = deploy(workspaces=3, templates=1, users=9, organizations=1, flavour="newest")
    api.emulator.create_user("aa-leaves")
    known = known_in(read(api, kinds=("user", "quota")))
    leaving, moved = of_people(api)[0], of_people(api)[4]

    class Moving(CoderClient):
        done = False

        async def users(self, *, limit: int, offset: int = 0) -> Any:
            if offset and not Moving.done:
                Moving.done = True
                api.emulator.delete_user(leaving)
                api.emulator.create_user("zz-new")
            return await super().users(limit=limit, offset=offset)

    found = read(api, kinds=("user", "quota"), client=Moving, known=known)
    assert Moving.done and found.snapshot.users_whole
    assert found.listings[QUOTA].fates == {} and not found.listings[USER].fates
    assert moved in (found.snapshot.users or {})


@pytest.mark.usefixtures("small_pages")
def test_where_users_come_and_go_all_the_time_no_list_of_them_is_whole(deploy: Deploy) -> None:
    api = deploy(workspaces=3, templates=1, users=9, organizations=1, flavour="newest")
    for number in range(12):
        api.emulator.create_user(f"aa-{number}")
    known = known_in(read(api, kinds=("quota",)))

    class Moving(CoderClient):
        async def users(self, *, limit: int, offset: int = 0) -> Any:
            leaving = next(each for each in of_people(api))
            if offset and api.emulator.state.users[leaving].username.startswith("aa-"):
                api.emulator.delete_user(leaving)
                api.emulator.create_user(f"zz-{len(api.emulator.state.users)}")
            return await super().users(limit=limit, offset=offset)

    found = read(api, kinds=("quota",), client=Moving, known=known)
    assert not found.snapshot.users_whole
    assert found.listings[QUOTA].skipped.startswith("the read of users missed some")


class Without(CoderClient):
    """A client whose lists of users lack one."""

    victim = ""

    async def users(self, *, limit: int, offset: int = 0) -> Any:
        rows, count = await super().users(limit=limit, offset=offset)
        return tuple(each for each in rows if each.id != self.victim), count


@pytest.fixture
def victim(api: Api) -> str:
    return api.emulator.create_user("alive")


def test_a_right_that_is_lost_between_two_questions_about_a_user_proves_nothing(api: Api, victim: str) -> None:
    for allowed in range(4):

        class Losing(Without):
            asked = 0

            async def _request(self, method: str, path: str, *, allowed: int = allowed, **how: Any) -> Any:
                if path.startswith("/users/") and not path.endswith("/me"):
                    type(self).asked += 1
                    if type(self).asked > allowed:
                        raise CoderNotFound("no", status=404, reason="no")
                return await super()._request(method, path, **how)

        Losing.victim = victim
        listing = read(api, kinds=("user",), client=Losing, known={USER: frozenset({victim})}).listings[USER]
        assert Fate.GONE not in listing.fates.values()


def test_a_right_to_users_that_is_lost_after_the_last_answer_proves_nothing(api: Api) -> None:
    coder = api.emulator
    admin, leaving = coder.create_user("admin-for-now", roles=("owner",)), coder.create_user("leaving")
    coder.delete_user(leaving)
    known, token = {USER: frozenset({leaving})}, coder.create_token(user=admin)

    class Losing(CoderClient):
        asked = 0

        async def _request(self, method: str, path: str, **how: Any) -> Any:
            answer = await super()._request(method, path, **how)
            Losing.asked += path == f"/users/{leaving}"
            if Losing.asked == 2:  # by id, by name, by id
                coder.set_user(admin, roles=frozenset())
            return answer

    assert read(api, kinds=("user",), known=known, token=token).listings[USER].fates == {leaving: Fate.GONE}
    assert read(api, kinds=("user",), known=known, token=token, client=Losing).listings[USER].fates == {
        leaving: Fate.UNPROVEN
    }


def test_a_user_who_is_renamed_between_two_questions_is_not_gone(api: Api, victim: str) -> None:
    for renames in (1, 2, 50):

        class Renaming(Without):
            done = 0

            async def _request(self, method: str, path: str, *, renames: int = renames, **how: Any) -> Any:
                by_name = path.startswith("/users/") and not path.endswith(("/me", f"/{victim}"))
                if by_name and type(self).done < renames:
                    type(self).done += 1
                    api.emulator.set_user(victim, username=f"renamed-{renames}-{type(self).done}")
                return await super()._request(method, path, **how)

        Renaming.victim = victim
        listing = read(api, kinds=("user",), client=Renaming, known={USER: frozenset({victim})}).listings[USER]
        assert Renaming.done and Fate.GONE not in listing.fates.values()
        assert (victim in listing.rows) == (renames < 3)


def test_a_deleted_user_whose_name_somebody_else_has_now_is_gone(api: Api) -> None:
    leaving = api.emulator.create_user("taken")
    api.emulator.delete_user(leaving)
    api.emulator.create_user("taken")
    assert read(api, kinds=("user",), known={USER: frozenset({leaving})}).listings[USER].fates == {leaving: Fate.GONE}


def test_a_list_of_users_without_the_tokens_own_is_not_whole(api: Api) -> None:
    me = api.get("/users/me")["id"]
    known = known_in(read(api, kinds=("quota",)))

    def only(*ids: str) -> type[CoderClient]:
        def change(path: str, data: Any) -> Any:
            if not path.endswith("/users"):
                return data
            rows = [each for each in data["users"] if each["id"] in ids]
            return {"users": rows, "count": len(rows)}

        return changing(change)

    for client in (only(), only(next(each for each in of_people(api) if each != me))):
        found = read(api, kinds=("quota",), client=client, known=known)
        assert not found.snapshot.users_whole
        assert found.listings[QUOTA].skipped.startswith("the read of users missed some")


# ---------------------------------------------------------------- organizations that are not shown


GHOST = "00000000-0000-4000-8000-00000000dead"
BY_ORGANIZATION = (GROUP, PROVISIONER, QUOTA, VERSION)


@pytest.fixture
def licensed(deploy: Deploy) -> Api:
    return deploy(workspaces=8, templates=3, users=5, organizations=2, flavour="newest", prebuilds=3)


def told(found: Inventory, name: str) -> dict[str, Fate]:
    return dict(found.listings[name].fates)


def test_a_token_that_loses_an_organization_ends_no_provisioner_there(deploy: Deploy) -> None:
    api = deploy(workspaces=0, templates=0, users=4, organizations=1, flavour="2.20")
    coder = api.emulator
    (first,) = coder.state.organizations
    second = coder.create_organization("second")
    roles: dict[str, Iterable[str]] = dict.fromkeys((first, second), ("organization-admin",))
    weak = coder.create_user("weak", organizations=roles)
    token = coder.create_token(user=weak)
    coder.set_provisioners(2)
    known, there = as_kept(read(api, kinds=("provisioner",), token=token))
    assert len(known[PROVISIONER]) == 2
    coder.set_user(weak, organizations={second: frozenset({"organization-admin"})})
    for in_port in (None, there):
        found = read(api, kinds=("provisioner",), token=token, known=known, in_port=in_port)
        assert told(found, PROVISIONER) == dict.fromkeys(known[PROVISIONER], Fate.UNPROVEN)
        assert not found.listings[PROVISIONER].outside
    narrow = read(api, kinds=("provisioner",), token=token, known=known, in_port=there, within=("second",))
    assert told(narrow, PROVISIONER) == dict.fromkeys(known[PROVISIONER], Fate.UNPROVEN)
    one = held(Entity(PROVISIONER, GHOST, "of second", {"organization_id": second}, {}))
    found = read(
        api,
        kinds=("provisioner",),
        token=token,
        known={PROVISIONER: frozenset({GHOST})},
        in_port={PROVISIONER: {GHOST: one}},
    )
    assert told(found, PROVISIONER) == {GHOST: Fate.GONE}  # it was where the token sees everything


@pytest.mark.parametrize("in_port", [False, True])
def test_what_is_in_an_organization_that_the_list_lacks_is_neither_gone_nor_left_out(
    licensed: Api, in_port: bool
) -> None:
    known, there = as_kept(read(licensed))
    lost = str(next(iter(there[PROVISIONER].values())).properties["organization_id"])
    assert all(any(lost in (key, key.partition(":")[0]) for key in known[name]) for name in (GROUP, QUOTA))

    def without(path: str, data: Any) -> Any:
        return [each for each in data if each["id"] != lost] if path == "/organizations" else data

    found = read(licensed, known=known, client=changing(without), in_port=there if in_port else None)
    assert not [name for name in BY_ORGANIZATION if found.listings[name].outside]
    assert {each.blueprint for each in found.gone} <= {ORGANIZATION} and not found.gone
    later = wanted(found, there, known)
    assert LeftOut.ORGANIZATION not in later.left_out.values()
    for name in (GROUP, VERSION):
        assert found.listings[name].rows.keys() == known[name]
    of_lost = {key for key in known[QUOTA] if key.startswith(lost)}
    assert of_lost and told(found, QUOTA) == dict.fromkeys(of_lost, Fate.UNPROVEN)
    assert set(told(found, PROVISIONER).values()) == {Fate.UNPROVEN}


def test_what_was_in_an_organization_that_is_deleted_is_gone(deploy: Deploy) -> None:
    api = deploy(workspaces=2, templates=1, users=4, organizations=1, flavour="newest")
    coder = api.emulator
    second = coder.create_organization("second")
    roles: dict[str, Iterable[str]] = {next(iter(coder.state.organizations)): (), second: ()}
    coder.create_user("both", organizations=roles)
    known = known_in(read(api))
    ended = {key for key in known[QUOTA] if key.startswith(second)}
    coder.delete_organization(second)
    found = read(api, known=known)
    assert ended and told(found, QUOTA) == dict.fromkeys(ended, Fate.GONE)
    assert {Ref(QUOTA, each) for each in ended} <= found.proven


# ---------------------------------------------------------------- lists that show nothing


def refused(found: Inventory, there: Mapping[str, Mapping[str, Any]], known: Known) -> str:
    """What the guard says of it, for the state that has all that is known."""
    return "\n".join(verdict_on(found, wanted(found, there, known), there, known).reasons)


EMPTY: list[tuple[str, Any]] = [
    ("/provisionerdaemons", []),
    ("/provisionerdaemons", None),
    ("/workspaceproxies", {"regions": []}),
    ("/licenses", []),
    ("/licenses", None),
    ("/presets", []),
    ("/presets", None),
    ("/users", {"users": [], "count": 0}),
    ("/groups", []),
    ("/organizations", []),
]


@pytest.mark.parametrize(("path", "body"), EMPTY)
def test_no_empty_list_deletes_anything_without_a_release(licensed: Api, path: str, body: Any) -> None:
    licensed.emulator.create_proxy("sydney")
    known, there = as_kept(read(licensed))
    assert all(known[name] for name in (PROVISIONER, LICENCE, PRESET, QUOTA, GROUP, PROXY))
    try:
        found = read(licensed, known=known, client=answering(path, body), in_port=there)
    except CoderError:
        return  # nothing is read, and nothing deleted
    later = wanted(found, there, known)
    lost = {(name, each) for name, ids in known.items() for each in ids - later.ids().get(name, frozenset())}
    assert not lost or refused(found, there, known)


def test_one_empty_list_of_several_needs_a_release(licensed: Api) -> None:
    """Other organizations, and other templates, still show theirs."""
    known, there = as_kept(read(licensed))
    template = next(iter(known[PRESET])).partition(":")[0]
    version = licensed.emulator.template(template).active_version_id
    found = read(licensed, known=known, in_port=there, client=answering(f"/{version}/presets", []))
    assert {each.identifier for each in found.blank} == {each for each in known[PRESET] if each.startswith(template)}
    assert "gone by nothing but a list of Coder's that shows none" in refused(found, there, known)


def test_presets_that_a_promoted_version_has_no_more_are_gone_in_any_number(licensed: Api) -> None:
    known, there = as_kept(read(licensed))
    for template in {each.partition(":")[0] for each in known[PRESET]}:
        licensed.emulator.promote_version(template, presets=())
    found = read(licensed, known=known, in_port=there)
    assert told(found, PRESET) == dict.fromkeys(known[PRESET], Fate.GONE)
    assert not refused(found, there, known)


def test_the_last_licence_goes_where_coder_says_that_it_has_none(licensed: Api) -> None:
    known, there = as_kept(read(licensed))
    licensed.emulator.set_licensed(False)
    found = read(licensed, known=known, in_port=there)
    assert told(found, LICENCE) == dict.fromkeys(known[LICENCE], Fate.GONE) and not refused(found, there, known)
    licensed.emulator.set_licensed(True)
    contradicts = read(licensed, known=known, in_port=there, client=answering("/licenses", []))
    assert contradicts.skipped[LICENCE] == "Coder lists no licence, and says that it has one"

    def silent(path: str, data: Any) -> Any:
        return {**data, "has_license": None} if path == "/entitlements" else [] if path == "/licenses" else data

    found = read(licensed, known=known, in_port=there, client=changing(silent))
    assert refused(found, there, known)


def test_all_agents_of_workspaces_that_stop_go_and_none_that_running_ones_do_not_show(licensed: Api) -> None:
    known, there = as_kept(read(licensed))

    def bare(path: str, data: Any) -> Any:
        for each in data["workspaces"] if path == "/workspaces" else ():
            each["latest_build"]["resources"] = None
        return data

    found = read(licensed, known=known, in_port=there, client=changing(bare))
    assert found.gone and refused(found, there, known)
    for workspace in {each.partition(":")[0] for each in known[AGENT]}:
        licensed.emulator.stop(workspace)
    found = read(licensed, known=known, in_port=there)
    assert told(found, AGENT) == dict.fromkeys(known[AGENT], Fate.GONE)
    assert not refused(found, there, known)


def test_the_only_failure_ends_with_a_build_that_succeeds_and_not_with_one_that_says_nothing(licensed: Api) -> None:
    workspace = licensed.emulator.create_workspace()
    licensed.emulator.fail(workspace)
    known, there = as_kept(read(licensed))
    build = licensed.emulator.workspace(workspace).build.id
    assert build in known[FAILURE]

    def silent(path: str, data: Any) -> Any:
        for each in data["workspaces"] if path == "/workspaces" else ():
            each["latest_build"]["status"] = ""
        return data

    found = read(licensed, known=known, in_port=there, client=changing(silent))
    assert found.skipped[FAILURE] == "Coder did not say what became of the latest builds"
    for each in licensed.emulator.state.undeleted():
        if each.build.status == "failed":
            licensed.emulator.start(each.id)
    found = read(licensed, known=known, in_port=there)
    assert told(found, FAILURE) == dict.fromkeys(known[FAILURE], Fate.GONE)
    assert not refused(found, there, known)


def test_a_version_that_templates_or_workspaces_do_not_name_is_not_gone_by_their_silence(licensed: Api) -> None:
    known = known_in(read(licensed))

    def silent(path: str, data: Any) -> Any:
        for each in data if path == "/templates" else ():
            each["active_version_id"] = ""
        for each in data["workspaces"] if path == "/workspaces" else ():
            each["latest_build"]["template_version_id"] = ""
        return data

    found = read(licensed, known=known, client=changing(silent))
    assert told(found, VERSION) == {} and found.listings[VERSION].rows.keys() == known[VERSION]


def test_a_preset_of_a_template_that_is_not_shown_is_unproven_and_of_a_deleted_one_gone(licensed: Api) -> None:
    known = known_in(read(licensed))
    template = next(iter(known[PRESET])).partition(":")[0]
    mine = {each for each in known[PRESET] if each.startswith(template)}

    def without(path: str, data: Any) -> Any:
        if path.endswith("/templates"):
            return [each for each in data if each["id"] != template]
        return data

    class Losing(changing(without)):  # type: ignore[misc]
        async def template(self, template_id: str) -> Any:
            if template_id == template:
                raise CoderNotFound("no", status=404, reason="no")
            return await super().template(template_id)

    known_presets = {PRESET: known[PRESET]}
    assert told(read(licensed, known=known_presets, client=Losing), PRESET) == dict.fromkeys(mine, Fate.UNPROVEN)
    for each in list(licensed.emulator.state.undeleted()):
        if each.template_id == template:
            licensed.emulator.delete_workspace(each.id)
    licensed.emulator.delete_template(template)
    assert told(read(licensed, known=known_presets), PRESET) == dict.fromkeys(mine, Fate.GONE)


def test_a_list_of_users_with_nobody_but_the_tokens_own_ends_no_quota_of_somebody_whom_coder_shows(
    licensed: Api,
) -> None:
    known, there = as_kept(read(licensed))
    me = licensed.get("/users/me")

    def only_me(path: str, data: Any) -> Any:
        if not path.endswith("/users"):
            return data
        return {"users": [each for each in data["users"] if each["id"] == me["id"]] or [me], "count": 1}

    found = read(licensed, kinds=("quota",), known=known, in_port=there, client=changing(only_me))
    assert found.snapshot.users_whole
    assert found.listings[QUOTA].skipped.startswith("the read of users missed some")
    leaving = next(each for each in of_people(licensed) if each != me["id"])
    for each in list(licensed.emulator.state.undeleted()):
        if each.owner_id == leaving:
            licensed.emulator.delete_workspace(each.id)
    licensed.emulator.delete_user(leaving)
    found = read(licensed, kinds=("quota",), known=known, in_port=there)
    ended = {key for key in known[QUOTA] if key in {named_id(key.partition(":")[0], leaving)}}
    assert ended and told(found, QUOTA) == dict.fromkeys(ended, Fate.GONE)
    found = read(licensed, known={**known, WORKSPACE: frozenset()}, in_port=there)
    assert {Ref(QUOTA, each) for each in ended} <= found.proven  # the user is proven deleted


def test_what_a_list_that_shows_others_lacks_goes_in_any_number(licensed: Api) -> None:
    licensed.emulator.set_provisioners(30)
    known, there = as_kept(read(licensed))
    licensed.emulator.set_provisioners(1)
    found = read(licensed, known=known, in_port=there)
    assert len([each for each in found.gone if each.blueprint == PROVISIONER]) == 29
    assert not refused(found, there, known)


def test_all_of_a_derived_kind_go_by_their_own_or_their_parents_end_and_never_by_a_list_alone() -> None:
    ids = frozenset(numbered(number) for number in range(4))
    there = {PROVISIONER: {each: held(Entity(PROVISIONER, each, each, {"managed_by": str(MARK)}, {})) for each in ids}}
    gone = frozenset(Ref(PROVISIONER, each) for each in ids)
    evidence = Evidence({}, Owner(MARK, {PROVISIONER: ids}), there, gone, {}, {})
    assert deletions_verdict(evidence).refused
    assert not deletions_verdict(evidence, allow_deletions=4).refused
    (text,) = deletions_verdict(replace(evidence, proven=frozenset(sorted(gone)[:3]))).reasons
    assert "provisioners: 4 of 4 would go (3 forgotten by Coder may without a release)" in text
    assert "1 of these are gone by nothing but a list of Coder's that shows none" in text
    assert "--allow-deletions 4" in text
    assert not deletions_verdict(replace(evidence, proven=gone)).refused
    assert deletions_verdict(replace(evidence, proven=frozenset(sorted(gone)[:3]))).refused
    others = {PROVISIONER: frozenset({GHOST})}
    assert not deletions_verdict(replace(evidence, desired=others)).refused
    assert deletions_verdict(replace(evidence, desired=others, blank=frozenset(sorted(gone)[:1]))).refused
    assert not deletions_verdict(replace(evidence, held={})).refused  # nothing in Port goes with them


def test_a_user_whom_no_list_shows_and_coder_shows_by_id_keeps_the_quota(licensed: Api) -> None:
    known, there = as_kept(read(licensed))
    me = licensed.get("/users/me")["id"]
    victim = next(each for each in of_people(licensed) if each != me)

    def without(path: str, data: Any) -> Any:
        if not path.endswith("/users"):
            return data
        rows = [each for each in data["users"] if each["id"] != victim]
        return {"users": rows, "count": len(rows)}

    for in_port in (there, None):
        found = read(licensed, known=known, client=changing(without), in_port=in_port)
        assert found.snapshot.users_whole and victim in found.listings[USER].rows
        assert found.listings[QUOTA].rows.keys() == known[QUOTA] and not found.listings[QUOTA].fates
