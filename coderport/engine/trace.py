"""What a run leaves in a folder backend, looked at without the CLI: a few calls of the file system.

Layout of the CLI 3.250 (`pkg/backend/diy`): a file of the state for each stack, which each run that ends has written,
and a file of a lock for each run that is under way.
"""

from __future__ import annotations

import os
from pathlib import Path


def trace_of(folder: Path, project: str, stack: str) -> str:
    """A text that is another one as soon as a run of project/stack has begun or has ended.

    While a run holds the lock, the state is not looked at: some runs rewrite it after each resource.
    """
    state = folder / ".pulumi"
    for below in (f"organization/{project}", ""):  # before Pulumi 3.61 stacks were kept by their name alone
        if locks := sorted(each for each in _names(state / "locks" / below / stack) if each.endswith(".json")):
            return f"locked {locks}"
    places = [state / "stacks" / below / f"{stack}{end}" for below in (project, "") for end in (".json", ".json.gz")]
    return f"written {[_written(each) for each in places]}"


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _written(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns
