"""Templates' validation patterns: the same meaning in RE2, in the form's ECMAScript, and in our own match."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.actions.pattern_tree import parsed
from coderport.catalog.actions.patterns import ecmascript, matches

CONVERTED = {
    "^[a-z/]+$": "^[/a-z]+$",
    r"^\w+@\w+\.com$": r"^\w+@\w+\.com$",
    r"\A[[:alpha:]]{2,}\z": "^[A-Za-z]{2,}$",
    r"(?P<scheme>https?)://.+": r"https?:\/\/[^\u000a]+",
    r"^\s*$": r"^[\u0009\u000a\u000c\u000d ]*$",
    "a|b{2}": "a|b{2}",
    "x(a|b)y": "x(?:a|b)y",
    "(?i)^ok$": "^[Oo][Kk\u212a]$",
    r"^\-_\@$": "^-_@$",
    "a{,5}": r"a\{,5\}",
    "]": r"\]",
    "[^a-z]": "[^a-z]",
    "(?s).": r"[\s\S]",
    r"\x{e9}": "é",
    "é": "é",
}
NOT_FOR_THE_FORM = ["[😀]", r"^[\x{1F600}-\x{1F64F}]$"]
NOT_READ = [r"\p{L}+", "(?m)^a$", r"\Qa.b\E", "a**", "(", "[z-a]", "a{2000}", "(?=a)", r"\1", "(" * 5000]


@pytest.mark.parametrize(("pattern", "expected"), CONVERTED.items())
def test_a_pattern_for_the_form_means_the_same_in_ecmascript(pattern: str, expected: str) -> None:
    assert ecmascript(pattern) == expected


@pytest.mark.parametrize("pattern", NOT_FOR_THE_FORM)
def test_what_the_form_cannot_say_is_still_matched(pattern: str) -> None:
    assert ecmascript(pattern) is None
    assert matches(pattern, "😀")
    assert matches(pattern, "a") is False


@pytest.mark.parametrize("pattern", NOT_READ)
def test_what_is_not_read_is_left_to_coder(pattern: str) -> None:
    assert parsed(pattern) is None
    assert ecmascript(pattern) is None
    assert matches(pattern, "anything") is None


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^a$", "a\n", False),
        ("^.$", "\n", False),
        ("(?s)^.$", "\n", True),
        (r"^\d+$", "٣", False),
        (r"\bis\b", "this is it", True),
        (r"\bis\b", "this", False),
        ("^(?i:a)b$", "Ab", True),
        ("^(?i:a)b$", "AB", False),
        ("^(?:a(?i)b)c$", "aBc", True),
        ("^(?:a(?i)b)c$", "aBC", False),
        ("^(a*)*$", "aaa", True),
        ("^a{2,3}$", "aaaa", False),
        ("^(|a)$", "", True),
    ],
)
def test_a_match_is_as_in_re2(pattern: str, value: str, found: bool) -> None:
    assert matches(pattern, value) is found


def test_a_pattern_that_backtracking_would_never_end_is_matched_in_linear_time() -> None:
    assert matches("^(a+)+$", "a" * 2000 + "!") is False
    assert matches("^(a|a|aa)*$", "a" * 2000 + "!") is False


def test_a_match_that_would_take_too_long_is_left_to_coder() -> None:
    assert matches("^a{1000}$", "a" * 100_000) is None


atoms = st.sampled_from(
    ["a", "b", r"\.", ".", "[ab]", "[^a]", r"\d", r"\w", r"\S", "[a-c1-3]", "(a|b)", "(?:(?:ab)?)", "-"]
)
counts = st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}", "{1,}", "+?"])
patterns = st.builds(
    lambda start, parts, end: start + "".join(atom + count for atom, count in parts) + end,
    st.sampled_from(["", "^"]),
    st.lists(st.tuples(atoms, counts), min_size=1, max_size=4),
    st.sampled_from(["", "$", r"\b"]),
)
values = st.text(alphabet="ab1.- \nc", max_size=8)


@given(patterns, values)
def test_matching_agrees_with_another_engine(pattern: str, value: str) -> None:
    expected = re.search(pattern.replace("$", r"\Z"), value, re.ASCII) is not None
    assert matches(pattern, value) is expected
    written = ecmascript(pattern)
    assert written is not None
    assert (re.search(written.replace("$", r"\Z"), value, re.ASCII) is not None) is expected


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine on this machine")
def test_a_javascript_engine_takes_every_converted_pattern_in_both_modes() -> None:
    program = "for (const p of JSON.parse(process.argv[1])) { new RegExp(p, 'u'); new RegExp(p) }"
    texts = "[" + ",".join(_json(text) for text in CONVERTED.values()) + "]"
    subprocess.run(["node", "-e", program, texts], check=True, capture_output=True, timeout=300)


def _json(text: str) -> str:
    return '"' + "".join(f"\\u{ord(each):04x}" for each in text) + '"'
