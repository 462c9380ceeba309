"""Asking the probes one after the other, and what came of them as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from coderport.conformance.probe import Bench, Finding, NotAsked, Probe, Result, Unexpected
from coderport.conformance.talk import BudgetSpent, ConformanceError, Talk

Told = Callable[[Finding], None]


@dataclass(frozen=True)
class Report:
    """A whole run: the findings, and what could not be removed afterwards."""

    service: str
    address: str
    prefix: str
    findings: tuple[Finding, ...]
    requests: int
    seconds: float
    left: tuple[str, ...] = ()
    version: str = ""
    """What the service calls its own version; Port has none."""

    def count(self, result: Result) -> int:
        """How many probes ended so."""
        return sum(finding.result == result for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """1 where something failed or was left behind, 4 where the service differs, else 0."""
        if self.left or self.count("failed"):
            return 1
        return 4 if self.count("different") else 0


def findings(probes: Iterable[Probe[Bench]], bench: Bench, talk: Talk) -> Iterator[Finding]:
    """Each probe's finding. A service that stops answering ends the run: the other probes are `not asked`."""
    silent: str | None = None
    for probe in probes:
        talk.lines.clear()
        expected: Any = None
        result: Result = "not asked"
        if silent is not None:
            seen: Any = silent
        else:
            try:
                expected = probe.expectation(bench)
                seen = probe.ask(bench)
                result = "same" if probe.agrees(expected, seen) else "different"
            except Unexpected as unexpected:
                seen, result = str(unexpected), "different"
            except (
                LookupError,
                TypeError,
                AttributeError,
                ValueError,
            ) as odd:  # a member that is not there, or is something else
                seen, result = f"an answer of another shape ({type(odd).__name__}: {odd})", "different"
            except NotAsked as reason:
                seen = str(reason)
            except BudgetSpent:
                seen = "there were no requests left"
            except ConformanceError as error:
                silent = "the service stopped answering"
                seen, result = str(error), "failed"
        yield Finding(
            probe.name,
            probe.question,
            probe.source,
            probe.is_open,
            probe.behaviour,
            expected,
            seen,
            result,
            tuple(talk.lines),
        )
