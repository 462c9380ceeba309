"""Each optional kind through the real engine: first, second, refreshed, renamed, gone, out of reach, switched off.

The tests share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, in_state, laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.kinds.all import KINDS
from coderport.report.outcome import Outcome, Tally
from coderport.stack.stack import Stack

pytestmark = pytest.mark.in_order

ORG, U, G, T, W = "coder_organization", "coder_user", "coder_group", "coder_template", "coder_workspace"
OPTIONAL = (ORG, U, G)
IN_PORT = "in.port@example.com"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("kinds"), cli, workspaces=6, templates=2, users=5, organizations=2) as lab:
        lab.port.add_user(IN_PORT)
        person = next(each.id for each in lab.coder.state.users.values() if not each.system)
        lab.coder.set_user(person, email=IN_PORT.title())
        lab.stack.configure({"kinds": ["organization", "user", "group"]})
        yield lab


def up(stack: Stack) -> tuple[Outcome, Tally]:
    return stack.up()


def held(lab: Lab, blueprint: str, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] | None = lab.port.entity(blueprint, identifier)
    assert found is not None
    return found


def test_the_first_run_shows_all_kinds_with_their_relations(lab: Lab) -> None:
    outcome, _ = lab.up()
    people = [each for each in lab.coder.state.users.values() if not each.system]
    organizations = lab.coder.state.organizations
    assert outcome.kinds.organization.created == len(organizations) == 2
    assert outcome.kinds.user.created == len(people) == 5
    assert outcome.kinds.group.created == 2  # that of everybody, of each organization
    assert outcome.read.of_coder["users"] == 5
    for identifier in lab.ids(W):
        row, entity = lab.coder.workspace(identifier), held(lab, W, identifier)
        assert entity["relations"] == {
            "template_id": row.template_id, "organization": row.organization_id, "owner": row.owner_id,
            "owner_groups": [row.organization_id], "shared_with_users": [], "shared_with_groups": [],
        }  # fmt: skip
    for person in people:
        entity = held(lab, U, person.id)
        assert entity["title"] == person.username
        assert sorted(entity["relations"]["organizations"]) == sorted(person.organizations)
        assert entity["relations"].get("port_user") == (IN_PORT if person.email == IN_PORT.title() else None)
    for identifier, each in organizations.items():
        entity, group = held(lab, ORG, identifier), held(lab, G, identifier)
        members = [person.id for person in people if identifier in person.organizations]
        assert entity["properties"]["members"] == len(members)
        assert entity["properties"]["workspaces"] == sum(
            held(lab, W, one)["relations"]["organization"] == identifier for one in lab.ids(W)
        )
        assert (entity["properties"]["name"], group["title"]) == (each.name, "Everyone")
        assert (group["relations"]["organization"], sorted(group["relations"]["users"])) == (
            identifier,
            sorted(members),
        )


def test_the_second_run_and_one_after_a_refresh_find_nothing(lab: Lab) -> None:
    for _ in range(2):
        outcome, tally = lab.up()
        assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes
        lab.stack.refresh()
    outcome, tally = sync(lab.stack)
    assert (outcome.result, tally.engine_ran) == ("unchanged", False), tally.changes


def test_a_person_who_leaves_port_or_comes_to_it_is_related_by_the_next_run_and_never_made(lab: Lab) -> None:
    (user,) = (each for each in lab.ids(U) if held(lab, U, each)["relations"].get("port_user"))
    lab.port.remove_user(IN_PORT)
    outcome, tally = sync(lab.stack)
    # Port itself empties relations to what is gone: the state alone has to learn of it.
    assert (outcome.port_writes, [each.operation for each in tally.changes]) == (0, ["adopted"])
    assert (held(lab, U, user)["relations"].get("port_user"), lab.port.entities("_user")) == (None, [])
    lab.port.add_user(IN_PORT)
    outcome, tally = sync(lab.stack)
    assert [(each.operation, each.details) for each in tally.changes] == [("updated", ("port_user",))]
    assert held(lab, U, user)["relations"]["port_user"] == IN_PORT
    lab.assert_converged()


def test_a_new_name_is_an_update_and_a_part_is_enough_for_it(lab: Lab) -> None:
    user = next(each for each in lab.coder.state.users.values() if not each.system and "owner" not in each.roles)
    lab.coder.set_user(user.id, name="Another Name", status="suspended")
    outcome, tally = sync(lab.stack)
    assert [(each.operation, each.kind, each.details) for each in tally.changes] == [
        ("updated", "user", ("name", "status"))
    ]
    assert "This was a full run" not in " ".join(tally.warnings)
    outcome, tally = lab.up()
    assert outcome.result == "unchanged", tally.changes


def test_what_coder_deleted_goes(lab: Lab) -> None:
    user = lab.coder.create_user("short-lived")
    organization = lab.coder.create_organization("short-lived")
    group = lab.coder.create_group("short-lived", members=[user])
    lab.up()
    assert held(lab, G, group)["relations"]["users"] == [user]
    lab.coder.delete_group(group)
    lab.coder.delete_user(user)
    lab.coder.delete_organization(organization)
    outcome, _ = lab.up()
    # the group of everybody of that organization goes as well
    assert [outcome.kinds.root[kind].deleted for kind in ("organization", "user", "group")] == [1, 1, 2]
    assert user not in lab.ids(U) and organization not in lab.ids(ORG)


def test_without_a_licence_groups_stay_as_they_are(lab: Lab) -> None:
    group = lab.coder.create_group("kept")
    lab.up()
    before, state = {each: held(lab, G, each) for each in lab.ids(G)}, in_state(lab)
    lab.coder.set_licensed(False)
    for command in (up, sync):
        outcome, tally = command(lab.stack)
        assert (outcome.result, outcome.port_writes) == ("unchanged", 0), (outcome.message, tally.changes)
        (said,) = [each for each in tally.warnings if "not read" in each]
        assert said.startswith("Groups were not read: Coder says: Template RBAC is a Premium feature. Contact sales.")
    assert ({each: held(lab, G, each) for each in lab.ids(G)}, in_state(lab)) == (before, state)
    lab.coder.set_licensed(True)
    lab.coder.delete_group(group)
    assert lab.up()[0].kinds.group.deleted == 1


def test_with_a_weaker_token_what_it_does_not_see_stays(lab: Lab) -> None:
    mine = sorted(lab.coder.state.organizations)
    weak = lab.coder.create_user("weak", organizations=dict.fromkeys(mine, ("organization-template-admin",)))
    lab.up()
    before = {kind: lab.ids(kind) for kind in OPTIONAL}
    lab.stack.configure({"coderSessionToken": lab.coder.create_token(user=weak)})
    outcome, tally = lab.stack.up()
    assert outcome.exit_code == 0, outcome.message
    assert {kind: lab.ids(kind) for kind in OPTIONAL} == before
    assert "Users were not read: the token may not read every user" in " ".join(tally.warnings)
    lab.stack.configure({"coderSessionToken": lab.coder.token})
    lab.up()


def test_one_that_is_out_of_sight_is_not_gone(lab: Lab) -> None:
    """A user in Port, of this stack, that Coder knows nothing of: no list has it, and no answer says why."""
    row = next(iter(lab.port.entities(U)))
    ghost = "00000000-0000-4000-8000-00000000dead"
    members = ("title", "properties", "relations")
    lab.port.put_entity(U, {"identifier": ghost, **{key: row[key] for key in members}})
    _, tally = lab.up()
    assert "in no record of its state" in " ".join(tally.warnings)
    assert ghost in lab.ids(U)
    lab.port.delete_entity(U, ghost)


def test_switched_off_they_go_under_the_guard_with_their_blueprints(lab: Lab) -> None:
    lab.stack.configure({"kinds": ["organization", "group"]})
    refused = lab.refused()
    assert "no longer asked for by coderport:kinds" in refused.message
    number = len(lab.ids(U))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODERPORT_ALLOW_DELETIONS", str(number))
        outcome, tally = lab.up()
    assert outcome.kinds.user.deleted == number
    assert lab.port.blueprint(U) is None
    relations = lab.blueprint(W)["relations"]
    assert "owner" not in relations and "organization" in relations
    assert not any(held(lab, W, each)["relations"].get("owner_groups") for each in lab.ids(W))
    outcome, tally = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes
    lab.stack.configure({"kinds": "default"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODERPORT_ALLOW_DELETIONS", "100")
        lab.up()
    assert [each.name for each in KINDS if lab.port.blueprint(each.name) is not None] == [T, W]
    lab.assert_converged()


SOME = ["organization", "user", "group", "quota"]


def desk(lab: Lab, *, required: bool | None) -> None:
    """A colleague's blueprint; its relation to Coder's users is required, or not, or there is none."""
    sits = {"title": "Sits", "target": U, "many": False, "required": required}
    relations = {} if required is None else {"sits": sits}
    body = {"identifier": "desk", "title": "Desk", "schema": {"properties": {}}, "relations": relations}
    lab.port.put_blueprint(body, by="colleague")


def switched(lab: Lab, kinds: Any, release: int = 100) -> tuple[Outcome, Tally]:
    lab.stack.configure({"kinds": kinds})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODERPORT_ALLOW_DELETIONS", str(release))
        return lab.up()


def test_off_and_on_again_needs_no_take_over_whatever_the_licence_shows(lab: Lab) -> None:
    """Without a licence there is no group and no quota, and their blueprints are empty."""
    lab.coder.set_licensed(False)
    for _ in range(2):
        switched(lab, SOME, release=0)
        assert not lab.ids(G) and lab.port.blueprint(G) is not None
        outcome, tally = switched(lab, "default")
        assert outcome.kinds.other.deleted == 4, tally.changes
        assert [each.name for each in KINDS if lab.port.blueprint(each.name) is not None] == [T, W]
    lab.coder.set_licensed(True)


def test_a_blueprint_that_others_use_stays_and_is_said_until_they_use_it_no_more(lab: Lab) -> None:
    switched(lab, SOME, release=0)
    desk(lab, required=False)
    outcome, tally = switched(lab, "default")
    assert [each.name for each in KINDS if lab.port.blueprint(each.name) is not None] == [U, T, W]
    assert not lab.ids(U)
    said = f"The blueprint {U} stays in Port, and this stack's, for what others have there: relation sits of blueprint"
    assert said in " ".join(tally.warnings)
    outcome, tally = sync(lab.stack)
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes
    assert said in " ".join(tally.warnings)
    switched(lab, ["user"], release=0)
    assert lab.ids(U)
    switched(lab, "default")
    desk(lab, required=None)
    outcome, tally = sync(lab.stack)
    assert (outcome.exit_code, lab.port.blueprint(U)) == (0, None), outcome.message
    assert f"the blueprints {U} are to go" in " ".join(tally.warnings)
    lab.assert_converged()


def test_what_others_require_is_refused_before_anything_goes(lab: Lab) -> None:
    switched(lab, SOME, release=0)
    user = min(lab.ids(U))
    desk(lab, required=True)
    lab.port.put_entity("desk", {"identifier": "one", "title": "One", "properties": {}, "relations": {"sits": user}})
    before = lab.ids(U)
    lab.stack.configure({"kinds": ["organization"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODERPORT_ALLOW_DELETIONS", "100")
        refused = lab.refused()
    assert "entities of others require them:\n  users (relation sits of blueprint desk)" in refused.message
    assert "config set --stack lab --path coderport:kinds organizations,users\n" in f"{refused.message}\n"
    assert lab.ids(U) == before
    lab.port.delete_entity("desk", "one")
    desk(lab, required=None)
    switched(lab, "default")
    lab.assert_converged()


def test_a_stack_that_uses_blueprints_is_told_which_kinds_the_managing_one_lacks(lab: Lab, tmp_path: Path) -> None:
    one, other = sorted(each.name for each in lab.coder.state.organizations.values())
    lab.stack.configure({"organizations": [one]})
    switched(lab, ["group", "organization"])
    use = lab.opened("use", tmp_path)
    use.configure({"kinds": ["group", "user"], "organizations": [other], "blueprints": "use"})
    refused = lab.refused(use.up)
    assert "coderport:kinds of the stack that manages the blueprints does not name them" in refused.message
    assert "Run the stack that manages" not in refused.message
    (theirs, ours) = re.findall(r"config set --stack (\S+) --path coderport:kinds (\S+)", refused.message)
    assert (theirs, ours) == (("NAME", "organizations,users,groups"), ("use", "groups"))
    use.configure({"kinds": ours[1]})
    assert use.up()[0].exit_code == 0
    switched(lab, theirs[1])
    use.configure({"kinds": ["group", "user"]})
    outcome, _ = use.up()
    assert outcome.exit_code == 0, outcome.message
