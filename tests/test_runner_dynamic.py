"""With dynamic parameters Coder says what a version asks for with given values, and not the form of the import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from runner_lab import RunnerLab, timed_lab

from coderport.emulators.coder.records import Option, Parameter
from coderport.runner.execution import Ended

EVALUATE = "POST /api/v2/templateversions/{version}/dynamic-parameters/evaluate"
CREATE, RESTART, START = "coder_create_workspace", "coder_restart_workspace", "coder_start_workspace"
REGION = Parameter(
    "region", display_name="Region", default_value="us", options=(Option("US", "us"), Option("EU", "eu"))
)
SIZE = Parameter("size", display_name="Size", default_value="small", options=(Option("Small", "small"),))
WIDE = Parameter(
    "size", display_name="Size", default_value="small", options=(Option("Small", "small"), Option("Huge", "huge"))
)
TICKET = Parameter("ticket", display_name="Ticket", required=True)


def rendered(values: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Huge ones are for the EU; there everybody has to name a ticket."""
    return (REGION, WIDE, TICKET) if values.get("region") == "eu" else (REGION, SIZE)


@pytest.fixture(scope="module", params=["2.25", "newest"])
def shared(request: pytest.FixtureRequest) -> Iterator[RunnerLab]:
    with timed_lab(flavour=request.param) as lab:
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    yield shared
    shared.leave_nothing()


def template_of(lab: RunnerLab, *, dynamic: bool = True) -> str:
    template = lab.coder.create_template(
        f"form-{len(lab.coder.template_ids())}", use_classic_parameter_flow=not dynamic
    )
    # All that can ever be asked for is in the form of the import, with the options that it saw.
    lab.coder.promote_version(template, parameters=(REGION, SIZE), presets=(), rendered=rendered)
    lab.mirror()
    return template


def workspace_of(lab: RunnerLab, **values: str) -> str:
    workspace = lab.workspace(template=template_of(lab))
    held = lab.held(workspace)
    held.build.parameters = {"region": "us", "size": "small", **values}
    return workspace


def test_values_that_the_import_did_not_know_are_coder_s_to_judge(lab: RunnerLab) -> None:
    workspace = workspace_of(lab, region="eu", size="huge", ticket="T-1")
    seen = lab.do(RESTART, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.held(workspace).build.parameters == {"region": "eu", "size": "huge", "ticket": "T-1"}


def test_what_coder_would_refuse_stops_nothing(lab: RunnerLab) -> None:
    workspace = workspace_of(lab, region="us", size="huge")
    before = lab.builds(workspace)
    seen = lab.do(RESTART, entity=workspace)
    assert seen.ended is Ended.FAILURE and "Nothing was stopped" in seen.summary and "Size" in seen.summary
    assert lab.builds(workspace) == before


def test_a_start_is_judged_with_all_of_its_values(lab: RunnerLab) -> None:
    workspace = workspace_of(lab)
    lab.do("coder_stop_workspace", entity=workspace)
    before = lab.builds(workspace)
    seen = lab.do(START, entity=workspace, parameters={"region": "eu"})
    assert seen.ended is Ended.FAILURE and "Nothing was built" in seen.summary, seen.summary
    assert "Ticket: Required parameter not provided" in seen.summary and lab.builds(workspace) == before


def test_a_creation_is_judged_by_coder(lab: RunnerLab) -> None:
    """The defaults will do; that Coder was asked is seen by its log."""
    for dynamic in (True, False):
        before = lab.coder.log.count(EVALUATE)
        seen = lab.do(CREATE, template=template_of(lab, dynamic=dynamic), name=f"made-{int(dynamic)}")
        assert seen.ended is Ended.SUCCESS, seen.summary
        assert (lab.coder.log.count(EVALUATE) > before) is dynamic


def test_where_coder_evaluates_nothing_the_form_of_the_import_is_the_measure(lab: RunnerLab) -> None:
    workspace = workspace_of(lab, region="us", size="huge")
    lab.coder.faults.add(
        kind="status", method="POST", path="/evaluate$", status=404, body={"message": "Route not found."}
    )
    try:
        seen = lab.do(RESTART, entity=workspace)
    finally:
        lab.coder.faults.clear()
    assert seen.ended is Ended.FAILURE and "must be one of: Small" in seen.summary
