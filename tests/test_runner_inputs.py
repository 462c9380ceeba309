"""Inputs are untrusted: each arrives in Coder as it was typed, or is refused before anything is built."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from runner_lab import RunnerLab, Seen, timed_lab

from coderport.catalog.actions.declared import create_from
from coderport.catalog.actions.inputs import input_key
from coderport.coder.parameters import ParameterOption, RichParameter
from coderport.emulators.coder.records import Option, Parameter
from coderport.emulators.coder.workspace_routes import set_dormant
from coderport.runner import checks
from coderport.runner.execution import Ended
from coderport.runner.parameters import for_new, for_start
from coderport.runner.values import Operation, Order, Refused
from coderport.terminal.text import short

CREATE = "coder_create_workspace"
ODD = "Größe {{ .x }}"
PARAMETERS = (
    Parameter("text", "string", default_value="t"),
    Parameter("lower", "string", default_value="a", validation_regex="^[a-z]+$", validation_error="lower case only"),
    Parameter("cores", "number", default_value="2", validation_min=1, validation_max=16),
    Parameter("gpu", "bool", default_value="false"),
    Parameter("region", "string", default_value="eu", options=(Option("Europe", "eu"), Option("US", "us"))),
    Parameter("tools", "list(string)", default_value="[]"),
    Parameter("zone", "string", default_value="1", mutable=False),
    Parameter("debug", "bool", default_value="false", ephemeral=True),
    Parameter("team", "string", required=True),
    Parameter(ODD, "string", default_value=""),
)
NASTY = (
    'it\'s "quoted"',
    "two\nlines\r\n",
    "$(touch /tmp/x) `id` ; rm -rf / | & > <",
    "{{ .run.id }} {{ .secrets.TOKEN }} ${{ secrets.X }} %{x}",
    "日本語 🦀 \u202e end",
    "\\n \\\" \\u0000 '\\''",
)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[RunnerLab, str]]:
    with timed_lab() as lab:
        template = lab.coder.create_template("forms")
        lab.coder.promote_version(template, parameters=PARAMETERS, presets=())
        lab.mirror()
        lab.declare_actions()
        yield lab, template


@pytest.fixture
def lab(shared: tuple[RunnerLab, str]) -> Iterator[RunnerLab]:
    lab, _ = shared
    yield lab
    lab.leave_nothing()


@pytest.fixture
def template(shared: tuple[RunnerLab, str]) -> str:
    return shared[1]


@pytest.mark.parametrize("value", NASTY)
def test_a_text_arrives_as_it_was_typed(lab: RunnerLab, template: str, value: str) -> None:
    inputs: dict[str, Any] = {"p_text": value, input_key(ODD): value, "p_team": "a", "p_tools": [value, "b"]}
    seen = lab.do(create_from(template), name="dev", **inputs)
    assert seen.ended is Ended.SUCCESS, seen.summary
    built = lab.build("alice/dev").parameters
    assert (built["text"], built[ODD]) == (value, value)
    workspace = lab.held("alice/dev").id
    lab.coder.stop(workspace)
    lab.mirror()
    again = lab.do("coder_start_workspace", entity=workspace, parameters={"text": value + "!", ODD: "z"})
    assert again.ended is Ended.SUCCESS, again.summary
    assert (lab.build(workspace).parameters["text"], lab.build(workspace).parameters[ODD]) == (value + "!", "z")


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"p_lower": "Upper"}, "lower case only"),
        ({"p_cores": 17}, "16 or less"),
        ({"p_cores": 1.5}, "whole number"),
        ({"p_cores": "many"}, "whole number"),
        ({"p_gpu": "perhaps"}, "true or false"),
        ({"p_region": "mars"}, "must be one of: Europe, US"),
        ({"p_tools": "not a list"}, "list of texts"),
        ({"p_tools": [1, 2]}, "list of texts"),
        ({"p_team": ""}, "a value is required"),
        ({"p_text": "a\0b"}, "text: has a character"),
        ({"p_debug": True}, "'p_debug'"),
        ({"p_unknown": "x"}, "'p_unknown'"),
        ({"template": "x"}, "'template'"),
        ({"preset": "x"}, "'preset'"),
        ({"name": "-x"}, "cannot be the name"),
        ({"name": "a" * 33}, "cannot be the name"),
        ({"name": "New"}, "cannot be the name"),
        ({"name": "a\n"}, "cannot be the name"),
        ({"name": 7}, "must be a text"),
        ({"ttl_hours": 721}, "between one minute and 720 hours"),
        ({"ttl_hours": -1}, "between one minute"),
        ({"ttl_hours": "4"}, "must be a number"),
        ({"autostart": "30 9 * * 1-5\nx"}, "characters that no schedule has"),
        ({"automatic_updates": "yes"}, "on or off"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_built(
    lab: RunnerLab, template: str, inputs: dict[str, Any], text: str
) -> None:
    run = lab.ask_past_the_form(create_from(template), **{"name": "dev", "p_team": "a", **inputs})
    before = lab.coder.log.snapshot()["writes"]
    seen = lab.execute(run)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused"), seen.summary
    assert text in seen.summary
    assert lab.coder.workspace_ids() == set() and lab.coder.log.snapshot()["writes"] == before


def test_every_mistake_is_named_at_once_and_no_value_is_repeated(lab: RunnerLab, template: str) -> None:
    inputs: dict[str, Any] = {"p_lower": "S3CRET", "p_cores": 99, "p_region": "hunter2"}
    seen = lab.execute(lab.ask_past_the_form(create_from(template), name="dev", **inputs))
    for name in ("lower", "cores", "region", "team"):
        assert f"{name}: " in seen.summary
    assert "S3CRET" not in seen.summary + seen.log and "hunter2" not in seen.summary + seen.log


def test_the_plain_form_refuses_a_template_that_asks_for_more(lab: RunnerLab, template: str) -> None:
    seen = lab.do(CREATE, template=template, name="dev")
    assert seen.ended is Ended.FAILURE and "team: a value is required" in seen.summary
    smuggled = lab.execute(lab.ask_past_the_form(CREATE, template=template, name="dev", p_team="x"))
    assert smuggled.ended is Ended.FAILURE and "'p_team'" in smuggled.summary


def test_a_schedule_that_is_none_is_told_in_coders_words(lab: RunnerLab, template: str) -> None:
    run = lab.ask_past_the_form(create_from(template), name="dev", p_team="a", autostart="99 9 * * 1-5")
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and "schedule" in seen.summary
    assert lab.coder.workspace_ids() == set()


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"zone": "2"}, "zone: it was fixed"),
        ({"strange": "2"}, "'strange' is not a parameter"),
        ({"cores": 99}, "cores: must be 16 or less"),
        ({"region": "mars"}, "region: must be one of"),
        ({"text": "fine", "gpu": "perhaps"}, "gpu: must be true or false"),
    ],
)
def test_a_start_refuses_what_may_not_change(
    lab: RunnerLab, template: str, parameters: dict[str, Any], text: str
) -> None:
    workspace = lab.workspace(template=template, running=False)
    seen = lab.do("coder_start_workspace", entity=workspace, parameters=parameters)
    assert seen.ended is Ended.FAILURE and text in seen.summary
    assert lab.builds(workspace)[-1] == ("stop", "succeeded")


def test_an_ephemeral_parameter_holds_for_one_start(lab: RunnerLab, template: str) -> None:
    workspace = lab.workspace(template=template, running=False)
    assert lab.do("coder_start_workspace", entity=workspace, parameters={"debug": True}).ended is Ended.SUCCESS
    assert lab.build(workspace).parameters["debug"] == "true"
    assert lab.do("coder_restart_workspace", entity=workspace).ended is Ended.SUCCESS
    assert lab.build(workspace).parameters["debug"] == "false"


def test_a_version_that_is_still_imported_is_said_to_be(lab: RunnerLab) -> None:
    template = lab.coder.create_template("young")
    lab.mirror()
    version = lab.coder.state.versions[lab.coder.template(template).active_version_id]
    with lab.coder.state.lock:
        version.imported = False
    seen = lab.do(CREATE, template=template, name="dev")
    with lab.coder.state.lock:
        version.imported = True
    assert seen.ended is Ended.FAILURE and "still importing" in seen.summary


@pytest.mark.parametrize("typed", ["Dev", "dev ", "", "$(dev)"])
def test_deleting_needs_the_exact_name(lab: RunnerLab, typed: str) -> None:
    workspace = lab.workspace()
    run = lab.ask_past_the_form("coder_delete_workspace", entity=workspace, confirmation=typed)
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and "Type its name" in seen.summary
    assert workspace in lab.coder.workspace_ids()


@pytest.mark.parametrize("hours", [0, 0.5, 721, "5", True])
def test_extending_takes_a_sensible_number_of_hours(lab: RunnerLab, hours: object) -> None:
    workspace = lab.workspace(ttl_ms=3_600_000)
    seen = lab.execute(lab.ask_past_the_form("coder_extend_workspace", entity=workspace, hours=hours))
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.FAILURE, "Refused")


def test_extending_stays_within_what_the_template_permits(lab: RunnerLab) -> None:
    workspace = lab.workspace(ttl_ms=3_600_000)
    now = datetime.now(timezone.utc)
    lab.coder.set_build(workspace, deadline=now + timedelta(hours=1), max_deadline=now + timedelta(hours=4))
    assert "at most" in lab.do("coder_extend_workspace", entity=workspace, hours=5).summary
    assert lab.do("coder_extend_workspace", entity=workspace, hours=3).ended is Ended.SUCCESS
    lab.coder.set_build(workspace, deadline=None)
    assert "no deadline" in lab.do("coder_extend_workspace", entity=workspace, hours=3).summary
    run = lab.ask("coder_extend_workspace", entity=workspace, hours=3)
    lab.coder.stop(workspace)
    assert "Only a running workspace" in lab.execute(run).summary


def test_a_dormant_workspace_is_extended_by_nobody(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False, ttl_ms=3_600_000)
    run = lab.ask_past_the_form("coder_extend_workspace", entity=workspace, hours=3)
    with lab.coder.state.lock:
        set_dormant(lab.coder.state, lab.held(workspace), True)
    assert lab.execute(run).ended is Ended.FAILURE


def test_numbers_that_are_none_are_refused() -> None:
    for number in (float("nan"), float("inf"), None):
        order = Order(Operation.EXTEND, {"hours": number})
        with pytest.raises(Refused):
            checks.longer_by(order)


def test_an_entity_picker_may_answer_with_an_object() -> None:
    identifier = "0b0f0e0d-0c0b-4a09-8807-060504030201"
    assert checks.picked_template(Order(Operation.CREATE, {"template": {"identifier": identifier}})) == identifier
    nothings: list[dict[str, Any]] = [{}, {"template": {}}, {"template": ""}, {"template": [identifier]}]
    for nothing in nothings:
        with pytest.raises(Refused, match=r"^No template was picked\.$"):
            checks.picked_template(Order(Operation.CREATE, nothing))


@pytest.mark.parametrize("picked", ["tcopy", "0b0f0e0d-0c0b-4a09-8807-060504030201/..", "two\nlines"])
def test_a_picked_template_that_coderport_does_not_keep_is_named(picked: str) -> None:
    for value in (picked, {"identifier": picked}):
        with pytest.raises(Refused, match="not kept by coderport") as refused:
            checks.picked_template(Order(Operation.CREATE, {"template": value}))
        assert short(picked) in str(refused.value) and "\n" not in str(refused.value)


def test_an_option_whose_value_is_empty_is_sent_where_it_is_picked() -> None:
    options = (ParameterOption(name="None", value=""), ParameterOption(name="A100", value="a100"))
    gpu = RichParameter(name="gpu", mutable=True, default_value="a100", options=options)
    created = Order(Operation.CREATE, {"p_gpu": "None"}, template_id="0b0f0e0d-0c0b-4a09-8807-060504030201")
    assert for_new(created, [gpu], None) == {"gpu": ""}
    assert for_start(Order(Operation.START, {"parameters": {"gpu": "None"}}), [gpu], {"gpu": "a100"}) == {"gpu": ""}


def test_runs_in_one_process_do_not_share_anything(lab: RunnerLab, template: str) -> None:
    runs = [lab.ask(create_from(template), name=f"dev-{number}", p_team=f"team {number}") for number in range(6)]

    async def all_at_once() -> list[Seen]:
        return await asyncio.gather(*(asyncio.to_thread(lab.execute, run) for run in runs))

    assert {seen.ended for seen in asyncio.run(all_at_once())} == {Ended.SUCCESS}
    for number in range(6):
        assert lab.build(f"alice/dev-{number}").parameters["team"] == f"team {number}"


GPU = Parameter("gpu", "string", default_value="a100", options=(Option("None", ""), Option("A100", "a100")))
NOTE = Parameter("note", "string", default_value="n")


@pytest.fixture(scope="module")
def empties(shared: tuple[RunnerLab, str]) -> str:
    lab, _ = shared
    template = lab.coder.create_template("empties")
    lab.coder.promote_version(template, parameters=(GPU, NOTE), presets=())
    lab.mirror()
    lab.declare_actions()
    return template


def test_an_empty_value_arrives_in_coder_at_a_create_and_at_a_start(lab: RunnerLab, empties: str) -> None:
    seen = lab.do(create_from(empties), name="dev", p_gpu="None", p_note="")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert dict(lab.build("alice/dev").parameters) == {"gpu": "", "note": ""}
    workspace = lab.held("alice/dev").id
    lab.coder.stop(workspace)
    lab.mirror()
    again = lab.do("coder_start_workspace", entity=workspace, parameters={"gpu": "A100", "note": None})
    assert again.ended is Ended.SUCCESS, again.summary
    assert dict(lab.build(workspace).parameters) == {"gpu": "a100", "note": ""}
    lab.coder.stop(workspace)
    lab.mirror()
    assert lab.do("coder_start_workspace", entity=workspace, parameters={"gpu": "None"}).ended is Ended.SUCCESS
    assert dict(lab.build(workspace).parameters) == {"gpu": "", "note": ""}


@pytest.mark.parametrize("parameters", ["", 0, False, []])
def test_parameters_of_a_start_that_are_no_object_are_refused_and_not_taken_for_none(
    lab: RunnerLab, empties: str, parameters: Any
) -> None:
    workspace = lab.workspace(template=empties, running=False)
    run = lab.ask_past_the_form("coder_start_workspace", entity=workspace, parameters=parameters)
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and "must be an object" in seen.summary
