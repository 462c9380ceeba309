"""Where records are kept: a folder, or whatever else fsspec can open (`s3://`, `gs://`, `abfs://` with its package)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.history.place import place_of
from coderport.history.record import HistoryError, Record, packed, unpacked
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import CLI

PROJECT_FOLDER = "CODERPORT_PROJECT_FOLDER"
"""The environment variable in which a command tells the program that it serves where `Pulumi.yaml` is."""

_SUFFIX = ".json.gz"
_UNDONE = ".undone.json"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}(?:[0-9a-f]{2})?")
"""Names of versions before have four digits, all by chance."""

_ELSEWHERE = "Name another place with coderport:history."

T = TypeVar("T")


class Store:
    """The records of one stack below `place`, a folder or a URL. Every method raises HistoryError where it fails.

    A relative folder is one below `project`, the folder of `Pulumi.yaml`. `stack` is project/stack, `state` the id of
    its state, by which the records are found whatever the stack is called by then. Versions before kept them by the
    name: what carries the id there, or the name and no id at all, is moved once. `called` is the stack's name for
    Pulumi, which remedies name.
    """

    def __init__(self, place: str, stack: str, *, state: str, project: Path, called: str = NO_STACK) -> None:
        self.place = place_of(place, project)
        self._stack, self._state, self._called = stack, state, called
        self._moved = not state

    def keep(self, record: Record, most: int, *, beside: str = "") -> None:
        """Writes the record, and then deletes the oldest beyond `most`, but never `beside`, a run that is needed."""
        self.runs()  # what an older version kept is to be there before this folder is
        self._write(f"{record.run}{_SUFFIX}", packed(record))
        for run in self.runs()[most:]:
            if run != beside:
                self._done("deleted from", partial(_remove, f"{run}{_SUFFIX}"))

    def keep_undone(self, run: str, going: Mapping[str, Collection[str]], before: datetime) -> None:
        """Writes what the undo of that name deletes without a release, by kind; what is older than `before` goes.

        It is beside the records, for those may be given up within the day for which it counts.
        """
        content = {kind: sorted(ids) for kind, ids in going.items()}
        self._write(f"{run}{_UNDONE}", json.dumps(content).encode())
        for name in self._names(_UNDONE):
            if _time(name) < before:
                self._done("deleted from", partial(_remove, f"{name}{_UNDONE}"))

    def undone_since(self, moment: datetime) -> dict[str, frozenset[str]]:
        """By kind what undos have deleted without a release since that moment."""
        found: dict[str, set[str]] = {}
        for run in self._names(_UNDONE):
            if _time(run) >= moment:
                for kind, ids in self._undone(run).items():
                    found.setdefault(kind, set()).update(ids)
        return {kind: frozenset(ids) for kind, ids in found.items()}

    def _undone(self, run: str) -> dict[str, list[str]]:
        content = self._done("read from", lambda files, folder: files.cat_file(f"{folder}/{run}{_UNDONE}"))
        try:
            held = json.loads(content)
            return {str(kind): [str(each) for each in ids] for kind, ids in held.items()}
        except (ValueError, AttributeError, TypeError):
            raise HistoryError(
                f"What the undo {run} deleted is not readable in the history: {run}{_UNDONE} is damaged. It counts for "
                "one day. Delete it if nothing else was deleted since then."
            ) from None

    def _write(self, name: str, content: bytes, advice: str = "") -> None:
        def write(files: Any, folder: str) -> None:
            _make(files, folder)
            unfinished = f"{folder}/.{name}.partial"
            if isinstance(files, LocalFileSystem):
                Path(unfinished).touch(mode=0o600)
            files.pipe_file(unfinished, content)
            files.mv(unfinished, f"{folder}/{name}")

        self._done("written to", write, advice)

    def runs(self) -> list[str]:
        """The names of the runs that are kept, the newest first."""

        return self._names(_SUFFIX)

    def _names(self, suffix: str) -> list[str]:
        """The runs of which there is a file that ends so, the newest first."""

        def listed(files: Any, folder: str) -> list[str]:
            files.invalidate_cache()
            if not files.exists(folder):
                return self._moved_by_name(files, folder) if suffix == _SUFFIX else []
            names = (str(path).rsplit("/", 1)[-1] for path in files.ls(folder, detail=False))
            return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]

        return sorted((run for run in self._done("read from", listed) if _RUN.fullmatch(run)), reverse=True)

    def record(self, run: str) -> Record:
        """The record of that name; HistoryError, with the newest names, where there is none."""
        runs = self.runs()
        if run not in runs:
            kept = f"The newest are: {', '.join(runs[:3])}." if runs else "None is kept."
            raise HistoryError(f"The history of {self._stack} has no run {run!r}. {kept}")
        return self._record(run)

    def records(self, tell: Callable[[str], None]) -> list[Record]:
        """Those that can be read, the newest first; of each other one `tell` is told."""
        found: list[Record] = []
        for run in self.runs():
            try:
                found.append(self._record(run))
            except HistoryError as error:
                tell(str(error))
        return found

    def _record(self, run: str) -> Record:
        def read(files: Any, folder: str) -> tuple[bytes, str]:
            path = f"{folder}/{run}{_SUFFIX}"
            return bytes(files.cat_file(path)), str(files.unstrip_protocol(path))

        content, file = self._done("read from", read)
        return unpacked(content, run, file.removeprefix("file://"))

    def file(self, name: str) -> bytes | None:
        """A file beside the records; None where there is none."""

        def read(files: Any, folder: str) -> bytes | None:
            files.invalidate_cache()
            try:
                return bytes(files.cat_file(f"{folder}/{name}"))
            except FileNotFoundError:
                return None

        return self._done("read from", read, _ELSEWHERE)

    def keep_file(self, name: str, content: bytes) -> None:
        """Writes a file beside the records, in place of what was there."""
        self.runs()  # what an older version kept is to be there before this folder is
        self._write(name, content, _ELSEWHERE)

    def _moved_by_name(self, files: Any, folder: str) -> list[str]:
        """Moves what an older version kept of this state; the names of the runs."""
        if self._moved:
            return []
        self._moved = True
        root = folder.rpartition("/")[0]
        found: list[str] = []
        for path in files.glob(f"{root}/*/*/*{_SUFFIX}"):
            run = str(path).rpartition("/")[2].removesuffix(_SUFFIX)
            with contextlib.suppress(HistoryError, FileNotFoundError):  # damaged, or moved by another command just now
                if self._is_ours(unpacked(bytes(files.cat_file(path)), run, str(path))):
                    _make(files, folder)
                    files.mv(path, f"{folder}/{run}{_SUFFIX}")
                    found.append(run)
        return found

    def _is_ours(self, record: Record) -> bool:
        states = {mark.state for mark in _marks(record) if mark.state}
        return self._state in states or (not states and record.stack.casefold() == self._stack.casefold())

    def _done(self, act: str, work: Callable[[Any, str], T], advice: str = "") -> T:
        try:
            files, path = fsspec.core.url_to_fs(self.place)
            return work(files, f"{path.rstrip('/')}/{self._state or self._stack}")
        except ImportError as error:
            raise HistoryError(
                f"coderport:history names {self.place}, and that needs a package that is not installed: {error}"
            ) from None
        except Exception as error:  # each kind of storage has exceptions of its own
            raise HistoryError(
                f"The history in {self.place} cannot be {act}: {error or type(error).__name__}. "
                + (advice or self._or_nothing())
            ) from None

    def _or_nothing(self) -> str:
        return (
            "Nothing is changed that is not kept first. Name another place with coderport:history, or keep nothing:\n"
            f"  {CLI} config set coderport:keepRuns 0 --stack {self._called}"
        )


def _marks(record: Record) -> Iterator[Mark]:
    """Who wrote the entities of the record, before the run and by it."""
    for image in record.entities:
        held = [each.properties.get(MANAGED_BY) for each in (image.before, image.created) if each is not None]
        for value in (*held, *image.values.get(MANAGED_BY, ())):
            if mark := Mark.read(value):
                yield mark


def _make(files: Any, folder: str) -> None:
    """Makes the folder. On a disk it is this account's alone: records hold the addresses and values of everybody."""
    files.makedirs(folder, exist_ok=True)
    if isinstance(files, LocalFileSystem) and (mode := Path(folder).stat().st_mode) & 0o007:
        Path(folder).chmod(mode & 0o700)


def _remove(name: str, files: Any, folder: str) -> None:
    files.rm_file(f"{folder}/{name}")


def _time(run: str) -> datetime:
    """When the run of that name began, to the second."""
    return datetime.strptime(run[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
