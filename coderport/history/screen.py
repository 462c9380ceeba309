"""The history and an undo as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console

from coderport.catalog.meaning import TITLE
from coderport.history.images import EntityImage
from coderport.history.record import Record
from coderport.history.undoing import Undone
from coderport.terminal.tables import show_table
from coderport.terminal.text import json_line, short

SHOWN = 20
_HOW = {"up": "up", "part": "sync or repair", "undo": "undo", "adopt": "adopt"}


def show_history(records: Iterable[Record], console: Console) -> None:
    """A line for each run: its name, what it was, and how much it was about to create, change and delete."""
    rows: list[tuple[str | int, ...]] = []
    for each in records:
        counts = (each.count("created"), each.count("changed"), each.count("deleted"), _definitions(each))
        rows.append((each.run, _HOW[each.how], *counts))
    if rows:
        show_table(("run", "by", "created", "changed", "deleted", "definitions"), rows, console)
    else:
        console.print("No run is kept yet: the history begins with the next run that changes something in Port.")


def _definitions(record: Record) -> int:
    """How many the run was about to write or delete; the permissions of an action that it creates are no other one."""
    return sum(each.kind != "permissions" or each.before is not None for each in record.definitions)


def show_undo(done: Undone, console: Console, *, command: str) -> None:
    """What goes back, what stays and why; `command` is the command line that applies what was only shown."""
    undo = done.undo
    lines = list(_lines(done))
    for text in lines[:SHOWN]:
        console.print(f"  {text}")
    if len(lines) > SHOWN:
        console.print(f"  … and {len(lines) - SHOWN} more (--json has all)")
    for each in undo.stays[:SHOWN]:
        console.print(f"  stays: {each.what} {each.why}", style="yellow")
    if len(undo.stays) > SHOWN:
        console.print(f"  … and {len(undo.stays) - SHOWN} more stay (--json has all)", style="yellow")
    for text in done.refused_by_port:
        console.print(text, style="red")
    if undo.nothing:
        console.print(f"Nothing of run {done.record.run} is left to undo.")
    elif not done.applied:
        console.print(f"This is what it would do. Nothing was changed. To do it:\n  {command}")
    else:
        refused = len(done.refused_by_port)
        said = f", {refused} were refused by Port" if refused else ""
        console.print(
            f"Undone{said}. This undo is kept as {done.applied}.\n"
            "The next run makes Port match Coder again: change the settings first if those were wrong."
        )


def _lines(done: Undone) -> Iterator[str]:
    undo = done.undo
    images = {(each.blueprint, each.identifier): each for each in done.record.entities}
    for place, body in undo.rename.items():
        yield f"~ {place[0]} {short(images[place].title)} (identifier, back to {short(body['identifier'])})"
    for entity in undo.delete:
        yield f"- {entity.blueprint} {short(entity.title)} (that run created it)"
    for place, body in undo.write.items():
        image = images[place]
        if image.step == "deleted":
            yield f"+ {image.blueprint} {short(image.title)} (that run deleted it)"
        else:
            yield f"~ {image.blueprint} {short(image.title)} ({', '.join(_keys(image, body))})"
    for (blueprint, identifier), body in undo.point.items():
        yield f"~ {blueprint} {short(body['title'] or identifier)} ({', '.join(sorted(body['relations']))})"
    for definition in undo.define:
        sign = "-" if definition.before is None else "+" if definition.after is None else "~"
        yield f"{sign} {definition.kind} {definition.identifier}"


def _keys(image: EntityImage, body: Mapping[str, Any]) -> list[str]:
    """The names of the values that go back."""
    renamed = {"title"} if TITLE in image.values and body["title"] == image.values[TITLE][0] else set()
    return sorted({*body.get("properties", {}), *body.get("relations", {}), *renamed})


def as_json(done: Undone) -> str:
    """All of it as one JSON object; entities are named by blueprint and identifier."""
    undo = done.undo
    value = {
        "run": done.record.run,
        "applied": done.applied or None,
        "rename": [{"blueprint": name, "from": at, **body} for (name, at), body in undo.rename.items()],
        "delete": [{"blueprint": each.blueprint, "identifier": each.identifier} for each in undo.delete],
        "write": [{"blueprint": blueprint, **body} for (blueprint, _), body in undo.write.items()],
        "relations": [{"blueprint": blueprint, **body} for (blueprint, _), body in undo.point.items()],
        "definitions": [{"kind": each.kind, "identifier": each.identifier} for each in undo.define],
        "stays": [{"what": each.what, "why": each.why} for each in undo.stays],
        "refused": list(done.refused_by_port),
    }
    return json_line(json.dumps(value))


def history_as_json(records: Iterable[Record]) -> str:
    """All that is kept of the runs, as one JSON list."""
    return json_line(f"[{', '.join(each.model_dump_json() for each in records)}]")
