"""Reads of an adversarial Coder, judged by the guard: nothing that exists may ever go."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
import stamina
from adversary import Adversary
from catalog_samples import CONTEXT, MARK, held, holding

from coderport.catalog.values import Entity, LeftOut, Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError
from coderport.coder.reading.snapshot import Fate, Known, Snapshot, read_snapshot
from coderport.guard.deletions import DeletionVerdict, Evidence, deletions_verdict
from coderport.guard.ownership import Owner
from coderport.kinds.desired import desired
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import inventory_of

pytestmark = pytest.mark.dear

HISTORIES = int(os.environ.get("CODERPORT_HISTORIES", "2000"))
NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


async def read(history: Adversary, known: Known, organizations: list[str]) -> Snapshot:
    async with CoderClient("http://coder.test", "token", transport=history) as client:
        return await read_snapshot(client, organizations=organizations, known=known, page_limit=history.page_limit)


def judged(snapshot: Snapshot, known: Known) -> tuple[DeletionVerdict, Evidence]:
    """The verdict over a stack that declared all that is known, and finds it in Port."""
    wanted = desired(inventory_of(snapshot), Filters(), CONTEXT, {}, NOW, timedelta(hours=24))
    before = {"coder_template": known.templates, "coder_workspace": known.workspaces}
    evidence = Evidence(
        desired=wanted.ids(),
        owner=Owner(MARK, before),
        held=holding(
            *(
                held(Entity(blueprint, identifier, identifier, {"managed_by": str(MARK)}, {}))
                for blueprint, identifiers in before.items()
                for identifier in identifiers
            )
        ),
        gone=frozenset(
            Ref(blueprint, key)
            for blueprint, fates in (
                ("coder_template", snapshot.template_fates),
                ("coder_workspace", snapshot.workspace_fates),
            )
            for key, fate in fates.items()
            if fate is Fate.GONE
        ),
        left_out=wanted.left_out,
        seen={"coder_template": len(snapshot.templates), "coder_workspace": len(snapshot.workspaces)},
    )
    return deletions_verdict(evidence), evidence


def test_nothing_that_exists_is_ever_permitted_to_go(figure: Callable[[str], None]) -> None:
    ends: Counter[str] = Counter()
    for seed in range(HISTORIES):
        history = Adversary(seed)
        known = history.known()
        if seed % 3:  # else ids that never existed are known too, and every run is refused
            known = Known(known.templates - history.unknown, known.workspaces - history.unknown)
        organizations = ["ONE"] if "two organizations" in history.mischief and seed % 2 else []
        try:
            snapshot = asyncio.run(read(history, known, organizations))
        except CoderError as error:
            ends[f"failed: {type(error).__name__}"] += 1
            continue
        verdict, evidence = judged(snapshot, known)
        ends["refused" if verdict.refused else "permitted"] += 1
        ends["short"] += not snapshot.whole
        going = {Ref(name, each) for name in ("coder_template", "coder_workspace") for each in verdict.ids(name)}
        ends["deletions"] += len(going)
        outside = {key for key, why in evidence.left_out.items() if why is LeftOut.ORGANIZATION}
        existing = {Ref("coder_workspace", each) for each in history.workspaces}
        existing |= {Ref("coder_template", each) for each in history.templates}
        assert not (going - outside) & existing, f"seed {seed}: {sorted(history.mischief)}"
        assert going <= evidence.gone | outside
    figure(f"guard over {HISTORIES} histories: {dict(ends.most_common())}")
    assert ends["permitted"] > HISTORIES // 10 and ends["deletions"] > 0 and ends["refused"] > 0
