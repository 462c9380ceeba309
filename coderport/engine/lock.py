"""The lock that a killed run leaves on its stack: whose it is, and whether its process still lives.

The file, S3, GCS and Azure backends write a lock with user, host, process and time, and never take one away by
themselves. One that a dead process of this machine left is cleared here; of any other, the error says what to do.
"""

from __future__ import annotations

import enum
import json
import os
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

from coderport.engine.backend import is_folder
from coderport.errors import CoderportError
from coderport.terminal.remedy import CLI

_LINE = re.compile(r"(?P<url>\S+): created by (?P<user>.*)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
"""A lock in the words of the CLI (3.250), which shows whole seconds."""

_FRACTION = re.compile(r"\.\d+")
"""Go writes nanoseconds, which Python does not read."""

_SLACK = timedelta(minutes=1)
"""A clock that is set while a run is under way moves the times that its process seems to have started at."""

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


class StackLocked(CoderportError):
    """Another run holds the stack, or may hold it; the message says whose it is and what can be done."""


@dataclass(frozen=True)
class Lock:
    """One lock of a stack; `since` is aware, `url` is the lock's own place in the backend."""

    url: str
    user: str
    host: str
    pid: int
    since: datetime

    def __str__(self) -> str:
        return f"process {self.pid}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class HolderState(enum.Enum):
    """What became of the process that took a lock; UNSEEN is one that cannot be looked for from here."""

    DEAD = enum.auto()
    ALIVE = enum.auto()
    UNSEEN = enum.auto()


@dataclass(frozen=True)
class Machine:
    """What a lock is held against.

    `started` gives the time that a living process began at (long ago, where the system does not tell) and None for one
    that is dead. `booted` is the start of the system and `opened` that of its first process; they are minutes apart or
    more in a container, whose process numbers are its own. `pooled` machines may share their name with others.
    """

    name: str
    started: Callable[[int], datetime | None]
    booted: datetime | None = None
    opened: datetime | None = None
    pooled: bool = False


def locks(text: str) -> tuple[Lock, ...]:
    """The locks that the CLI names in its error; none for that of Pulumi Cloud, which names nobody."""
    return tuple(
        Lock(
            url=found["url"],
            user=found["user"],
            host=found["host"],
            pid=int(found["pid"]),
            since=datetime.fromisoformat(found["since"].replace("Z", "+00:00")).astimezone(timezone.utc),
        )
        for found in _LINE.finditer(text)
    )


def locks_in(folder: Path) -> tuple[Lock, ...]:
    """The locks in a stack's folder of locks, as the CLI (3.250) writes them: a file for each, with a JSON object."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            since = datetime.fromisoformat(_FRACTION.sub("", held["timestamp"]).replace("Z", "+00:00"))
            found.append(Lock(file.as_uri(), str(held["username"]), str(held["hostname"]), int(held["pid"]), since))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it is gone again, or no lock
    return tuple(found)


def holder_state(lock: Lock, machine: Machine) -> HolderState:
    """Whether the process of the lock lives, where this machine can tell."""
    if lock.host != machine.name or (machine.pooled and not is_folder(lock.url)):
        return HolderState.UNSEEN
    if machine.booted and machine.opened and machine.booted < lock.since < machine.opened - _SLACK:
        return HolderState.UNSEEN  # taken in another container of this name, or in this one before it was started again
    started = machine.started(lock.pid)
    if started is None or started > lock.since + _SLACK:  # the number is another process's by now
        return HolderState.DEAD
    return HolderState.ALIVE


def unlock(stack: str, said: str, cancel: Callable[[], None] | None = None, *, machine: Machine | None = None) -> str:
    """Clears the locks that the CLI complained of, if dead processes of this machine left all of them; says whose.

    In a folder exactly these locks go, so that one which another run took in the meantime stays. Elsewhere `cancel`
    takes away whatever is there; a stack that was never made whole has none. Raises StackLocked, with nothing cleared,
    where any of the locks may be of a living run.
    """
    machine = machine or this_machine()
    found = locks(said)
    if not found or any(holder_state(lock, machine) is not HolderState.DEAD for lock in found):
        raise StackLocked(explained(stack, found, machine))
    if all(is_folder(lock.url) for lock in found):
        for lock in found:
            Path(unquote(urlsplit(lock.url).path)).unlink(missing_ok=True)
    elif cancel is not None:
        cancel()
    return "\n".join(f"The lock of a run of {lock.user} that died ({lock}) was cleared." for lock in found)


def explained(stack: str, found: Sequence[Lock], machine: Machine) -> str:
    """Who holds the stack, and what to do about it."""
    holders = [lock for lock in found if holder_state(lock, machine) is not HolderState.DEAD]
    alive = [lock for lock in holders if holder_state(lock, machine) is HolderState.ALIVE]
    if alive and len(alive) == len(holders):
        return "\n".join(
            [
                f"The stack {stack} is locked, nothing was done:",
                *(f"  a run of {lock.user} is under way on this machine ({lock})" for lock in alive),
                "Run again when it has ended.",
            ]
        )
    whose = [f"  a run of {lock.user} on {lock.host} ({lock})" for lock in holders]
    return "\n".join(
        [
            f"The stack {stack} is locked, nothing was done{':' if whose else '. Another run of it is under way.'}",
            *whose,
            "Whether that run still lives cannot be seen from here. If it does, run again when it has ended. "
            "If it is sure to be gone (killed, or its machine is):",
            f"  {CLI} cancel --yes --stack {stack}",
        ]
    )


def this_machine() -> Machine:
    """The machine that this runs on, as /proc shows it; elsewhere than on Linux only whether a process lives."""
    return Machine(
        name=socket.gethostname(),
        started=_started,
        booted=_booted(),
        opened=_started(1),
        pooled=bool(os.environ.get("CI")),  # the runners of a hosted CI are copies of one image, name included
    )


def _started(pid: int) -> datetime | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it lives, and is somebody else's
    booted = _booted()
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
        )
    except OSError:
        return _LONG_AGO
    if state in "ZX":  # dead, and its parent has not asked how it ended
        return None
    ticks = int(fields[18])  # the 22nd field of proc_pid_stat(5)
    return booted + timedelta(seconds=ticks / os.sysconf("SC_CLK_TCK")) if booted else _LONG_AGO


def _booted() -> datetime | None:
    try:
        lines = Path("/proc/stat").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    seconds = next((line.split()[1] for line in lines if line.startswith("btime ")), None)
    return datetime.fromtimestamp(int(seconds), timezone.utc) if seconds else None
