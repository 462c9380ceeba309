"""A command at a terminal of its own, with somebody who reads and answers."""

from __future__ import annotations

import os
import pty
import select
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECONDS = 300.0


class Terminal:
    """The command; `says` waits for a text and `answers` types a line. What was shown is in `shown`."""

    def __init__(self, command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        self.shown = ""
        self._read_to = 0
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.chdir(cwd)
            os.execve(command[0], list(command), dict(environ))

    def says(self, text: str) -> None:
        """Returns once the text was shown, after all that was waited for before."""
        while (at := self.shown.find(text, self._read_to)) < 0:
            assert self._more(), f"{text!r} was not said:\n{self.shown}"
        self._read_to = at + len(text)

    def answers(self, line: str) -> None:
        """Types the line, and Enter."""
        self.types(f"{line}\n")

    def types(self, keys: str) -> None:
        """Presses these keys and no others."""
        os.write(self._file, keys.encode())

    def ended(self) -> int:
        """The exit code, when all is shown."""
        while self._more():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _more(self) -> bool:
        ready, _, _ = select.select([self._file], [], [], _SECONDS)
        assert ready, f"nothing more came:\n{self.shown}"
        try:
            part = os.read(self._file, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += part.decode(errors="replace")
        return bool(part)
