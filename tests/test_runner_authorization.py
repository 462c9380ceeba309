"""Whom the runner obeys: nobody gets, stops or deletes a workspace that is not theirs, whatever is put where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from runner_lab import ALICE, BOB, STACK, TEMPLATE, WORKSPACE, Beats, RunnerLab, timed_lab

from coderport.catalog.actions.declared import create_from
from coderport.coder.client import CoderClient
from coderport.coder.models import PREBUILDS_OWNER_ID
from coderport.emulators.coder.audit import note
from coderport.kinds.filters import Filters
from coderport.port.client import PortClient
from coderport.runner.execution import Ended, RunContext, claim_of
from coderport.settings import Actions

CREATE, STOP, DELETE = "coder_create_workspace", "coder_stop_workspace", "coder_delete_workspace"
DORMANT = "coder_make_workspace_dormant"
ON_WORKSPACES: dict[str, dict[str, Any]] = {
    "coder_start_workspace": {},
    STOP: {},
    "coder_restart_workspace": {},
    "coder_update_workspace": {},
    "coder_extend_workspace": {"hours": 5},
    "coder_schedule_workspace": {"ttl_hours": 5},
    "coder_wake_workspace": {},
    DORMANT: {"confirmation": "dev"},
    DELETE: {"confirmation": "dev"},
}


@pytest.fixture(scope="module")
def shared() -> Iterator[RunnerLab]:
    with timed_lab() as lab:
        # Somebody has signed in: an audit log without a line counts as one that nobody keeps.
        with lab.coder.state.lock:
            somebody = next(iter(lab.coder.state.users))
            note(lab.coder.state, somebody, "login", "api_key", somebody)
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    settings = shared.settings
    yield shared
    shared.settings = settings
    shared.leave_nothing()


def allow(lab: RunnerLab, **settings: Any) -> None:
    lab.settings = Actions(**{**lab.settings.model_dump(), **settings})


@pytest.mark.parametrize("action", ON_WORKSPACES)
def test_only_the_owner_may_do_anything_to_a_workspace(lab: RunnerLab, action: str) -> None:
    workspace = lab.workspace("bob")
    held, entity = lab.builds(workspace), lab.port.entity(WORKSPACE.identifier, workspace)
    seen = lab.execute(lab.ask_past_the_form(action, by=ALICE, entity=workspace, **ON_WORKSPACES[action]))
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")
    assert ("not yours" if action in (DORMANT, DELETE) else "belongs to bob") in seen.summary
    assert lab.builds(workspace) == held and lab.held(workspace).ttl_ms is None
    assert lab.port.entity(WORKSPACE.identifier, workspace) == entity


@pytest.mark.parametrize("owner", ["alice", "bob"])
@pytest.mark.parametrize("action", [CREATE, STOP])
def test_a_run_of_somebody_who_acts_as_another_is_refused(lab: RunnerLab, owner: str, action: str) -> None:
    """Whichever of the two Port names as the one who started it: an admin who views as Alice is not Alice."""
    workspace = lab.workspace(owner)
    inputs: dict[str, Any] = {} if action == STOP else {"template": lab.any_template(), "name": "new"}
    entity = workspace if action == STOP else None
    lab.open_to_everybody(action)
    run = lab.port.run_action(action, by=BOB, view_as=ALICE, inputs=inputs, entity=entity)
    seen = lab.execute(run["id"])
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")
    assert "acted as another person in Port (View as)" in seen.summary
    assert lab.coder.workspace_ids() == {workspace} and len(lab.builds(workspace)) == 1


def test_a_run_that_was_approved_by_somebody_who_acts_as_another_is_refused(lab: RunnerLab) -> None:
    lab.port.add_user("root@example.com", roles=("Admin",))
    lab.port.add_user("aide@example.com")
    workspace = lab.workspace()
    allow(lab, approve_delete=True)
    lab.declare_actions()
    try:
        waiting = [lab.ask(DELETE, entity=workspace, confirmation="dev") for _ in range(2)]
        lab.port.approve(waiting[0], by="aide@example.com", view_as="root@example.com")
        refused = lab.execute(waiting[0])
        assert (refused.ended, refused.run["statusLabel"]) == (Ended.FAILURE, "Refused")
        assert lab.coder.workspace_ids() == {workspace}
        lab.port.approve(waiting[1], by="root@example.com")
        assert lab.execute(waiting[1]).ended is Ended.SUCCESS
    finally:
        allow(lab, approve_delete=False)
        lab.declare_actions()


def test_the_owner_is_who_coder_says_and_not_what_the_entity_says(lab: RunnerLab) -> None:
    workspace = lab.workspace("bob")
    claims = {"owner_email": ALICE, "owner_name": "alice", "owner_id": lab.coder.user("alice").id}
    lab.port.put_entity(WORKSPACE.identifier, {"identifier": workspace, "properties": claims})
    assert lab.do(STOP, by=ALICE, entity=workspace).ended is Ended.FAILURE
    assert lab.builds(workspace) == [("start", "succeeded")]
    assert lab.do(STOP, by=BOB, entity=workspace).ended is Ended.SUCCESS


@pytest.mark.parametrize("key", ["email", "user", "owner", "entity_id", "workspace", "run_id", "workspace_id"])
def test_an_input_that_names_somebody_or_something_else_is_refused(lab: RunnerLab, key: str) -> None:
    mine, theirs = lab.workspace("alice"), lab.workspace("bob")
    run = lab.ask_past_the_form(STOP, by=ALICE, entity=mine, **{key: theirs})
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and f"'{key}'" in seen.summary
    assert lab.builds(mine) == lab.builds(theirs) == [("start", "succeeded")]


def test_a_person_cannot_create_for_somebody_else(lab: RunnerLab) -> None:
    run = lab.ask_past_the_form(CREATE, by=ALICE, template=lab.any_template(), name="dev", owner="bob")
    assert lab.execute(run).ended is Ended.FAILURE
    assert lab.coder.workspace_ids() == set()


def test_an_admin_of_the_settings_may_act_on_every_workspace_but_creates_their_own(lab: RunnerLab) -> None:
    workspace = lab.workspace("bob")
    allow(lab, admins=("ALICE@example.com",))
    assert lab.do(STOP, by=ALICE, entity=workspace).ended is Ended.SUCCESS
    assert lab.do(CREATE, by=ALICE, template=lab.any_template(), name="mine").ended is Ended.SUCCESS
    assert lab.held("alice/mine").owner_id == lab.coder.user("alice").id


def test_an_admin_needs_no_user_in_coder(lab: RunnerLab) -> None:
    workspace = lab.workspace("bob")
    allow(lab, admins=("nobody@example.com",))
    assert lab.do(STOP, by="nobody@example.com", entity=workspace).ended is Ended.SUCCESS


def test_without_a_user_of_that_address_the_person_is_told_so(lab: RunnerLab) -> None:
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="dev")
    assert seen.ended is Ended.FAILURE
    assert "No Coder user has the e-mail nobody@example.com" in seen.summary
    workspace = lab.workspace("bob")
    assert "no Coder user has your e-mail" in lab.do(STOP, by="nobody@example.com", entity=workspace).summary


def test_a_fallback_user_owns_what_nobody_else_can_and_only_where_it_is_set(lab: RunnerLab) -> None:
    lab.coder.create_user("shared")
    allow(lab, fallback_user="shared")
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="dev")
    assert seen.ended is Ended.SUCCESS and lab.held("shared/dev").owner_id == lab.coder.user("shared").id
    assert lab.do(CREATE, by=ALICE, template=lab.any_template(), name="dev").ended is Ended.SUCCESS
    assert lab.held("alice/dev").owner_id == lab.coder.user("alice").id
    # It is nobody's own, so nobody but an admin may do anything to it.
    assert lab.do(STOP, by="nobody@example.com", entity=lab.held("shared/dev").id).ended is Ended.FAILURE
    allow(lab, fallback_user="gone")
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="two")
    assert seen.ended is Ended.FAILURE and "gone" in seen.summary


def test_a_fallback_user_that_coder_deleted_gets_nothing(lab: RunnerLab) -> None:
    """By id Coder shows users that it deleted, and takes them as owners."""
    left = lab.coder.create_user("left")
    allow(lab, fallback_user=left)
    assert lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="one").ended is Ended.SUCCESS
    lab.coder.delete_workspace(lab.held("left/one").id)
    lab.coder.delete_user("left")
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="two")
    assert seen.ended is Ended.FAILURE and "does not exist" in seen.summary
    assert [each for each in lab.coder.workspace_ids() if lab.held(each).owner_id == left] == []


@pytest.mark.parametrize(("status", "takes"), [("suspended", False), ("dormant", True)])
def test_a_suspended_fallback_user_gets_nothing_and_a_dormant_one_wakes_up(
    lab: RunnerLab, status: Any, takes: bool
) -> None:
    """Dormant is who has not signed in for long: Coder lets such a user own new workspaces."""
    lab.coder.create_user(f"is-{status}")
    lab.coder.set_user(f"is-{status}", status=status)
    allow(lab, fallback_user=f"is-{status}")
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="rests")
    assert (seen.ended is Ended.SUCCESS) is takes, seen.summary
    assert ("is suspended" in seen.summary) is not takes


@pytest.mark.parametrize("status", [403, 404])
def test_without_an_audit_log_to_read_there_is_no_fallback(lab: RunnerLab, status: int) -> None:
    lab.coder.create_user(f"no-audit-{status}")
    allow(lab, fallback_user=f"no-audit-{status}")
    lab.coder.faults.add(kind="status", method="GET", path="/audit", status=status, body={"message": "no"})
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="unseen")
    assert seen.ended is Ended.FAILURE, seen.summary
    assert not [each for each in lab.coder.workspace_ids() if lab.held(each).name == "unseen"]


def test_a_suspended_user_is_refused_everything(lab: RunnerLab) -> None:
    lab.coder.create_user("sue")
    lab.port.add_user("sue@example.com")
    workspace = lab.workspace("sue")
    lab.coder.set_user("sue", status="suspended")
    for seen in (
        lab.do(STOP, by="sue@example.com", entity=workspace),
        lab.do(CREATE, by="sue@example.com", template=lab.any_template(), name="two"),
    ):
        assert seen.ended is Ended.FAILURE and "suspended" in seen.summary


def test_two_users_of_one_address_are_a_mistake_that_is_named(lab: RunnerLab) -> None:
    for name in ("twin-a", "twin-b"):
        lab.coder.create_user(name)
        lab.coder.set_user(name, email="twin@example.com")
    lab.port.add_user("twin@example.com")
    seen = lab.do(CREATE, by="twin@example.com", template=lab.any_template(), name="dev")
    assert seen.ended is Ended.FAILURE and "twin-a, twin-b" in seen.summary


def test_a_template_for_others_is_refused_although_the_token_could(lab: RunnerLab) -> None:
    template = lab.coder.create_template("secret")
    lab.coder.set_template(template, readers=[lab.coder.user("bob").id])
    lab.mirror()
    refused = lab.do(CREATE, by=ALICE, template=template, name="dev")
    assert refused.ended is Ended.FAILURE and "alice may not use the template secret" in refused.summary
    assert lab.do(CREATE, by=BOB, template=template, name="dev").ended is Ended.SUCCESS


def test_a_template_of_another_organization_needs_membership(lab: RunnerLab) -> None:
    lab.coder.create_organization("research")
    template = lab.coder.create_template("lasers", organization="research")
    lab.mirror()
    seen = lab.do(CREATE, by=ALICE, template=template, name="dev")
    assert seen.ended is Ended.FAILURE and "no member of the organization research" in seen.summary


def test_a_template_outside_of_the_stacks_scope_is_refused(lab: RunnerLab) -> None:
    template = lab.any_template()
    name = lab.coder.template(template).name
    run = lab.ask(CREATE, template=template, name="dev")
    seen = lab.execute(run, filters=Filters(exclude_templates=(name,)))
    assert seen.ended is Ended.FAILURE and "left out by the settings" in seen.summary
    run = lab.ask(CREATE, template=template, name="dev")
    assert "organizations" in lab.execute(run, organizations=("research",)).summary


def test_a_deprecated_template_is_refused(lab: RunnerLab) -> None:
    template = lab.coder.create_template("old")
    lab.mirror()
    lab.declare_actions()
    runs = [lab.ask(CREATE, template=template, name="a"), lab.ask(create_from(template), name="b")]
    lab.coder.deprecate(template, "Use the new one.")
    for run in runs:
        seen = lab.execute(run)
        assert seen.ended is Ended.FAILURE and "deprecated" in seen.summary and "Use the new one." in seen.summary


def test_a_run_that_no_person_started_is_refused(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    headers = {"Authorization": f"Bearer {token(lab)}"}
    answer = httpx.post(
        f"{lab.pair.port_url}/v1/actions/{STOP}/runs",
        json={"properties": {}, "entity": workspace},
        headers=headers,
        timeout=300,
    )
    seen = lab.execute(answer.json()["run"]["id"])
    assert seen.ended is Ended.FAILURE and "not started by a person" in seen.summary
    assert lab.builds(workspace) == [("start", "succeeded")]


def token(lab: RunnerLab) -> str:
    credentials = {"clientId": lab.port.client_id, "clientSecret": lab.port.client_secret}
    answer = httpx.post(f"{lab.pair.port_url}/v1/auth/access_token", json=credentials, timeout=300)
    return str(answer.json()["accessToken"])


def test_a_run_that_has_ended_is_left_as_it_is(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    run = lab.ask(STOP, entity=workspace)
    first = lab.execute(run)
    before = lab.coder.log.snapshot()["total"]
    again = lab.execute(run)
    assert (first.ended, again.ended) == (Ended.SUCCESS, Ended.ALREADY_ENDED)
    assert again.run == first.run and again.log == first.log
    assert lab.coder.log.snapshot()["total"] == before


def test_a_run_of_somebody_elses_action_or_of_none_is_not_touched(lab: RunnerLab) -> None:
    workspace = lab.workspace()

    async def other(_: CoderClient, port: PortClient) -> None:
        held = await port.action(STOP) or {}
        kept = {key: held[key] for key in ("title", "trigger", "invocationMethod")}
        await port.create_action({**kept, "identifier": "their_stop"})

    lab.talk(other)
    run = lab.ask("their_stop", entity=workspace)
    lab.port.settle()
    before = lab.port.run(run)
    assert lab.execute(run).ended is Ended.NOT_OURS
    assert lab.port.run(run) == before and lab.port.run_logs(run) == []
    assert key(lab, "r_unknown") is None


def key(lab: RunnerLab, run: str) -> str | None:
    async def asked(coder: CoderClient, port: PortClient) -> str | None:
        claim = await claim_of(run, RunContext(port, coder, lab.settings, STACK, patience=lab.patience))
        return claim.workspace if claim is not None else None

    return lab.talk(asked)


def test_where_there_is_a_fallback_user_runs_of_several_people_that_create_one_name_share_a_key(
    lab: RunnerLab,
) -> None:
    template = lab.any_template()
    mine = lab.ask(CREATE, by=ALICE, template=template, name="dev")
    theirs = lab.ask(CREATE, by=BOB, template=template, name="Dev")
    assert key(lab, mine) != key(lab, theirs)
    allow(lab, fallback_user="shared")
    assert key(lab, mine) == key(lab, theirs)


def test_runs_on_one_workspace_or_name_share_a_key(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    template = lab.any_template()
    stop, extend = lab.ask(STOP, entity=workspace), lab.ask("coder_restart_workspace", entity=workspace)
    assert key(lab, stop) == key(lab, extend) == workspace
    new = [lab.ask(CREATE, by=who, template=template, name=name) for who, name in ((ALICE, "a"), (ALICE, "A"))]
    assert key(lab, new[0]) == key(lab, new[1]) != key(lab, lab.ask(CREATE, by=BOB, template=template, name="a"))


@pytest.mark.parametrize(
    ("properties", "text"),
    [({"coder_deployment": "0" * 8}, "another Coder deployment"), ({"managed_by": None}, "not kept by coderport")],
)
def test_an_entity_of_another_deployment_or_of_nobody_is_refused(
    lab: RunnerLab, properties: dict[str, Any], text: str
) -> None:
    workspace = lab.workspace()
    run = lab.ask(STOP, entity=workspace)
    lab.port.put_entity(WORKSPACE.identifier, {"identifier": workspace, "properties": properties})
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and text in seen.summary
    assert lab.builds(workspace) == [("start", "succeeded")]


def test_a_template_of_another_deployment_is_refused(lab: RunnerLab) -> None:
    template = lab.any_template()
    run = lab.ask(CREATE, template=template, name="dev")
    lab.port.put_entity(TEMPLATE.identifier, {"identifier": template, "properties": {"coder_deployment": "other"}})
    try:
        seen = lab.execute(run)
    finally:
        lab.mirror()
    assert seen.ended is Ended.FAILURE and "another Coder deployment" in seen.summary


def test_an_entity_that_is_no_workspace_of_coders_is_refused(lab: RunnerLab) -> None:
    theirs = {"managed_by": STACK, "coder_deployment": lab.coder.deployment_id, "status": "running"}
    for identifier in ("00000000-0000-4000-8000-000000000000", "../users", "a" * 36):
        lab.port.put_entity(WORKSPACE.identifier, {"identifier": identifier, "properties": theirs})
        seen = lab.do(STOP, entity=identifier)
        assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")
        lab.port.delete_entity(WORKSPACE.identifier, identifier)


def test_the_entity_of_another_stack_is_acted_on_but_not_written(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.port.put_entity(WORKSPACE.identifier, {"identifier": workspace, "properties": {"managed_by": "other/stack"}})
    before = lab.port.entity(WORKSPACE.identifier, workspace)
    assert lab.do(STOP, entity=workspace).ended is Ended.SUCCESS
    assert lab.port.entity(WORKSPACE.identifier, workspace) == before


@pytest.mark.parametrize("mark", [None, "other/stack#0a1b2c3d"])
@pytest.mark.parametrize("action", [STOP, DELETE])
def test_an_entity_that_is_another_s_by_the_end_of_a_run_is_left_as_it_is(
    lab: RunnerLab, action: str, mark: str | None
) -> None:
    """Port's entity had our mark when the run began; somebody has taken it away or signed it since."""
    workspace = lab.workspace()
    name = lab.coder.workspace(workspace).name

    def signed() -> None:
        body = {"identifier": workspace, "properties": {"managed_by": mark}}
        lab.port.put_entity(WORKSPACE.identifier, body)

    before = lab.port.entity(WORKSPACE.identifier, workspace)
    run = lab.ask(action, entity=workspace, **({"confirmation": name} if action == DELETE else {}))
    beats = Beats(then=signed, when=lambda: len(lab.builds(workspace)) > 1)
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.SUCCESS, seen.summary
    held = lab.port.entity(WORKSPACE.identifier, workspace)
    assert before is not None and held is not None
    assert held["properties"] == {**before["properties"], "managed_by": mark}
    lab.port.delete_entity(WORKSPACE.identifier, workspace)


def test_an_unclaimed_prebuilt_workspace_is_nobodys(lab: RunnerLab) -> None:
    allow(lab, admins=(ALICE,))
    workspace = lab.workspace("bob")
    run = lab.ask(STOP, entity=workspace)
    lab.coder.set_workspace(workspace, owner_id=PREBUILDS_OWNER_ID)
    seen = lab.execute(run)
    lab.coder.set_workspace(workspace, owner_id=lab.coder.user("bob").id)
    assert seen.ended is Ended.FAILURE and "prebuilt" in seen.summary


def test_a_token_that_may_not_see_who_may_use_a_template_fails_closed(lab: RunnerLab) -> None:
    lab.coder.faults.add(
        {
            "method": "GET",
            "path": "/acl$",
            "kind": "status",
            "status": 403,
            "times": 1,
            "headers": {"content-type": "application/json"},
            "body": {"message": "Forbidden."},
        }
    )
    seen = lab.do(CREATE, template=lab.any_template(), name="dev")
    assert seen.ended is Ended.FAILURE and "cannot be seen with the runner's token" in seen.summary
    assert lab.coder.workspace_ids() == set()


JUERGEN = "jürgen@exämple.de"
LOOKALIKES = (
    "ali\u212ae@example.com",
    "al\u0131ce@example.com",
    "\uff41lice@example.com",
    "alice@exa\u00admple.com",
    "alice@example.com\u200b",
    " alice@example.com",
    "alice@example.com ",
    "alice",
    "alice@example.co",
    "lice@example.com",
)


@pytest.mark.parametrize("address", LOOKALIKES)
def test_an_address_that_only_looks_like_another_is_nobodys(lab: RunnerLab, address: str) -> None:
    lab.port.add_user(address)
    allow(lab, admins=(ALICE,))
    workspace = lab.workspace("alice")
    seen = lab.execute(lab.ask_past_the_form(STOP, by=address, entity=workspace))
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")
    assert lab.builds(workspace) == [("start", "succeeded")]


def test_the_kelvin_sign_is_no_k_for_an_owner_and_for_an_admin(lab: RunnerLab) -> None:
    lab.coder.create_user("kate")
    lab.port.add_user("\u212aate@example.com")
    allow(lab, admins=("kate@example.com",))
    workspace = lab.workspace("alice")
    assert lab.do(STOP, by="\u212aate@example.com", entity=workspace).ended is Ended.FAILURE
    seen = lab.do(CREATE, by="\u212aate@example.com", template=lab.any_template(), name="evil")
    assert seen.ended is Ended.FAILURE and "other than ASCII" in seen.summary
    assert lab.coder.workspace_ids() == {workspace}


def test_an_address_that_nobody_is_looked_for_by_is_told_as_such(lab: RunnerLab) -> None:
    """Coder has a user of that address, so "no Coder user has it" would be untrue."""
    lab.port.add_user(JUERGEN)
    lab.coder.set_user(lab.coder.create_user("juergen"), email=JUERGEN)
    allow(lab, admins=())
    made = lab.do(CREATE, by=JUERGEN, template=lab.any_template(), name="dev")
    stopped = lab.execute(lab.ask_past_the_form(STOP, by=JUERGEN, entity=lab.workspace("alice")))
    for seen in (made, stopped):
        assert (
            seen.ended is Ended.FAILURE and f"{JUERGEN} has quotes, blanks or letters other than ASCII" in seen.summary
        )
        assert "No Coder user has" not in seen.summary


@pytest.mark.parametrize("sign", "+'/=?^{|}~#$%&*!_`.-")
def test_an_address_with_any_legal_character_finds_its_person_whatever_the_case(lab: RunnerLab, sign: str) -> None:
    name = f"legal-{ord(sign)}"
    lab.coder.create_user(name)
    lab.coder.create_user(f"{name}-x")  # one whom `%` and `_` find too
    lab.coder.set_user(name, email=f"Mia.O{sign}Brien@Example.com")
    lab.coder.set_user(f"{name}-x", email="mia.o--brien@example.com")
    address = f"mia.o{sign}brien@example.com"
    lab.port.add_user(address)
    workspace = lab.workspace(name)
    seen = lab.do(STOP, by=address, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    lab.coder.set_user(f"{name}-x", email=f"{name}-x@example.com")
    lab.coder.set_user(name, email=f"{name}@example.com")


def test_a_wrong_confirmation_and_anothers_workspace_are_refused_alike(lab: RunnerLab) -> None:
    workspace = lab.workspace("alice", "secret-name")
    gone = lab.workspace("alice", "gone")
    runs = {
        "another's": lab.ask(DELETE, by=BOB, entity=workspace, confirmation="secret-name"),
        "another's, wrong": lab.ask(DELETE, by=BOB, entity=workspace, confirmation="nonsense"),
        "another's, gone": lab.ask(DELETE, by=BOB, entity=gone, confirmation="nonsense"),
        "mine, wrong": lab.ask(DELETE, by=ALICE, entity=workspace, confirmation="nonsense"),
    }
    mine = lab.ask(DELETE, by=ALICE, entity=gone, confirmation="gone")
    lab.coder.delete_workspace(gone)
    seen = {case: lab.execute(run) for case, run in runs.items()}
    assert {each.ended for each in seen.values()} == {Ended.FAILURE}
    assert len({each.summary for each in seen.values()}) == 1
    assert "secret-name" not in next(iter(seen.values())).summary and workspace in lab.coder.workspace_ids()
    assert lab.port.entity(WORKSPACE.identifier, gone) is not None
    assert lab.execute(mine).ended is Ended.SUCCESS
    assert lab.port.entity(WORKSPACE.identifier, gone) is None


def test_an_admin_names_the_owner_too_so_that_a_swapped_entity_deletes_nothing(lab: RunnerLab) -> None:
    allow(lab, admins=(BOB,))
    alices, bobs = lab.workspace("alice", "dev"), lab.workspace("bob", "dev")
    for entity, shown in ((alices, "bob"), (bobs, "alice")):
        lab.port.put_entity(
            WORKSPACE.identifier,
            {"identifier": entity, "title": f"{shown}/dev", "properties": {"owner_name": shown}},
        )
    for typed in ("dev", "bob/dev"):
        assert lab.do(DELETE, by=BOB, entity=alices, confirmation=typed).ended is Ended.FAILURE
    assert {alices, bobs} == lab.coder.workspace_ids()
    assert lab.do(DELETE, by=BOB, entity=bobs, confirmation="dev").ended is Ended.SUCCESS
    assert lab.do(DELETE, by=BOB, entity=alices, confirmation="alice/dev").ended is Ended.SUCCESS
    assert lab.coder.workspace_ids() == set()


def test_deleting_is_refused_where_the_run_has_no_approval_that_the_settings_ask_for(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    run = lab.ask(DELETE, entity=workspace, confirmation="dev")  # the action in Port asks for none
    allow(lab, approve_delete=True)
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and "needs an approval" in seen.summary
    assert workspace in lab.coder.workspace_ids()


@pytest.mark.parametrize("left", ["audit log", "catalog", "nothing"])
def test_the_fallback_user_is_not_for_people_whom_coder_had_before(lab: RunnerLab, left: str) -> None:
    """The audit log still names them, or it does not and the catalog has their workspaces. Without either nobody knows.

    A log that is empty and answered with 200 is that of a Coder that records nothing.
    """
    fallback, gone = f"fallback-{left[:3]}", f"gone-{left[:3]}"
    lab.coder.create_user(fallback)
    lab.coder.create_user(gone)
    person = f"{gone.upper()}@example.com"
    lab.port.add_user(person)
    theirs = lab.workspace(gone, "theirs")
    lab.coder.delete_workspace(theirs)
    lab.coder.delete_user(gone)
    if left != "catalog":
        lab.port.delete_entity(WORKSPACE.identifier, theirs)
    if left != "audit log":
        empty = {"audit_logs": [], "count": 0}
        lab.coder.faults.add(kind="status", method="GET", path="/audit", status=200, body=empty)
    allow(lab, fallback_user=fallback)
    seen = lab.do(CREATE, by=person, template=lab.any_template(), name="ghost")
    made = [each for each in lab.coder.workspace_ids() if lab.held(each).name == "ghost"]
    assert seen.ended is Ended.FAILURE
    assert ("its audit log is empty" if left == "nothing" else "has none any more") in seen.summary
    assert made == []


def test_the_log_of_one_organization_does_not_tell_whom_coder_had(lab: RunnerLab) -> None:
    """It is answered with 200, and the lines on users are missing: those are of no organization."""
    lab.coder.create_user("narrow")
    allow(lab, fallback_user="narrow")
    lab.coder.faults.add(kind="status", method="POST", path="/authcheck", status=200, body={"log": False})
    seen = lab.do(CREATE, by="nobody@example.com", template=lab.any_template(), name="narrowed")
    assert seen.ended is Ended.FAILURE and "needs to read the whole audit log" in seen.summary
    assert not [each for each in lab.coder.workspace_ids() if lab.held(each).name == "narrowed"]


def test_an_approval_does_not_outlive_the_account_of_who_gave_it(lab: RunnerLab) -> None:
    lab.port.add_user("root@example.com", roles=("Admin",))
    lab.port.add_user("leaver@example.com", roles=("Admin",))
    workspace = lab.workspace()
    allow(lab, approve_delete=True)
    lab.declare_actions()
    try:
        waiting = [lab.ask(DELETE, entity=workspace, confirmation="dev") for _ in range(2)]
        lab.port.approve(waiting[0], by="leaver@example.com")
        lab.port.remove_user("leaver@example.com")
        refused = lab.execute(waiting[0])
        assert refused.ended is Ended.FAILURE and "in your Port organization no more" in refused.summary
        assert lab.coder.workspace_ids() == {workspace}
        lab.port.approve(waiting[1], by="root@example.com")
        assert lab.execute(waiting[1]).ended is Ended.SUCCESS
    finally:
        allow(lab, approve_delete=False)
        lab.declare_actions()
