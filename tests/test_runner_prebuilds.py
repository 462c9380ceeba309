"""A creation may be answered with a prebuilt workspace, which has an older id and time: the run goes on with that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from runner_lab import RunnerLab, timed_lab

from coderport.catalog.actions.declared import create_from, create_from_preset
from coderport.runner.execution import Ended


@pytest.fixture(params=["2.34", "newest"])
def lab(request: pytest.FixtureRequest) -> Iterator[RunnerLab]:
    with timed_lab(flavour=request.param, prebuilds=1) as lab:
        yield lab


def test_a_prebuild_that_the_values_claim_is_the_new_workspace(lab: RunnerLab) -> None:
    waiting = next(each for each in lab.coder.state.undeleted() if each.is_prebuild)
    made_at = waiting.created_at
    seen = lab.do(create_from(waiting.template_id), name="mine", p_cpu=4, p_region="Europe")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held("alice/mine").id == waiting.id and waiting.created_at == made_at
    assert [entity["identifier"] for entity in seen.entities] == [waiting.id]
    lab.assert_port_is_as_the_program_would_have_it(waiting.id)


def test_other_values_make_a_workspace_of_their_own(lab: RunnerLab) -> None:
    waiting = next(each for each in lab.coder.state.undeleted() if each.is_prebuild)
    seen = lab.do(create_from(waiting.template_id), name="mine", p_cpu=8, p_region="Europe")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held("alice/mine").id != waiting.id and waiting.is_prebuild


def test_a_preset_that_is_chosen_claims_too(lab: RunnerLab) -> None:
    waiting = next(each for each in lab.coder.state.undeleted() if each.is_prebuild)
    seen = lab.do(create_from(waiting.template_id), name="mine", preset="Standard")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held("alice/mine").id == waiting.id


def test_the_form_of_a_preset_sends_its_id_and_claims_too(lab: RunnerLab) -> None:
    waiting = next(each for each in lab.coder.state.undeleted() if each.is_prebuild)
    preset = waiting.build.preset_id
    seen = lab.do(create_from_preset(waiting.template_id, "Standard"), name="mine", p_dotfiles="git@x:y.git")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held("alice/mine").id == waiting.id and lab.build(waiting.id).preset_id == preset is not None


def test_a_claim_whose_answer_was_lost_is_found_by_its_name(lab: RunnerLab) -> None:
    waiting = next(each for each in lab.coder.state.undeleted() if each.is_prebuild)
    lab.coder.faults.add(
        {"method": "POST", "path": "/workspaces$", "kind": "drop_connection", "applied": True, "times": 1}
    )
    seen = lab.do(create_from(waiting.template_id), name="mine", preset="Standard")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held("alice/mine").id == waiting.id
