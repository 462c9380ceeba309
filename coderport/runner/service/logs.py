"""Logs of the service: one JSON object on one line for each event.

What strangers can cause is told a few times a minute, with how often it happened besides: they cannot fill a disk.
An error is shown by its type and by where it came from. Its message is shown only where it is our own: those of
libraries may quote what they were given.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

from coderport.errors import CoderportError
from coderport.terminal.remedy import runnable_here
from coderport.terminal.text import json_line

FIELDS: Final = (
    *("run_id", "outcome", "seconds", "reason", "attempt", "runs", "url", "not_shown"),
    *("feed", "covers", "templates", "orders", "entity", "count"),
)
"""What an event may say beside its name; given as `extra`."""
SHOWN: Final = 5
WINDOW_SECONDS: Final = 60.0
_MOST_KINDS: Final = 1000


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line |= {"error": type(error).__name__, "at": _place(error)}
            if isinstance(error, CoderportError):
                line["message"] = runnable_here(str(error))
        return json_line(json.dumps(line, ensure_ascii=False))


class Sparing(logging.Filter):
    """Lets SHOWN events of a kind through in each WINDOW_SECONDS, and says with the next one how many were not shown.

    An event that names a run is always shown: a run is only named under Port's signature. Kinds are texts of this
    program and of its libraries, never what somebody sent, so that there are few of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str, str], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is shown."""
        if hasattr(record, "run_id"):
            return True
        now = self._clock()
        kind = (record.name, str(record.msg)[:100], str(getattr(record, "reason", "")))
        # When the window began, how many were shown in it, how many were not since the last one that was.
        if len(self._kinds) >= _MOST_KINDS and kind not in self._kinds:
            self._kinds.clear()
        window = self._kinds.setdefault(kind, [now, 0.0, 0.0])
        if now - window[0] >= WINDOW_SECONDS:
            window[0], window[1] = now, 0.0
        if window[1] >= SHOWN:
            window[2] += 1
            return False
        window[1] += 1
        if window[2]:
            record.not_shown, window[2] = int(window[2]), 0.0
        return True


def log_to_stderr(level: int = logging.INFO) -> None:
    """Sends every logger of the process to standard error in this form; those of libraries from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    handler.addFilter(Sparing())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("coderport").setLevel(level)
    logging.getLogger("stamina").setLevel(logging.ERROR)  # the clients say themselves what they wait for


def _place(error: BaseException) -> list[str]:
    """The innermost calls, as `file:line function`."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
