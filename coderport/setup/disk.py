"""Files on the disk: one is written whole or not at all, and what to do where that fails."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from coderport.errors import CoderportError

_RIGHTS = "Give this account the rights there, or choose another folder with `--cwd FOLDER`."
_ROOM = "Make room on that disk."
_REMEDIES = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EISDIR: "Move that folder away.",
}


class NotWritten(OSError):
    """A file could not be written; what was at its place is as it was. `filename` is its path."""


class Unfinished(CoderportError):
    """A file of the project could not be read or written, and `init` went no further."""


def write_whole(path: Path, content: bytes, *, executable: bool = False) -> None:
    """Writes the file, with the folders that lead to it. NotWritten where that fails.

    The content takes its place only when all of it is on the disk: half a `Pulumi.yaml` would be no project. A link
    stays one, and a file that is there keeps its rights.
    """
    place = Path(os.path.realpath(path))
    partial = place.with_name(f".{place.name[:100]}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            if place.exists():
                shutil.copymode(place, partial)
            if executable:
                partial.chmod(0o755)
            os.replace(partial, place)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise
    except OSError as error:
        raise NotWritten(error.errno, error.strerror, str(path)) from error


def unfinished(error: OSError, before: str) -> Unfinished:
    """The error that ends `init` where a file cannot be read or written. `before` says what was written until then."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Correct that.")
    if error.filename is None:
        file = "The current folder"
    else:
        file = os.fsdecode(error.filename)
        if error.errno in (errno.ENOTDIR, errno.EEXIST) and (in_the_way := _file_above(Path(file))):
            reason, remedy = f"{in_the_way} is a file, and has to be a folder", "Move that file away."
    rest = f"{before}\n{remedy} Then run it again: it keeps what is there."
    if isinstance(error, NotWritten):
        return Unfinished(f"{file} cannot be written: {reason}. {rest}")
    return Unfinished(f"{file} cannot be read: {reason}. {rest}")


def told(written: Sequence[str]) -> str:
    """One sentence on what was written."""
    return f"Written before that: {', '.join(written)}." if written else "Nothing was written."


def _file_above(path: Path) -> Path | None:
    """The file that is where the path needs a folder."""
    return next((each for each in path.parents if os.path.exists(each) and not os.path.isdir(each)), None)
