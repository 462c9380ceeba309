"""Whether the token still sees what it saw: one that lost its rights gets fewer rows from Coder, and no error."""

from __future__ import annotations

import time
from collections.abc import Iterable

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderTokenTooWeak
from coderport.coder.models import Organization
from coderport.coder.reading.breadth import measured_breadth, refuse_if_too_narrow
from coderport.kinds.workspace import WORKSPACE
from coderport.live.catalog import Catalog
from coderport.live.values import KEPT, Hint, Reading
from coderport.terminal.remedy import COMMAND

SOONEST = 60.0
"""Seconds between two looks at least, where something is not shown."""
LATEST = 600.0
"""Seconds between two looks at most, where all is well; less where the re-read comes round sooner."""
ASKED_AGAIN = 6
"""Of what Coder neither shows nor calls deleted so much is asked for again with each part of the re-read."""


class Sight:
    """What the token may read, by its rights, and what Coder neither shows nor calls deleted."""

    def __init__(self, coder: CoderClient, catalog: Catalog, stack: str) -> None:
        self._coder, self._catalog, self._stack = coder, catalog, stack
        self._organizations: dict[str, Organization] = {}
        self._unproven: dict[Ref, float] = {}
        self._narrow = ""
        self._looked_at = time.monotonic()

    def is_due(self, *, misses_some: bool) -> bool:
        """Whether to look again: sooner where some of what Port holds is not shown, or the rights were too narrow."""
        soon = misses_some or self._narrow
        latest = min(LATEST, self._catalog.ground.settings.live.resync.total_seconds())
        return time.monotonic() - self._looked_at >= (SOONEST if soon else latest)

    async def look(self) -> None:
        """Asks Coder for the token's rights. Raises a CoderError where it does not answer."""
        self._looked_at = time.monotonic()
        current = self._catalog.ground.snapshot.organizations
        self._organizations |= {each.id: each for each in current}
        held = self._catalog.held[WORKSPACE.identifier]
        filled = {held[each].properties.get("organization_id") for each in self._catalog.ours(WORKSPACE.identifier)}
        # One that is gone has no workspaces either: one with some is there, and not shown.
        scope = {*(each.id for each in current), *(self._organizations.keys() & filled)}
        breadth = await measured_breadth(self._coder, tuple(self._organizations[str(each)] for each in sorted(scope)))
        try:
            refuse_if_too_narrow(breadth)
        except CoderTokenTooWeak:
            self._narrow = breadth.text
        else:
            self._narrow = ""

    def worth_asking(self, unseen: Iterable[Hint]) -> tuple[Hint, ...]:
        """Of what the re-read did not see: what to look at. Each that Coder did not show is asked for by itself."""
        if self._narrow:
            return ()
        unseen = list(unseen)
        known = sorted((each for each in unseen if each.key in self._unproven), key=lambda one: self._unproven[one.key])
        return (*(each for each in unseen if each.key not in self._unproven), *known[:ASKED_AGAIN])

    def seen(self, reading: Reading) -> None:
        """Takes what was read: what is shown or deleted is not in doubt."""
        shown = {Ref(WORKSPACE.identifier, each) for each in reading.workspaces}
        for key in self._unproven.keys() & (shown | reading.gone):
            del self._unproven[key]

    def proved(self, asked: Iterable[Ref], reading: Reading) -> None:
        """Takes what became of those that were asked for one by one. Where one is back, all are worth asking again."""
        before = len(self._unproven)
        self.seen(reading)
        if len(self._unproven) < before:
            self._unproven.clear()
        shown = {*reading.workspaces, *reading.templates, *(key.identifier for key in reading.gone)}
        for key in asked:
            if key.identifier not in shown and self._catalog.has(key) is not None:
                self._unproven[key] = time.monotonic()

    @property
    def lost(self) -> str:
        """Why what Coder shows is not to be relied on, for a person; empty where all is well."""
        if self._narrow:
            return f"the Coder token has lost sight of a part, which stays in Port as it was. {self._narrow}"
        limits = self._catalog.ground.settings.guard
        for kind, (number, ours) in self._in_doubt().items():
            if number == ours or number > limits.for_deleted(ours):
                return (
                    f"Coder neither shows nor calls deleted {number} of {ours} entities of {kind}, as where its token "
                    "has lost rights. They stay in Port as they were, and a run would refuse as well: "
                    f"{COMMAND} preview --stack {self._stack}"
                )
        return ""

    @property
    def doubts(self) -> str:
        """What Coder neither shows nor calls deleted, for a person; empty where that is nothing."""
        told = (f"{number} of {ours} entities of {kind}" for kind, (number, ours) in self._in_doubt().items())
        said = " and ".join(told)
        return f"Coder neither shows nor calls deleted {said}: they stay in Port as they were." if said else ""

    def _in_doubt(self) -> dict[str, tuple[int, int]]:
        """By the blueprint's title: how many of ours are not shown and not deleted, and how many are ours."""
        found: dict[str, tuple[int, int]] = {}
        for kind in KEPT if self._unproven else ():
            ours = set(self._catalog.ours(kind.identifier))
            number = sum(key.blueprint == kind.identifier and key.identifier in ours for key in self._unproven)
            if number:
                found[kind.title] = (number, len(ours))
        return found
