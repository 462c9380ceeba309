"""Writes what `coderport up` or `sync` left with `--summary` as the Markdown of a job's page.

Usage: run_summary.py COMMAND STACK SUMMARY_FILE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from coderport.report.comment import LONGEST_MESSAGE, beginning, code_span, fenced, table
from coderport.terminal.text import markdown


def page(command: str, stack: str, result: Mapping[str, Any] | None) -> str:
    """The page's section; without a result the run ended before it could leave one."""
    if result is None:
        return f"### coderport {command} of {code_span(stack)}: no result\n\nThe log says how far it came.\n"
    seconds = (result.get("seconds") or {}).get("total", 0.0)
    requests = (
        f"{seconds:,.1f} s. Coder: {result.get('coder_requests', 0):,} requests. Port: "
        f"{result.get('port_requests', 0):,} requests, {result.get('port_writes', 0):,} of them writes. "
        f"Retries: {result.get('retries', 0):,}."
    )
    parts = [
        f"### coderport {command} of {code_span(stack)}: {markdown(str(result.get('result')))}",
        table(result.get("kinds") or {}),
        requests,
    ]
    if result.get("message"):
        parts.append(fenced(beginning(str(result["message"]), LONGEST_MESSAGE)))
    return "\n\n".join(parts) + "\n"


def _read(file: Path) -> Mapping[str, Any] | None:
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


if __name__ == "__main__":
    name, of, left = sys.argv[1:]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # what GitHub takes
    print(page(name, of, _read(Path(left))), end="")
