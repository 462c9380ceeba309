"""The answers of CLIs to `pulumi version`, kept in the user's cache: asking costs a command 0.15 s of processor time.

An answer holds for the very file that gave it: same place, size and moment of change. A script, or a link to a program
of another name, may choose another CLI each time (asdf, mise, a wrapper), and is asked every time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coderport.engine.versions import Version, parsed

_FILE = "versions.json"
_MOST = 20
"""Answers that are kept; the oldest goes first."""


def version(path: Path, folder: Path, ask: Callable[[], Version | None]) -> Version | None:
    """The version of the CLI at `path`: as it is kept in `folder`, or as `ask` finds it, which is then kept."""
    try:
        mark = _mark(path)
    except OSError:
        mark = None
    if mark is None:
        return ask()
    kept = _read(folder / _FILE)
    held = kept.pop(str(path), None)
    if isinstance(held, Mapping) and held.get("file") == mark and (known := parsed(str(held.get("version")))):
        return known
    found = ask()
    if found is not None:
        kept[str(path)] = {"file": mark, "version": str(found)}
        _write(folder / _FILE, dict(list(kept.items())[-_MOST:]))
    return found


def _mark(path: Path) -> list[int | str] | None:
    """What tells the file from any other that is put in its place; None where it need not be the CLI itself."""
    itself = path.resolve(strict=True)
    with itself.open("rb") as file:
        if itself.name != path.name or file.read(2) == b"#!":
            return None
        found = os.fstat(file.fileno())
    return [str(itself), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(found) if isinstance(found, Mapping) else {}


def _write(file: Path, kept: Mapping[str, Any]) -> None:
    """Writes it whole or not at all; where nothing can be written the CLI is asked again the next time."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(kept), encoding="utf-8")
        unfinished.replace(file)
