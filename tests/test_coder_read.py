"""The whole, proven read against a Coder whose every row the test knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
import stamina
from adversary import OWNER, Adversary, Row
from catalog_samples import numbered

from coderport.coder import errors
from coderport.coder.client import CoderClient
from coderport.coder.models import CoderPerson
from coderport.coder.reading.snapshot import Fate, Known, Snapshot, _Read, read_snapshot
from coderport.errors import SettingsError

NOTHING_KNOWN = Known()
GHOST = "deadbeef-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


class Calm(Adversary):
    """Empty, and changing only when a test says so; `on` runs before the answer to the n-th request."""

    def __init__(self, *mischief: str) -> None:
        super().__init__(0, frozenset(mischief))
        for rows in (self.workspaces, self.templates, self.dead_workspaces, self.dead_templates):
            rows.clear()
        self.throughout.clear()
        self.hidden.clear()
        self.on: dict[str, Callable[[], Any]] = {}
        self.replies: dict[str, httpx.Response] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2")
        query = request.url.params.get("q", "")
        for key, happening in list(self.on.items()):
            if f"{path}?{query}".startswith(key):
                del self.on[key]
                happening()
        return self.replies.get(path) or await super().handle_async_request(request)

    def filled(self, templates: int, each: int) -> list[Row]:
        rows = []
        for number in range(templates):
            template = self.add_template(f"t{number}")
            rows += [self.add_workspace(f"w{number}-{one}", template) for one in range(each)]
        return rows


def read(
    coder: Adversary,
    *organizations: str,
    known: Known = NOTHING_KNOWN,
    page_limit: int = 1000,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Snapshot:
    async def run() -> Snapshot:
        async with CoderClient("http://coder.test", "token", transport=coder) as client:
            return await read_snapshot(
                client, organizations=organizations, known=known, page_limit=page_limit, progress=progress
            )

    return asyncio.run(run())


def workspaces(*ids: str) -> Known:
    return Known(workspaces=frozenset(ids))


def templates(*ids: str) -> Known:
    return Known(templates=frozenset(ids))


def listings(coder: Adversary) -> int:
    return coder.paths.count("/workspaces")


def fates_of(snapshot: Snapshot) -> dict[str, Fate]:
    """Of templates and of workspaces: no id is of both."""
    return {**snapshot.template_fates, **snapshot.workspace_fates}


def test_a_small_deployment_is_one_page_between_two_counts() -> None:
    coder = Calm()
    rows = coder.filled(templates=3, each=5)
    snapshot = read(coder)
    assert snapshot.workspaces.keys() == {row.id for row in rows}
    assert snapshot.templates.keys() == coder.templates.keys()
    assert (snapshot.count, snapshot.short, snapshot.whole) == (15, 0, True)
    assert (snapshot.deployment.deployment_id, snapshot.me.username) == ("adversary", "robot")
    assert listings(coder) == 3
    assert len(coder.paths) <= 10


def test_an_empty_deployment_is_read_as_whole_and_empty() -> None:
    snapshot = read(Calm())
    assert (dict(snapshot.workspaces), dict(snapshot.templates), snapshot.whole) == ({}, {}, True)


def test_a_large_deployment_is_split_by_template() -> None:
    coder = Calm()
    rows = coder.filled(templates=6, each=10)
    snapshot = read(coder, page_limit=20)
    assert snapshot.workspaces.keys() == {row.id for row in rows}
    assert snapshot.whole
    assert listings(coder) == 2 + 6 + 1


def test_where_templates_would_need_many_more_requests_small_pages_that_overlap_are_read() -> None:
    coder = Calm()
    rows = coder.filled(templates=30, each=2)
    snapshot = read(coder, page_limit=20)
    assert snapshot.workspaces.keys() == {row.id for row in rows}
    assert snapshot.whole
    assert listings(coder) == 2 + 5 + 1, "pages of 20 that have 10 in common"


def test_a_row_that_moves_a_place_between_two_pages_is_not_lost() -> None:
    coder = Calm()
    rows = coder.filled(templates=30, each=2)
    rows[0].running = True  # listed before all others

    def at_the(number: int) -> Callable[[], None]:
        def happen() -> None:
            if number > 1:
                coder.on["/workspaces?"] = at_the(number - 1)
            else:
                rows[0].running = False

        return happen

    coder.on["/workspaces?"] = at_the(4)  # two counts and the first page come before it
    snapshot = read(coder, page_limit=20)
    assert snapshot.workspaces.keys() == {row.id for row in rows}
    assert snapshot.whole
    assert listings(coder) == 2 + 5 + 1, "no second pass was needed"


def test_a_template_larger_than_a_page_is_walked_past_short_and_empty_pages() -> None:
    coder = Calm()
    template, hidden = coder.add_template("big"), coder.add_template("hidden")
    for number in range(12):
        coder.add_workspace(f"a{number:02}", template)
    for number in range(10):
        coder.add_workspace(f"b{number:02}", hidden)
    for number in range(3):
        coder.add_workspace(f"c{number:02}", template)
    coder.hidden.add(hidden.id)
    snapshot = read(coder, page_limit=4)
    assert {row.name for row in snapshot.workspaces.values()} == {
        one.name for one in coder.workspaces.values() if one.template == template.id
    }
    assert (snapshot.count, snapshot.short) == (25, 10)


def test_start_and_stop_between_pages_loses_nothing() -> None:
    coder = Calm("moves")
    coder.filled(templates=4, each=8)
    snapshot = read(coder, page_limit=10)
    assert snapshot.whole
    assert coder.missed(snapshot) == set()


def test_a_workspace_that_appears_between_the_counts_is_read_too() -> None:
    coder = Calm()
    first = coder.filled(templates=1, each=2)[0]
    template = coder.templates[first.template]
    # The third listing is the closing count.
    coder.on["/users"] = lambda: None
    created: list[Row] = []

    def happening() -> None:
        if listings(coder) == 2:
            created.append(coder.add_workspace("late", template))
        else:
            coder.on["/workspaces"] = happening

    coder.on["/workspaces"] = happening
    snapshot = read(coder)
    assert created[0].id in snapshot.workspaces
    assert (snapshot.count, snapshot.whole) == (3, True)


def test_a_template_created_while_reading_comes_with_its_workspace() -> None:
    coder = Calm()
    coder.filled(templates=1, each=1)
    made: list[Row] = []

    def happening() -> None:
        made.append(coder.add_template("brand-new"))
        coder.add_workspace("first", made[0])

    coder.on["/workspaces"] = happening
    snapshot = read(coder)
    assert made[0].id in snapshot.templates
    assert len(snapshot.workspaces) == 2


def test_deprecated_templates_are_in() -> None:
    coder = Calm()
    old = coder.add_template("old", deprecated=True)
    assert read(coder).templates[old.id].deprecated


@pytest.mark.parametrize("name", ["ONE", "one", " One "])
def test_an_organization_may_be_named_in_any_case(name: str) -> None:
    coder = Calm("two organizations")
    one, two = coder.organizations
    mine = coder.add_workspace("mine", coder.add_template("a", organization=one))
    coder.add_workspace("theirs", coder.add_template("b", organization=two))
    for wanted in (name, one.upper()):
        snapshot = read(coder, wanted)
        assert [row.id for row in snapshot.organizations] == [one]
        assert list(snapshot.workspaces) == [mine.id]
        assert [row.name for row in snapshot.templates.values()] == ["a"]
        assert (snapshot.count, snapshot.whole) == (1, True)


def test_all_organizations_are_read_by_default() -> None:
    coder = Calm("two organizations")
    for number, organization in enumerate(coder.organizations):
        coder.add_workspace("w", coder.add_template(f"t{number}", organization=organization))
    snapshot = read(coder)
    assert (len(snapshot.organizations), len(snapshot.workspaces), len(snapshot.templates)) == (2, 2, 2)


def test_a_server_that_cannot_filter_by_organization_is_filtered_here() -> None:
    coder = Calm("two organizations", "old flavour")
    one, two = coder.organizations
    mine = coder.add_workspace("mine", coder.add_template("a", organization=one))
    theirs = coder.add_workspace("theirs", coder.add_template("b", organization=two))
    snapshot = read(coder, "one")
    assert list(snapshot.workspaces) == [mine.id]
    assert list(snapshot.outside_workspaces) == [theirs.id]
    assert snapshot.whole


def test_an_unknown_organization_is_a_settings_error_that_lists_what_is_seen() -> None:
    coder = Calm("two organizations")
    with pytest.raises(errors.UnknownOrganization, match=r"'three'.*CODER_ORGANIZATION_ID.*one, two") as caught:
        read(coder, "one", "three")
    assert isinstance(caught.value, SettingsError) and caught.value.exit_code == 2
    assert listings(coder) == 0


def test_a_plain_members_token_is_refused_before_anything_is_read() -> None:
    coder = Calm("weak")
    coder.filled(templates=1, each=3)
    with pytest.raises(errors.CoderTokenTooWeak, match="template-admin"):
        read(coder)
    assert not {"/workspaces", "/templates"} & set(coder.paths)


def organization_admin_of(coder: Adversary, *granted: str) -> None:
    for kind in ("workspace", "workspace_dormant", "template", "organization"):
        coder.denied |= {(kind, one) for one in ["", *coder.organizations] if one not in granted}


def test_an_organization_admin_reads_its_own_organization() -> None:
    coder = Calm("two organizations")
    organization_admin_of(coder, next(iter(coder.organizations)))
    snapshot = read(coder, "one")
    assert snapshot.deletions_provable
    assert "Only organizations that the token belongs to are visible: one." in snapshot.breadth.text
    with pytest.raises(errors.CoderTokenTooWeak, match="all workspaces of two"):
        read(coder)


def test_without_dormant_read_the_run_says_so_and_which_role_can() -> None:
    coder = Calm("no dormant")
    gone = coder.filled(templates=1, each=1)[0]
    coder.dead_workspaces[gone.id] = coder.workspaces.pop(gone.id)
    snapshot = read(coder, known=workspaces(gone.id))
    assert not snapshot.deletions_provable
    assert "dormant" in snapshot.breadth.text and "owner" in snapshot.breadth.text
    # What is answered with 410 is proven all the same.
    assert fates_of(snapshot) == {gone.id: Fate.GONE}


def test_a_known_workspace_is_gone_only_with_410() -> None:
    coder = Calm()
    gone, hidden, alive = coder.filled(templates=3, each=1)
    coder.dead_workspaces[gone.id] = coder.workspaces.pop(gone.id)
    coder.hidden.add(hidden.template)
    snapshot = read(coder, known=workspaces(gone.id, hidden.id, alive.id, GHOST))
    assert fates_of(snapshot) == {gone.id: Fate.GONE, hidden.id: Fate.UNPROVEN, GHOST: Fate.UNPROVEN}
    assert list(snapshot.workspaces) == [alive.id]


@pytest.mark.parametrize("body", [{"message": "Gone", "request_id": "gw-1"}, {"message": f"{GHOST} is gone"}, {}])
def test_a_410_without_coders_own_words_is_no_proof(body: dict[str, str]) -> None:
    coder = Calm()
    coder.filled(templates=1, each=1)
    coder.replies[f"/workspaces/{GHOST}"] = httpx.Response(410, json=body)
    assert fates_of(read(coder, known=workspaces(GHOST))) == {GHOST: Fate.UNPROVEN}


@pytest.mark.parametrize(("called_gone", "believed"), [(1, True), (2, False), (3, False)])
def test_no_more_deletions_are_believed_than_the_count_leaves_room_for(called_gone: int, believed: bool) -> None:
    coder = Calm()
    lost = coder.filled(templates=1, each=2)  # counted, and not shown
    coder.hidden.add(lost[0].template)
    coder.filled(templates=1, each=1)
    known = [*(one.id for one in lost), GHOST]
    for one in known[:called_gone]:
        coder.replies[f"/workspaces/{one}"] = httpx.Response(410, json={"message": f'Workspace "{one}" was deleted, …'})
    snapshot = read(coder, known=workspaces(*known))
    gone = {one for one, fate in fates_of(snapshot).items() if fate is Fate.GONE}
    assert gone == (set(known[:called_gone]) if believed else set())
    assert snapshot.disbelieved == (0 if believed else called_gone)


def test_a_gateways_410_is_no_proof() -> None:
    coder = Calm()
    coder.replies[f"/workspaces/{GHOST}"] = httpx.Response(410, html="<h1>Gone</h1>")
    with pytest.raises(errors.CoderAnswerError, match="HTML"):
        read(coder, known=workspaces(GHOST))


def test_a_known_workspace_that_every_page_dropped_is_found_by_its_id() -> None:
    coder = Calm()
    lost, *_ = coder.filled(templates=1, each=5)
    coder.hidden.add(lost.template)
    coder.on["/workspaces?id:"] = coder.hidden.clear
    snapshot = read(coder, known=workspaces(*coder.workspaces))
    assert snapshot.workspaces.keys() == coder.workspaces.keys()
    assert (fates_of(snapshot), snapshot.whole) == ({}, True)


@pytest.mark.parametrize("flavour", [[], ["old flavour"]])
def test_many_known_ids_are_asked_for_in_batches(flavour: Sequence[str]) -> None:
    coder = Calm("two organizations", *flavour)
    _, two = coder.organizations
    template = coder.add_template("b", organization=two)
    theirs = {coder.add_workspace(f"w{number}", template).id for number in range(250)}
    snapshot = read(coder, "one", known=workspaces(*theirs))
    assert snapshot.outside_workspaces.keys() == theirs
    assert (dict(snapshot.workspaces), fates_of(snapshot)) == ({}, {})
    assert listings(coder) <= 6


def test_objects_of_an_organization_that_left_the_scope_are_alive_outside() -> None:
    coder = Calm("two organizations")
    _, two = coder.organizations
    template = coder.add_template("b", organization=two)
    theirs = coder.add_workspace("theirs", template)
    snapshot = read(coder, "one", known=Known(frozenset({template.id}), frozenset({theirs.id})))
    assert list(snapshot.outside_templates) == [template.id]
    assert list(snapshot.outside_workspaces) == [theirs.id]
    assert (fates_of(snapshot), dict(snapshot.templates), dict(snapshot.workspaces)) == ({}, {}, {})


def test_a_known_template_is_gone_only_if_it_is_listed_as_deleted() -> None:
    coder = Calm()
    alive, gone, hidden = (coder.add_template(name) for name in ("alive", "gone", "hidden"))
    retired = coder.add_template("retired", deprecated=True)
    for one in (gone, retired):
        coder.dead_templates[one.id] = coder.templates.pop(one.id)
    coder.hidden.add(hidden.id)
    snapshot = read(coder, known=templates(alive.id, gone.id, retired.id, hidden.id, GHOST))
    assert fates_of(snapshot) == {
        gone.id: Fate.GONE,
        retired.id: Fate.GONE,
        hidden.id: Fate.UNPROVEN,
        GHOST: Fate.UNPROVEN,
    }


def test_a_server_that_ignores_deleted_proves_nothing_about_templates() -> None:
    coder = Calm("old flavour")
    coder.add_template("alive")
    gone = coder.add_template("gone")
    coder.dead_templates[gone.id] = coder.templates.pop(gone.id)
    # It answers deleted:true with the live ones; one of them was out of sight while the others were listed.
    lost = coder.add_template("lost")
    coder.hidden.add(lost.id)
    coder.on["/templates?deleted:true"] = coder.hidden.clear
    coder.on[f"/templates/{lost.id}"] = lambda: coder.hidden.add(lost.id)
    assert fates_of(read(coder, known=templates(gone.id, lost.id))) == {
        gone.id: Fate.UNPROVEN,
        lost.id: Fate.UNPROVEN,
    }


def test_a_template_deleted_between_the_two_lists_does_not_spoil_the_proof_of_others() -> None:
    coder = Calm()
    gone, going = coder.add_template("gone"), coder.add_template("going")
    coder.dead_templates[gone.id] = coder.templates.pop(gone.id)

    def happening() -> None:
        coder.dead_templates[going.id] = coder.templates.pop(going.id)

    coder.on["/templates?deleted:true"] = happening
    assert fates_of(read(coder, known=templates(gone.id, going.id))) == {gone.id: Fate.GONE}


def test_a_count_that_nobody_can_fill_is_short_and_not_whole() -> None:
    coder = Calm()
    coder.filled(templates=2, each=3)
    coder.hidden.add(next(iter(coder.templates)))
    snapshot = read(coder)
    assert (snapshot.count, snapshot.short, snapshot.whole) == (6, 3, False)
    assert listings(coder) <= 7


def test_owners_have_e_mails_where_the_token_may_read_users() -> None:
    coder = Calm()
    coder.filled(templates=1, each=1)
    assert read(coder).emails == {OWNER: "r@x"}
    coder.denied.add(("user", ""))
    coder.paths.clear()
    assert read(coder).emails is None
    assert "/users" not in coder.paths


def test_users_that_are_refused_after_all_are_no_failure() -> None:
    coder = Calm()
    coder.filled(templates=1, each=1)
    coder.replies["/users"] = httpx.Response(403, json={"message": "Forbidden."})
    assert read(coder).emails is None


def test_users_are_not_read_when_nobody_owns_a_workspace() -> None:
    coder = Calm()
    assert read(coder).emails is None
    assert "/users" not in coder.paths


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, html="<!doctype html>"), errors.CoderAnswerError),
        (httpx.Response(307, headers={"location": "https://elsewhere.test/"}), errors.CoderRedirected),
        (httpx.Response(500, json={"message": "template version not found"}), errors.CoderServerError),
        (httpx.Response(401, json={"message": "expired"}), errors.CoderUnauthorized),
        (
            httpx.Response(200, content=b'{"workspaces": [', headers={"content-type": "application/json"}),
            errors.CoderCutAnswer,
        ),
        (httpx.Response(200, json={"workspaces": [{"id": "x"}], "count": 1}), errors.CoderAnswerError),
        (httpx.Response(200, json={"workspaces": [], "count": 10**9}), errors.CoderAnswerError),
    ],
)
def test_one_bad_answer_fails_the_read(answer: httpx.Response, kind: type[errors.CoderError]) -> None:
    coder = Calm()
    coder.filled(templates=2, each=3)
    coder.replies["/workspaces"] = answer
    with pytest.raises(kind):
        read(coder)


@pytest.mark.parametrize("path", ["/buildinfo", "/users/me", "/organizations", "/authcheck", "/templates"])
def test_html_in_any_place_of_the_read_is_an_error(path: str) -> None:
    coder = Calm()
    coder.replies[path] = httpx.Response(200, html="<!doctype html>")
    with pytest.raises(errors.CoderAnswerError, match="is that the root of a Coder deployment"):
        read(coder)


def test_a_server_without_a_list_over_all_organizations_is_asked_for_each() -> None:
    coder = Calm("two organizations")
    wanted = {coder.add_template(f"t{n}", organization=one).id for n, one in enumerate(coder.organizations)}
    coder.replies["/templates"] = httpx.Response(404, json={"message": "Route not found."})
    assert read(coder).templates.keys() == wanted


def test_progress_is_told_by_phase() -> None:
    told: list[tuple[str, int, int | None]] = []
    coder = Calm()
    coder.filled(templates=2, each=3)
    read(coder, known=workspaces(GHOST), progress=lambda *step: told.append(step))
    assert ("workspaces", 6, 6) in told and ("proofs", 1, 1) in told
    assert {phase for phase, _, _ in told} == {"templates", "workspaces", "proofs", "users"}


def test_a_snapshot_cannot_be_changed_and_is_sorted() -> None:
    coder = Calm()
    coder.filled(templates=1, each=5)
    snapshot = read(coder)
    assert list(snapshot.workspaces) == sorted(snapshot.workspaces)
    with pytest.raises(TypeError):
        snapshot.workspaces["x"] = None  # type: ignore[index]
    assert "token" not in json.dumps([row.model_dump(mode="json") for row in snapshot.workspaces.values()])


def test_a_user_who_gets_lost_between_two_pages_is_found_by_another_walk() -> None:
    """Users are in order of their names: one who is deleted moves the next ones up, over the boundary of a page."""
    pages = {0: ["a", "b"], 2: ["d"]}  # c has moved to the first page after that was read
    walks: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        walks.append(offset)
        if walks.count(0) > 1:
            pages.update({0: ["a", "c"], 2: ["d"]})
        rows = [{"id": numbered(ord(name)), "username": name, "email": f"{name}@x"} for name in pages.get(offset, [])]
        return httpx.Response(200, json={"users": rows, "count": 4 if walks.count(0) == 1 else 3})

    async def run() -> Mapping[str, CoderPerson] | None:
        transport = httpx.MockTransport(handler)
        async with CoderClient("https://coder.example.com", "a-token", transport=transport) as client:
            read = _Read(client, Known(), lambda *_: None, 2)
            return await read._users()

    found = asyncio.run(run())
    assert found is not None and {each.email for each in found.values()} == {"a@x", "b@x", "c@x", "d@x"}
    assert walks.count(0) == 2
