"""The product's judgement of parameters against the emulated server's rules: what it lets through, Coder takes.

It may be stricter. Were it laxer, a restart or update could stop a workspace that Coder then refuses to start.
"""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from coderport.catalog.actions.inputs import problems
from coderport.coder.parameters import RichParameter
from coderport.emulators.coder.flavour import flavour
from coderport.emulators.coder.parameters import resolved_parameters
from coderport.emulators.coder.records import Option, Parameter, Template, Version
from coderport.emulators.coder.rows import parameter_json
from coderport.emulators.coder.seed import BASE_TIME
from coderport.emulators.coder.state import State
from coderport.runner.parameters import wrong_carried

STATE = State(0, flavour("newest"), lambda: 0.0, True)
VALUES = st.sampled_from(
    ["", "a", "b", "A", "0", "1", "2", "5", "17", "-3", "+4", "007", "2.5", " 2", "1e3", "true", "false", "True", "yes",
     "[]", '["a"]', '["a","b"]', '["c"]', "[1]", "null", '"a"', "[", "ａ", "２", "9" * 25, "line\n"]
)  # fmt: skip
OPTIONS = {
    "string": VALUES,
    "number": st.sampled_from(["0", "1", "2", "-3"]),
    "bool": st.sampled_from(["true", "false"]),
    "list(string)": st.sampled_from(["[]", '["a"]', '["a","b"]']),
}
"""What options may be: Terraform holds them to the type."""
BOUNDS = st.none() | st.integers(-5, 20)


@st.composite
def parameters(draw: st.DrawFn) -> Parameter:
    """A parameter such as a template can have: rules fit its type, and a required one has no default."""
    kind = draw(st.sampled_from(["string", "number", "bool", "list(string)"]))
    several = kind == "list(string)" and draw(st.booleans())
    choices = st.sampled_from(["a", "b", "c"]) if several else OPTIONS[kind]
    options = tuple(Option(f"label {value}", value) for value in draw(st.lists(choices, max_size=3, unique=True)))
    required = draw(st.booleans())
    number = kind == "number" and not options
    pattern = draw(st.sampled_from(["", "", "^[a-z]+$", "b"])) if kind == "string" and not options else ""
    return Parameter(
        "p", kind, draw(st.sampled_from(["", "Shown"])), mutable=draw(st.booleans()),
        default_value="" if required else draw(VALUES), options=options, validation_regex=pattern,
        validation_error="own words" if pattern or draw(st.booleans()) else "",
        validation_min=draw(BOUNDS) if number else None, validation_max=draw(BOUNDS) if number else None,
        validation_monotonic=draw(st.sampled_from(["", "increasing", "decreasing"])) if number else "",
        required=required, ephemeral=draw(st.booleans()) and not required,
        form_type="multi-select" if several and options else "input",
    )  # fmt: skip


def refused(parameter: Parameter, given_value: str | None, previous: str | None, *, classic: bool) -> list[Any]:
    """What the emulated server says of a build with that value."""
    version = Version("v", "t", "o", "v1", BASE_TIME, "u", parameters=(parameter,))
    template = Template("t", "o", "t", BASE_TIME, BASE_TIME, "u", use_classic_parameter_flow=classic)
    values = {} if given_value is None else {"p": given_value}
    return resolved_parameters(template, version, values, None if previous is None else {"p": previous})[1]


@settings(max_examples=1000)
@given(parameters(), VALUES, st.none() | VALUES, st.booleans())
def test_a_value_that_is_let_through_is_taken(
    parameter: Parameter, value: str, previous: str | None, classic: bool
) -> None:
    if not parameter.required and refused(parameter, None, None, classic=classic):
        return  # Terraform imports no template with such a default
    if parameter.required and not value and classic:
        return  # an empty option that has to be chosen is refused by the classic flow alone, before anything is built
    form = RichParameter.model_validate(parameter_json(STATE, parameter))
    if previous is not None and refused(parameter, previous, previous, classic=classic):
        return  # no workspace of this version has it
    if not problems(form, value, previous=previous):
        assert refused(parameter, value, previous, classic=classic) == []


def has_rule(parameter: Parameter) -> bool:
    """Whether the number has a `validation` block, without which Coder does not look at it."""
    bounds = (parameter.validation_min, parameter.validation_max)
    return bool(parameter.validation_monotonic) or any(each is not None for each in bounds)


@settings(max_examples=200)
@given(parameters(), VALUES)
@example(Parameter("p", "string", validation_regex="^[a-z]+$", required=True), "line\n")
def test_a_value_that_a_workspace_has_is_refused_only_where_the_classic_flow_would_not_start_it(
    parameter: Parameter, value: str
) -> None:
    """Else a restart and an update would be refused that Coder carries out."""
    if not parameter.required and refused(parameter, None, None, classic=True):
        return  # Terraform imports no template with such a default
    if parameter.type == "number" and not parameter.options and not has_rule(parameter):
        return  # Coder does not look at it, and Terraform refuses it once the workspace is stopped
    form = RichParameter.model_validate(parameter_json(STATE, parameter))
    if wrong_carried([form], {"p": value}, classic=True):
        assert refused(parameter, None, value, classic=True) != []


def test_an_empty_value_that_a_workspace_has_stands_for_the_default_in_the_classic_flow_alone() -> None:
    cpu = Parameter("p", "number", default_value="2", validation_min=1)
    region = Parameter("p", "string", default_value="eu", options=(Option("Europe", "eu"),))
    for parameter in (cpu, region):
        form = RichParameter.model_validate(parameter_json(STATE, parameter))
        assert wrong_carried([form], {"p": ""}, classic=True) == refused(parameter, None, "", classic=True) == []
        assert wrong_carried([form], {"p": ""}, classic=False)
    outgrown = RichParameter.model_validate(parameter_json(STATE, Parameter("p", "number", validation_min=3)))
    assert wrong_carried([outgrown], {"p": "2"}, classic=True)
