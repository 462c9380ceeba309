"""What the provider cost, left in a file for the command that started the engine."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from coderport.port.client import PortClient

VARIABLE = "CODERPORT_STATS_FILE"
PROGRAM_FILE = "program.json"
"""The account of the program, which lies beside the file."""


class Stats:
    """Writes `{"requests", "writes", "retries", "waited"}` to `<CODERPORT_STATS_FILE>.<pid>`, whole or not at all."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get(VARIABLE)
        self._path = Path(f"{path}.{os.getpid()}") if path else None
        self._client: PortClient | None = None
        self._written: dict[str, float] = {}

    def waited_by_program(self) -> float:
        """Seconds that the program of this run has spent on servers that fail: of its budget the provider has the rest.

        The program leaves its account beside this file before it registers anything.
        """
        if self._path is None:
            return 0.0
        try:
            return float(json.loads(self._path.with_name(PROGRAM_FILE).read_text(encoding="utf-8"))["waited"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def watch(self, client: PortClient) -> None:
        """Count this client from now on."""
        self._client = client

    def write(self) -> None:
        """Bring the file up to date; it is a by-product, so a folder that is gone is nobody's failure."""
        if self._path is None or self._client is None:
            return
        counts = {
            "requests": self._client.requests,
            "writes": self._client.writes,
            "retries": self._client.retries,
            "waited": round(self._client.waited, 3),
        }
        if counts == self._written:
            return
        self._written = counts
        partial = self._path.with_name(f".{self._path.name}.partial")
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(counts), encoding="utf-8")
            partial.replace(self._path)
