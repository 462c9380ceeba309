"""The trace of a stack's runs in a folder backend changes when one begins and when one ends, and not between."""

from __future__ import annotations

from pathlib import Path

import pytest

from coderport.engine.holding import held
from coderport.engine.trace import trace_of


@pytest.mark.parametrize("by_project", [True, False])
def test_a_run_changes_the_trace_as_it_begins_and_as_it_ends(tmp_path: Path, by_project: bool) -> None:
    state = tmp_path / ".pulumi"
    file = state / "stacks" / ("coderport/prod.json" if by_project else "prod.json")
    file.parent.mkdir(parents=True)
    if by_project:
        (state / "meta.yaml").write_text("version: 1\n")
    file.write_text("{}")

    def trace() -> str:
        return trace_of(tmp_path, "coderport", "prod")

    before = trace()
    assert trace() == before
    with held(tmp_path, "coderport", "prod"):
        under_way = trace()
        file.write_text("a checkpoint")
        assert trace() == under_way != before
    after = trace()
    assert after not in (before, under_way)
    with held(tmp_path, "coderport", "other"):
        assert trace() == after


def test_a_folder_that_is_gone_is_another_trace(tmp_path: Path) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "coderport" / "prod.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert trace_of(tmp_path, "coderport", "prod") != trace_of(tmp_path / "gone", "coderport", "prod")
