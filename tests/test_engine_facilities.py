"""The kinds of what a deployment has beside people and workspaces, through the real engine.

The tests share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import preview, sync
from coderport.commands.why import explain
from coderport.engine import CliInfo

pytestmark = pytest.mark.in_order

TEMPLATE, WORKSPACE, VERSION = "coder_template", "coder_workspace", "coder_template_version"
PROVISIONER, PRESET = "coder_provisioner_daemon", "coder_prebuild_preset"
PROXY, LICENCE, FAILURE, AGENT = "coder_workspace_proxy", "coder_licence", "coder_failed_build", "coder_agent"
QUOTA = "coder_quota"
NEW = (VERSION, PROVISIONER, PRESET, PROXY, LICENCE, FAILURE, AGENT, QUOTA)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("facilities")
    sizes = {"workspaces": 4, "templates": 2, "users": 3, "organizations": 1, "prebuilds": 2}
    with laboratory(folder, cli, flavour="newest", **sizes) as lab:
        lab.coder.create_proxy("sydney")
        lab.coder.fail(sorted(lab.coder.workspace_ids())[0])
        lab.stack.configure({"kinds": "all"})
        yield lab


def held(lab: Lab, blueprint: str, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] | None = lab.port.entity(blueprint, identifier)
    assert found is not None
    return found


def all_of(lab: Lab) -> dict[str, dict[str, Any]]:
    """Each entity of the new kinds, as Port holds it."""
    return {f"{name}/{each}": held(lab, name, each) for name in NEW for each in lab.ids(name)}


def test_the_first_run_shows_them_and_the_second_writes_nothing(lab: Lab) -> None:
    lab.up()
    for name in NEW:
        assert lab.ids(name), name
    for identifier in lab.ids(TEMPLATE):
        template = lab.coder.template(identifier)
        assert held(lab, TEMPLATE, identifier)["relations"]["active_version"] == template.active_version_id
    for identifier in lab.ids(WORKSPACE):
        build = lab.coder.workspace(identifier).build
        assert held(lab, WORKSPACE, identifier)["relations"]["version"] == build.version_id
    for identifier in lab.ids(PRESET):
        assert held(lab, PRESET, identifier)["relations"]["template"] == identifier.partition(":")[0]
    for identifier in lab.ids(AGENT):
        agent = held(lab, AGENT, identifier)
        assert agent["relations"]["workspace"] == identifier.partition(":")[0]
        assert agent["properties"]["version"].startswith("v2."), agent
    for identifier in lab.ids(PROVISIONER):
        assert held(lab, PROVISIONER, identifier)["relations"]["organization"] == lab.coder.organization("default").id
    outcome, tally = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes
    outcome, tally = sync(lab.stack)
    assert (outcome.result, tally.engine_ran) == ("unchanged", False), tally.changes


def test_a_promotion_takes_the_template_to_a_new_version_and_the_old_one_stays_while_it_is_used(lab: Lab) -> None:
    template = lab.coder.workspace(sorted(lab.ids(WORKSPACE))[0]).template_id
    old = lab.coder.template(template).active_version_id
    unused = lab.coder.promote_version(template)
    sync(lab.stack)
    assert held(lab, TEMPLATE, template)["relations"]["active_version"] == unused
    assert held(lab, VERSION, old)["properties"]["active"] is False
    new = lab.coder.promote_version(template)
    outcome, _ = lab.up()
    assert outcome.kinds.version.deleted == 1
    assert {old, new} <= lab.ids(VERSION) and unused not in lab.ids(VERSION)
    lab.assert_converged()


def test_without_a_licence_they_stay_as_they_are(lab: Lab) -> None:
    before = all_of(lab)
    lab.coder.set_licensed(False)
    outcome, tally = lab.up()
    assert (outcome.kinds.licence.deleted, outcome.kinds.changed) == (1, 1), tally.changes  # Coder has none any more
    (licence,) = (each for each in before if each.startswith(LICENCE))
    assert all_of(lab) == {key: each for key, each in before.items() if key != licence}
    assert "Proxies were not read: Coder says: Workspace Proxy is a Premium feature." in " ".join(tally.warnings)
    lab.coder.set_licensed(True)
    assert lab.up()[0].kinds.licence.created == 1


def test_what_coder_fails_at_costs_its_kind_and_the_rest_is_written(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {key: each for key, each in all_of(lab).items() if key.startswith((LICENCE, QUOTA))}
    workspace = sorted(lab.coder.workspace_ids())[-1]
    lab.coder.faults.add(kind="status", path="/licenses", status=400, body={"message": "boom"})
    lab.coder.faults.add(kind="status", path="/workspace-quota", status=200, body={"credits_consumed": 1})
    for name, run in (("by-up", lab.stack.up), ("by-sync", partial(sync, lab.stack))):
        lab.coder.rename_workspace(workspace, name)
        outcome, tally = run()
        assert (outcome.result, outcome.exit_code, outcome.unread) == ("failed", 1, ("licences", "quotas"))
        assert outcome.message.startswith("Not read: licences, quotas.")
        assert "Licences were not read: Coder at " in " ".join(tally.warnings)
        assert outcome.kinds.workspace.updated == 1 and outcome.kinds.template.unchanged == 2, tally.changes
        assert held(lab, WORKSPACE, workspace)["properties"]["name"] == name
        assert {key: each for key, each in all_of(lab).items() if key.startswith((LICENCE, QUOTA))} == before
    outcome, _ = preview(lab.stack)
    assert (outcome.result, outcome.exit_code) == ("unchanged", 1)
    drifted, _ = drift(lab.stack, repair=False)
    assert (drifted.result, drifted.exit_code) == ("failed", 1), "whether that has drifted nobody can say"
    assert explain(lab.stack, workspace, as_object=True) == 1
    assert "Licences were not read" in capsys.readouterr().err
    lab.coder.faults.clear()
    lab.assert_converged()


def test_with_a_weaker_token_what_it_does_not_see_stays(lab: Lab) -> None:
    before = all_of(lab)
    lab.stack.configure({"coderSessionToken": lab.coder.create_token("template-admin")})
    lab.up()
    kept = (PROVISIONER, LICENCE)
    assert {key: each for key, each in all_of(lab).items() if key.startswith(kept)} == {
        key: each for key, each in before.items() if key.startswith(kept)
    }
    more = all_of(lab).keys() - before.keys()
    assert before.keys() <= all_of(lab).keys() and all(
        each.startswith(QUOTA) for each in more
    )  # of the token's own user
    lab.stack.configure({"coderSessionToken": lab.coder.token})
    lab.up()


def test_signs_of_life_are_written_once_a_refresh_period(lab: Lab) -> None:
    before = {each: held(lab, PROVISIONER, each)["properties"]["last_seen_at"] for each in lab.ids(PROVISIONER)}
    outcome, tally = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes
    lab.stack.configure({"volatileRefresh": "0"})
    outcome, tally = sync(lab.stack)
    assert outcome.kinds.provisioner.updated == len(before), tally.changes
    assert all(held(lab, PROVISIONER, each)["properties"]["last_seen_at"] > seen for each, seen in before.items())
    lab.stack.configure({"volatileRefresh": "24h"})


def test_switched_off_they_go_under_the_guard_with_their_blueprints(lab: Lab) -> None:
    lab.stack.configure({"kinds": ["organization", "user", "group"]})
    assert "no longer asked for by coderport:kinds" in lab.refused().message
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODERPORT_ALLOW_DELETIONS", "100")
        lab.up()
    assert [name for name in NEW if lab.port.blueprint(name) is not None] == []
    assert "version" not in lab.blueprint(WORKSPACE)["relations"]
    assert "active_version" not in lab.blueprint(TEMPLATE)["relations"]
    lab.assert_converged()
