"""The tables of probes in docs/conformance.md: `python -m coderport.conformance.documented` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from coderport.conformance.coder_probes import CODER_PROBES
from coderport.conformance.port_probes import PORT_PROBES
from coderport.conformance.probe import Probe

PAGE: Final = Path(__file__).parents[2] / "docs" / "conformance.md"


def documented(page: str) -> str:
    """The page with its tables as the probes are now."""
    for service, probes in (("port", PORT_PROBES), ("coder", CODER_PROBES)):
        page = _between(page, f"<!-- probes of {service} -->\n", f"<!-- end of {service} -->", _table(probes))
    return page


def _table(probes: Sequence[Probe[Any]]) -> str:
    rows = ["| Probe | Question | Expected | Source |", "|---|---|---|---|"]
    for probe in probes:
        expected = "by version" if callable(probe.expected) else f"`{_text(probe.expected)}`"
        expected = f"at most {expected}" if probe.at_most else expected
        source = f"open: {probe.source}" if probe.is_open else probe.source
        rows.append("| " + " | ".join(_cell(each) for each in (probe.name, probe.question, expected, source)) + " |")
    return "\n".join(rows) + "\n"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _between(page: str, start: str, end: str, text: str) -> str:
    head, _, rest = page.partition(start)
    _, _, tail = rest.partition(end)
    return f"{head}{start}{text}{end}{tail}"


if __name__ == "__main__":
    PAGE.write_text(documented(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
