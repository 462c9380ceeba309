"""Kinds that a stack has declared and that its settings ask for no longer: what goes, and what has to stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from coderport.catalog.actions.values import Action
from coderport.catalog.answers.values import Answer
from coderport.guard.definitions import kinds_command
from coderport.guard.deletions import DeletionVerdict
from coderport.guard.dependents import Surroundings, dependents, requirers, requirers_verdict
from coderport.guard.verdict import Verdict
from coderport.kinds.all import KIND_OF, kinds_asked
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.settings import Settings


def keepers_of(
    settings: Settings,
    memory: Memory,
    held: Holdings,
    asked: Collection[str],
    going: DeletionVerdict,
    actions: Iterable[Action],
    answers: Iterable[Answer],
) -> dict[str, tuple[str, ...]]:
    """What keeps blueprints of former kinds, in words, by blueprint; `asked` are those of the kinds of today.

    One that nothing keeps goes: its entities by a release, or there were none. Where a stack only uses blueprints, it
    still uses those with entities.
    """
    own_actions = memory.actions | {each.identifier for each in actions}
    own_answers = memory.answers | {each.key for each in answers}
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(memory.blueprints.intersection(KIND_OF, held.blueprints).difference(asked)):
        words: tuple[str, ...] = ()
        if number := len(held.entities.get(name, {}).keys() - going.ids(name)):
            words = ("1 entity" if number == 1 else f"{number:,} entities",)
        if settings.blueprints == "manage" and held.around is not None:
            words += dependents(name, held.around, own_actions, own_answers)
        if words:
            found[name] = words
    return found


def former_verdict(settings: Settings, held: Holdings, asked: Collection[str], going: DeletionVerdict) -> Verdict:
    """Whether Port would delete what goes with the former kinds: all of it, or nothing is begun."""
    leaving = (name for name, its in going.kinds.items() if name in KIND_OF and name not in asked and its.alive)
    around = held.around or Surroundings()
    several = {name: found for name in leaving if (found := requirers(name, around))}
    again = kinds_command(settings.of_stack, [*kinds_asked(settings), *(KIND_OF[name] for name in several)])
    return requirers_verdict(several, again)
