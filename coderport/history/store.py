"""Where records are kept: a folder, or whatever else fsspec can open (`s3://`, `gs://`, `abfs://` with its package)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec

from coderport.history.record import HistoryError, Record, packed, unpacked
from coderport.terminal.remedy import CLI

PROJECT_FOLDER = "CODERPORT_PROJECT_FOLDER"
"""The environment variable in which a command tells the program that it serves where `Pulumi.yaml` is."""

_SUFFIX = ".json.gz"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")

T = TypeVar("T")


class Store:
    """The records of one stack below `place`, a folder or a URL. Every method raises HistoryError where it fails.

    A relative folder is one below `project`, the folder of `Pulumi.yaml`. `stack` is project/stack.
    """

    def __init__(self, place: str, stack: str, *, project: Path) -> None:
        self.place = place if "://" in place else str((project / Path(place).expanduser()).absolute())
        self._stack = stack

    def keep(self, record: Record, most: int) -> None:
        """Writes the record, and then deletes the oldest beyond `most`."""

        def write(files: Any, folder: str) -> None:
            files.makedirs(folder, exist_ok=True)
            unfinished = f"{folder}/.{record.run}.partial"
            files.pipe_file(unfinished, packed(record))
            files.mv(unfinished, f"{folder}/{record.run}{_SUFFIX}")

        self._done("written to", write)
        for run in self.runs()[most:]:
            self._done("deleted from", partial(_remove, run))

    def runs(self) -> list[str]:
        """The names of the runs that are kept, the newest first."""

        def listed(files: Any, folder: str) -> list[str]:
            files.invalidate_cache()
            if not files.exists(folder):
                return []
            names = (str(path).rsplit("/", 1)[-1] for path in files.ls(folder, detail=False))
            return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]

        return sorted((run for run in self._done("read from", listed) if _RUN.fullmatch(run)), reverse=True)

    def record(self, run: str) -> Record:
        """The record of that name; HistoryError, with the newest names, where there is none."""
        runs = self.runs()
        if run not in runs:
            kept = f"The newest are: {', '.join(runs[:3])}." if runs else "None is kept."
            raise HistoryError(f"The history of {self._stack} has no run {run!r}. {kept}")
        content = self._done("read from", lambda files, folder: files.cat_file(f"{folder}/{run}{_SUFFIX}"))
        return unpacked(bytes(content), run)

    def _done(self, act: str, work: Callable[[Any, str], T]) -> T:
        try:
            files, path = fsspec.core.url_to_fs(self.place)
            return work(files, f"{path.rstrip('/')}/{self._stack}")
        except ImportError as error:
            raise HistoryError(
                f"coderport:history names {self.place}, and that needs a package that is not installed: {error}"
            ) from None
        except Exception as error:  # each kind of storage has exceptions of its own
            raise HistoryError(
                f"The history in {self.place} cannot be {act}: {error or type(error).__name__}. "
                "Nothing is changed that is not kept first. Name another place with coderport:history, or keep "
                f"nothing:\n  {CLI} config set coderport:keepRuns 0 --stack " + self._stack.rpartition("/")[2]
            ) from None


def _remove(run: str, files: Any, folder: str) -> None:
    files.rm_file(f"{folder}/{run}{_SUFFIX}")
