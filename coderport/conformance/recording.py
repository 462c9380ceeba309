"""A run as a table for people and as a JSON recording."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from coderport import __version__
from coderport.conformance.running import Report
from coderport.emulators.coder.flavour import NEWEST, OLDEST
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.seen import as_seen
from coderport.errors import CoderportError
from coderport.transport.shown import cleaned

FORMAT: Final = 1
_WIDTH: Final = 160
_STYLES: Final = {"same": "green", "different": "red", "not asked": "dim", "failed": "red"}


def as_json(report: Report) -> dict[str, Any]:
    """The recording: what the emulator can take its behaviour from (`emulate --as`). It holds no credentials."""
    return {
        "format": FORMAT,
        "coderport": __version__,
        "service": report.service,
        "address": report.address,
        "prefix": report.prefix,
        "version": report.version,
        "requests": report.requests,
        "seconds": round(report.seconds, 1),
        "left": list(report.left),
        "probes": [asdict(finding) for finding in report.findings],
    }


def read_recording(file: Path) -> dict[str, Any]:
    """A recording that `--out` wrote."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CoderportError(f"{file} cannot be read as a recording of `conformance`: {error}") from None
    if not isinstance(found, Mapping) or found.get("format") != FORMAT or not _complete(found):
        raise CoderportError(f"{file} is not a recording that this version of `conformance --out FILE` wrote.")
    return dict(found)


def _complete(recording: Mapping[str, Any]) -> bool:
    """Whether it has what the emulators take from it."""
    probes = recording.get("probes")
    if not isinstance(probes, list) or recording.get("service") not in ("port", "coder"):
        return False
    return all(isinstance(probe, dict) and {"behaviour", "seen"} <= probe.keys() for probe in probes)


def behaviours(recordings: Sequence[Path]) -> tuple[Behaviour | None, dict[str, Any]]:
    """How the emulated Port (None: as it does by itself) is to behave by these recordings, and Coder's settings."""
    port: Behaviour | None = None
    coder: dict[str, Any] = {}
    for file in recordings:
        found = read_recording(file)
        if found["service"] == "port":
            port = as_seen(port or Behaviour(), found["probes"])
        else:
            seen = {probe["behaviour"]: probe["seen"] for probe in found["probes"] if probe["behaviour"]}
            flags = {name: value for name, value in seen.items() if isinstance(value, bool)}
            coder = {"flavour": _known(found.get("version"), file), "behaviour": flags}
    return port, coder


def _known(version: Any, file: Path) -> str:
    """The nearest version that the emulated Coder has."""
    said = re.match(r"(\d+)\.(\d+)", version, re.ASCII) if isinstance(version, str) else None
    if said is None:
        raise CoderportError(
            f"{file} does not say of which version Coder was. Write one that is near into its `version`, "
            f'as "{NEWEST[0]}.{NEWEST[1]}".'
        )
    major, minor = min(max((int(said[1]), int(said[2])), OLDEST), NEWEST)
    return f"{major}.{minor}"


def show(report: Report, console: Console) -> None:
    """The table, then each difference with its question and source, then the figures."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "probe", "expected", "seen"):
        table.add_column(heading, overflow="fold")
    for finding in report.findings:
        style = _STYLES[finding.result]
        table.add_row(finding.result, finding.name, _text(finding.expected), _text(finding.seen), style=style)
    # A log is taken for 80 columns wide, in which the table would fold.
    log = Console(file=console.file, width=_WIDTH, highlight=False, markup=False)
    (console if console.is_terminal else log).print(table)
    for finding in report.findings:
        if finding.result == "different":
            kind = "open question, the emulator assumes" if finding.is_open else "expected"
            console.print(f"\n{finding.name}: {finding.question}")
            console.print(f"  {kind}: {_text(finding.expected)} ({finding.source})")
            console.print(f"  seen: {_text(finding.seen)}")
    for what in report.left:
        console.print(f"left behind: {what}", style="red")
    if report.left:
        console.print(f"Remove it with `python -m coderport conformance --{report.service} --clean-up`.", style="red")
    console.print(
        f"{report.count('same')} as expected, {report.count('different')} different, "
        f"{report.count('not asked')} not asked, {report.count('failed')} failed: "
        f"{report.requests} requests, {report.seconds:.1f} s"
    )


def _text(value: Any) -> str:
    return cleaned(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), ())
