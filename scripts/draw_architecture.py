"""Draws the rooms of coderport/ into docs/architecture.md, from the imports.

Run it after a change of the rooms or their imports: `.venv/bin/python scripts/draw_architecture.py`. `FLOORS` is the
order of the rooms. A room imports from floors below its own and from nowhere else: tests/test_architecture.py holds the
code to that, and the page to what this script would write.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PAGE: Final = ROOT / "docs" / "architecture.md"
PACKAGE: Final = "coderport"
FLOORS: Final = (
    ("commands",),
    ("setup",),
    ("doctor", "listing", "why"),
    ("adoption", "conformance", "live"),
    ("stack",),
    ("program",),
    ("history",),
    ("provider", "runner"),
    ("servers",),
    ("planning",),
    ("guard",),
    ("report",),
    ("kinds",),
    ("emulators", "engine", "settings"),
    ("catalog",),
    ("coder", "port"),
    ("transport",),
    ("project",),
    ("terminal",),
    ("errors", "tasks"),
)
"""From the top down; rooms of one floor do not know each other."""
BEGIN, END = "<!-- drawn by scripts/draw_architecture.py -->", "<!-- end of what is drawn -->"


def graph() -> grimp.ImportGraph:
    """Every import between the modules of the package."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def arrows(imports: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    """(room, room it imports from), each once, in the order of the floors."""
    order = [room for floor in FLOORS for room in floor]
    found = {
        (room_of(module), room_of(other))
        for module in imports.modules
        for other in imports.find_modules_directly_imported_by(module)
    }
    for room in order:
        yield from ((room, other) for other in order if room != other and (room, other) in found)


def room_of(module: str) -> str:
    """The room of a module: the first name after the package's."""
    return module.split(".")[1] if "." in module else ""


def purpose(room: str) -> str:
    """The first sentence of the room's docstring."""
    folder = ROOT / PACKAGE / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n", 1)[0].replace("\n", " ")


def drawing(imports: grimp.ImportGraph) -> str:
    """The picture (Mermaid, which GitHub shows) and the table of the rooms."""
    found = tuple(arrows(imports))
    lines = ["```mermaid", "flowchart TD"]
    for number, floor in enumerate(FLOORS):
        lines += [f'    subgraph f{number}[" "]', *(f"        {room}" for room in floor), "    end"]
    lines += [f"    {room} --> {other}" for room, other in _shortest(found)]
    lines += [
        "```",
        "",
        f"{sum(map(len, FLOORS))} rooms on {len(FLOORS)} floors, {len(found)} arrows, none upwards.",
        "",
    ]
    lines += ["| floor | room | what it is | imports from |", "|---|---|---|---|"]
    for number, floor in enumerate(FLOORS):
        for room in floor:
            below = ", ".join(other for one, other in found if one == room) or "–"
            lines.append(f"| {len(FLOORS) - number} | `{room}` | {purpose(room)} | {below} |")
    return "\n".join(lines)


def _shortest(found: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """The arrows without those that a longer way says already, so that the picture can be read."""
    height = {room: -number for number, floor in enumerate(FLOORS) for room in floor}
    below: dict[str, set[str]] = {}
    for room, other in found:
        if height[other] < height[room]:
            below.setdefault(room, set()).add(other)
    reached: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in reached:
            reached[room] = below.get(room, set()).union(*(reach(each) for each in below.get(room, ())))
        return reached[room]

    for room, other in found:
        if not any(other in reach(between) for between in below.get(room, ()) if between != other):
            yield room, other


def page_with(text: str, imports: grimp.ImportGraph) -> str:
    """The page with what is drawn between its two marks."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{drawing(imports)}\n{END}{rest.split(END, 1)[1]}"


def main() -> None:
    """Rewrites the page in place."""
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), graph()), encoding="utf-8")


if __name__ == "__main__":
    main()
