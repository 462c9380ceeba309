"""A run as one page for a browser: counts, the guard's verdict, every change. It needs no network and no script.

Names come from Coder and Port and may hold anything. The page is built as a tree, so that a text cannot become markup,
and its Content-Security-Policy lets nothing run but the script whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from xml.etree import ElementTree

from coderport import __version__
from coderport.report.change import SIGNS, Change, several, value_text
from coderport.report.outcome import Kinds, Outcome
from coderport.terminal.text import counted, line, lines

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .15rem .7rem; text-align: left; vertical-align: top; }
th { font-weight: 600; } .counts td { text-align: right; } .counts td:first-child { text-align: left; }
pre { background: var(--soft); padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
form { position: sticky; top: 0; background: Canvas; border-bottom: 1px solid var(--line); padding: .6rem 0; }
form label { margin-right: 1rem; white-space: nowrap; }
article { border-left: .3rem solid var(--line); margin: .5rem 0; padding: .1rem .7rem; overflow-wrap: anywhere; }
article table { margin: .2rem 0; } article small, footer { opacity: .75; } td.old { text-decoration: line-through; }
.created, .missing { border-color: #2a2; } .updated, .changed { border-color: #c90; }
.deleted, .orphaned { border-color: #d33; } .adopted, .released { border-color: #39c; }
.refused, .failed { color: #d33; } [hidden] { display: none !important; }
"""
_SCRIPT: Final = """
"use strict";
const form = document.querySelector("form"), all = [...document.querySelectorAll("article")];
function filter() {
  const what = new Set([...form.elements.what].filter(each => each.checked).map(each => each.value));
  const kind = form.elements.kind.value, text = form.elements.text.value.toLowerCase();
  let shown = 0;
  for (const each of all) {
    each.hidden = !what.has(each.dataset.what) || (kind && kind !== each.dataset.kind)
      || (text && !each.textContent.toLowerCase().includes(text));
    shown += !each.hidden;
  }
  for (const each of document.querySelectorAll("section.of-kind")) {
    each.hidden = !each.querySelector("article:not([hidden])");
  }
  form.elements.shown.value = `${shown.toLocaleString("en")} of ${all.length.toLocaleString("en")} shown`;
}
if (form) {
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  filter();
}
"""

_VERDICTS: Final[Mapping[str, str]] = {
    "changes": "The guard permits these changes.",
    "unchanged": "There is nothing to do.",
    "drifted": "Port is not as it should be.",
    "converged": "Port is as Coder.",
    "refused": "The guard refuses this run. Nothing was written.",
    "failed": "The run failed.",
}


@dataclass(frozen=True)
class Row:
    """One thing on the page: what became of it, and what differs."""

    what: str
    kind: str
    title: str
    identifier: str
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    note: str = ""


def rows_of(changes: Sequence[Change]) -> tuple[Row, ...]:
    """Changes as rows."""
    return tuple(
        Row(
            each.operation,
            each.kind,
            each.title,
            each.identifier,
            each.values,
            tuple(each.told()) if not each.values else (),
            each.why,
        )
        for each in changes
    )


def page(outcome: Outcome, rows: Sequence[Row], *, command: str, stack: str, now: datetime) -> str:
    """The whole page. `now` is aware."""
    html = ElementTree.Element("html", lang="en")
    head, body = _in(html, "head"), _in(html, "body")
    _in(head, "meta", charset="utf-8")
    policy = f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}"
    policy += "; base-uri 'none'; form-action 'none'"
    _in(head, "meta", "", {"http-equiv": "Content-Security-Policy", "content": policy})
    _in(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _in(head, "title", f"coderport {command} of {stack}: {outcome.result}")
    _in(head, "style").text = _STYLE
    _in(body, "h1", f"coderport {command} of {stack}")
    _in(body, "p", _VERDICTS[outcome.result], {"class": outcome.result})
    if outcome.message:
        _in(body, "pre", outcome.message)
    _counts(body, outcome.kinds)
    for text in outcome.warnings:
        _in(body, "pre", text)
    if outcome.result == "refused" and rows:
        _in(body, "p", "What follows is what the run would have done.")
    if rows:
        _filters(body, rows)
    for kind, several_rows in groupby(rows, key=lambda each: each.kind):
        _section(body, kind, tuple(several_rows))
    read = ", ".join(counted(number, words) for words, number in outcome.read.of_coder.items())
    made = f"Made by coderport {__version__} at {now:%Y-%m-%d %H:%M:%S %Z}"
    _in(body, "footer", f"Read {read} from Coder, {counted(outcome.read.port_entities, 'entities')} from Port. {made}.")
    _in(body, "script").text = _SCRIPT
    return f"<!doctype html>\n{ElementTree.tostring(html, encoding='unicode', method='html')}\n"


def _counts(body: ElementTree.Element, kinds: Kinds) -> None:
    table = _in(body, "table", "", {"class": "counts"})
    headings = _in(table, "tr")
    for heading in ("", *kinds.columns):
        _in(headings, "th", heading)
    for kind, counts in kinds.root.items():
        row = _in(table, "tr")
        for text in (kind, *(f"{getattr(counts, column):,}" for column in kinds.columns)):
            _in(row, "td", text)


def _filters(body: ElementTree.Element, rows: Sequence[Row]) -> None:
    """Hidden until the script, without which they do nothing, shows them."""
    form = _in(body, "form", "", {"hidden": "hidden"})
    for what in _whats(rows):
        label = _in(form, "label")
        box = _in(label, "input", type="checkbox", name="what", value=what, checked="checked")
        box.tail = f" {what} ({sum(each.what == what for each in rows):,})"
    # A group of one would be no list to the script.
    _in(form, "input", type="checkbox", name="what", value="", hidden="hidden")
    select = _in(_in(form, "label"), "select", name="kind")
    _in(select, "option", "all kinds", value="")
    for kind in dict.fromkeys(each.kind for each in rows):
        _in(select, "option", kind, value=line(kind))
    _in(form, "input", type="search", name="text", placeholder="name, property or value")
    _in(form, "output", "", name="shown")


def _whats(rows: Sequence[Row]) -> Iterator[str]:
    there = dict.fromkeys(each.what for each in rows)
    yield from (each for each in SIGNS if each in there)
    yield from (each for each in there if each not in SIGNS)


def _section(body: ElementTree.Element, kind: str, rows: Sequence[Row]) -> None:
    section = _in(body, "section", "", {"class": "of-kind"})
    _in(section, "h2", several(kind, len(rows)))
    for row in rows:
        article = _in(section, "article", "", {"class": row.what, "data-what": row.what, "data-kind": line(row.kind)})
        head = _in(article, "div")
        _in(head, "b", line(row.title or row.identifier)).tail = f" {row.what}"
        if row.note:
            _in(head, "span", f": {line(row.note)}")
        if row.identifier and row.identifier != row.title:
            _in(_in(article, "div"), "small", line(row.identifier))
        if row.values:
            table = _in(article, "table")
            headings = _in(table, "tr")
            for heading in ("property", "in Port", "desired"):
                _in(headings, "th", heading)
            for key, (held, desired) in row.values.items():
                cells = _in(table, "tr")
                _in(cells, "td", line(key.removeprefix("$")))
                _in(cells, "td", value_text(held), {"class": "old"})
                _in(cells, "td", value_text(desired))
        for text in row.lines:
            _in(article, "div", line(text))


def _in(
    parent: ElementTree.Element,
    tag: str,
    text: str = "",
    attributes: Mapping[str, str] | None = None,
    **more: str,
) -> ElementTree.Element:
    """A new element; a text of others is in it as what is seen of it."""
    element = ElementTree.SubElement(parent, tag, {**(attributes or {}), **more})
    element.text = lines(text) or None
    return element


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
