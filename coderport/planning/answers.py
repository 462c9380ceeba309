"""The aggregations, scorecards and pages of a plan. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable

from coderport.catalog.answers.declared import declared
from coderport.catalog.answers.values import Answer, Part
from coderport.catalog.values import LeftOut, Ref
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.deletions import ANSWER
from coderport.guard.leaving import leaving_answers
from coderport.kinds.all import kinds_asked
from coderport.settings import Settings


def declared_parts(settings: Settings) -> tuple[Part, ...]:
    """The parts of the answers that this stack declares: it is the one that declares the blueprints they are about."""
    return settings.answers if settings.blueprints == "manage" else ()


def answers_of(settings: Settings, snapshot: Snapshot) -> tuple[Answer, ...]:
    """The answers that this stack declares."""
    names = {each.id: each.display_name or each.name for each in snapshot.organizations}
    version = snapshot.deployment.version
    return declared(declared_parts(settings), names, settings.daily_cost, _blueprints(settings), version)


def reasons_of(settings: Settings, snapshot: Snapshot, leaving: Iterable[str]) -> dict[Ref, LeftOut]:
    """For which reason of the settings the answers of these keys leave, as far as there is one."""
    in_scope = {each.id for each in snapshot.organizations} if settings.coder_organizations else None
    found = leaving_answers(leaving, declared_parts(settings), in_scope, _blueprints(settings))
    return {Ref(ANSWER, key): why for key, why in found.items()}


def _blueprints(settings: Settings) -> frozenset[str]:
    return frozenset(each.name for each in kinds_asked(settings))
