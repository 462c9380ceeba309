"""Building the Pulumi CLI from source, with what the Go module proxy has.

`engine/go.mod` and `engine/go.sum` pin every module, by hash, so the result does not depend on the day.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from coderport.engine.errors import CliUnavailable
from coderport.engine.versions import PINNED
from coderport.project import brought

_MODULE = brought("engine")
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_LINK = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PINNED}"
_TELL_SECONDS = 15.0

_WITHOUT_GO = f"""\
There is no Pulumi CLI, and Go, which would build one, is not on PATH. Do one of these, then run the command again:
  - install Go 1.25.11 or later (https://go.dev/dl/): the CLI is then built, once, in 4 to 8 minutes
  - let Pulumi's official installer get it, a script that get.pulumi.com serves: python -m coderport engine --official
  - install the Pulumi CLI yourself, version {PINNED} or later: https://www.pulumi.com/docs/install/
  - if a CLI is installed already: put the folder that holds `pulumi` on PATH"""


def build_cli(
    target: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    *,
    tell_every: float = _TELL_SECONDS,
) -> None:
    """Builds the pinned CLI and puts it at `target`, whole or not at all.

    `progress` hears what is going on at the start and then every `tell_every` seconds. Go's own caches are
    used, so a build that was interrupted goes on where it was. To be called with a lock held.
    """
    go = shutil.which("go", path=environment.get("PATH", ""))
    if go is None:
        raise CliUnavailable(_WITHOUT_GO)
    # Without cgo no C compiler is needed. What is built is for this machine, and from our module alone.
    env = {**environment, "CGO_ENABLED": "0", "GOWORK": "off"}
    env.pop("GOOS", None)
    env.pop("GOARCH", None)
    progress(
        f"Building Pulumi CLI {PINNED} from source with Go, to keep as {target}. "
        "On 2 cores this takes 4 to 8 minutes, and 3 GB in Go's caches."
    )
    flags = ["-mod=readonly", "-modcacherw"]
    listed = _GoStep([go, "list", *flags, "-deps", _PACKAGE], env)
    packages = listed.output(progress, tell_every, lambda done: f"fetching sources: {done} modules so far")
    total = len(packages.splitlines())

    target.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in target.parent.glob("building-*"):
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as folder:
        built = Path(folder) / target.name
        command = [
            go,
            "build",
            "-v",
            "-buildvcs=false",
            *flags,
            "-ldflags",
            _LINK,
            "-o",
            str(built),
            _PACKAGE,
        ]
        compiled = _GoStep(command, env)
        compiled.output(progress, tell_every, lambda done: f"compiling: {done} of {total} packages")
        os.replace(built, target)


class _GoStep:
    """One run of `go`, which prints a line on standard error for each module or package it takes up."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = command
        self._env = env
        self._lines = 0
        self._last: deque[str] = deque(maxlen=15)

    def output(self, progress: Callable[[str], None], every: float, text: Callable[[int], str]) -> str:
        """Standard output; until it is there, `text(lines so far)` and the time go to `progress`."""
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                self._command,
                cwd=_MODULE,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            try:
                while process.poll() is None:
                    try:
                        process.wait(every)
                    except subprocess.TimeoutExpired:
                        minutes, seconds = divmod(int(time.monotonic() - started), 60)
                        progress(f"  {text(self._lines)} ({minutes}:{seconds:02})")
            finally:
                process.send_signal(signal.SIGINT)  # does nothing to one that has ended; go then stops its compilers
                process.wait()
                reader.join()
            if process.returncode != 0:
                raise CliUnavailable(self._failure(process.returncode))
            output.seek(0)
            return output.read()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self._lines += 1
                self._last.append(line.rstrip())

    def _failure(self, code: int) -> str:
        lines = [
            f"Go could not build the Pulumi CLI: `go {self._command[1]}` ended with {code}, and said last:",
            *(f"  {line}" for line in self._last),
            f"Or install the CLI, version {PINNED} or later: https://www.pulumi.com/docs/install/",
        ]
        return "\n".join(lines)
