"""A probe: one assumption about a live service, where it comes from, and how the service is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Bench = TypeVar("Bench")
"""What a probe asks with: `PortBench` or `CoderBench`."""

Result = Literal["same", "different", "not asked", "failed"]


class NotAsked(Exception):
    """This service, account or role cannot answer the question; the text says why."""


class Unexpected(Exception):
    """A step on the way to the answer went otherwise than it should have, which is a difference as well."""


@dataclass(frozen=True)
class Probe(Generic[Bench]):
    """One assumption.

    `ask` returns what was seen, as JSON; `expected` is the value that it should be, or finds it (for a service whose
    answer depends on its version). With `at_most` anything up to that number is as expected. `behaviour` names the
    field of the emulator's behaviour that takes what was seen. `is_open` marks a question that no public source
    answers: `expected` is then what the emulator assumes.
    """

    name: str
    question: str
    source: str
    expected: Any
    ask: Callable[[Bench], Any]
    behaviour: str | None = None
    is_open: bool = False
    at_most: bool = False

    def agrees(self, expected: Any, seen: Any) -> bool:
        """Whether what was seen is as expected."""
        return seen <= expected if self.at_most and isinstance(seen, int | float) else bool(seen == expected)

    def expectation(self, bench: Bench) -> Any:
        """The expected value for the service at hand."""
        return self.expected(bench) if callable(self.expected) else self.expected


@dataclass(frozen=True)
class Finding:
    """What came of one probe. `seen` is JSON; where the result is neither `same` nor `different` it is a reason."""

    name: str
    question: str
    source: str
    is_open: bool
    behaviour: str | None
    expected: Any
    seen: Any
    result: Result
    requests: tuple[str, ...]
    """Each request of the probe with its answer, in a line: method, path, status, error code."""
