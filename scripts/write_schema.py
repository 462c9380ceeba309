"""Writes the JSON schemas of what commands say for machines to docs/, from the code.

Run it after a change of the outcome or of `ls`: `.venv/bin/python scripts/write_schema.py`. The tests
test_report_changes.py and test_listing.py hold the files to what this would write, and what is said to them.
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
from coderport.listing import listed
from coderport.report.outcome import FORMAT, Outcome

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
FILE: Final = DOCS / f"outcome.v{FORMAT}.schema.json"
LISTING: Final = DOCS / f"listing.v{listed.FORMAT}.schema.json"

SAID: Final[dict[Path, tuple[str, TypeAdapter[Any]]]] = {
    # Those of `drift` and of `adopt` have more than an outcome.
    FILE: (f"What a command of coderport did, format {FORMAT}", TypeAdapter(DriftOutcome | AdoptionOutcome | Outcome)),
    LISTING: (f"What `ls` lists, format {listed.FORMAT}", TypeAdapter(listed.Entities | listed.Kinds)),
}
"""By file the title of the schema, and what it is of."""


def schema(file: Path = FILE) -> dict[str, Any]:
    """The schema that belongs into the file."""
    title, said = SAID[file]
    written = said.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **written}


def text(file: Path = FILE) -> str:
    """The file."""
    return f"{json.dumps(schema(file), indent=1, ensure_ascii=False)}\n"


if __name__ == "__main__":
    for each in SAID:
        each.write_text(text(each), encoding="utf-8")
