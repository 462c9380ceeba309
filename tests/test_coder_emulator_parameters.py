"""Parameters at a build: which values the emulated server refuses, in the words that Coder's source has."""

from __future__ import annotations

from typing import Any

import pytest
from coder_talk import Api, Deploy

from coderport.emulators.coder.records import Option, Parameter

FORM = (
    Parameter("text", validation_regex="^[a-z]+$", validation_error="lower case", default_value="a"),
    Parameter("number", "number", "Cores", validation_min=1, validation_max=4, default_value="2"),
    Parameter("told", "number", validation_max=4, validation_error="{value} is over {max}", default_value="2"),
    Parameter("free", "number", default_value="2"),
    Parameter("grows", "number", validation_monotonic="increasing", default_value="5"),
    Parameter("shrinks", "number", validation_monotonic="decreasing", default_value="5"),
    Parameter("switch", "bool", default_value="false"),
    Parameter("list", "list(string)", default_value="[]"),
    Parameter("several", "list(string)", options=(Option("A", "a"), Option("B", "b")), default_value='["a"]',
              form_type="multi-select"),
    Parameter("choice", options=(Option("None", ""), Option("A", "a"), Option("B", "b")), default_value=""),
    Parameter("fixed", mutable=False, default_value="x"),
    Parameter("once", ephemeral=True, default_value=""),
    Parameter("needed", required=True),
)  # fmt: skip

FALLS = "parameter value '4' must be equal or greater than previous value: 5"
RISES = "parameter value '6' must be equal or lower than previous value: 5"
FIXED = 'Parameter "fixed" is not mutable, so it can\'t be updated after creating a workspace.'

REFUSED = (
    ("text", "A", 'can\'t validate build parameter "text": lower case (value "A" does not match "^[a-z]+$")'),
    ("number", "0", 'can\'t validate build parameter "Cores": value 0 is less than the minimum 1'),
    ("number", "5", 'can\'t validate build parameter "Cores": value 5 is more than the maximum 4'),
    ("number", "2.5", 'can\'t validate build parameter "Cores": value "2.5" is not a number'),
    ("told", "9", 'can\'t validate build parameter "told": 9 is over 4'),
    ("grows", "4", f"can't validate build parameter \"grows\": {FALLS}"),
    ("shrinks", "6", f"can't validate build parameter \"shrinks\": {RISES}"),
    ("switch", "yes", 'can\'t validate build parameter "switch": boolean value can be either "true" or "false"'),
    ("list", "a,b", 'can\'t validate build parameter "list": value "a,b" is not valid list of strings'),
    ("several", '["c"]', 'can\'t validate build parameter "several": parameter value must match one of options: [a b]'),
    ("choice", "c", 'can\'t validate build parameter "choice": parameter value must match one of options: [ a b]'),
    ("fixed", "y", FIXED),
    ("needed", "", 'can\'t validate build parameter "needed": parameter value is required'),
)  # fmt: skip
"""A parameter, a value for it, and what the classic flow says of it at a later build."""

TAKEN = (
    ("number", "4"), ("free", "many"), ("grows", "5"), ("shrinks", "-1"), ("several", "[]"), ("choice", ""),
    ("fixed", "x"), ("once", "anything"), ("unknown", "dropped"),
)  # fmt: skip


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def workspace_of_form(api: Api, **template: Any) -> str:
    """A stopped workspace of a template with all kinds of parameters."""
    id = api.emulator.create_template("form", **template)
    api.emulator.promote_version(id, parameters=FORM)
    body = {"name": "w", "template_id": id, "rich_parameter_values": pairs(needed="n")}
    answer = api.request("POST", "/users/me/workspaces", json=body)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    api.clock.now += 5
    api.emulator.stop(made)
    return made


@pytest.mark.parametrize(("name", "value", "detail"), REFUSED)
def test_the_classic_flow_refuses_a_value_in_coders_words(api: Api, name: str, value: str, detail: str) -> None:
    workspace = workspace_of_form(api)
    answer = api.build(workspace, transition="start", rich_parameter_values=pairs(**{name: value}))
    assert answer.status_code == 400
    assert answer.json() == {"message": f'Unable to validate parameter "{name}"', "detail": detail}
    assert api.get(f"/workspaces/{workspace}")["latest_build"]["build_number"] == 2


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_a_value_within_the_rules_is_taken(api: Api, name: str, value: str) -> None:
    workspace = workspace_of_form(api)
    answer = api.build(workspace, transition="start", rich_parameter_values=pairs(**{name: value}))
    assert answer.status_code == 201, answer.text


def test_values_that_are_carried_on_are_judged_too(api: Api) -> None:
    workspace = workspace_of_form(api)
    template = api.get(f"/workspaces/{workspace}")["template_id"]
    stricter = (Parameter("number", "number", validation_min=3, default_value="3"),)
    version = api.emulator.promote_version(template, parameters=stricter)
    answer = api.build(workspace, transition="start", template_version_id=version)
    assert (answer.status_code, answer.json()["message"]) == (400, 'Unable to validate parameter "number"')
    assert api.build(workspace, transition="start").status_code == 201  # its own version still takes what it has


def test_an_ephemeral_value_is_not_carried_on(api: Api) -> None:
    workspace = workspace_of_form(api)
    first = api.build(workspace, transition="start", rich_parameter_values=pairs(once="now")).json()
    api.clock.now += 5
    second = api.build(workspace, transition="stop").json()
    values = [
        {row["name"]: row["value"] for row in api.get(f"/workspacebuilds/{build['id']}/parameters")}["once"]
        for build in (first, second)
    ]
    assert values == ["now", ""]


def test_the_classic_flow_names_the_first_and_the_dynamic_one_all(deploy: Deploy) -> None:
    wrong = pairs(text="A", number="9", choice="c", fixed="y", grows="4")
    classic = deploy(flavour="newest")
    answer = classic.build(workspace_of_form(classic), transition="start", rich_parameter_values=wrong).json()
    assert answer["message"] == 'Unable to validate parameter "text"'
    assert "validations" not in answer
    dynamic = deploy(flavour="newest")
    workspace = workspace_of_form(dynamic, use_classic_parameter_flow=False)
    answer = dynamic.build(workspace, transition="start", rich_parameter_values=wrong).json()
    assert answer["message"] == "Unable to validate parameters"
    block = "Invalid parameter value according to 'validation' block; "
    assert {row["field"]: row["detail"] for row in answer["validations"]} == {
        "choice": 'Value must be a valid option; the value "c" must be defined as one of options',
        "fixed": f"Immutable parameter changed; {FIXED}",
        "grows": f'Parameter "grows" monotonicity; {FALLS}',
        "number": f"{block}value 9 is more than the maximum 4",
        "text": f'{block}lower case (value "A" does not match "^[a-z]+$")',
    }


@pytest.mark.parametrize(
    ("classic", "expected"),
    [
        (True, {"message": 'Unable to validate parameter "needed"',
                "detail": 'Parameter "needed" is required but not provided'}),
        (False, {"message": "Unable to validate parameters",
                 "validations": [{"field": "needed",
                                  "detail": "Required parameter not provided; parameter value is null"}]}),
    ],
)  # fmt: skip
def test_a_workspace_is_not_created_without_what_is_required(
    deploy: Deploy, classic: bool, expected: dict[str, Any]
) -> None:
    api = deploy(flavour="newest")
    id = api.emulator.create_template("form", use_classic_parameter_flow=classic)
    api.emulator.promote_version(id, parameters=FORM)
    answer = api.request("POST", "/users/me/workspaces", json={"name": "w", "template_id": id})
    assert (answer.status_code, answer.json()) == (400, expected)


def test_a_workspace_that_the_emulator_makes_up_starts_again(api: Api) -> None:
    id = api.emulator.create_template("form")
    api.emulator.promote_version(id, parameters=(*FORM, Parameter("least", "number", validation_min=7, required=True)))
    workspace = api.emulator.create_workspace(template=id, running=False)
    assert api.build(workspace, transition="start").status_code == 201
