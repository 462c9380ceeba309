"""Foreign text is text: no name from Coder or Port is a command to a terminal, a runner or a Markdown page."""

from __future__ import annotations

import io
import json
import re
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from hypothesis import given
from hypothesis import strategies as st

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE
from coderport.report.comment import comment as comment_of
from coderport.terminal.outlets import Outlet
from coderport.terminal.screen import Screen
from coderport.terminal.text import LONGEST_NAME, json_line, line, lines, markdown, short, uncommanding

W = WORKSPACE.identifier
# What hostile names are made of, more often than chance would have it.
NASTY = st.lists(
    st.one_of(
        st.text(max_size=4),
        st.sampled_from(
            (
                *("\x1b]52;c;ZXZpbA==\x07", "\x1b[2J", "\x9b31m", "\n", "\r", "\r\n", "\u2028", "\u202e", "\u2066"),
                *("\x00", "\x7f", "\ufeff", "\ud800", "::error title=x::", "##[error]", "::add-mask::"),
                *("`", "```", "~~~", "[x](javascript:alert(1))", "@octocat", "https://evil.example", "#1"),
                *("</details>", "<img src=x onerror=alert(1)>", "|", "&lt;", "\\"),
            )
        ),
    ),
    max_size=8,
).map("".join)
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def raw(text: str) -> list[str]:
    """What of the text would act instead of being read. Unicode keeps a block for characters that nobody sees."""
    return [
        each
        for each in text
        if (unicodedata.category(each) in HIDDEN and each not in "\n\t") or "\U000e0000" <= each <= "\U000e0fff"
    ]


def commands(text: str) -> list[str]:
    """The lines that GitHub's runner takes for commands: `::` after leading space, or `##[` (ActionCommand.cs)."""
    return [each for each in text.splitlines() if each.lstrip().startswith("::") or "##[" in each]


@given(NASTY)
def test_a_name_is_one_line_without_anything_hidden(text: str) -> None:
    shown = line(text)
    assert "\n" not in shown and len(shown.splitlines()) <= 1
    assert [each for each in raw(shown) if unicodedata.category(each) != "Cf"] == []
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


@given(NASTY)
def test_text_that_is_plain_is_shown_as_it_is(text: str) -> None:
    if not raw(text) and "\n" not in text and "\t" not in text:
        assert line(text) == lines(text) == text


@given(NASTY)
def test_whatever_is_printed_is_no_command(text: str) -> None:
    paper = io.StringIO()
    Screen(file=Outlet(paper), width=30).print(f"  workspace {text}")
    Screen(file=Outlet(paper), width=30, soft_wrap=False).print(text)
    shown = paper.getvalue()
    assert commands(shown) == []
    assert "\x1b" not in shown and "\x9b" not in shown and "\r" not in shown


@given(NASTY)
def test_json_means_the_same_and_shows_nothing_raw(text: str) -> None:
    for ascii in (True, False):
        shown = json_line(json.dumps({"title": text}, ensure_ascii=ascii))
        assert json.loads(shown) == {"title": text}
        assert commands(uncommanding(shown)) == [] and "\x7f" not in shown and "\u202e" not in shown


@given(NASTY)
def test_markdown_of_a_name_is_nothing_but_text(text: str) -> None:
    shown = markdown(text)
    assert not re.search(r"[`*_\[\]()<>@|~:/\\!]|#(?!\d+;)|&(?!#\d+;)", shown)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=7, workspaces=24, templates=3) as pair:
        yield Checkout(tmp_path_factory.mktemp("text"), cli, pair)


def assert_safe(checkout: Checkout, done: subprocess.CompletedProcess[str]) -> str:
    said = done.stdout + done.stderr
    assert commands(said) == []
    assert not set(said) & set("\x1b\x07\x9b\r\u202e"), repr(said)
    return said


def test_hostile_names_reach_neither_log_nor_summary_nor_comment_raw(checkout: Checkout, tmp_path: Path) -> None:
    """Attack 32: a template admin's texts, and a colleague's titles in Port, on their way through every command."""
    coder, port = checkout.pair.coder, checkout.pair.port
    template = sorted(coder.template_ids())[0]
    coder.set_template(
        template,
        display_name="A\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202ePWNED",
        description="d\n::warning::from a description",
    )
    up = checkout.run("up", "--stack", "esc", "--summary", "summary.json")
    assert up.returncode == 0, up.stdout
    assert "\\x1b]52" in assert_safe(checkout, up), "the name is shown, and harmless"
    held = port.entity("coder_template", template)
    assert held is not None and "\x1b]52" in held["title"], "the value itself is as Coder has it"

    for number, each in enumerate(sorted(coder.workspace_ids())[:12]):
        title = f"a{number}\n::error title=injected::by a title\n##[error]x\n\x1b[1A\x1b[2Kconverged in 0.1 s"
        port.put_entity(W, {"identifier": each, "title": title})
        coder.delete_workspace(each)
    refused = checkout.run("sync", "--stack", "esc", "--summary", "summary.json")
    assert refused.returncode == 3
    assert "\\n::error title=injected" in assert_safe(checkout, refused)
    changed = sorted(coder.workspace_ids())[0]
    nasty = "</details><img src=x>\n::error::t\n````\n@octocat [x](javascript:alert(1))"
    port.put_entity(W, {"identifier": changed, "title": nasty})
    assert_safe(checkout, checkout.run("drift", "--stack", "esc"))
    assert_safe(checkout, checkout.run("drift", "--stack", "esc", "--json"))

    preview = checkout.run("preview", "--stack", "esc", "--json")
    assert_safe(checkout, preview)
    (tmp_path / "out").write_text(preview.stdout)
    (tmp_path / "err").write_text(preview.stderr)
    texts = [(tmp_path / each).read_text() for each in ("out", "err")]
    comment = comment_of("esc", 3, *texts)
    assert outside_of_code(comment).count("</details>") == 2, "what is held back, and the output"
    assert "octocat" not in outside_of_code(comment) and "<img" not in outside_of_code(comment)

    assert checkout.run("sync", "--stack", "esc", "--allow-deletions", "12").returncode == 0
    history = checkout.run("history", "--stack", "esc", "--json")
    assert_safe(checkout, history)
    assert "##[error]" in str(json.loads(history.stdout)), "it is JSON, and means the same"
    undo = checkout.run("undo", json.loads(history.stdout)[0]["run"], "--stack", "esc", "--json")
    assert_safe(checkout, undo)
    assert "##[error]" in str(json.loads(undo.stdout))


def outside_of_code(markdown: str) -> str:
    """The lines that are Markdown: not in a fence, as CommonMark pairs them."""
    found, fence = [], ""
    for each in markdown.splitlines():
        mark = re.match(r"(`{3,}|~{3,})", each)
        if fence:
            if mark and each.strip() == mark[1] and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            found.append(each)
    assert not fence, "a fence is left open"
    return "\n".join(found)


@given(NASTY, st.integers(0, 300))
def test_a_name_is_a_part_of_one_line_and_never_more_than_a_part(text: str, times: int) -> None:
    shown = short(text * times)
    assert len(shown) <= LONGEST_NAME and shown == line(shown)
    assert shown == line(text * times) or shown.endswith("…")


@pytest.mark.parametrize("columns", ["0", "00", ""])
def test_a_terminal_that_says_that_it_has_no_columns_is_shown_everything(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    file = io.StringIO()
    Screen(file=file).print("something to say")
    assert "something to say" in file.getvalue()
