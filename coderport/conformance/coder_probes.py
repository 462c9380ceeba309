"""The probes of Coder."""

from __future__ import annotations

from typing import Any

from coderport.conformance.coder_bench import CoderBench
from coderport.conformance.probe import Probe

_NOBODY = "00000000-0000-4000-8000-000000000000"


def _unknown_workspace(bench: CoderBench) -> Any:
    return bench.ask("GET", f"/workspaces/{_NOBODY}").status


def _count_past_the_end(bench: CoderBench) -> Any:
    first = bench.ask("GET", "/workspaces", limit=1).expect(200)
    past = bench.ask("GET", "/workspaces", limit=1, offset=first.member("count") + 10).expect(200)
    return past.member("count") == first.member("count")


CODER_PROBES: tuple[Probe[CoderBench], ...] = (
    Probe(
        "workspace.unknown",
        "Is a workspace that never was answered with 404, and so not taken for a deleted one?",
        "recorded from Coder 2.20",
        404,
        _unknown_workspace,
    ),
    Probe(
        "workspaces.count-past-the-end",
        "Does the count of the list stay whole where the offset is past the end?",
        "recorded from Coder 2.20",
        True,
        _count_past_the_end,
    ),
)
