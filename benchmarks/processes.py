"""A command as a process of its own: how long it takes, and the memory and processor time of it and of its children.

Memory is the peak of the resident set of each process, as Linux keeps it in `/proc`. (What `wait` answers about a
child mixes it with its own children, and the Pulumi CLI is larger than any program.) Elsewhere it is not measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.errors import BenchError

PROGRAM, ENGINE, PROVIDER, OTHER = "program", "engine", "provider", "other"

_LOOK_SECONDS = 0.1
_PROC = Path("/proc")
_PROVIDERS = ("coderport.provider", "benchmarks.idle_provider", "pulumi-resource-port")


@dataclass(frozen=True)
class Measured:
    """`peak_mb` and `cpu_seconds` are by role: the command's own process is the program (an inline Pulumi program runs
    in it), its children are the engine (all calls of the Pulumi CLI) and the provider.

    `engine_ran` says whether one of the CLI's calls was an update or a preview.
    """

    seconds: float
    exit_code: int
    output: str
    errors: str
    peak_mb: Mapping[str, float]
    cpu_seconds: Mapping[str, float]
    engine_ran: bool


def measured(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], expected: int = 0, timeout: float = 3600
) -> Measured:
    """Runs the command to its end in the folder. BenchError if it does not end with the expected exit code."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        begun = perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        with _Watch(process.pid) as watch:
            try:
                exit_code = process.wait(timeout)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise BenchError(f"`{_shown(command)}` did not end within {timeout:.0f} s") from None
                raise
        seconds = perf_counter() - begun
        output.seek(0)
        errors.seek(0)
        said, complained = output.read(), errors.read()
    if exit_code != expected:
        raise BenchError(f"`{_shown(command)}` ended with {exit_code}, not {expected}:\n{(said + complained)[-2000:]}")
    return Measured(seconds, exit_code, said, complained, watch.peaks(), watch.cpu(), watch.engine_ran)


def processor_seconds(pid: int) -> float:
    """Processor time that a process has taken so far; 0 where it is gone, or where there is no `/proc`."""
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def _shown(command: Sequence[str]) -> str:
    """The command as a person would type it, without what makes it long."""
    return " ".join(("python", *command[1:]) if command[0].endswith(("python", "python3")) else command)[:200]


@dataclass
class _Seen:
    role: str
    peak_mb: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class _Watch:
    """Looks at a process and its descendants until the block ends; both figures of a process only ever grow."""

    root: int
    engine_ran: bool = False
    _seen: dict[int, _Seen] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Watch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def peaks(self) -> dict[str, float]:
        """The largest single process of each role, in MB (10⁶ bytes)."""
        found: dict[str, float] = {}
        for seen in self._seen.values():
            found[seen.role] = max(found.get(seen.role, 0.0), round(seen.peak_mb, 1))
        return found

    def cpu(self) -> dict[str, float]:
        """Processor seconds of all processes of each role together."""
        found: dict[str, float] = {}
        for seen in self._seen.values():
            found[seen.role] = round(found.get(seen.role, 0.0) + seen.cpu_seconds, 2)
        return found

    def _watch(self) -> None:
        while _PROC.joinpath("self").exists() and not self._over.wait(_LOOK_SECONDS):
            for pid in self._family():
                self._look(pid)

    def _family(self) -> list[int]:
        """The process and all below it. A child of a process's thread is listed with that thread only."""
        found, open_ends = [self.root], [self.root]
        while open_ends:
            pid = open_ends.pop()
            for task in _listed(_PROC / str(pid) / "task"):
                children = [int(child) for child in _text(task / "children").split()]
                found.extend(children)
                open_ends.extend(children)
        return found

    def _look(self, pid: int) -> None:
        folder = _PROC / str(pid)
        arguments = _text(folder / "cmdline").split("\0")
        if not arguments[0]:  # it has ended
            return
        role = self._role(pid, arguments)
        if role == ENGINE and {"up", "preview"} & set(arguments[1:3]):
            self.engine_ran = True
        seen = self._seen.setdefault(pid, _Seen(role))
        # A process is looked at between fork and exec, too, when it still is a copy of its parent.
        if seen.role != role:
            seen = self._seen[pid] = _Seen(role)
        for line in _text(folder / "status").splitlines():
            if line.startswith("VmHWM:"):
                seen.peak_mb = max(seen.peak_mb, int(line.split()[1]) * 1024 / 1e6)
        seen.cpu_seconds = max(seen.cpu_seconds, processor_seconds(pid))

    def _role(self, pid: int, arguments: Sequence[str]) -> str:
        if pid == self.root:
            return PROGRAM
        if Path(arguments[0]).name == "pulumi":
            return ENGINE
        if any(argument.endswith(_PROVIDERS) for argument in arguments):
            return PROVIDER
        return OTHER


def _text(path: Path) -> str:
    """The file's text; nothing where the process is gone by now."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _listed(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []
