"""A template's parameters as the inputs of a form."""

from __future__ import annotations

from typing import Any

import pytest
from action_samples import EVERY_KIND, PRESETS, options, parameter

from coderport.catalog.actions.forms import asked_at_creation, changeable, parameter_input, preset_input
from coderport.catalog.actions.inputs import coder_value, problems
from coderport.coder.parameters import RichParameter

BY_NAME = {each.name: each for each in EVERY_KIND}

TYPED: dict[str, dict[str, Any]] = {
    "title": {"type": "string", "title": "Title", "description": "Shown to people.", "default": "mine"},
    "cpu": {"type": "number", "title": "cpu", "default": 2, "minimum": 1, "maximum": 16},
    "gpu": {"type": "boolean", "title": "gpu", "default": True},
    "region": {"type": "string", "title": "region", "default": "Europe", "enum": ["Europe", "United States"]},
    "tags": {"type": "array", "title": "tags", "default": ["a", "b"], "items": {"type": "string"}},
    "ides": {
        "type": "array",
        "title": "ides",
        "default": ["VS Code"],
        "items": {"type": "string", "enum": ["VS Code", "IDEA"]},
    },
    "zone": {
        "type": "string",
        "title": "zone",
        "description": "Fixed once the workspace is created.",
        "default": "a",
    },
    "reset": {"type": "boolean", "title": "reset", "default": False},
    "owner": {"type": "string", "title": "owner", "minLength": 1},
    "repo": {"type": "string", "title": "repo", "description": "lowercase only.", "pattern": "^[/a-z]+$"},
    "disk": {"type": "number", "title": "disk", "description": "May only grow later.", "default": 10},
    "startup script": {
        "type": "string",
        "title": "startup script",
        "format": "multi-line",
        "default": "echo\nhello",
    },
}


@pytest.mark.parametrize("name", BY_NAME)
def test_each_kind_of_parameter_has_its_typed_input(name: str) -> None:
    assert parameter_input(BY_NAME[name]).to_port() == TYPED[name]


def test_only_what_has_no_default_is_required() -> None:
    assert [each.name for each in EVERY_KIND if parameter_input(each).required] == ["owner"]


WRONG: dict[str, list[object]] = {
    "cpu": [0, 17, 2.5, "two"],
    "gpu": ["maybe", 1],
    "region": ["Mars", ["Europe"]],
    "tags": ["a", [1]],
    "ides": [["Emacs"], "VS Code"],
    "owner": ["", None],
    "repo": ["ABC", "a b"],
    "disk": ["big", 1.5],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_before_anything_is_built(name: str, wrong: object) -> None:
    assert problems(BY_NAME[name], coder_value(BY_NAME[name], wrong))


def test_a_form_for_a_new_workspace_asks_for_no_ephemeral_value_and_keeps_the_order() -> None:
    expected = [each.name for each in EVERY_KIND if each.name != "reset"]
    assert [each.name for each in asked_at_creation(EVERY_KIND)] == expected


def test_a_start_may_set_what_is_mutable_or_ephemeral() -> None:
    once = parameter("once", mutable=False, ephemeral=True)
    assert changeable((BY_NAME["zone"], BY_NAME["cpu"], once)) == (BY_NAME["cpu"], once)


@pytest.mark.parametrize(
    "refused",
    [
        parameter(type="number", default_value="many"),
        parameter(type="number", default_value="99", validation_max=16),
        parameter(type="bool", default_value="1"),
        parameter(default_value="gone", options=options(("Europe", "eu"))),
        parameter(type="list(string)", default_value="not a list"),
        parameter(type="list(string)", default_value="[]"),
        parameter(default_value="ABC", validation_regex="^[a-z]+$"),
        parameter(required=True, default_value="left over"),
    ],
)
def test_a_default_that_is_none_is_left_out(refused: RichParameter) -> None:
    assert parameter_input(refused).default is None


def test_a_pattern_that_the_form_cannot_say_is_left_to_the_runner() -> None:
    converted = parameter_input(parameter(validation_regex=r"^\p{L}+$", validation_error="letters"))
    assert converted.pattern is None
    assert converted.description == "letters."


def test_texts_are_cut_to_what_port_takes_and_options_explained() -> None:
    long = parameter("x", display_name="T" * 150, description="D" * 2000)
    assert len(parameter_input(long).title) == 100
    assert parameter_input(long).title.endswith("…")
    assert len(parameter_input(long).description or "") == 1000
    explained = [{"name": "Europe", "value": "eu", "description": "Frankfurt"}]
    assert parameter_input(parameter(options=explained)).description == "Europe: Frankfurt."


def test_an_older_list_with_options_is_a_choice_of_one_list() -> None:
    older = parameter(type="list(string)", default_value="[]", options=options(("Two", '["a","b"]'), ("None", "[]")))
    assert parameter_input(older).to_port() == {
        "type": "string",
        "title": "cpu",
        "default": "None",
        "enum": ["Two", "None"],
    }


def test_presets_are_a_choice_with_their_descriptions() -> None:
    chosen = preset_input(PRESETS)
    assert chosen is not None
    assert chosen.key == "preset"
    assert chosen.enum == ("Small", "Large")
    assert "Small: For a small change." in (chosen.description or "")
    assert not chosen.required
    assert preset_input(()) is None


def test_a_default_that_is_empty_zero_or_false_is_a_default() -> None:
    gpus = options(("None", ""), ("A100", "a100"))
    assert parameter_input(parameter(options=gpus, default_value="")).default == "None"
    assert parameter_input(parameter(type="number", default_value="0")).default == 0
    assert parameter_input(parameter(type="bool", default_value="false")).default is False
    assert parameter_input(parameter(type="number", validation_min=0, validation_max=0)).minimum == 0
