"""The recording at the top of the README is of the demo as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from terminal_recording import FILE, TYPED, Line, drawn, filmed, shown_in  # noqa: E402

VARYING = re.compile(r"\d+\.\d s|127\.0\.0\.1:\d+|Port \d+ requests, \d+ of them|\d+ retries")


def comparable(text: str) -> str:
    """Without what differs from run to run, and with one blank for however many."""
    return " ".join(VARYING.sub("#", text).split())


def test_the_recording_shows_what_the_readme_says_that_the_demo_prints() -> None:
    """And tests/test_cli.py holds the README to what the demo prints."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    printed = readme.split("<!-- demo -->", 1)[1].split("<!-- end of demo -->", 1)[0]
    recorded = comparable(" ".join(shown_in(FILE.read_text(encoding="utf-8"))))
    lines = [comparable(each) for each in printed.splitlines() if each.strip() not in ("", "…")]
    assert len(lines) > 30
    missing = [each for each in lines if each not in recorded]
    assert missing == [], "run .venv/bin/python scripts/terminal_recording.py"
    assert readme.index("docs/pictures/demo.svg") < readme.index("\n## "), "it stands at the top"


def test_the_recording_is_small_and_asks_nothing_of_anybody() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text.encode()) < 300_000
    ElementTree.fromstring(text)
    assert "<script" not in text and "href" not in text and "url(" not in text and "@import" not in text
    assert TYPED in shown_in(text)[0]


def test_a_film_shows_each_line_when_it_came_with_long_pauses_cut() -> None:
    film = filmed([Line(0.1, Text("first")), Line(90.0, Text("second")), Line(90.0, Text("a <b>", style="red"))])
    assert [each.text.plain for each in film] == [f"$ {TYPED}", "first", "second", "a <b>"]
    times = [each.at for each in film]
    assert times == sorted(times) and times[-1] < 10
    svg = drawn(film)
    assert shown_in(svg) == [f"$ {TYPED}", "first", "second", "a <b>"]
    assert "fill:#" in svg and svg.count("translateY(0px)") >= 1
