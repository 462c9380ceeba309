"""The two parts that other programs may use: their names, and the examples of docs/library.md as they stand."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from coderport import guard
from coderport.coder import reading

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_example_of_the_page_prints_what_the_page_says() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") >= 5
    names: dict[str, Any] = {}
    for number, (code, said) in enumerate(EXAMPLES, 1):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, f"docs/library.md, example {number}", "exec"), names)
        assert printed.getvalue() == said


@pytest.mark.parametrize("face", [reading, guard], ids=lambda each: each.__name__)
def test_every_name_of_a_face_exists_says_what_it_is_and_is_on_the_page(face: Any) -> None:
    for name in face.__all__:
        assert getattr(face, name).__doc__, name
    described = set(re.findall(r"\b\w+\b", PAGE))
    assert set(face.__all__) <= described


def test_the_examples_import_from_the_documented_places_alone() -> None:
    kept = {"coderport.coder.client", "coderport.coder.reading", "coderport.guard", "coderport.port.models"}
    imported = set(re.findall(r"^from (coderport[\w.]*) import", "".join(code for code, _ in EXAMPLES), re.MULTILINE))
    assert imported - {"coderport.emulators.coder"} == kept
