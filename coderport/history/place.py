"""Whether records can be kept where the settings say: looked at before anything is read, and nothing is written."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from fsspec.registry import known_implementations

from coderport.errors import SettingsError
from coderport.settings import Settings
from coderport.terminal.remedy import CLI
from coderport.terminal.text import short


def place_of(place: str, project: Path) -> str:
    """The place as it is used: a URL, or a folder, which is below `project` where it is relative."""
    return place if "://" in place else str((project / Path(place).expanduser()).absolute())


def check_place(settings: Settings, project: Path, *, writes: bool = True) -> None:
    """SettingsError where a run could not keep its records there; what only the server of a URL knows is not asked.

    Without `writes`, as for a preview, the account need not be allowed to write there.
    """
    if not settings.keep_runs:
        return
    place = place_of(settings.history, project)
    scheme, is_url, _ = place.partition("://")
    wrong = _lacking(scheme) if is_url else _in_the_way(Path(place), writes)
    stack = settings.of_stack
    if wrong:
        raise SettingsError(
            f"coderport:history names {short(place)}, {wrong}. Nothing was read or written.\n"
            "To keep the records in the project's folder:\n"
            f"  {CLI} config set --stack {stack} coderport:history .coderport/history\n"
            f"To keep none:\n  {CLI} config set --stack {stack} coderport:keepRuns 0"
        )


def _lacking(scheme: str) -> str:
    """Why a URL of that kind cannot be opened here: the package that does it is not installed."""
    known = known_implementations.get(scheme, {})
    module = str(known.get("class", "fsspec")).partition(".")[0]
    if importlib.util.find_spec(module) is not None:
        return ""
    return f"and that needs a package that is not installed ({known.get('err') or module})"


def _in_the_way(folder: Path, writes: bool) -> str:
    """Why the folder cannot be made, or be written where that is asked for."""
    there = next(each for each in (folder, *folder.parents) if each.exists() or each == each.parent)
    if not there.is_dir():
        return "and that is a file, not a folder" if there == folder else f"and {there} is a file, not a folder"
    return "" if not writes or os.access(there, os.W_OK | os.X_OK) else f"and this account may not write to {there}"
