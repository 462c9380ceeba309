"""Templates of payloads: text with jq between double braces, filled in as Port's engine does it."""

from __future__ import annotations

from typing import Any

import pytest

from coderport.emulators.port.templates import TemplateError, filled


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain { text }", "plain { text }"),
        ("{{ .n }}", 1),
        (" {{ .list }} ", ["a", 2]),
        ("{{ .none }}", None),
        ("n={{ .n }}, list={{.list}}, none={{ .none }}, text={{ .text }}", 'n=1, list=["a",2], none=null, text=a "b"'),
        ("{{ .n }}{{ .n }}", "11"),
        ('{{ "}}" + .text }}', '}}a "b"'),
        ("{{{a: .n}}}", {"a": 1}),
        ("{{ .n | error }}", None),
        ("{{ empty }}", None),
        ({"{{ .text }}": [True, {"x": "{{ .n }}"}]}, {'a "b"': [True, {"x": 1}]}),
        ({"{{ .none }}": 1, "{{ if .n == 1 then \"k\" else null end }}": 2}, {"k": 2}),
        ({"{{ spreadValue() }}": "{{ .object }}", "x": 0}, {"y": {"z": 1}, "x": 0}),
        (None, None),
    ],
)  # fmt: skip
def test_templates_are_filled_as_ports_engine_does(template: Any, value: Any) -> None:
    context = {"n": 1, "list": ["a", 2], "text": 'a "b"', "object": {"y": {"z": 1}}}
    found = filled(template, context)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "template", ["{{ .a", "a }} b", "{{ {{ .a }} }}", "{{ ( }}", {"{{ 1 }}": 1}, {"{{ spreadValue() }}": "x"}]
)
def test_a_template_that_cannot_be_filled_is_an_error(template: Any) -> None:
    with pytest.raises(TemplateError):
        filled(template, {})


def test_values_that_look_like_templates_are_not_evaluated_again() -> None:
    odd = "{{ .secrets.key }} $(id) `id`\n'\""
    assert filled({"a": "{{ .x }}", "b": "<{{ .x }}>"}, {"x": odd, "secrets": {"key": "k"}}) == {
        "a": odd, "b": f"<{odd}>",
    }  # fmt: skip
