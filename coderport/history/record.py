"""One run as the history keeps it: when it was, and all that it was about to change or delete."""

from __future__ import annotations

import gzip
import secrets
import zlib
from datetime import datetime, timezone
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from coderport import __version__
from coderport.errors import CoderportError
from coderport.history.images import DefinitionImage, EntityImage, Pointer, Step

FORMAT = 1

How = Literal["up", "part", "undo", "adopt"]
"""A full run; a run over a difference, by `sync` or `drift --repair`; an undo; a coming over, by `adopt`."""


class HistoryError(CoderportError):
    """A record cannot be kept, found or understood."""


class Record(BaseModel):
    """`run` names it: its time in UTC to the second and four random digits. `stack` is project/stack."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    run: str
    how: How
    stack: str
    deployment: str
    port_organization: str
    version: str = __version__
    started: datetime
    entities: tuple[EntityImage, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    definitions: tuple[DefinitionImage, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the run was about to write nothing."""
        return not self.entities and not self.definitions

    def count(self, step: Step) -> int:
        """How many entities the run was about to create, change or delete."""
        return sum(each.step == step for each in self.entities)


def run_name(now: datetime) -> str:
    """A name for a run of this moment: the second, three hexadecimal digits for its part of it, three by chance.

    Names sort by time, also of runs that begin within one second: the oldest of them is the first to be given up.
    """
    part = now.microsecond * 0x1000 // 1_000_000
    return f"{now.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}-{part:03x}{secrets.randbelow(0x1000):03x}"


def packed(record: Record) -> bytes:
    """The record as compressed JSON."""
    return gzip.compress(record.model_dump_json().encode(), mtime=0)


def unpacked(content: bytes, name: str, file: str) -> Record:
    """The record that `packed` made the content from; HistoryError, with its name and the file, if it is none."""
    try:
        record = Record.model_validate_json(gzip.decompress(content))
    except (OSError, EOFError, zlib.error, ValidationError):
        raise HistoryError(
            f"The record {name} in the history is damaged, or a later version of coderport wrote it. Other runs are "
            f"undone without it. Where no version reads it, move the file away: {file}"
        ) from None
    if record.format != FORMAT:
        raise HistoryError(
            f"The record {name} in the history has format {record.format}. Use version {record.version} of coderport."
        )
    return record
