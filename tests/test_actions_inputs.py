"""The way from a template's parameters to a form's inputs and back, and what Coder would say of a value."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from action_samples import EVERY_KIND, PRESETS, options, parameter
from hypothesis import example, given
from hypothesis import strategies as st

from coderport.catalog.actions.inputs import (
    coder_value,
    form_value,
    input_key,
    option_labels,
    parameter_of,
    preset_labels,
    problems,
)
from coderport.coder.parameters import ParameterOption, Preset, RichParameter

KEY = re.compile(r"[A-Za-z0-9@_=\-]{1,100}\Z")
plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
names = st.one_of(
    plain_text,
    st.from_regex(r"[A-Za-z0-9@_=-]{1,110}", fullmatch=True),
    plain_text.map(lambda text: text.encode().hex()),
    plain_text.map(lambda text: text.encode().hex().encode().hex()),
)


def test_a_parameter_keeps_its_name_in_the_key_where_port_allows_it() -> None:
    assert input_key("cpu_cores-2") == "p_cpu_cores-2"
    assert input_key("startup script") == f"p_{b'startup script'.hex()}"


@given(st.lists(names, min_size=2, max_size=6, unique=True))
@example(["é", "c3a9", b"c3a9".hex(), "C3A9"])
@example(["é" * 60, "=" + "a" * 64])
def test_every_key_fits_port_and_leads_back_to_its_parameter(several: list[str]) -> None:
    parameters = [parameter(name) for name in several]
    keys = [input_key(name) for name in several]
    assert all(KEY.match(key) for key in keys)
    assert [parameter_of(key, parameters) for key in keys] == parameters


def test_a_key_of_no_parameter_leads_nowhere() -> None:
    assert parameter_of("p_other", EVERY_KIND) is None
    assert parameter_of("name", EVERY_KIND) is None
    assert parameter_of("cpu", EVERY_KIND) is None


def test_an_option_is_shown_by_its_name() -> None:
    assert option_labels(EVERY_KIND[3].options) == {"Europe": "eu", "United States": "us"}


@pytest.mark.parametrize(
    ("pairs", "labels"),
    [
        ([("Big", "1"), ("Big", "2")], {"Big (1)": "1", "Big (2)": "2"}),
        ([("eu", "us"), ("us", "eu")], {"eu (us)": "us", "us (eu)": "eu"}),
        ([("", "x"), ("", "")], {"x": "x", "(empty)": ""}),
        ([("None", "")], {"None": ""}),
        ([("a", "a"), ("a", "b")], {"a (a)": "a", "a (b)": "b"}),
    ],
)
def test_labels_that_could_be_mistaken_carry_the_value(pairs: list[tuple[str, str]], labels: dict[str, str]) -> None:
    assert option_labels(parameter(options=options(*pairs)).options) == labels


short = st.text(alphabet="ab ()#2", max_size=6)


@given(st.lists(st.tuples(short, short), max_size=6, unique_by=lambda pair: pair[1]))
def test_a_label_stands_for_one_option_and_is_never_the_value_of_another(pairs: list[tuple[str, str]]) -> None:
    labels = option_labels(ParameterOption(name=name, value=value) for name, value in pairs)
    assert list(labels.values()) == [value for _, value in pairs]
    assert "" not in labels
    assert all(label == value for label, value in labels.items() if label in labels.values())


def test_presets_are_chosen_by_name_and_told_apart_by_id() -> None:
    assert list(preset_labels(PRESETS)) == ["Small", "Large"]
    twins = [Preset.model_validate({"ID": preset.id, "Name": "Same"}) for preset in PRESETS]
    assert [preset.id for preset in preset_labels(twins).values()] == [preset.id for preset in PRESETS]
    assert list(preset_labels(twins)) == [f"Same ({preset.id})" for preset in PRESETS]


@pytest.mark.parametrize(
    ("fields", "given_", "text"),
    [
        ({"type": "number"}, 4.0, "4"),
        ({"type": "number"}, 4, "4"),
        ({"type": "number"}, 0.1, "0.1"),
        ({"type": "number"}, 1e21, "1000000000000000000000"),
        ({"type": "number"}, 1e-7, "0.0000001"),
        ({"type": "bool"}, True, "true"),
        ({"type": "bool"}, False, "false"),
        ({"type": "list(string)"}, ["a", 'é "b"'], '["a","é \\"b\\""]'),
        ({"type": "list(string)"}, [], "[]"),
        ({}, 'it\'s "$(rm)" {{ .x }}\n', 'it\'s "$(rm)" {{ .x }}\n'),
        ({}, None, ""),
        ({"options": options(("Europe", "eu"))}, "Europe", "eu"),
        ({"options": options(("Europe", "eu"))}, "eu", "eu"),
        ({"type": "number", "options": options(("Small", "2"))}, "Small", "2"),
        (
            {"type": "list(string)", "options": options(("A", '["a"]'), ("None", "[]")), "form_type": "radio"},
            "None",
            "[]",
        ),
        (
            {"type": "list(string)", "options": options(("A", "a"), ("B", "b")), "form_type": "multi-select"},
            ["B", "A"],
            '["b","a"]',
        ),
        ({}, {"a": 1}, '{"a":1}'),
    ],
)
def test_what_goes_to_coder_is_text(fields: dict[str, Any], given_: object, text: str) -> None:
    assert coder_value(parameter(**fields), given_) == text


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def parameters_with_values(draw: st.DrawFn) -> tuple[RichParameter, str]:
    kind = draw(st.sampled_from(["string", "number", "bool", "list(string)", "choice", "choices"]))
    if kind in ("choice", "choices"):
        pairs = draw(
            st.lists(st.tuples(texts, texts.filter(bool)), min_size=1, max_size=4, unique_by=lambda two: two[1])
        )
        several = kind == "choices"
        of = parameter(
            type="list(string)" if several else "string",
            form_type="multi-select" if several else "dropdown",
            options=options(*pairs),
        )
        codes = st.sampled_from([value for _, value in pairs])
        return of, draw(st.lists(codes, max_size=4).map(_listed) if several else codes)
    made = {
        "string": texts.filter(bool),
        "number": st.integers(-(10**15), 10**15).map(str) | st.decimals(-999, 999, places=2).map(_trimmed),
        "bool": st.sampled_from(["true", "false"]),
        "list(string)": st.lists(texts, max_size=4).map(_listed),
    }
    return parameter(type=kind), draw(made[kind])


def _listed(items: list[str]) -> str:
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _trimmed(number: object) -> str:
    text = str(number).rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@given(parameters_with_values())
def test_a_value_of_coders_survives_the_form(pair: tuple[RichParameter, str]) -> None:
    of, value = pair
    assert problems(of, value) == []
    in_the_form = form_value(of, value)
    assert in_the_form is not None
    assert coder_value(of, in_the_form) == value
    assert coder_value(of, json.loads(json.dumps(in_the_form))) == value


WRONG: list[tuple[dict[str, Any], object, str]] = [
    ({"type": "number", "validation_min": 1, "validation_max": 16}, 17, "must be 16 or less"),
    ({"type": "number", "validation_min": 1, "validation_max": 16}, 0, "must be 1 or more"),
    ({"type": "number", "validation_min": 1}, 1.5, "must be a whole number"),
    ({"type": "number", "validation_min": 1, "validation_error": "from {min}"}, 0, "from 1"),
    ({"type": "number"}, "four", "must be a number"),
    ({"type": "number"}, True, "must be a number"),
    ({"type": "number"}, float("nan"), "must be a number"),
    ({"type": "bool"}, "yes", "must be true or false"),
    ({"type": "bool"}, 1, "must be true or false"),
    ({"options": options(("Europe", "eu"))}, "mars", "must be one of: Europe"),
    ({"type": "list(string)"}, "a", "must be a list of texts"),
    ({"type": "list(string)"}, ["a", 1], "must be a list of texts"),
    ({"type": "list(string)"}, {"a": "b"}, "must be a list of texts"),
    (
        {"type": "list(string)", "options": options(("A", "a")), "form_type": "multi-select"},
        ["A", "B"],
        "each item must be one of: A",
    ),
    ({"required": True}, "", "a value is required"),
    ({"required": True}, None, "a value is required"),
    ({"validation_regex": "^[a-z]+$", "validation_error": "lowercase only"}, "ABC", "lowercase only"),
    ({"validation_regex": "^[a-z]+$"}, "abc\n", "must match ^[a-z]+$"),
]


@pytest.mark.parametrize(("fields", "given_", "told"), WRONG)
def test_a_wrong_value_is_named_with_its_rule(fields: dict[str, Any], given_: object, told: str) -> None:
    of = parameter("x", display_name="The field", **fields)
    assert problems(of, coder_value(of, given_)) == [f"The field: {told}"]


def test_a_value_that_is_fixed_or_may_only_grow_is_judged_by_the_previous_one() -> None:
    fixed = parameter(mutable=False)
    assert problems(fixed, "b") == []
    assert problems(fixed, "a", previous="a") == []
    assert "cannot change" in problems(fixed, "b", previous="a")[0]
    growing = parameter(type="number", validation_monotonic="increasing")
    assert problems(growing, "10", previous="10") == []
    assert "may only grow" in problems(growing, "9", previous="10")[0]
    shrinking = parameter(type="number", validation_monotonic="decreasing")
    assert problems(shrinking, "2", previous="10") == []
    assert "may only shrink" in problems(shrinking, "11", previous="10")[0]


def test_a_value_that_is_not_given_is_the_default_or_the_previous_one() -> None:
    assert problems(parameter(type="number", default_value="2"), None) == []
    assert problems(parameter(required=True), None, previous="x") == []


@given(parameters_with_values(), st.text(min_size=8, max_size=20), st.none() | st.text(max_size=5))
def test_no_sentence_repeats_the_value(pair: tuple[RichParameter, str], value: str, previous: str | None) -> None:
    of = pair[0].model_copy(update={"options": (), "validation_regex": "^$", "validation_error": "not {value}"})
    assert not any(value in problem for problem in problems(of, value, previous=previous))


def test_an_empty_value_is_a_value() -> None:
    gpu = parameter(default_value="a100", options=options(("None", ""), ("A100", "a100")))
    assert coder_value(gpu, "None") == "" and form_value(gpu, "") == "None"
    assert problems(gpu, "") == problems(gpu, "", previous="a100") == []
    assert problems(gpu.model_copy(update={"required": True}), "") == []
    assert problems(parameter(options=options(("A", "a")), default_value="a"), "") != []
    assert problems(parameter(validation_regex="^[a-z]+$", default_value="a"), "") != []
    assert problems(parameter("x", type="number", default_value="1"), "") == ["x: must be a number"]
    assert problems(parameter(mutable=False), "", previous="a") != []
    several = parameter(type="list(string)", form_type="multi-select", options=options(("None", ""), ("A", "a")))
    assert coder_value(several, ["None"]) == '[""]' and problems(several, '[""]') == []
