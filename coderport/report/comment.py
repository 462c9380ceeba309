"""Writes what `coderport preview --json` said as the Markdown of a pull request's comment.

Usage: python -m coderport.report.comment STACK EXIT_CODE STDOUT_FILE STDERR_FILE [ADDRESS]

The address is that of the page which `--html` wrote, where it was uploaded.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coderport.report.change import Change, spelled_out, summed_up
from coderport.terminal.text import line, lines, markdown

LONGEST_CHANGES = 12_000
LONGEST_LOG = 15_000
"""Characters: GitHub takes 65,536 for a comment, and one comment holds all environments."""

LONGEST_MESSAGE = 6_000

_HEADLINES = {
    "changes": "changes",
    "unchanged": "no changes",
    "refused": "refused by a guard",
    "failed": "failed",
}


def comment(stack: str, code: int, stdout: str, stderr: str, address: str = "") -> str:
    """The comment's section for one stack; `stdout` ends with the JSON object, unless the preview crashed."""
    before, result = _parted(stdout)
    if result is None:
        headline = f"failed (exit {code})"
    else:
        headline = _HEADLINES.get(str(result.get("result")), markdown(str(result.get("result"))))
    parts = [f"### coderport preview of {code_span(stack)}: {headline}"]
    if result is not None:
        parts.append(table(result.get("kinds") or {}))
        if result.get("message"):
            parts.append(fenced(beginning(str(result["message"]), LONGEST_MESSAGE)))
        parts.extend(changes_of(result))
    if re.fullmatch(r"https://[\w.:/-]+", address, re.ASCII):
        parts.append(f"[All of it as a page]({address}), property by property, as long as the artifact is kept.")
    log = f"{before}\n{stderr}".strip("\n")
    if log:
        parts.append(f"<details><summary>Output</summary>\n\n{fenced(_end(log, LONGEST_LOG))}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _parted(stdout: str) -> tuple[str, Mapping[str, Any] | None]:
    before, _, last = stdout.rstrip().rpartition("\n")
    try:
        result = json.loads(last)
    except ValueError:
        return stdout, None
    return (before, result) if isinstance(result, dict) else (stdout, None)


def changes_of(result: Mapping[str, Any]) -> Iterator[str]:
    """The changes: a few lines, and folded away each with old and new. After a refusal, what it has held back."""
    for field, words in (("changes", "Every change"), ("withheld", "What the guard holds back")):
        changes = [_short(Change(**each)) for each in result.get(field) or ()]
        if changes:
            yield fenced(beginning("\n".join(text for _, text in summed_up(changes)), LONGEST_MESSAGE), "diff")
            every = beginning("\n".join(text for _, text in spelled_out(changes)), LONGEST_CHANGES)
            yield f"<details><summary>{words}</summary>\n\n{fenced(every)}\n\n</details>"


def _short(change: Change) -> Change:
    """Without what a new thing gets: a comment has no room for it, and the page has it."""
    return replace(change, values={}) if change.operation == "created" else change


def table(kinds: Mapping[str, Mapping[str, int]]) -> str:
    """What was, or would be, done with resources of each kind."""
    seldom = [name for name in ("adopted", "released") if any(counts.get(name) for counts in kinds.values())]
    columns = ("created", "updated", "deleted", *seldom, "unchanged")
    rows = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for kind, counts in kinds.items():
        rows.append(f"| {markdown(kind)} | " + " | ".join(f"{counts.get(column, 0):,}" for column in columns) + " |")
    return "\n".join(rows)


def code_span(text: str) -> str:
    """Code within a line; nothing in `text` can end it."""
    shown = line(text).replace("`", "'")
    return f"`{shown}`"


def fenced(text: str, language: str = "") -> str:
    """A code block that nothing in `text` can end: names in it come from Coder, and may be anything."""
    text, fence = lines(text), "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def beginning(text: str, longest: int) -> str:
    """The first so many characters, and how many more there are."""
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,} characters more"


def _end(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{len(text) - longest:,} characters before this …\n{text[-longest:]}"


if __name__ == "__main__":
    name, exit_code, *files = sys.argv[1:5]
    texts = [Path(file).read_text(encoding="utf-8", errors="replace") for file in files]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # what GitHub takes
    print(comment(name, int(exit_code), *texts, *sys.argv[5:6]), end="")
