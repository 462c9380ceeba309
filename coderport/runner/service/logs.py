"""Logs of the service: one JSON object on one line for each event.

An error is shown by its type and by where it came from. Its message is shown only where it is our own: those of
libraries may quote what they were given.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime, timezone
from typing import Any, Final

from coderport.errors import CoderportError

FIELDS: Final = ("run_id", "outcome", "seconds", "reason", "attempt", "runs", "url")
"""What an event may say beside its name; given as `extra`."""


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
                line["message"] = str(error)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Sends every logger of the process to standard error in this form; those of libraries from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("coderport").setLevel(level)


def _place(error: BaseException) -> list[str]:
    """The innermost calls, as `file:line function`."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
