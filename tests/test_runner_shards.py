"""One stack declares the actions, and its backend serves the workspaces and templates of its siblings too."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from runner_lab import STACK, TEMPLATE, WORKSPACE, RunnerLab, timed_lab

from coderport.catalog.actions.declared import CREATE, DELETE, STOP, create_from
from coderport.runner.values import Ended, RunContext

SIBLING = "coderport/lab-research"
SCOPE: dict[str, Any] = {"organizations": ("another",)}
"""The stack of the actions names an organization that is not the emulator's: everything is its siblings'."""


@pytest.fixture
def lab() -> Iterator[RunnerLab]:
    with timed_lab() as lab:
        lab.mirror(SIBLING)
        yield lab


@pytest.mark.parametrize("own_form", [False, True])
def test_a_workspace_from_a_sibling_s_template_is_the_sibling_s(lab: RunnerLab, own_form: bool) -> None:
    template = lab.any_template()
    run = lab.ask(create_from(template), name="dev") if own_form else lab.ask(CREATE, template=template, name="dev")
    seen = lab.execute(run, **SCOPE)
    assert seen.ended is Ended.SUCCESS, seen.summary
    [identifier] = lab.coder.workspace_ids()
    held = lab.port.entity(WORKSPACE.identifier, identifier)
    assert held is not None and held["properties"]["managed_by"] == SIBLING
    assert held["relations"]["template_id"] == template


def test_an_action_on_a_sibling_s_workspace_shows_in_its_entity_which_stays_the_sibling_s(lab: RunnerLab) -> None:
    workspace = lab.coder.create_workspace("alice", lab.any_template(), "dev")
    lab.mirror(SIBLING)
    assert lab.execute(lab.ask(STOP, entity=workspace), **SCOPE).ended is Ended.SUCCESS
    held = lab.port.entity(WORKSPACE.identifier, workspace)
    assert held is not None
    assert (held["properties"]["status"], held["properties"]["managed_by"]) == ("stopped", SIBLING)
    assert lab.execute(lab.ask(DELETE, entity=workspace, confirmation="dev"), **SCOPE).ended is Ended.SUCCESS
    assert lab.port.entity(WORKSPACE.identifier, workspace) is None


@pytest.mark.parametrize("own_form", [False, True])
@pytest.mark.parametrize("keeper", [STACK, "another/project"])
def test_a_template_outside_of_the_scope_that_no_sibling_keeps_is_refused(
    lab: RunnerLab, keeper: str, own_form: bool
) -> None:
    template = lab.any_template()
    lab.port.put_entity(TEMPLATE.identifier, {"identifier": template, "properties": {"managed_by": keeper}})
    run = lab.ask(create_from(template), name="dev") if own_form else lab.ask(CREATE, template=template, name="dev")
    seen = lab.execute(run, **SCOPE)
    assert seen.ended is Ended.FAILURE and "outside of the organizations" in seen.summary


@pytest.mark.parametrize(
    "changed", [{"coder_deployment": "00000000-0000-4000-8000-000000000001"}, {"managed_by": None}]
)
def test_the_own_form_of_a_template_that_is_not_this_coder_s_or_nobody_s_is_refused(
    lab: RunnerLab, changed: dict[str, Any]
) -> None:
    template = lab.any_template()
    lab.port.put_entity(TEMPLATE.identifier, {"identifier": template, "properties": changed})
    seen = lab.execute(lab.ask(create_from(template), name="dev"), **SCOPE)
    assert (seen.ended, lab.coder.workspace_ids()) == (Ended.FAILURE, set())


@pytest.mark.parametrize(
    ("keeper", "own", "sibling"),
    [
        ("coderport/lab#0a1b2c3d", True, False),
        ("acme/old#0a1b2c3d", True, False),
        ("coderport/lab", True, False),
        ("coderport/lab#ffffffff", False, False),
        ("coderport/other#ffffffff", False, True),
        ("acme/old#ffffffff", False, False),
        (None, False, False),
    ],
)
def test_a_runner_knows_its_own_stack_by_its_state_also_after_a_rename(
    keeper: str | None, own: bool, sibling: bool
) -> None:
    context = SimpleNamespace(managed_by="coderport/lab#0a1b2c3d")
    assert RunContext.is_own(context, keeper) is own  # type: ignore[arg-type]
    assert RunContext.is_sibling(context, keeper) is sibling  # type: ignore[arg-type]


def test_a_runner_that_does_not_know_its_state_goes_by_the_name() -> None:
    context = SimpleNamespace(managed_by="coderport/lab")
    assert RunContext.is_own(context, "coderport/lab#ffffffff") is True  # type: ignore[arg-type]
    assert RunContext.is_own(context, "acme/old#ffffffff") is False  # type: ignore[arg-type]
