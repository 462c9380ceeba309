"""What README.md and docs/*.md show of the program's output is what it prints: the story is played, and compared."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from coderport.engine import CliInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from write_outputs import BLOCK, PAGES, blocks_of, comparable, printed, written  # noqa: E402

OF_OTHER_TESTS = re.compile(r"<!-- demo -->.*?<!-- end of demo -->|^```.*?^```", re.DOTALL | re.MULTILINE)
"""The demo (tests/test_cli.py), and the examples of the library (tests/test_library.py)."""
LOOKS_PRINTED = re.compile(
    r"^\s*(\$ |[+~<=-] \w|reading |judging|declaring|converged |unchanged |drifted |Port already holds|Refused"
    r"|This run would|(pass|WARN|FAIL)  |.* in \d+\.\d s|.*\d requests ·)",
    re.MULTILINE,
)


def test_the_pages_show_what_the_program_prints(tmp_path: Path, cli: CliInfo) -> None:
    blocks = printed(tmp_path)
    shown = {name for page in PAGES for name, _ in blocks_of(page.read_text(encoding="utf-8"))}
    assert shown == set(blocks), "each is shown somewhere"
    for page in PAGES:
        for name, text in blocks_of(page.read_text(encoding="utf-8")):
            assert comparable(text) == comparable(blocks[name]), f"{page.name}: run scripts/write_outputs.py"


def test_no_page_shows_what_the_program_prints_without_a_script_that_writes_it() -> None:
    for page in PAGES:
        left = BLOCK.sub("", OF_OTHER_TESTS.sub("", page.read_text(encoding="utf-8")))
        for block in re.findall(r"(?<=\n\n)(?: {4}[^\n]*\n|\n(?= {4}))+", left):
            assert not LOOKS_PRINTED.search(block) or is_yaml(block), f"{page.name}:\n{block}"


def is_yaml(block: str) -> bool:
    """A workflow's or a pod's list, whose items begin like a deletion."""
    return re.search(r"^\s*\w+:$", block, re.MULTILINE) is not None


@pytest.mark.parametrize(
    "block", ["    $ coderport up\n", "    + 3 workspaces: a, b, c\n", "    reading Coder: 3 templates, 0.1 s\n"]
)
def test_a_block_that_was_written_by_hand_would_be_seen(block: str) -> None:
    assert LOOKS_PRINTED.search(block) and not is_yaml(block)


def test_a_block_is_written_between_its_marks_and_nothing_else_is() -> None:
    page = "a\n\n<!-- output: x -->\n\n    old\n\n<!-- end of output -->\n\nb\n"
    after = written(page, {"x": "new\n\n  more\n"})
    assert after == "a\n\n<!-- output: x -->\n\n    new\n\n      more\n\n<!-- end of output -->\n\nb\n"
    assert list(blocks_of(after)) == [("x", "new\n\n  more\n")]
