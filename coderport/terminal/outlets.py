"""Standard output and error, made safe: what is written, and what happens where nobody takes it.

A reader that goes away, or a disk that is full, ends the command in order instead of breaking it wherever it happens to
print.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

from coderport.terminal import ending
from coderport.terminal.text import uncommanding


class Outlet(io.TextIOBase):
    """Standard output or error. Once it is lost the command is asked to end, and what it still says goes nowhere."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Writes; never raises for a stream that takes nothing any more."""
        if self._stream is not None:
            try:
                self._stream.write(uncommanding(text))
            except (OSError, ValueError) as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """As `write`."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def writable(self) -> bool:
        """Always: where there is nobody to write to, it goes nowhere."""
        return True

    def isatty(self) -> bool:
        """Whether a person may look at it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The system's number of it."""
        if self._stream is None:
            raise OSError(errno.EBADF, "the stream was closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._stream.encoding if self._stream is not None else "utf-8"

    def _lose(self, error: Exception) -> None:
        stream, self._stream = self._stream, None
        assert stream is not None
        try:  # what is buffered is written when Python ends, and must not fail then
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            ending.lose(ending.UNREAD)
        elif stream is sys.__stdout__:
            reason = error.strerror if isinstance(error, OSError) else error
            ending.lose(ending.Cause(f"its standard output, which cannot be written to ({reason})", 1))


def open_outlets() -> None:
    """Puts outlets in the place of standard output and error; one that was closed takes all and shows nothing."""
    for number in range(3):  # or the next file that is opened would take the number, and the output
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = Outlet(sys.stdout), Outlet(sys.stderr)
