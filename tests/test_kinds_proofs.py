"""What proves the end of an object of each kind, and what does not: absences, weaker tokens, shorter lists."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from coder_talk import Api, Deploy
from kinds_lab import QUOTA, USER, changing, known_in, read

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderNotFound
from coderport.coder.fate import Fate
from coderport.coder.reading import read_snapshot
from coderport.kinds import inventory

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
        async def _request(self, method: str, path: str, **how: Any) -> Any:
            answer = await super()._request(method, path, **how) if method == "GET" else None
            if path == f"/users/{leaving}":
                coder.set_user(admin, roles=frozenset())
            return answer if answer is not None else await super()._request(method, path, **how)

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
