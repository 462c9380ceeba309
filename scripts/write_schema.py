"""Writes the JSON schema of what `--json` and `--summary` say to docs/, from the code.

Run it after a change of the outcome: `.venv/bin/python scripts/write_schema.py`. tests/test_report_changes.py holds the
file to what this would write, and outcomes to the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from coderport.adoption.report import AdoptionOutcome
from coderport.commands.drift import DriftOutcome
from coderport.report.outcome import FORMAT, Outcome

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / f"outcome.v{FORMAT}.schema.json"


def schema() -> dict[str, Any]:
    """The schema of an outcome; those of `drift` and of `adopt` have more."""
    written = TypeAdapter(DriftOutcome | AdoptionOutcome | Outcome).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What a command of coderport did, format {FORMAT}",
        **written,
    }


def text() -> str:
    """The file."""
    return f"{json.dumps(schema(), indent=1, ensure_ascii=False)}\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
