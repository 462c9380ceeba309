"""What keeps the invariants, by name, each with a way to switch it off: a history that then breaks shows its worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from coderport.coder.reading import proof
from coderport.coder.reading.snapshot import Fate
from coderport.guard.deletions import Disappearances, deletions_verdict
from coderport.guard.ownership import Owner, Whose
from coderport.guard.verdict import Verdict
from coderport.planning.memory import Memory
from coderport.port.client import PortClient
from coderport.runner.service.queue import Workers
from simulation.history import events_of_text, events_text, played, shortest

Off = Callable[[], AbstractContextManager[Any]]


def _patched(target: str, value: Any) -> Off:
    return lambda: mock.patch(target, value)


@contextmanager
def _every_deletion_is_permitted() -> Iterator[None]:
    def permitted(*args: Any, **named: Any) -> Any:
        return replace(deletions_verdict(*args, **named), reasons=())

    with mock.patch("coderport.planning.plan.deletions_verdict", permitted):
        yield


@contextmanager
def _unseen_counts_as_deleted() -> Iterator[None]:
    fates = proof.workspace_fates

    async def guessed(*args: Any, **named: Any) -> Mapping[str, Any]:
        found = await fates(*args, **named)
        return {key: Fate.GONE if isinstance(each, Fate) else each for key, each in found.items()}

    with mock.patch("coderport.coder.reading.snapshot.workspace_fates", guessed):
        yield


@contextmanager
def _all_of_a_kind_may_go() -> Iterator[None]:
    def needs(self: Disappearances) -> bool:
        return len(self.gone) > self.limit or len(self.left_out) > self.allowance

    with mock.patch.object(Disappearances, "needs_release", property(needs)):
        yield


@contextmanager
def _all_is_ours() -> Iterator[None]:
    with mock.patch.object(Owner, "whose", lambda self, held: Whose.OURS):
        yield


@contextmanager
def _a_lost_memory_is_not_noticed() -> Iterator[None]:
    owner = Memory.owner

    def remembering(self: Memory, *args: Any, **named: Any) -> Owner:
        return replace(owner(self, *args, **named), remembers=True)

    with mock.patch.object(Memory, "owner", remembering):
        yield


@contextmanager
def _writes_replace() -> Iterator[None]:
    upsert = PortClient.upsert

    async def replacing(self: PortClient, blueprint: str, entities: Any, **named: Any) -> Any:
        return await upsert(self, blueprint, entities, **{**named, "merge": False})

    with mock.patch.object(PortClient, "upsert", replacing):
        yield


@contextmanager
def _the_service_asks_for_no_open_runs() -> Iterator[None]:
    async def nothing(self: Workers) -> None:
        return None

    with mock.patch.object(Workers, "_take_open", nothing):
        yield


@contextmanager
def _builds_are_not_written_down() -> Iterator[None]:
    with mock.patch("coderport.runner.execution.Steps", lambda _, run_id, __: _steps(run_id)):
        yield


class _NoJournal:
    """Keeps nothing."""

    async def step(self, run_id: str) -> str | None:
        return None

    async def record(self, run_id: str, step: str) -> None:
        return None


def _steps(run_id: str) -> Any:
    from coderport.runner.building import Steps

    return Steps(_NoJournal(), run_id, None)


PROTECTIONS: Mapping[str, Off] = {
    "the guard refuses deletions": _every_deletion_is_permitted,
    "only what Coder reports as deleted counts as deleted": _unseen_counts_as_deleted,
    "never all of a kind while it lives in Coder": _all_of_a_kind_may_go,
    "the guard remembers for a day": _patched("coderport.planning.plan.spent_lately", lambda *_: {}),
    "what others hold is not written over": _patched(
        "coderport.planning.plan.ownership_verdict", lambda *_, **__: Verdict()
    ),
    "whose an entity is": _all_is_ours,
    "a state without a memory deletes nothing that lives": _a_lost_memory_is_not_noticed,
    "writes merge": _writes_replace,
    "only the owner acts on a workspace": _patched("coderport.runner.execution.require_owner", lambda *_: None),
    "the service asks Port for open runs": _the_service_asks_for_no_open_runs,
    "the journal knows the build that a run began": _builds_are_not_written_down,
}
"""By what each is for. What is left out cannot be seen in this world: the lock and the checkpoints are the engine's."""


@dataclass(frozen=True)
class Missed:
    """That a protection is missed: after so many histories, by the last of them; `events` are its shortest form."""

    histories: int
    seed: int
    events: str


def missed(name: str, most: int) -> Missed | None:
    """The first history that breaks with the protection switched off, of so many; None where none does."""
    for seed in range(most):
        with PROTECTIONS[name]():
            broken = played(seed)
            short = shortest(broken) if broken is not None and broken.invariant else None
        if short is not None and played(seed) is None and played(seed, short.events) is None:
            return Missed(seed + 1, seed, events_text(short.events))
    return None


def still_missed(name: str, known: Missed) -> bool:
    """Whether the history of an earlier search still breaks without the protection, and only without it."""
    for events in (events_of_text(known.events), None):
        with PROTECTIONS[name]():
            broken = played(known.seed, events)
        if broken is not None and broken.invariant and played(known.seed, events) is None:
            return True
    return False


__all__ = ["PROTECTIONS", "Missed", "missed", "still_missed"]
