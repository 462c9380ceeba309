"""Holding a stack's lock without the engine: for a command that writes to Port by itself.

A folder backend's lock is a file that names its process (`pkg/backend/diy/lock.go` of the CLI 3.250). One that is
written in the same form keeps every run of the stack out, and is cleared by the next where its process was killed.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from coderport.engine.lock import StackLocked, explained, this_machine, unlock
from coderport.errors import CoderportError

_FRACTION = re.compile(r"\.\d+")
_BY_PROJECT = re.compile(r"^version: [1-9]", re.MULTILINE)


@contextmanager
def held(folder: Path, project: str, stack: str) -> Iterator[list[str]]:
    """Holds the lock of project/stack in a folder backend; what was cleared of dead runs, in words.

    Raises StackLocked where another run holds it.
    """
    state = folder / ".pulumi"
    place = state / "locks" / (f"organization/{project}/{stack}" if _is_by_project(state) else stack)
    notes = _cleared(stack, place)
    mine = place / f"{uuid.uuid4()}.json"
    try:
        place.mkdir(parents=True, exist_ok=True)
        unfinished = state / f"coderport-{mine.stem}.tmp"  # the CLI reads whatever is in `place`
        unfinished.write_text(_content(), encoding="utf-8")
        os.replace(unfinished, mine)
    except OSError as error:
        raise CoderportError(f"The stack {stack} cannot be locked in {folder}: {error.strerror or error}.") from None
    try:
        notes += _cleared(stack, place, but=mine)  # of two at once each sees the other, and both end
        yield notes
    finally:
        mine.unlink(missing_ok=True)


def _is_by_project(state: Path) -> bool:
    """Whether the backend keeps stacks by project; those of before Pulumi 3.61 know names alone."""
    try:
        return bool(_BY_PROJECT.search((state / "meta.yaml").read_text(encoding="utf-8")))
    except OSError:
        return False


def _cleared(stack: str, place: Path, but: Path | None = None) -> list[str]:
    said = [_said(each, stack) for each in sorted(place.glob("*.json")) if each != but]
    said = [each for each in said if each]
    return [unlock(stack, "\n".join(said))] if said else []


def _said(lock: Path, stack: str) -> str:
    """What the CLI says of the lock; empty where it is gone."""
    try:
        found = json.loads(lock.read_text(encoding="utf-8"))
        since = _FRACTION.sub("", found["timestamp"])
        return f"{lock.as_uri()}: created by {found['username']}@{found['hostname']} (pid {found['pid']}) at {since}"
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, LookupError, TypeError):
        raise StackLocked(explained(stack, (), this_machine())) from None


def _content() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "username": user, "hostname": socket.gethostname(), "timestamp": now})
