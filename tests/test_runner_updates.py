"""Update and restart stop nothing that they could not start again, and are one request where the server knows that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from runner_lab import RunnerLab, timed_lab

from coderport.coder.builds import Builds, WatchedBuild
from coderport.emulators.coder.records import Option, Parameter
from coderport.runner.deployment import CHAINS_BUILDS, release_of
from coderport.runner.execution import Ended

RESTART, UPDATE = "coder_restart_workspace", "coder_update_workspace"
HELD = (
    Parameter("cores", "number", display_name="Cores", default_value="2", validation_min=1, validation_max=16),
    Parameter("disk", "number", display_name="Disk", default_value="20"),
    Parameter("region", "string", display_name="Region", default_value="eu"),
    Parameter("password", "string", display_name="Password", default_value="hunter2"),
    Parameter("gpu", "bool", display_name="GPU", default_value="false"),
)


@pytest.fixture(scope="module", params=["2.20", "newest"])
def shared(request: pytest.FixtureRequest) -> Iterator[RunnerLab]:
    with timed_lab(flavour=request.param) as lab:
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    yield shared
    shared.leave_nothing()


@pytest.fixture
def workspace(lab: RunnerLab) -> str:
    return with_version(lab, HELD)


def with_version(lab: RunnerLab, parameters: tuple[Parameter, ...]) -> str:
    """A running workspace of a template of its own whose version asks for these."""
    template = lab.coder.create_template(f"held-{len(lab.coder.template_ids())}")
    lab.coder.promote_version(template, parameters=parameters, presets=())
    return lab.workspace(template=template)


def promote(lab: RunnerLab, workspace: str, **changed: dict[str, Any]) -> None:
    """A new active version, in which these parameters are other ones; a new one is made by its fields."""
    asked = [replace(each, **changed.pop(each.name, {})) for each in HELD]
    asked += [Parameter(name, **fields) for name, fields in changed.items()]
    lab.coder.promote_version(lab.held(workspace).template_id, parameters=tuple(asked), presets=())
    lab.mirror()


REFUSED: list[tuple[dict[str, dict[str, Any]], tuple[str, ...]]] = [
    ({"cores": {"validation_min": 4}}, ("Cores", "4 or more", "this workspace has 2")),
    ({"disk": {"validation_max": 10}}, ("Disk", "10 or less", "this workspace has 20")),
    (
        {"region": {"options": (Option("US", "us"), Option("Asia", "as")), "default_value": "us"}},
        ("Region", "must be one of: US, Asia", "this workspace has eu"),
    ),
    ({"region": {"validation_regex": "^[a-z]{3}$"}}, ("Region", "must match ^[a-z]{3}$")),
    ({"region": {"validation_regex": "^x", "validation_error": "three letters"}}, ("Region", "three letters")),
    ({"gpu": {"type": "number", "default_value": "0"}}, ("GPU", "must be a number", "this workspace has false")),
    ({"disk": {"type": "bool", "default_value": "true"}}, ("Disk", "true or false", "this workspace has 20")),
    ({"region": {"type": "list(string)", "default_value": "[]"}}, ("Region", "list of texts")),
    ({"team": {"type": "string", "display_name": "Team", "required": True}}, ("Team", "a value is required")),
    (
        {"cores": {"mutable": False, "options": (Option("Four", "4"),), "default_value": "4", "validation_min": None}},
        ("Cores", "must be one of: Four"),
    ),
]


@pytest.mark.parametrize(("changed", "texts"), REFUSED)
def test_an_update_that_could_not_start_is_refused_before_anything_is_stopped(
    lab: RunnerLab, workspace: str, changed: dict[str, dict[str, Any]], texts: tuple[str, ...]
) -> None:
    promote(lab, workspace, **{name: dict(fields) for name, fields in changed.items()})
    seen = lab.do(UPDATE, entity=workspace)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused"), seen.summary
    for text in (*texts, "Nothing was stopped", "Update it in Coder", f"/@alice/{lab.held(workspace).name}"):
        assert text in seen.summary
    assert lab.builds(workspace) == [("start", "succeeded")]


def test_every_value_that_is_not_taken_is_named_and_no_free_text_is_repeated(lab: RunnerLab, workspace: str) -> None:
    promote(lab, workspace, cores={"validation_min": 4}, password={"validation_regex": "^[0-9]+$"})
    seen = lab.do(UPDATE, entity=workspace)
    assert "Cores: " in seen.summary and "Password: " in seen.summary
    assert "hunter2" not in seen.summary + seen.log


def test_a_restart_of_what_would_not_start_is_refused_too(lab: RunnerLab, workspace: str) -> None:
    lab.coder.set_build(workspace, parameters={**lab.build(workspace).parameters, "cores": "99"})
    seen = lab.do(RESTART, entity=workspace)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused"), seen.summary
    assert "Cores: must be 16 or less (this workspace has 99)" in seen.summary
    assert lab.builds(workspace) == [("start", "succeeded")]


def test_an_empty_value_is_no_obstacle_where_coder_takes_the_default(lab: RunnerLab, workspace: str) -> None:
    lab.coder.set_build(workspace, parameters={**lab.build(workspace).parameters, "cores": "", "region": ""})
    seen = lab.do(RESTART, entity=workspace)
    classic = lab.coder.template(lab.held(workspace).template_id).use_classic_parameter_flow
    assert (seen.ended is Ended.SUCCESS) == classic, seen.summary


def test_what_may_only_grow_and_has_not_shrunk_is_no_obstacle(lab: RunnerLab, workspace: str) -> None:
    promote(lab, workspace, cores={"validation_monotonic": "increasing"}, disk={"mutable": False})
    seen = lab.do(UPDATE, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary


@pytest.mark.parametrize("action", [RESTART, UPDATE])
def test_it_is_one_request_where_the_server_starts_what_it_has_stopped(
    lab: RunnerLab, workspace: str, action: str
) -> None:
    old = lab.build(workspace).version_id
    promote(lab, workspace)
    active = lab.coder.template(lab.held(workspace).template_id).active_version_id
    before = lab.coder.log.snapshot()["writes"]
    seen = lab.do(action, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.builds(workspace) == [("start", "succeeded"), ("stop", "succeeded"), ("start", "succeeded")]
    assert old != active and lab.build(workspace).version_id == (old if action == RESTART else active)
    one = release_of(lab.coder.state.flavour.version) >= CHAINS_BUILDS
    assert lab.coder.log.snapshot()["writes"] - before == (1 if one else 2)
    lab.assert_port_is_as_the_program_would_have_it(workspace)


@pytest.mark.parametrize("action", [RESTART, UPDATE])
def test_it_is_two_requests_with_a_token_that_may_not_name_the_version(
    lab: RunnerLab, workspace: str, action: str
) -> None:
    promote(lab, workspace)
    kinds = ("workspace", "user", "organization", "group", "deployment_config", "organization_member", "api_key")
    scopes = {*(f"{kind}:*" for kind in kinds), "template:read", "template:use", "template:view_insights"}
    lab.coder.token = lab.coder.create_token(scopes=scopes)
    before = lab.coder.log.snapshot()["writes"]
    seen = lab.do(action, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.builds(workspace) == [("start", "succeeded"), ("stop", "succeeded"), ("start", "succeeded")]
    refused = release_of(lab.coder.state.flavour.version) >= CHAINS_BUILDS
    assert lab.coder.log.snapshot()["writes"] - before == (3 if refused else 2)


@pytest.mark.parametrize("action", [RESTART, UPDATE])
@pytest.mark.parametrize("outdated", [False, True])
def test_a_version_that_becomes_active_after_the_checks_is_not_the_one_that_starts(
    lab: RunnerLab, workspace: str, action: str, outdated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if outdated or action == UPDATE:
        promote(lab, workspace)
    had, active = lab.build(workspace).version_id, lab.coder.template(lab.held(workspace).template_id).active_version_id
    post = Builds.post_build

    async def promoted_just_before(self: Builds, workspace_id: str, transition: str, **more: Any) -> WatchedBuild:
        if transition == "stop":
            lab.coder.promote_version(lab.held(workspace).template_id, parameters=HELD[1:], presets=())
        return await post(self, workspace_id, transition, **more)

    monkeypatch.setattr(Builds, "post_build", promoted_just_before)
    seen = lab.do(action, entity=workspace)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.build(workspace).version_id == (active if action == UPDATE else had)
    assert lab.coder.template(lab.held(workspace).template_id).active_version_id not in (had, active)


def test_a_restart_does_not_start_what_would_not_stop(lab: RunnerLab, workspace: str) -> None:
    lab.coder.fail_next_builds("volume is busy")
    seen = lab.do(RESTART, entity=workspace)
    assert (seen.ended, lab.builds(workspace)[-1]) == (Ended.FAILURE, ("stop", "failed"))
    assert "volume is busy" in seen.summary


@pytest.mark.parametrize(
    ("version", "release"),
    [("v2.36.0+4f6f4a1", (2, 36)), ("v2.9.1", (2, 9)), ("2.40.1-devel", (2, 40)), ("", (0, 0)), ("unknown", (0, 0))],
)
def test_a_release_is_read_from_what_coder_calls_its_version(version: str, release: tuple[int, int]) -> None:
    assert release_of(version) == release
