"""Each action from the button to the end of its run, on both emulators over sockets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from runner_lab import ALICE, BOB, WORKSPACE, RunnerLab, timed_lab

from coderport.catalog.actions.declared import create_from, create_from_preset
from coderport.runner.execution import Ended

CREATE, START, STOP = "coder_create_workspace", "coder_start_workspace", "coder_stop_workspace"
RESTART, UPDATE, EXTEND = "coder_restart_workspace", "coder_update_workspace", "coder_extend_workspace"
SCHEDULE, WAKE, DELETE = "coder_schedule_workspace", "coder_wake_workspace", "coder_delete_workspace"
DORMANT = "coder_make_workspace_dormant"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunnerLab]:
    with timed_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    """The module's lab, with no workspace in it."""
    yield shared
    shared.leave_nothing()


def tied(lab: RunnerLab, workspace: str, action: str) -> list[dict[str, str]]:
    return [{"blueprint": WORKSPACE.identifier, "identifier": workspace, "action": action}]


def test_a_person_creates_a_workspace_of_their_own(lab: RunnerLab) -> None:
    seen = lab.do(CREATE, template=lab.any_template(), name="dev", ttl_hours=4, autostart="30 9 * * 1-5")
    made = lab.held("alice/dev")
    assert (seen.ended, seen.run["status"], seen.run["statusLabel"]) == (Ended.SUCCESS, "SUCCESS", "Running")
    page = f"{lab.pair.coder_url}/@alice/dev"
    assert f"Workspace: {page}" in seen.log.splitlines() and seen.summary.endswith(page)
    assert "planning" in seen.log and "applying" in seen.log and "dev is running." in seen.log
    assert seen.entities == tied(lab, made.id, "CREATE")
    assert (made.ttl_ms, made.autostart_schedule, made.automatic_updates) == (14_400_000, "30 9 * * 1-5", "never")
    lab.assert_port_is_as_the_program_would_have_it(made.id)


def test_the_form_of_a_template_sets_its_parameters(lab: RunnerLab) -> None:
    template = lab.any_template()
    seen = lab.do(
        create_from(template), by=BOB, name="big", p_cpu=8, p_region="United States", p_dotfiles="git@x:y.git"
    )
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert dict(lab.build("bob/big").parameters) == {"cpu": "8", "region": "us", "dotfiles": "git@x:y.git"}
    assert lab.held("bob/big").template_id == template


def test_a_preset_wins_over_the_form(lab: RunnerLab) -> None:
    seen = lab.do(create_from(lab.any_template()), name="set", preset="Standard", p_cpu=16, p_region="Europe")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.build("alice/set").parameters["cpu"] == "4"


def test_the_form_of_a_preset_asks_for_the_rest(lab: RunnerLab) -> None:
    template = lab.any_template()
    seen = lab.do(create_from_preset(template, "Standard"), name="set", p_dotfiles="git@x:y.git", ttl_hours=4)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert dict(lab.build("alice/set").parameters) == {"cpu": "4", "region": "eu", "dotfiles": "git@x:y.git"}


def test_what_the_preset_sets_is_no_input_of_its_form(lab: RunnerLab) -> None:
    action = create_from_preset(lab.any_template(), "Standard")
    for stranger in ({"p_cpu": 16}, {"preset": "Standard"}, {"template": lab.any_template()}):
        seen = lab.execute(lab.ask_past_the_form(action, name="set", **stranger))
        assert seen.run["statusLabel"] == "Refused" and "is not one of this action" in seen.summary
    assert not lab.coder.workspace_ids()


def test_a_preset_that_the_template_has_no_more_is_refused(lab: RunnerLab) -> None:
    template = lab.coder.create_template("changing")
    lab.mirror()
    lab.declare_actions()
    preset = lab.coder.state.versions[lab.coder.state.templates[template].active_version_id].presets[0]
    run = lab.ask(create_from_preset(template, preset.name), name="set")
    with lab.coder.state.lock:
        lab.coder.state.versions[lab.coder.state.templates[template].active_version_id].presets = ()
    seen = lab.execute(run)
    assert seen.run["statusLabel"] == "Refused" and "does not have this preset any more" in seen.summary


def test_stop_and_start(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    stopped = lab.do(STOP, entity=workspace)
    assert (stopped.ended, stopped.run["statusLabel"]) == (Ended.SUCCESS, "Stopped")
    assert stopped.entities == tied(lab, workspace, "UPDATE")
    lab.assert_port_is_as_the_program_would_have_it(workspace)
    started = lab.do(START, entity=workspace)
    assert (started.ended, started.run["statusLabel"]) == (Ended.SUCCESS, "Running")
    assert lab.builds(workspace)[-2:] == [("stop", "succeeded"), ("start", "succeeded")]
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_a_start_changes_only_the_parameters_that_it_names(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    seen = lab.do(START, entity=workspace, parameters={"cpu": 6, "dotfiles": "a b"})
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert dict(lab.build(workspace).parameters) == {"cpu": "6", "region": "eu", "dotfiles": "a b"}


def test_what_is_so_already_is_a_success_without_a_build(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    running = lab.ask(STOP, entity=workspace), lab.ask(RESTART, entity=workspace)
    lab.execute(running[0])
    lab.coder.start(workspace)
    before = lab.builds(workspace)
    started = lab.execute(lab.ask_past_the_form(START, entity=workspace))
    updated = lab.execute(lab.ask_past_the_form(UPDATE, entity=workspace))
    assert (started.ended, updated.ended) == (Ended.SUCCESS, Ended.SUCCESS)
    assert "already" in started.summary and "already" in updated.summary
    assert lab.builds(workspace) == before


def test_restart_is_a_stop_and_then_a_start_with_the_same_version(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    version = lab.build(workspace).version_id
    lab.coder.promote_version(lab.held(workspace).template_id)
    seen = lab.do(RESTART, entity=workspace)
    assert seen.ended is Ended.SUCCESS
    assert lab.builds(workspace) == [("start", "succeeded"), ("stop", "succeeded"), ("start", "succeeded")]
    assert lab.build(workspace).version_id == version
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_restart_does_not_start_what_would_not_stop(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.coder.fail_next_builds("volume is busy")
    seen = lab.do(RESTART, entity=workspace)
    assert (seen.ended, lab.builds(workspace)[-1]) == (Ended.FAILURE, ("stop", "failed"))
    assert "volume is busy" in seen.summary


@pytest.mark.parametrize("running", [True, False])
def test_update_brings_the_active_version_and_stops_a_running_one_before(lab: RunnerLab, running: bool) -> None:
    workspace = lab.workspace(running=running)
    version = lab.coder.promote_version(lab.held(workspace).template_id)
    lab.mirror()
    seen = lab.do(UPDATE, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.build(workspace).version_id == version
    assert [transition for transition, _ in lab.builds(workspace)] == ["start", "stop", "start"]
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_an_update_of_a_workspace_whose_build_failed_does_not_stop_it_first(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.coder.fail(workspace)
    lab.coder.promote_version(lab.held(workspace).template_id)
    lab.mirror()
    assert lab.do(UPDATE, entity=workspace).ended is Ended.SUCCESS
    assert lab.builds(workspace) == [("start", "succeeded"), ("start", "failed"), ("start", "succeeded")]


def test_an_update_that_would_need_a_value_is_refused_before_the_workspace_is_stopped(lab: RunnerLab) -> None:
    template = lab.coder.create_template("strict")
    workspace = lab.workspace(template=template)
    before = lab.coder.state.versions[lab.held(workspace).build.version_id].parameters
    asks = replace(before[2], name="team", display_name="Team", required=True, default_value="")
    lab.coder.promote_version(template, parameters=(*before, asks))
    lab.mirror()
    seen = lab.do(UPDATE, entity=workspace)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")
    assert "Team" in seen.summary and lab.builds(workspace) == [("start", "succeeded")]


def test_extend_moves_the_deadline_so_many_hours_from_now(lab: RunnerLab) -> None:
    workspace = lab.workspace(ttl_ms=3_600_000)
    lab.coder.set_build(workspace, deadline=datetime.now(timezone.utc) + timedelta(minutes=50))
    asked = datetime.now(timezone.utc)
    seen = lab.do(EXTEND, entity=workspace, hours=5)
    assert seen.ended is Ended.SUCCESS, seen.summary
    deadline = lab.build(workspace).deadline
    assert deadline is not None and timedelta(hours=4.9) < deadline - asked < timedelta(hours=5.1)
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_a_schedule_is_set_changed_and_turned_off(lab: RunnerLab) -> None:
    workspace = lab.workspace(ttl_ms=3_600_000)
    assert lab.do(SCHEDULE, entity=workspace, autostart="0 7 * * 1-5").ended is Ended.SUCCESS
    assert (lab.held(workspace).autostart_schedule, lab.held(workspace).ttl_ms) == ("0 7 * * 1-5", 3_600_000)
    assert lab.do(SCHEDULE, entity=workspace, ttl_hours=2.5).ended is Ended.SUCCESS
    assert (lab.held(workspace).autostart_schedule, lab.held(workspace).ttl_ms) == ("0 7 * * 1-5", 9_000_000)
    off = lab.do(SCHEDULE, entity=workspace, ttl_hours=0, autostart="off")
    assert off.ended is Ended.SUCCESS and "does not start by itself" in off.summary
    assert (lab.held(workspace).autostart_schedule, lab.held(workspace).ttl_ms) == ("", None)
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_a_schedule_that_coder_does_not_take_is_refused_in_its_words_with_what_was_done(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.coder.set_template(lab.held(workspace).template_id, allow_user_autostop=False)
    try:
        seen = lab.do(SCHEDULE, entity=workspace, autostart="0 7 * * 1-5", ttl_hours=5)
    finally:
        lab.coder.set_template(lab.held(workspace).template_id, allow_user_autostop=True)
    assert seen.ended is Ended.FAILURE and "template" in seen.summary and "Already done" in seen.summary
    nothing = lab.do(SCHEDULE, entity=workspace)
    assert nothing.ended is Ended.FAILURE and "nothing to change" in nothing.summary


def test_wake_only_wakes(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_dormant(workspace)
    lab.mirror()
    seen = lab.do(WAKE, entity=workspace)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.SUCCESS, "Awake")
    assert lab.held(workspace).dormant_at is None and lab.builds(workspace)[-1] == ("stop", "succeeded")
    lab.assert_port_is_as_the_program_would_have_it(workspace)
    again = lab.execute(lab.ask_past_the_form(WAKE, entity=workspace))
    assert again.ended is Ended.SUCCESS and "already" in again.summary


@pytest.mark.parametrize("running", [True, False])
def test_what_becomes_dormant_is_stopped_before(lab: RunnerLab, running: bool) -> None:
    workspace = lab.workspace(running=running)
    before = lab.builds(workspace)
    seen = lab.do(DORMANT, entity=workspace, confirmation="dev")
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.SUCCESS, "Dormant"), seen.summary
    assert lab.held(workspace).dormant_at is not None
    assert lab.builds(workspace) == [*before, *([("stop", "succeeded")] if running else [])]
    assert seen.entities == tied(lab, workspace, "UPDATE")
    lab.assert_port_is_as_the_program_would_have_it(workspace)
    again = lab.execute(lab.ask_past_the_form(DORMANT, entity=workspace, confirmation="dev"))
    assert again.ended is Ended.SUCCESS and "already" in again.summary
    assert lab.do(WAKE, entity=workspace).ended is Ended.SUCCESS


def test_who_makes_dormant_is_told_when_coder_deletes_it(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    template = lab.held(workspace).template_id
    lab.coder.set_template(template, time_til_dormant_autodelete_ms=30 * 86_400_000)
    try:
        seen = lab.do(DORMANT, entity=workspace, confirmation="dev")
    finally:
        lab.coder.set_template(template, time_til_dormant_autodelete_ms=0)
    deleting = lab.held(workspace).deleting_at
    assert deleting is not None and f"Coder deletes it on {deleting:%Y-%m-%d}" in seen.summary


def test_nothing_becomes_dormant_that_would_not_stop_or_that_was_not_named(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    unnamed = lab.do(DORMANT, entity=workspace, confirmation="other")
    assert (unnamed.run["statusLabel"], lab.builds(workspace)) == ("Refused", [("start", "succeeded")])
    lab.coder.fail_next_builds("volume is busy")
    seen = lab.do(DORMANT, entity=workspace, confirmation="dev")
    assert seen.ended is Ended.FAILURE and "volume is busy" in seen.summary
    assert lab.held(workspace).dormant_at is None


def test_a_dormant_workspace_is_woken_before_it_is_started(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    run = lab.ask(START, entity=workspace)
    lab.coder.set_dormant(workspace)
    seen = lab.execute(run)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held(workspace).dormant_at is None and lab.build(workspace).transition == "start"


def test_delete_takes_the_workspace_and_its_entity(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    seen = lab.do(DELETE, entity=workspace, confirmation="dev")
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.SUCCESS, "Deleted")
    assert seen.entities == tied(lab, workspace, "DELETE")
    assert workspace not in lab.coder.workspace_ids()
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_deleting_what_coder_deleted_already_takes_the_entity(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.coder.delete_workspace(workspace)
    seen = lab.do(DELETE, entity=workspace, confirmation="dev")
    assert (seen.ended, seen.entities) == (Ended.SUCCESS, tied(lab, workspace, "DELETE"))
    other = lab.workspace()
    lab.coder.delete_workspace(other)
    assert "deleted" in lab.do(STOP, entity=other).summary


def test_a_failed_build_is_a_failure_with_coders_error_and_a_true_entity(lab: RunnerLab) -> None:
    lab.coder.fail_next_builds("quota exceeded: 3 of 2 credits")
    seen = lab.do(CREATE, template=lab.any_template(), name="dev")
    made = lab.held("alice/dev").id
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Failed")
    assert "quota exceeded: 3 of 2 credits" in seen.summary and "quota exceeded" in seen.log
    assert seen.entities == tied(lab, made, "CREATE")
    lab.assert_port_is_as_the_program_would_have_it(made)


def test_a_name_that_is_taken_is_refused_with_a_link(lab: RunnerLab) -> None:
    lab.workspace(name="Dev")
    seen = lab.do(CREATE, template=lab.any_template(), name="dev")
    assert seen.ended is Ended.FAILURE and "/@alice/Dev" in seen.summary
    assert lab.do(CREATE, by=BOB, template=lab.any_template(), name="dev").ended is Ended.SUCCESS


def test_a_new_workspace_of_a_template_that_port_does_not_know_yet_is_written_without_it(lab: RunnerLab) -> None:
    template = lab.any_template()
    run = lab.ask(CREATE, template=template, name="dev")
    entity = lab.port.entity("coder_template", template)
    assert entity is not None
    run_own = lab.ask(create_from(template), by=BOB, name="dev")
    lab.port.delete_entity("coder_template", template)
    try:
        refused = lab.execute(run)
        seen = lab.execute(run_own)
    finally:
        lab.mirror()
    assert refused.ended is Ended.FAILURE and "Port has no coder template" in refused.summary
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert "could not be refreshed" not in seen.summary


def test_a_run_of_alice_leaves_bobs_entities_alone(lab: RunnerLab) -> None:
    mine, theirs = lab.workspace(), lab.workspace("bob")
    before = lab.port.entity(WORKSPACE.identifier, theirs)
    lab.coder.set_workspace(theirs, ttl_ms=60_000)
    lab.do(STOP, entity=mine, by=ALICE)
    assert lab.port.entity(WORKSPACE.identifier, theirs) == before
