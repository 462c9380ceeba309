"""An odd or failing answer to what an optional kind asks for costs that kind: all else is read, and it is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import stamina
from coder_talk import Api, Deploy

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderError, CoderServerError, CoderUnauthorized, CoderUnreachable
from coderport.coder.fate import Fate
from coderport.kinds.all import KIND_OF, KINDS, kinds_of
from coderport.kinds.inventory import Inventory, read_inventory
from coderport.planning.notes import notes_of_skipped, skipped_of

GROUPS_OF_TEMPLATES = "groups that may use a template"
ROUTES: Mapping[str, tuple[str, frozenset[str]]] = {
    "users": (r"/users\?", frozenset({"users", "quotas"})),
    "groups": (r"/groups(\?|$)", frozenset({"groups"})),
    "versions": (r"/templateversions/[^/]+$", frozenset({"versions"})),
    "presets": (r"/presets$", frozenset({"presets"})),
    "provisioners": (r"/provisionerdaemons", frozenset({"provisioners"})),
    "proxies": (r"/workspaceproxies", frozenset({"proxies"})),
    "licences": (r"/licenses", frozenset({"licences"})),
    "entitlements": (r"/entitlements", frozenset({"licences"})),
    "quotas": (r"/workspace-quota", frozenset({"quotas"})),
    "access lists": (r"/templates/[^/]+/acl", frozenset({GROUPS_OF_TEMPLATES})),
}
"""By what is asked for: the requests, and what is lost with them."""
FAILING = (
    {"status": 500, "body": {"message": "boom"}},
    {"status": 501, "body": {"message": "not implemented"}},
    {"status": 409, "body": {"message": "not now"}},
    {"status": 400, "body": {"message": "no such word"}},
    {"status": 200, "body": [7]},
    {"status": 200, "body": "no"},
)
ODD = (
    {"status": 200, "body": None},
    {"status": 200, "body": {}},
    {"status": 200, "body": [None]},
    {"status": 200, "body": [{"id": None}]},
    {"status": 200, "body": {"regions": None, "features": {"a": None}, "group": None, "users": [None], "count": 1}},
    {"status": 200, "body": {"groups": [], "users": [{"id": "x"}], "count": 1, "features": [], "budget": None}},
)
"""Of which a kind may be read all the same, or not; no other may be harmed."""
BY_DESIGN = frozenset({("quotas", 400), ("versions", 400)})
"""What Coder answers for a member or a version that it does not show: no failure (recorded)."""


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.fixture
def coder(deploy: Deploy) -> Api:
    api = deploy(flavour="newest", workspaces=4, templates=2, organizations=2, users=3, prebuilds=2)
    api.emulator.create_proxy("sydney")
    api.emulator.create_group("few")
    api.emulator.fail(min(api.emulator.workspace_ids()))
    return api


def read(api: Api, known: Mapping[str, frozenset[str]], kinds: Any = KINDS) -> Inventory:
    async def ids() -> Mapping[str, frozenset[str]]:
        return known

    async def run() -> Inventory:
        async with CoderClient(str(api.http.base_url), api.emulator.token) as client:
            return await read_inventory(client, kinds, known=ids, progress=lambda *_: None)

    return asyncio.run(run())


def ids_of(found: Inventory) -> dict[str, frozenset[str]]:
    return {name: frozenset(each.rows) for name, each in found.listings.items()}


@pytest.mark.parametrize("what", ROUTES)
def test_it_costs_that_kind_and_nothing_else_and_ends_nothing(coder: Api, what: str) -> None:
    known = ids_of(read(coder, {}))
    assert all(known.values()), "something of each kind"
    path, lost = ROUTES[what]
    for answer in (*FAILING, *ODD):
        coder.emulator.faults.add(kind="status", path=path, **answer)
        found = read(coder, known)
        coder.emulator.faults.clear()
        harmed = {KIND_OF[name].words[1] for name in found.skipped} | set(found.failures)
        assert harmed <= lost | ({"groups"} & set(found.skipped)), (answer, found.unread)
        if answer in FAILING and (what, answer["status"]) not in BY_DESIGN:
            assert set(found.failures) == lost, answer
        for name, listing in found.listings.items():
            kind = KIND_OF[name]
            if kind.words[1] not in lost:
                assert listing.rows.keys() == known[name], (answer, name)
                assert Fate.GONE not in listing.fates.values(), (answer, name)
            if name in found.skipped:
                assert not listing.fates, (answer, name)
        told = " ".join(notes_of_skipped(found))
        for each, why in found.failures.items():
            assert f"{each.capitalize()} were not read: {why}. What Port has of them stays as it is." in told


def test_the_second_question_for_organizations_costs_only_those(coder: Api) -> None:
    known = ids_of(read(coder, {}))
    coder.emulator.faults.add(kind="status", path=r"/organizations(\?|$)", body=[7], status=200, after=1)
    found = read(coder, known)
    assert set(found.failures) == {"organizations"} and not found.listings["coder_organization"].fates
    assert found.listings["coder_workspace"].rows.keys() == known["coder_workspace"]


def test_a_right_or_a_licence_that_lacks_is_no_failure(coder: Api) -> None:
    for status in (403, 404):
        for what, (path, _) in ROUTES.items():
            if (what, status) == ("users", 404):
                continue  # every Coder has that list
            coder.emulator.faults.add(kind="status", path=path, status=status, body={"message": "no"})
            assert not read(coder, {}).failures, (path, status)
            coder.emulator.faults.clear()


@pytest.mark.parametrize("path", [r"/workspaces\?", r"/templates\?", r"/authcheck"])
def test_templates_and_workspaces_are_read_whole_or_nothing_is(coder: Api, path: str) -> None:
    coder.emulator.faults.add(kind="status", path=path, status=200, body=[7])
    with pytest.raises(CoderAnswerError):
        read(coder, {})


def test_without_a_kind_that_needs_them_users_are_a_part_of_workspaces(coder: Api) -> None:
    coder.emulator.faults.add(kind="status", path=ROUTES["users"][0], status=500, body={"message": "boom"})
    with pytest.raises(CoderServerError):
        read(coder, {}, kinds_of(()))
    found = read(coder, {}, kinds_of(("user",)))
    assert found.snapshot.emails is None and set(found.failures) == {"users"}


def test_a_token_that_is_accepted_nowhere_any_more_ends_the_run(coder: Api) -> None:
    body = {"message": "no"}
    number = coder.emulator.faults.add(kind="status", path="/licenses", status=401, body=body)
    assert set(read(coder, {}).failures) == {"licences"}, "something on the way asks for a login at this page"
    coder.emulator.faults.clear(number)
    coder.emulator.faults.add(kind="status", path="/licenses", status=401, body=body)
    coder.emulator.faults.add(kind="status", path="/users/me$", status=401, body=body, after=1)
    with pytest.raises(CoderUnauthorized):
        read(coder, {})


def test_a_coder_that_is_not_there_any_more_ends_the_run(coder: Api) -> None:
    class Leaving(CoderClient):
        async def groups(self) -> Any:
            raise CoderUnreachable("nobody listens", connected=False)

    async def run() -> Inventory:
        async def ids() -> Mapping[str, frozenset[str]]:
            return {}

        async with Leaving(str(coder.http.base_url), coder.emulator.token) as client:
            return await read_inventory(client, KINDS, known=ids, progress=lambda *_: None)

    with pytest.raises(CoderError, match="nobody listens"):
        asyncio.run(run())


def test_a_connection_that_breaks_at_one_page_costs_that_page(coder: Api) -> None:
    coder.emulator.faults.add(kind="drop_connection", path="/licenses")
    found = read(coder, {})
    assert set(found.failures) == {"licences"}
    assert "did not answer GET /licenses" in " ".join(skipped_of(found))
