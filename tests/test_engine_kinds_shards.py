"""Two stacks of one project, an organization each, both with all kinds: what both see is kept by one of them."""

from __future__ import annotations

from pathlib import Path

from lab import laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.stack.stack import Stack

U, W = "coder_user", "coder_workspace"


def converged(*stacks: Stack) -> None:
    for stack in stacks:
        for outcome, tally in (stack.up(), sync(stack)):
            assert (outcome.result, outcome.port_writes) == ("unchanged", 0), (outcome.message, tally.changes)


def test_a_user_of_two_organizations_is_kept_by_one_stack_and_pointed_at_from_both(
    tmp_path: Path, cli: CliInfo
) -> None:
    with laboratory(tmp_path / "one", cli, workspaces=6, templates=2, users=4, organizations=2) as lab:
        first, second = sorted(lab.coder.state.organizations.values(), key=lambda each: each.name)
        both = lab.coder.create_user("both", organizations={first.id: (), second.id: ()})
        for organization in (first, second):
            template = next(
                key for key, each in lab.coder.state.templates.items() if each.organization_id == organization.id
            )
            lab.coder.create_workspace(name=f"in-{organization.name}", template=template, owner="both")
        one, two = lab.stack, lab.opened("two", tmp_path / "two")
        one.configure({"kinds": "all", "organizations": [first.name]})
        two.configure({"kinds": "all", "organizations": [second.name], "blueprints": "use"})
        assert one.up()[0].exit_code == 0
        outcome, _ = two.up()
        assert outcome.exit_code == 0, outcome.message
        kept = lab.port.entity(U, both)
        assert kept is not None and kept["properties"]["managed_by"].startswith("coderport/lab#")
        owned = [each for each in lab.port.entities(W) if each["relations"]["owner"] == both]
        marks = {each["properties"]["managed_by"].partition("#")[0] for each in owned}
        assert marks == {"coderport/lab", "coderport/two"}
        assert one.up()[0].exit_code == 0  # the user belongs to an organization that the other stack has brought
        kept = lab.port.entity(U, both)
        assert kept is not None and sorted(kept["relations"]["organizations"]) == sorted((first.id, second.id))
        converged(one, two)
