"""A copy of the project as a person has it, with a backend of its own, for the commands as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lab import Json

from coderport.emulators.faults import Fault, Faults
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

ROOT = Path(__file__).resolve().parents[1]


class Checkout:
    """A copy of the project with a backend of its own, and the environment of a person at a shell."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        self.folder, self.pair = folder / "checkout", pair
        # What is compiled comes along: it is of the same files, and each first command would compile all of it again.
        shutil.copytree(
            ROOT, self.folder, ignore=shutil.ignore_patterns(".git", ".venv", ".coderport", ".*_cache", "tests")
        )
        (folder / "state").mkdir()
        self.environment = {
            "PATH": f"{cli.path.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "CODER_API_BASE_URL": f"{pair.coder_url}/api/v2",
            "CODER_SESSION_TOKEN": pair.coder.token,
            "PORT_CLIENT_ID": pair.port.client_id,
            "PORT_CLIENT_SECRET": pair.port.client_secret,
            "PORT_BASE_URL": f"{pair.port_url}/v1",
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "coderport", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def json(self, *arguments: str, code: int = 0, **environment: str) -> Json:
        """The JSON object that the command's standard output ends with."""
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def locks(self) -> list[Path]:
        """The locks in the backend."""
        return [each for each in (self.folder.parent / "state").rglob("locks/**/*.json") if each.is_file()]


def until(true: Callable[[], object], what: str) -> None:
    """Returns once it is true; a machine that is slow or busy only takes longer."""
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Gate:
    """Keeps requests to an emulator until it is opened, the first so many of them, or all."""

    def __init__(self, faults: Faults, path: str, method: str | None = None, times: int | None = None) -> None:
        self._faults, self._path = faults, path
        self._number = faults.add(Fault(kind="latency", method=method, path=path, times=times, delay_ms=3_600_000))

    def reached(self) -> None:
        """Waits for a request at the gate."""
        until(
            lambda: any(each["number"] == self._number and each["hit"] for each in self._faults.standing()), self._path
        )

    def open(self) -> None:
        """Lets what waits go on, and what comes later pass."""
        self._faults.clear(self._number)


@contextmanager
def gate(faults: Faults, path: str, method: str | None = None, times: int | None = None) -> Iterator[Gate]:
    """A gate that is open at the latest when the block ends: no server waits for its requests when it is stopped."""
    found = Gate(faults, path, method, times)
    try:
        yield found
    finally:
        found.open()


@contextmanager
def converged(folder: Path, cli: CliInfo) -> Iterator[Checkout]:
    """One whose stack `shell` has run once, beside a Coder of eight workspaces."""
    with Pair(seed=5, workspaces=8, templates=2) as pair:
        checkout = Checkout(folder, cli, pair)
        checkout.json("up", "--stack", "shell")
        yield checkout


class Command:
    """A command under way; what it says is read as it comes."""

    def __init__(
        self,
        checkout: Checkout,
        *arguments: str,
        stdout: int | IO[str] = subprocess.PIPE,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._checkout = checkout
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coderport", *arguments],
            cwd=checkout.folder,
            env=environment or checkout.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._new = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._new:
                self.lines.append(line.rstrip())
                self._new.notify_all()

    def says(self, text: str) -> None:
        """Waits for a line with the text."""
        with self._new:
            assert self._new.wait_for(lambda: any(text in line for line in self.lines), 300), self.lines

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit code; whatever came of the engine, it holds nothing any more."""
        code = self.process.wait(300)
        for reader in self._readers:
            reader.join(60)
        assert not any("Traceback" in line for line in self.lines), "\n".join(self.lines)
        return code
