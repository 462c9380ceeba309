"""What Coder did not show of an object that it showed: Port's value stays, and the run says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from coder_talk import Api, Deploy
from kinds_lab import (
    GROUP,
    ORGANIZATION,
    USER,
    WORKSPACE,
    answering,
    changing,
    entities,
    known_in,
    port_of,
    read,
    wanted,
)

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden
from coderport.kinds.all import kinds_of
from coderport.kinds.unread import notes

HOUSE = ("organization", "user", "group")


@pytest.fixture
def house(deploy: Deploy) -> Iterator[Api]:
    api = deploy(workspaces=4, templates=2, organizations=2, users=6)
    people = [each.id for each in api.emulator.state.users.values() if not each.system]
    api.emulator.create_group("devs", members=people[:3])
    yield api


def changed(
    api: Api, client: type[CoderClient], kinds: tuple[str, ...] = HOUSE, token: str = ""
) -> tuple[dict[tuple[str, str], int], list[str]]:
    """By kind and property or relation how many entities another read changes in Port; and what is said of it."""
    first = wanted(read(api, kinds=kinds))
    there, known = port_of(first), known_in(read(api, kinds=kinds))
    second = wanted(read(api, kinds=kinds, client=client, known=known, token=token), there, known)
    before, after, found = entities(first), entities(second), dict[tuple[str, str], int]()
    assert before.keys() == after.keys()
    for ref, old in before.items():
        new = after[ref]
        for one, other in ((old.properties, new.properties), (old.relations, new.relations)):
            for key in {*one, *other}:
                if one.get(key) != other.get(key):
                    found[ref.blueprint, key] = found.get((ref.blueprint, key), 0) + 1
    return found, list(notes(second.kept))


def each_row(end: str, change: Callable[[dict[str, Any]], Any]) -> type[CoderClient]:
    def rows(path: str, data: Any) -> Any:
        if path.endswith(end):
            for row in data["users"] if isinstance(data, dict) else data:
                change(row)
        return data

    return changing(rows)


def test_the_members_of_a_group_that_are_not_shown_stay_as_port_has_them(house: Api) -> None:
    shown = read(house, kinds=HOUSE).listings[GROUP].rows
    assert min(each.total_member_count for each in shown.values()) > 0
    for change in (
        lambda row: row.update(members=None),
        lambda row: row.pop("members"),
        lambda row: row.update(members=[]),
        lambda row: row.update(members=row["members"][1:]),
    ):
        found, said = changed(house, each_row("/groups", change))
        assert found == {}  # neither users, nor member_count, nor the owner_groups of workspaces
        assert f"Coder did not show who is in {len(shown)} groups. That stays as Port has it." in said


def test_a_group_without_a_count_is_what_its_rows_say(house: Api) -> None:
    def silent(row: dict[str, Any]) -> None:
        row.pop("total_member_count")

    assert changed(house, each_row("/groups", silent)) == ({}, [])

    def dumb(row: dict[str, Any]) -> None:
        row.update(members=None, total_member_count=None)

    found, said = changed(house, each_row("/groups", dumb))
    assert found == {} and any("how many are in" in each for each in said)


def test_a_group_that_lost_its_members_has_none(house: Api) -> None:
    (group,) = (each for each in house.emulator.state.groups if house.emulator.state.groups[each].name == "devs")
    there = port_of(wanted(read(house, kinds=HOUSE)))
    house.emulator.set_group(group, members=frozenset())
    entity = entities(wanted(read(house, kinds=HOUSE), there))[Ref(GROUP, group)]
    assert (entity.relations["users"], entity.properties["member_count"]) == ((), 0)


class NoUsers(CoderClient):
    async def users(self, *, limit: int, offset: int = 0) -> Any:
        raise CoderForbidden("no", status=403, reason="no")


def test_the_members_of_an_organization_stay_where_users_are_not_all_shown(house: Api) -> None:
    def short(path: str, data: Any) -> Any:
        return {**data, "users": data["users"][1:]} if path.endswith("/users") else data

    me = house.get("/users/me")["id"]

    def without_me(path: str, data: Any) -> Any:
        rows = [each for each in data["users"] if each["id"] != me] if path.endswith("/users") else []
        return {"users": rows, "count": len(rows)} if path.endswith("/users") else data

    clients = (NoUsers, changing(short), changing(without_me), answering("/users", {"users": [], "count": 0}))
    for client in clients:
        found, said = changed(house, client, ("organization",))
        assert (ORGANIZATION, "members") not in found
        assert "Coder did not show how many belong to 2 organizations. That stays as Port has it." in said


def test_the_members_of_an_organization_stay_where_the_token_may_not_read_users(house: Api) -> None:
    roles: Iterable[str] = ("organization-template-admin",)
    everywhere = dict.fromkeys(sorted(house.emulator.state.organizations), roles)
    weak = house.emulator.create_user("weak", organizations=everywhere)
    found, _ = changed(house, CoderClient, ("organization",), house.emulator.create_token(user=weak))
    assert found == {}


def test_users_without_their_organizations_leave_members_and_organizations_as_they_are(house: Api) -> None:
    def silent(row: dict[str, Any]) -> None:
        row.pop("organization_ids", None)

    found, said = changed(house, each_row("/users", silent))
    assert found == {}
    assert any(each.startswith("Coder did not show the organizations of") for each in said)
    assert "Coder did not show how many belong to 2 organizations. That stays as Port has it." in said


def test_members_are_counted_in_a_deployment_without_workspaces(house: Api) -> None:
    there = entities(wanted(read(house, kinds=("organization",))))
    for workspace in house.emulator.workspace_ids():
        house.emulator.delete_workspace(workspace)
    later = entities(wanted(read(house, kinds=("organization",))))
    members = {ref: each.properties["members"] for ref, each in there.items() if ref.blueprint == ORGANIZATION}
    assert {ref: later[ref].properties["members"] for ref in members} == members


def test_a_stack_of_templates_and_workspaces_asks_for_no_proof_of_users(house: Api) -> None:
    class Counting(CoderClient):
        pages = 0

        async def users(self, *, limit: int, offset: int = 0) -> Any:
            Counting.pages += 1
            return await super().users(limit=limit, offset=offset)

    for kinds, pages in (((), 1), (("organization",), 2)):
        Counting.pages = 0
        read(house, kinds=kinds, client=Counting)
        assert (pages, len(kinds_of(kinds))) == (Counting.pages, 2 + len(kinds))
    assert WORKSPACE in {each.name for each in kinds_of(())} and USER not in {each.name for each in kinds_of(())}
