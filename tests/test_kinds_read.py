"""The optional kinds, read from the emulated Coder: what exists is never called deleted, whatever is not shown."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, TypeVar

import pytest
from catalog_samples import CONTEXT, MARK, held, holding, numbered
from coder_talk import Api, Deploy

from coderport.catalog.identifiers import PORT_USERS
from coderport.catalog.values import Entity, Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderNotFound
from coderport.coder.fate import Fate
from coderport.coder.models import CoderPerson, Group, Organization
from coderport.guard import deletions
from coderport.guard.deletions import Evidence
from coderport.guard.ownership import Owner
from coderport.kinds import all as kinds
from coderport.kinds.desired import Desired, desired
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import Inventory, derived, read_inventory
from coderport.kinds.kind import Listing
from coderport.kinds.unread import notes
from coderport.kinds.workspace import workspace_entity

HISTORIES = int(os.environ.get("KINDS_HISTORIES", "150"))
ORGANIZATION, USER, GROUP = OPTIONAL = ("coder_organization", "coder_user", "coder_group")
WORKSPACE, TEMPLATE = "coder_workspace", "coder_template"
NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)
GHOST = "00000000-0000-4000-8000-00000000dead"
Row = TypeVar("Row")
Known = Mapping[str, frozenset[str]]


class Forgetful(CoderClient):
    """A client of a Coder whose lists lack what `forgets` says, and whose token may lose its rights on the way."""

    def forgets(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return rows

    def asked(self) -> None:
        """Before each question, of whatever kind."""

    async def _request(self, method: str, path: str, **how: Any) -> Any:
        self.asked()
        return await super()._request(method, path, **how)

    async def organizations(self) -> tuple[Organization, ...]:
        return self.forgets(await super().organizations())

    async def groups(self) -> tuple[Group, ...]:
        return self.forgets(await super().groups())

    async def users(self, *, limit: int, offset: int = 0) -> tuple[tuple[CoderPerson, ...], int]:
        rows, count = await super().users(limit=limit, offset=offset)
        return self.forgets(rows), count


def read(
    api: Api,
    known: Known,
    client: type[CoderClient] = CoderClient,
    token: str | None = None,
    names: tuple[str, ...] = ("organization", "user", "group"),
) -> Inventory:
    async def ids() -> Known:
        return known

    async def run() -> Inventory:
        async with client(str(api.http.base_url), token or api.emulator.token) as coder:
            return await read_inventory(coder, kinds.kinds_of(names), known=ids, progress=lambda *_: None)

    return asyncio.run(run())


def fates(found: Inventory) -> dict[str, dict[str, Fate]]:
    return {name: dict(found.listings[name].fates) for name in OPTIONAL}


def all_of(*identifiers: str) -> Known:
    return {name: frozenset(identifiers) for name in OPTIONAL}


def test_what_was_deleted_is_gone_and_what_never_was_is_not(api: Api) -> None:
    coder = api.emulator
    user, organization = coder.create_user("leaving"), coder.create_organization("leaving")
    group = coder.create_group("leaving", members=[user])
    coder.delete_group(group)
    coder.delete_user(user)
    coder.delete_organization(organization)
    known = {ORGANIZATION: frozenset({organization}), USER: frozenset({user, GHOST}), GROUP: frozenset({group})}
    assert fates(read(api, known)) == {
        ORGANIZATION: {organization: Fate.GONE},
        USER: {user: Fate.GONE, GHOST: Fate.UNPROVEN},
        GROUP: {group: Fate.GONE},
    }


def test_an_organization_of_which_only_the_name_changed_is_not_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coder shows a deleted one by its id, and not by its name; a name that was just given up looks the same."""
    coder = api.emulator
    organization = coder.create_organization("before")
    asked: list[str] = []
    ask = CoderClient._organization

    async def renamed_in_between(self: CoderClient, key: str) -> Organization | None:
        asked.append(key)
        if key == "before" and organization in coder.state.organizations:
            coder.state.organizations[organization].name = "after"
        return await ask(self, key)

    monkeypatch.setattr(CoderClient, "_organization", renamed_in_between)

    async def shown() -> Organization | Fate | None:
        async with CoderClient(str(api.http.base_url), coder.token) as reader:
            return await reader.organization(organization)

    found = asyncio.run(shown())
    assert isinstance(found, Organization) and found.name == "after"
    assert asked == [organization, "before", organization, "after"]
    coder.delete_organization(organization)
    assert asyncio.run(shown()) is None


def test_an_organization_that_the_token_does_not_see_is_not_gone(api: Api) -> None:
    (inside, outside) = sorted(api.emulator.state.organizations)
    weak = api.emulator.create_user("weak", organizations={inside: ("organization-template-admin",)})
    found = read(api, all_of(outside), token=api.emulator.create_token(user=weak))
    assert found.listings[ORGANIZATION].fates == {outside: Fate.UNPROVEN}
    assert set(found.skipped) == {USER}
    assert found.listings[USER].fates == {}


def relations_of(
    found: Inventory, name: str, identifier: str, people: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Those that Port should hold of that object, where Port has these people by address."""
    people = people or {}
    context = replace(CONTEXT, people=people)
    there = {Ref(PORT_USERS, each) for each in people.values()}
    wanted = desired(found, Filters(), context, {}, datetime.now(timezone.utc), timedelta(), there=there)
    (entity,) = (each for each in wanted.entities if each.ref == Ref(name, identifier))
    return entity.relations


def test_a_workspace_leads_to_those_that_it_is_shared_with_and_to_the_groups_of_its_owner(deploy: Deploy) -> None:
    api = deploy(flavour="newest")
    workspace = next(each.id for each in api.emulator.state.undeleted() if not each.is_prebuild)
    everybody = api.emulator.workspace(workspace).organization_id
    one, other = api.emulator.create_user("one"), api.emulator.create_user("other")
    body = {"user_roles": {one: "use", other: "admin"}, "group_roles": {everybody: "use"}}
    assert api.request("PATCH", f"/workspaces/{workspace}/acl", json=body).status_code == 204
    found = read(api, {})
    relations, row = relations_of(found, WORKSPACE, workspace), found.snapshot.workspaces[workspace]
    turned = row.model_copy(update={"shared_with": row.shared_with[::-1]})
    people = {Ref(USER, one), Ref(USER, other)}
    assert workspace_entity(turned, CONTEXT, people, {USER}) == workspace_entity(row, CONTEXT, people, {USER})
    assert relations["shared_with_users"] == tuple(sorted([one, other]))
    assert relations["shared_with_groups"] == (everybody,)
    assert api.request("DELETE", f"/workspaces/{workspace}/acl").status_code == 204
    member = api.emulator.workspace(workspace).owner_id
    group = api.emulator.create_group("few", members=[member])
    elsewhere = api.emulator.create_organization("elsewhere")
    inside = api.emulator.state.users[member].organizations
    api.emulator.set_user(member, organizations={**inside, elsewhere: frozenset()})
    api.emulator.create_group("others", organization=elsewhere, members=[member])
    relations = relations_of(read(api, {}), WORKSPACE, workspace)
    assert relations["owner_groups"] == tuple(sorted([everybody, group]))
    assert (relations["shared_with_users"], relations["shared_with_groups"]) == ((), ())


class Narrow(CoderClient):
    """A client of a token that may not see the access lists of the `hidden`; the others have `more` in theirs."""

    hidden: ClassVar[frozenset[str]] = frozenset()
    asked: ClassVar[list[str]] = []
    more: ClassVar[list[dict[str, str]]] = []

    async def _request(self, method: str, path: str, **how: Any) -> Any:
        if path.endswith("/acl"):
            self.asked.append(path)
            if path.split("/")[2] in self.hidden:
                raise CoderNotFound("no", status=404, reason="no")
            answer = await super()._request(method, path, **how)
            return replace(answer, data={**answer.data, "group": [*answer.data["group"], *self.more]})
        return await super()._request(method, path, **how)


def test_a_template_leads_to_the_groups_that_may_use_it(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    api = deploy(templates=2)
    open_one, narrow = sorted(api.emulator.template_ids())[:2]
    api.emulator.set_template(narrow, readers=[])
    everybody = api.emulator.template(open_one).organization_id
    found = read(api, {}, names=("group",))
    assert relations_of(found, TEMPLATE, open_one) == {"groups": (everybody,)}
    assert relations_of(found, TEMPLATE, narrow) == {"groups": ()}
    few, former = api.emulator.create_group("few"), api.emulator.create_group("former")
    monkeypatch.setattr(Narrow, "more", [{"id": former, "role": ""}, {"id": few, "role": "admin"}])
    found = read(api, {}, names=("group",), client=Narrow)
    assert relations_of(found, TEMPLATE, open_one) == {"groups": tuple(sorted([everybody, few]))}
    assert relations_of(found, TEMPLATE, narrow) == {"groups": (few,)}
    assert relations_of(read(api, {}, names=()), TEMPLATE, open_one) == {}


def test_access_lists_are_asked_for_with_groups_alone_and_once_for_each_template(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = deploy(templates=6)
    templates = api.emulator.template_ids()

    def requests(names: tuple[str, ...]) -> int:
        monkeypatch.setattr(Narrow, "asked", [])
        read(api, {}, names=names, client=Narrow)
        return len(Narrow.asked)

    assert (requests(()), requests(("user",)), requests(("group",))) == (0, 0, len(templates))
    monkeypatch.setattr(Narrow, "hidden", frozenset(templates))
    assert requests(("group",)) == 3 < len(templates)
    api.emulator.set_licensed(False)
    assert requests(("group",)) == 0


def test_groups_of_a_template_that_coder_does_not_show_stay_as_port_has_them(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = deploy(templates=2)
    one, other = sorted(api.emulator.template_ids())[:2]
    group = api.emulator.create_group("few")
    everybody = api.emulator.template(one).organization_id
    monkeypatch.setattr(Narrow, "hidden", frozenset({one}))

    def wanted(names: tuple[str, ...]) -> Desired:
        found = read(api, {GROUP: frozenset({group})}, names=names, client=Narrow)
        port = {each.ref: each for each in desired(found, Filters(), CONTEXT, {}, NOW, timedelta()).entities}
        entity = port[Ref(TEMPLATE, one)]
        in_port = replace(held(entity), relations={"groups": [group, everybody, GHOST]})
        return desired(found, Filters(), CONTEXT, {TEMPLATE: {one: in_port}}, NOW, timedelta())

    found = wanted(("group",))
    relations = {each.identifier: each.relations for each in found.entities}
    assert relations[one] == {"groups": (group, everybody)}  # not the one that is no more
    assert relations[other] == {"groups": (everybody,)}
    assert found.kept["groups"] == 1
    said = "Coder did not show which groups may use 1 template. That stays as Port has it."
    assert said in notes(found.kept)
    assert "groups" not in {each.identifier: each.relations for each in wanted(()).entities}[one]


def test_a_user_leads_to_ports_own_of_the_same_address_where_there_is_one(api: Api) -> None:
    one, other = api.emulator.create_user("one"), api.emulator.create_user("other")
    api.emulator.set_user(one, email="ONE@Example.com")
    found, people = read(api, {}), {"one@example.com": "One@example.com"}
    assert relations_of(found, USER, one, people)["port_user"] == "One@example.com"
    assert "port_user" not in relations_of(found, USER, other, people)
    assert "port_user" not in relations_of(found, USER, one)
    api.emulator.set_user(other, email="\u212aate@example.com")
    found, people = read(api, {}), {"kate@example.com": "kate@example.com"}
    assert "port_user" not in relations_of(found, USER, other, people)  # the Kelvin sign is no k


def test_a_relation_to_several_of_a_kind_that_is_not_there_is_left_to_others(api: Api) -> None:
    workspace = next(each.id for each in api.emulator.state.undeleted() if not each.is_prebuild)
    assert relations_of(read(api, {}, names=()), WORKSPACE, workspace).keys() == {"template_id"}
    found = read(api, {}, names=("group",))
    assert relations_of(found, WORKSPACE, workspace).keys() == {"template_id", "shared_with_groups", "owner_groups"}
    group = next(iter(found.listings[GROUP].rows))
    assert relations_of(found, GROUP, group) == {}


def test_without_a_licence_groups_are_skipped_with_coders_words(deploy: Deploy) -> None:
    found = read(deploy(licensed=False), all_of(GHOST))
    assert found.skipped == {GROUP: "Coder says: Template RBAC is a Premium feature. Contact sales"}
    assert found.listings[GROUP].fates == {}


def test_what_port_has_of_a_skipped_kind_stays_as_it_is_with_relations_and_entities_of_others(deploy: Deploy) -> None:
    api = deploy(licensed=True)
    group, user = api.emulator.create_group("few"), api.emulator.create_user("one")
    first = desired(read(api, {}), Filters(), CONTEXT, {}, NOW, timedelta()).entities
    port = {each.ref: held(each) for each in first}
    known = {name: frozenset(each.identifier for each in first if each.blueprint == name) for name in OPTIONAL}
    api.emulator.set_licensed(False)

    def kept(names: tuple[str, ...], users: list[str], **others: Any) -> Mapping[str, Any]:
        there = {**port, Ref(GROUP, group): replace(port[Ref(GROUP, group)], relations={"users": users, **others})}
        port_holds = {**holding(*there.values())}
        port_holds[USER] = {**port_holds[USER], GHOST: replace(port[Ref(USER, user)], identifier=GHOST)}
        found = desired(read(api, {}, names=names), Filters(), CONTEXT, port_holds, NOW, timedelta(), known=known)
        return next(each.relations for each in found.entities if each.ref == Ref(GROUP, group))

    # Without the kinds that they lead to, relations of these names are a colleague's.
    assert kept(("group",), ["somebody"], organization="theirs") == {}
    # With them they may lead to an entity of somebody else; only what goes in this run is taken out.
    assert kept(("group", "user"), [user, GHOST]) == {"users": (user, GHOST)}
    api.emulator.delete_user(user)
    assert kept(("group", "user"), [user, GHOST]) == {"users": (GHOST,)}


def test_a_list_of_groups_without_one_that_must_be_there_is_not_believed(api: Api) -> None:
    class Short(Forgetful):
        def forgets(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return rows[1:] if rows and isinstance(rows[0], Group) else rows

    assert "lacks 1 of those that must be there" in read(api, all_of(GHOST), Short).skipped[GROUP]


def test_a_right_that_is_lost_on_the_way_proves_nothing(api: Api) -> None:
    coder = api.emulator
    admin = coder.create_user("admin-for-now", roles=("owner",))
    group = coder.create_group("alive")

    class Losing(Forgetful):
        def forgets(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(each for each in rows if getattr(each, "id", "") != group)

        async def group(self, group_id: str) -> Group | None:
            coder.set_user(admin, roles=frozenset())
            return await super().group(group_id)

    found = read(api, {GROUP: frozenset({group})}, Losing, coder.create_token(user=admin))
    assert found.listings[GROUP].fates == {group: Fate.UNPROVEN}


def test_a_right_that_comes_on_the_way_proves_nothing_either(api: Api) -> None:
    coder = api.emulator
    inside, outside = sorted(coder.state.organizations)
    admin = coder.create_user("admin-soon", organizations={inside: ("organization-template-admin",)})

    class Gaining(Forgetful):
        async def organization(self, organization_id: str) -> Organization | Fate | None:
            found = await super().organization(organization_id)
            coder.set_user(admin, roles=frozenset({"owner"}))
            return found

    found = read(api, {ORGANIZATION: frozenset({outside})}, Gaining, coder.create_token(user=admin))
    assert found.listings[ORGANIZATION].fates == {outside: Fate.UNPROVEN}


def test_nothing_that_exists_is_called_gone_whatever_the_lists_lack(
    deploy: Deploy, figure: Callable[[str], None]
) -> None:
    api = deploy(workspaces=2, templates=1, organizations=2, users=6)
    coder, ends = api.emulator, Counter[str]()
    dead: dict[str, set[str]] = {name: set() for name in OPTIONAL}
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        made = {
            ORGANIZATION: coder.create_organization(f"o{seed}"),
            USER: coder.create_user(f"u{seed}"),
            GROUP: coder.create_group(f"g{seed}"),
        }
        end: dict[str, Any] = {
            ORGANIZATION: coder.delete_organization, USER: coder.delete_user, GROUP: coder.delete_group,
        }  # fmt: skip
        for name, identifier in made.items():
            if chance.random() < 0.9:
                end[name](identifier)
                dead[name].add(identifier)
        alive = {
            ORGANIZATION: set(coder.state.organizations),
            USER: {key for key, each in coder.state.users.items() if not (each.deleted or each.system)},
            GROUP: {*coder.state.groups, *coder.state.organizations},
        }

        people = sorted(alive[USER])

        class Lying(Forgetful):
            def asked(self, chance: random.Random = chance, people: list[str] = people) -> None:
                if chance.random() < 0.2:  # a name that was told is none any more
                    coder.set_user(chance.choice(people), username=f"r{chance.getrandbits(40)}")

            def forgets(self, rows: tuple[Row, ...], seed: int = seed) -> tuple[Row, ...]:
                """The same in each list of a read: what a second look shows is no test of what happens to the rest."""
                return tuple(
                    each
                    for each in rows
                    if not isinstance(each, CoderPerson | Group) or random.Random(f"{seed} {each.id}").random() < 0.7
                )

        known = {
            name: frozenset({*alive[name], *chance.sample(sorted(dead[name]), min(3, len(dead[name]))), GHOST})
            for name in OPTIONAL
        }
        found = read(api, known, Lying)
        for name in OPTIONAL:
            gone = {each for each, fate in found.listings[name].fates.items() if fate is Fate.GONE}
            assert not gone & alive[name], f"seed {seed}: {name}"
            ends[f"{name} gone"] += len(gone)
            ends[f"{name} skipped"] += name in found.skipped
    figure(f"kinds over {HISTORIES} histories: {dict(ends)}")
    assert min(ends[f"{name} gone"] for name in OPTIONAL) > 0


def test_what_is_derived_ends_with_the_read_and_no_number_of_it_needs_a_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = frozenset({"one", "two", "three"})
    assert derived(Listing({"one": 1}, {"two": 2}), known).fates == {"three": Fate.GONE}
    assert derived(Listing({}, skipped="no licence"), known).fates == {}
    many = frozenset(numbered(number) for number in range(50))
    evidence = Evidence(
        desired={GROUP: frozenset({GHOST})},
        owner=Owner(MARK, {GROUP: many}),
        held=holding(*(held(Entity(GROUP, each, each, {"managed_by": str(MARK)}, {})) for each in many)),
        gone=frozenset(Ref(GROUP, each) for each in many),
        left_out={},
        seen={},
    )
    assert deletions.deletions_verdict(evidence).refused
    group = replace(kinds.KIND_OF[GROUP], ends="derived")
    monkeypatch.setattr(deletions, "KIND_OF", {**kinds.KIND_OF, GROUP: group})
    assert not deletions.deletions_verdict(evidence).refused
