"""SECURITY.md claims nothing that no test or file holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

from test_workflows import jobs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_what_holds_a_claim_exists() -> None:
    rows = PAGE.split("| Claim | Held by |", 1)[1].splitlines()[2:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`([\w./-]+\.(?:py|yml)|Makefile)(?:: (\w+))?`", row.split("|")[2])
        assert named, row
        for path, test in named:
            text = (ROOT / path).read_text(encoding="utf-8")
            defined = set(re.findall(r"^ *(?:async )?def (\w+)", text, re.MULTILINE))
            assert not test or test in defined, f"{path} has no {test}"


def test_the_rights_on_github_are_those_of_the_workflows() -> None:
    claimed = re.findall(r"^\| `([\w-]+)\.yml`[^|]*\|.*\|([^|]+)\|$", PAGE, re.MULTILINE)
    of_workflow: dict[str, set[str]] = {}
    for name, text in claimed:
        of_workflow.setdefault(name, set()).update(re.findall(r"`([\w-]+: \w+)`", text))
    given: dict[str, set[str]] = {}
    for name, job in jobs():
        rights = {f"{right}: {much}" for right, much in job["permissions"].items()}
        given.setdefault(name.partition(".")[0], set()).update(rights)
    assert given == of_workflow


def test_as_many_protections_are_missed_as_the_page_says() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "protections.json").read_text(encoding="utf-8"))
    assert "Eleven protections" in PAGE
    assert len(results.get("protections", results)) == 11
