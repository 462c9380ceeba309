"""The beginning: what the stack remembers, what Port holds, a whole and proven read of Coder, and one comparison."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from coderport.catalog.agreement import differences
from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import read_snapshot
from coderport.engine.resources import Resources
from coderport.errors import CoderportError
from coderport.guard.allowance import LetGo, let_go
from coderport.kinds.all import blueprints_of, kinds_asked
from coderport.kinds.inventory import inventory_of, known_in_snapshot
from coderport.live.catalog import Ground
from coderport.live.values import KEPT, Reading
from coderport.planning.difference import Difference
from coderport.planning.holdings import holdings
from coderport.planning.memory import Memory, rebuilt
from coderport.planning.past import Past, known_of
from coderport.planning.plan import Plan, judge
from coderport.port.client import PortClient
from coderport.settings import Actions, Releases, Settings
from coderport.stack.comparison import misfits
from coderport.stack.stack import SUCCEEDED

_ANY_NUMBER = 10**9


class LiveStack(Protocol):
    """The stack, as far as `live` looks at it."""

    @property
    def name(self) -> str: ...
    @property
    def managed_by(self) -> str: ...
    @property
    def directory(self) -> Path: ...
    def settings(self) -> Settings: ...
    def memory(self) -> Memory: ...
    def resources(self) -> Resources: ...
    def trace(self) -> str: ...


class NotFit(CoderportError):
    """Port or the stack is not as this version declares it: a run has to come first, and the message names it."""


@dataclass(frozen=True)
class Beginning:
    """The ground to stand on, and the whole read as the first reading: what it takes is ordered from it.

    `fit` is the fingerprint of the settings and the version that the stack's last run had, `trace` the trace of the
    stack's runs of before it was read. `missing` is what the stack has declared, that is to go, and that Port lacks
    already: what was deleted of it since the last run, as far as that can be seen.
    """

    ground: Ground
    reading: Reading
    fit: str
    trace: str
    missing: LetGo


async def begin(stack: LiveStack, settings: Settings, coder: CoderClient, port: PortClient) -> Beginning:
    """Reads both sides whole. NotFit where a run has to come first, Refusal where Coder or Port are others."""
    trace = await asyncio.to_thread(stack.trace)
    memory = await asyncio.to_thread(stack.memory)
    held = await holdings(port, kinds_asked(settings), uses=settings.blueprints == "use")
    past = Past(memory, held, memory.mark(stack.managed_by))
    insist_on_fit(stack.name, settings, past)
    if not past.is_complete:
        past = past.completed(rebuilt(await asyncio.to_thread(stack.resources)))
    ground_settings, past = _entities_alone(settings, past)
    asked = time.monotonic()
    snapshot = await read_snapshot(
        coder, organizations=settings.coder_organizations, known=known_in_snapshot(known_of(past, ground_settings))
    )
    read = inventory_of(snapshot)
    # What may not go is judged by its own limits, over time; all else that would stop a run stops this as well.
    anything = Releases(allow_deletions=_ANY_NUMBER, forget_unproven=_ANY_NUMBER)
    now = datetime.now(timezone.utc)
    plan, verdict = judge(ground_settings, anything, past, read, {}, now)
    if verdict.refused:
        raise NotFit(verdict.text())
    reading = Reading(
        asked,
        {**snapshot.templates, **snapshot.outside_templates},
        {**snapshot.workspaces, **snapshot.outside_workspaces},
        gone=read.gone,
    )
    return Beginning(Ground(ground_settings, past, snapshot), reading, memory.fit, trace, _missing(plan, now))


def _missing(plan: Plan, now: datetime) -> LetGo:
    found = LetGo()
    for blueprint in KEPT:
        name = blueprint.identifier
        going = plan.disappearing[name]
        if deleted := going.absent & going.gone:
            found += let_go(name, len(deleted), now, living=False)
        if living := going.absent & going.left_out.keys():
            found += let_go(name, len(living), now, living=True)
    return found


def insist_on_fit(stack: str, settings: Settings, past: Past) -> None:
    """NotFit unless the last run of the stack was by this version with these settings, and Port's blueprints fit."""
    reasons = list(_misfits(settings, past))
    if reasons:
        listed = "".join(f"\n  {each}" for each in reasons)
        raise NotFit(
            f"Nothing is written to Port yet, because a run has to come first:{listed}\n"
            f"  python -m coderport up --stack {stack}"
        )


def blueprint_misfits(settings: Settings, blueprints: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """How Port's blueprints, by identifier, are not as a run with these settings declares them: a clause each."""
    for each in blueprints_of(kinds_asked(settings)):
        live = blueprints.get(each.identifier)
        if live is None:
            yield f"Port has no blueprint {each.identifier}"
        elif found := differences(each, live):
            yield f"Port's blueprint {each.identifier} is not as declared ({found[0]})"


def _misfits(settings: Settings, past: Past) -> Iterator[str]:
    yield from misfits(settings, replace(past, unremembered={}), Difference(), SUCCEEDED)
    yield from blueprint_misfits(settings, past.held.blueprints)


def _entities_alone(settings: Settings, past: Past) -> tuple[Settings, Past]:
    """The same stack as one without actions and answers: `live` neither declares nor deletes any."""
    quiet = settings.model_copy(update={"actions": Actions(), "answers": ()})
    memory = past.memory
    fit = quiet.fingerprint if memory.fit == settings.fingerprint else memory.fit
    return quiet, replace(past, memory=replace(memory, actions=frozenset(), answers=frozenset(), fit=fit))
