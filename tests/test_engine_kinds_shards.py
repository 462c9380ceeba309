"""Four stacks of one project, an organization each, all with all kinds: what several see is kept by one of them."""

from __future__ import annotations

from pathlib import Path

from lab import laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.guard.ownership import Mark
from coderport.kinds.all import KINDS
from coderport.report.outcome import Outcome, Tally

U, W, G = "coder_user", "coder_workspace", "coder_group"


def unchanged(run: tuple[Outcome, Tally]) -> None:
    outcome, tally = run
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), (outcome.message, tally.changes)


def test_a_user_of_four_organizations_is_kept_by_one_stack_and_pointed_at_from_all(
    tmp_path: Path, cli: CliInfo
) -> None:
    with laboratory(tmp_path / "one", cli, workspaces=4, templates=4, users=3, organizations=4) as lab:
        coder = lab.coder
        organizations = sorted(coder.state.organizations.values(), key=lambda each: each.name)
        everywhere = coder.create_user("everywhere", organizations={each.id: () for each in organizations})
        for organization in organizations:
            templates = (key for key, each in coder.state.templates.items() if each.organization_id == organization.id)
            template = next(templates, None) or coder.create_template("more", organization=organization.id)
            coder.create_workspace(name=f"in-{organization.name}", template=template, owner="everywhere")
        stacks = [lab.stack, *(lab.opened(name, tmp_path / name) for name in ("two", "three", "four"))]
        for stack, organization in zip(stacks, organizations, strict=True):
            shared = {} if stack is lab.stack else {"blueprints": "use"}
            stack.configure({"kinds": "all", "organizations": [organization.name], **shared})
            outcome, _ = stack.up()
            assert outcome.exit_code == 0, outcome.message

        def kept_by(blueprint: str) -> dict[str, str]:
            """The stack that has each entity, by its title."""
            marks = {
                each["identifier"]: Mark.read(each["properties"]["managed_by"]) for each in lab.port.entities(blueprint)
            }
            return {key: mark.stack.partition("/")[2] for key, mark in marks.items() if mark is not None}

        assert kept_by(U)[everywhere] == "lab"
        owned = [each["identifier"] for each in lab.port.entities(W) if each["relations"]["owner"] == everywhere]
        assert {kept_by(W)[each] for each in owned} == {"lab", "two", "three", "four"}
        assert set(kept_by(G).values()) == {"lab", "two", "three", "four"}  # that of everybody, of each organization
        for kind in KINDS:
            assert set(kept_by(kind.name)) == lab.ids(kind.name), kind.name
        assert lab.stack.up()[0].exit_code == 0  # the user belongs to organizations that the others have brought
        kept = lab.port.entity(U, everywhere)
        assert kept is not None and len(kept["relations"]["organizations"]) == 4
        for stack in stacks:
            unchanged(sync(stack))
        unchanged(stacks[-1].up())


def test_what_several_see_is_taken_over_with_an_organization_and_outlives_the_stack_that_had_it(
    tmp_path: Path, cli: CliInfo
) -> None:
    with laboratory(tmp_path / "one", cli, workspaces=6, templates=2, users=4, organizations=2) as lab:
        coder, main, rest = lab.coder, lab.stack, lab.opened("rest", tmp_path / "rest")
        names = {key: each.name for key, each in coder.state.organizations.items()}
        here, there = sorted({names[each.organization_id] for each in coder.state.templates.values()})
        main.configure({"kinds": ["user"], "organizations": [here]})
        rest.configure({"kinds": ["user"], "organizations": [there], "blueprints": "use"})
        assert main.up()[0].exit_code == rest.up()[0].exit_code == 0
        newcomer = coder.create_user("newcomer")
        template = next(key for key, each in coder.state.templates.items() if names[each.organization_id] == there)
        workspace = coder.create_workspace(name="first", owner="newcomer", template=template)
        assert rest.up()[0].exit_code == 0

        main.configure({"organizations": [here, there], "takeOver": "true"})
        assert main.up()[0].exit_code == 0
        coder.state.users[newcomer].status = "suspended"
        assert main.up()[0].exit_code == 0
        taken = lab.port.entity(U, newcomer)
        assert taken is not None and taken["properties"]["status"] == "suspended"
        assert taken["properties"]["managed_by"].startswith("coderport/lab#")

        rest.destroy()
        assert lab.port.entity(U, newcomer) == taken
        assert lab.workspace(workspace)["relations"]["owner"] == newcomer
