"""What a folder's state is left with when its engine is killed in the very moment of writing it.

The state itself is whole at any moment, because the engine writes it beside and then renames it. The checksum file
next to it (`NAME.json.attrs`) is written in place: for a moment it is empty, and with an empty one the engine cannot
read the state. It holds nothing that the state does not, and without one the engine reads it.
"""

from __future__ import annotations

from pathlib import Path

from coderport.engine.backend import folder_of

COMPLAINT = "failed to load checkpoint: EOF"
"""What the CLI (3.250) says of such a state."""


def mend(backend: str, directory: Path) -> int:
    """Deletes the empty checksum files of the states in a folder backend; how many there were.

    A relative backend is one below `directory`. Any other backend has none.
    """
    folder = folder_of(backend, directory)
    if folder is None:
        return 0
    empty = [each for each in (folder / ".pulumi" / "stacks").rglob("*.attrs") if each.stat().st_size == 0]
    for each in empty:
        each.unlink()
    return len(empty)
