"""What entities of others lead to: Port deletes nothing that one requires, and empties the other relations to it."""

from __future__ import annotations

from pathlib import Path

from lab import Lab, laboratory
from simulated_lab import TEMPLATES, Story, W, played

from coderport.engine import CliInfo
from coderport.settings import Releases
from coderport.why.answer import answers
from coderport.why.gathering import gathered

NONE = Releases()


def relate(to: Story | Lab, target: str, identifier: str, *, required: bool) -> None:
    """A colleague's blueprint, and an entity of it that leads to that one."""
    relation = {"target": target, "required": required, "many": False, "title": "Where"}
    to.port.put_blueprint(
        {"identifier": "service", "title": "Service", "schema": {"properties": {}}, "relations": {"where": relation}}
    )
    to.port.put_entity(
        "service", {"identifier": "shop", "title": "Shop", "properties": {}, "relations": {"where": identifier}}
    )


def let_go(to: Story | Lab) -> None:
    """The colleague takes the entity away."""
    to.port.delete_entity("service", "shop")


def test_what_is_required_stays_and_is_told_and_the_rest_of_the_run_is_done(tmp_path: Path) -> None:
    async def story(at: Story) -> None:
        await at.run()
        gone, other = sorted(at.coder.workspace_ids())[:2]
        relate(at, W, gone, required=True)
        at.coder.delete_workspace(gone)
        at.coder.delete_workspace(other)
        new = at.coder.create_workspace(name="new")
        for command in ("sync", "up", "sync"):
            outcome = await at.run(command, NONE)
            assert outcome.exit_code == 0, outcome.message
            assert {gone, new} <= at.held().keys() and other not in at.held()

        let_go(at)
        outcome = await at.run("sync", NONE)
        assert outcome.exit_code == 0 and gone not in at.held()

    played(tmp_path, story)


def test_what_no_state_knows_and_is_required_stops_no_run_either(tmp_path: Path, cli: CliInfo) -> None:
    with laboratory(tmp_path, cli, workspaces=6, templates=2) as lab:
        lab.up()
        backup = tmp_path / "backup.json"
        lab.pulumi("stack", "export", "--file", str(backup), "--stack", "lab")
        late = lab.coder.create_workspace(name="late")
        lab.up()
        relate(lab, W, late, required=True)
        lab.pulumi("stack", "import", "--file", str(backup), "--stack", "lab")
        lab.coder.delete_workspace(late)
        new = lab.coder.create_workspace(name="new")
        for _ in range(2):
            (told,) = lab.up()[1].warnings
            assert told.startswith(
                "1 workspace stays in Port as it is, though Coder shows it no longer or the settings leave it out:"
            )
            assert "service:shop" in told
            assert lab.ids() == {*lab.coder.workspace_ids(), late}
        assert new in lab.ids()
        said = {each.said for answer in answers(gathered(lab.stack, late), late) for each in answer.statements}
        assert "It stays as it is, because entities of others require it: service:shop." in said

        let_go(lab)
        lab.up()
        lab.assert_converged()


def test_what_others_point_at_needs_a_release_where_the_settings_leave_it_out(tmp_path: Path) -> None:
    async def story(at: Story) -> None:
        await at.run()
        used = {each["relations"]["template_id"] for each in at.held().values()}
        template = min(at.held(TEMPLATES).keys() - used, default=None) or at.coder.create_template("unused")
        await at.run()
        relate(at, TEMPLATES, template, required=False)
        name = at.coder.state.templates[template].name
        at.world.options["excludeTemplates"] = [name]
        outcome = await at.run("up", NONE)
        assert outcome.exit_code == 3 and "whose relations Port would empty" in outcome.message, outcome.message
        shop = at.port.entity("service", "shop")
        assert shop is not None and shop["relations"]["where"] == template

        outcome = await at.run("up", Releases(allow_deletions=1))
        assert outcome.exit_code == 0 and template not in at.held(TEMPLATES)

    played(tmp_path, story)


def test_a_required_template_that_the_settings_leave_out_stays_and_its_form_goes(tmp_path: Path) -> None:
    async def story(at: Story) -> None:
        at.world.options["actions"] = {**at.world.options["actions"], "templates": "all"}
        template = at.coder.create_template("secret-tpl")
        await at.run()
        forms = set(at.port.objects()["actions"])
        relate(at, TEMPLATES, template, required=True)
        at.world.options["excludeTemplates"] = ["secret-tpl"]
        for _ in range(2):
            outcome = await at.run("up", NONE)
            assert outcome.exit_code == 0, outcome.message
            assert template in at.held(TEMPLATES)
        assert len(forms - set(at.port.objects()["actions"])) == 1

    played(tmp_path, story, actions=True)
