"""Records the demo in a terminal, as an SVG that plays: `.venv/bin/python scripts/terminal_recording.py`.

It is a real run at a pseudo-terminal: what it prints, its colours and when each line came are recorded. `CI` is set, so
that phases are lines and no moving bars, and pauses are shortened. The SVG holds each line once: a window moves over
them by CSS, which GitHub plays in a picture. tests/test_pictures.py holds it to the README.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "pictures" / "demo.svg"
COMMAND = (sys.executable, "-m", "coderport", "demo", "--no-browser")
TYPED = "make demo DEMO=--no-browser"

_COLUMNS, _ROWS = 112, 30
_LINE, _CELL, _MARGIN, _BAR = 17, 7.8, 14, 26
_LONGEST_PAUSE = 1.2
_SHORTEST = 0.03
_TYPING = 1.5
_END = 6.0
_GROUND, _INK = "#0d1117", "#d0d7de"


@dataclass(frozen=True)
class Line:
    """One line of the terminal, and the seconds since the beginning of the film at which it is there."""

    at: float
    text: Text


def recorded() -> list[Line]:
    """The demo's lines at a terminal of this width."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "CI": "true", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    begun, lines, rest = monotonic(), [], ""
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as run:
        os.close(theirs)
        while part := _read(ours):
            *whole, rest = (rest + part).split("\n")
            lines += [Line(monotonic() - begun, Text.from_ansi(each.rstrip("\r"))) for each in whole]
    os.close(ours)
    if run.returncode:
        sys.exit("\n".join(line.text.plain for line in lines))
    return lines


def _read(file: int) -> str:
    try:
        return os.read(file, 65536).decode(errors="replace")
    except OSError:  # the other side is closed
        return ""


def filmed(lines: Sequence[Line]) -> list[Line]:
    """The lines as the film has them: below what was typed, wrapped, with no long pause before any."""
    console = Console(width=_COLUMNS)
    film, now, before = [Line(0.0, Text(f"$ {TYPED}", style="bold"))], _TYPING, 0.0
    for line in lines:
        now += min(max(line.at - before, _SHORTEST), _LONGEST_PAUSE)
        before = line.at
        film += [Line(now, each) for each in line.text.wrap(console, _COLUMNS, tab_size=8) or [Text("")]]
    return film


def drawn(film: Sequence[Line]) -> str:
    """The film as an SVG. Its last picture is what stands still where motion is not wanted."""
    width, height = round(_COLUMNS * _CELL + 2 * _MARGIN), _ROWS * _LINE + 2 * _MARGIN + _BAR
    whole, last = film[-1].at + _END, -max(0, len(film) - _ROWS) * _LINE
    styles: dict[str, str] = {}
    rows = "\n".join(each for number, line in enumerate(film) for each in _row(number, line.text, styles))
    colours = "\n".join(f".{name}{{{rule}}}" for rule, name in styles.items())
    colours_of_dots = ("#ff5f57", "#febc2e", "#28c840")
    dots = "".join(f'<circle cx="{18 + 18 * n}" cy="17" r="5.5" fill="{c}"/>' for n, c in enumerate(colours_of_dots))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>make demo in a terminal: a first run, a second, changes in Coder, an action, live</title>
<style>
text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:{_INK};white-space:pre}}
{colours}
#lines{{animation:move {whole:.2f}s steps(1,end) infinite}}
#cover{{animation:cover {whole:.2f}s steps(1,end) infinite}}
{_keyframes("move", film, whole, lambda shown: -max(0, shown - _ROWS))}
{_keyframes("cover", film, whole, lambda shown: min(shown, _ROWS))}
@media (prefers-reduced-motion: reduce){{
#lines{{animation:none;transform:translateY({last}px)}}
#cover{{animation:none;opacity:0}}
}}
</style>
<rect width="{width}" height="{height}" rx="8" fill="{_GROUND}"/>
{dots}
<svg x="{_MARGIN}" y="{_MARGIN + _BAR}" width="{width - 2 * _MARGIN}" height="{_ROWS * _LINE}">
<g id="lines" xml:space="preserve">
{rows}
</g>
<rect id="cover" width="{width}" height="{height}" fill="{_GROUND}"/>
</svg>
</svg>
"""


def _keyframes(name: str, film: Sequence[Line], whole: float, place: Callable[[int], int]) -> str:
    """The steps of one movement: where it is, in lines, once so many are shown."""
    steps: list[str] = []
    before = 0
    for number, line in enumerate(film):
        if number + 1 < len(film) and film[number + 1].at == line.at:
            continue  # more come at the same time
        if (now := place(number + 1)) != before or not steps:
            steps.append(f"{100 * line.at / whole:.2f}%{{transform:translateY({now * _LINE}px)}}")
            before = now
    steps.append(f"100%{{transform:translateY({before * _LINE}px)}}")
    return f"@keyframes {name}{{{''.join(steps)}}}"


def _row(number: int, text: Text, styles: dict[str, str]) -> Iterator[str]:
    """The pieces of a line, each at its column, so that no font can move it."""
    console = Console(width=_COLUMNS, color_system="truecolor")
    column, y = 0, number * _LINE + 13
    for segment in text.render(console):
        shown = segment.text.rstrip("\n")
        if shown.strip():
            rule = _rule(segment.style, styles) if segment.style else ""
            name = f' class="{rule}"' if rule else ""
            lead = len(shown) - len(shown.lstrip())
            x = (column + lead) * _CELL
            stripped = shown.strip()
            place = f'x="{x:.1f}" y="{y}" textLength="{len(stripped) * _CELL:.1f}"{name}'
            yield f"<text {place}>{escape(stripped, quote=False)}</text>"
        column += len(shown)


def _rule(style: Style, styles: dict[str, str]) -> str:
    """The class for the style; `styles` has the rule of each."""
    rules = []
    if style.color is not None:
        rules.append(f"fill:{style.color.get_truecolor(SVG_EXPORT_THEME).hex}")
    if style.bold:
        rules.append("font-weight:bold")
    if style.italic:
        rules.append("font-style:italic")
    rule = ";".join(rules)
    return styles.setdefault(rule, f"s{len(styles)}") if rule else ""


def shown_in(svg: str) -> list[str]:
    """The lines that a drawing shows, without their colours; pieces of one line have one blank between them."""
    found: dict[str, list[str]] = {}
    for y, text in re.findall(r'<text x="[\d.]+" y="(\d+)"[^>]*>([^<]*)</text>', svg):
        found.setdefault(y, []).append(unescape(text))
    return [" ".join(each) for each in found.values()]


def main() -> None:
    """Records, draws, and says how large it came out."""
    FILE.write_text(drawn(filmed(recorded())), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
