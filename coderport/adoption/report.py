"""What an adoption comes to, for people and machines: the same values in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from coderport.adoption.reading import Reading
from coderport.adoption.values import Adoption, T, W
from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.agreement import migrated
from coderport.catalog.agreement import Agreement, agreement, differences
from coderport.kinds.all import BLUEPRINTS
from coderport.planning.plan import Plan
from coderport.port.models import PortEntity
from coderport.report.outcome import Outcome
from coderport.settings import Settings
from coderport.terminal.text import first_of

NAMED = 3
"""How many differences of a definition are named."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Renamed(_Value):
    """A template's entity that stays: from `identifier` to `template`, or the same where it had that already.

    `takes` are the properties of others that only its siblings have.
    """

    template: str
    identifier: str
    title: str
    why: str
    takes: tuple[str, ...] = ()


class Row(_Value):
    """An entity, and why what is said of it is so."""

    blueprint: str
    identifier: str
    title: str
    why: str


class Moved(_Value):
    """An entity whose relations lead to the one that stays from then on: [before, after] by relation."""

    blueprint: str
    identifier: str
    title: str
    relations: Mapping[str, tuple[Any, Any]]


class Definition(_Value):
    """A blueprint, action or scorecard that Port has, and what the next `up` does with it."""

    kind: Literal["blueprint", "action", "scorecard"]
    identifier: str
    next_up: str


class Report(_Value):
    """All of it, `siblings` and `gone` with what is deleted; the command that ran says whether it was done.

    `stayed` was to go, and was changed or related to while the command ran.
    """

    renamed: tuple[Renamed, ...] = ()
    siblings: tuple[Row, ...] = ()
    moved: tuple[Moved, ...] = ()
    gone: tuple[Row, ...] = ()
    taken_over: tuple[Row, ...] = ()
    left: tuple[Row, ...] = ()
    stayed: tuple[Row, ...] = ()
    definitions: tuple[Definition, ...] = ()


class AdoptionOutcome(Outcome):
    """An outcome with the report; None where nothing could be decided. `history` names the run that `undo` takes."""

    adoption: Report | None = None
    history: str = ""


def report_of(reading: Reading, settings: Settings, plan: Plan) -> Report:
    """The report before anything is written; `plan` is that of the next `up`."""
    adoption = reading.adoption
    return Report(
        renamed=tuple(
            Renamed(
                template=each.template,
                identifier=each.keeper.identifier,
                title=each.keeper.title,
                why=each.why,
                takes=tuple(each.properties),
            )
            for each in adoption.families
        ),
        siblings=tuple(
            row(sibling, f"sibling of {family.template}") for family in adoption.families for sibling in family.siblings
        ),
        moved=tuple(
            Moved(
                blueprint=each.entity.blueprint,
                identifier=each.identifier,
                title=each.entity.title,
                relations=each.relations,
            )
            for each in adoption.moves
        ),
        gone=rows(adoption.gone, "deleted in Coder"),
        taken_over=rows(adoption.taken_over, "the next `up` makes it this stack's"),
        left=tuple(row(each.entity, each.why) for each in adoption.left),
        definitions=tuple(_definitions(reading, settings, plan)),
    )


def rows(entities: Iterable[PortEntity], why: str) -> tuple[Row, ...]:
    """A row for each, with the same reason."""
    return tuple(row(each, why) for each in entities)


def row(entity: PortEntity, why: str) -> Row:
    """The entity as a row."""
    return Row(blueprint=entity.blueprint, identifier=entity.identifier, title=entity.title, why=why)


def counts_of(adoption: Adoption) -> dict[str, int]:
    """How many entities of each of our blueprints are left as they are."""
    settled = {each.template for each in adoption.families if each.changed}
    touched = {T: len(settled), W: 0}
    for move in adoption.moves:
        if move.entity.blueprint in touched and move.identifier not in settled:
            touched[move.entity.blueprint] += 1
    for blueprint, ids in adoption.going.items():
        touched[blueprint] += len(ids)
    return {blueprint: max(0, adoption.held.get(blueprint, 0) - number) for blueprint, number in touched.items()}


def _definitions(reading: Reading, settings: Settings, plan: Plan) -> Iterator[Definition]:
    held, memory = reading.past.held, reading.past.memory
    for blueprint in BLUEPRINTS:
        live = held.blueprints.get(blueprint.identifier)
        if live is not None:
            found = differences(blueprint, live)
            ours = blueprint.identifier in memory.blueprints or settings.take_over
            if agreement(found) is Agreement.CONFLICT:
                said = f"refused: {_listed([each for each in found if each.conflict])}"
            elif settings.blueprints == "use":
                said = "the stack that manages the blueprints has it"
            else:
                said = _said("extended", found, ours)
            yield Definition(kind="blueprint", identifier=blueprint.identifier, next_up=said)
            for card in reading.scorecards.get(blueprint.identifier, ()):
                said = "left as it is; its levels go on with the entities"
                yield Definition(kind="scorecard", identifier=card, next_up=said)
    declared = {each.identifier: each for each in plan.actions}
    for identifier, live in sorted(reading.actions.items()):
        action = declared.get(identifier)
        if action is not None:
            ours = identifier in memory.actions or settings.take_over
            said = _said("replaced", action_differences(action, migrated(action, live)), ours)
            yield Definition(kind="action", identifier=identifier, next_up=said)
        elif (live.get("trigger") or {}).get("blueprintIdentifier") in (T, W):
            yield Definition(kind="action", identifier=identifier, next_up="left as it is: this stack declares no such")


def _said(what: str, found: Iterable[object], ours: bool) -> str:
    several = list(found)
    if not several:
        return "taken over as it is"
    return f"{what}{'' if ours else ', given coderport:takeOver'}: {_listed(several)}"


def _listed(found: Iterable[object]) -> str:
    return first_of([str(each) for each in found], NAMED, between="; ")
