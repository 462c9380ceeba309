"""Port: is it reached, which organization is that, may the client write, and whose are the blueprints and entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

from coderport.catalog.agreement import differences
from coderport.catalog.values import Held
from coderport.doctor.check import Check, Grade, failed
from coderport.errors import CoderportError
from coderport.guard.ownership import Whose
from coderport.kinds.all import blueprints_of, kinds_asked
from coderport.kinds.template import TEMPLATE
from coderport.planning.holdings import Holdings, holdings
from coderport.planning.past import Past
from coderport.port.client import PortClient
from coderport.port.errors import EU_URL, US_URL, PortError, PortRejected
from coderport.settings import Settings
from coderport.settings.corrections import corrected
from coderport.terminal.text import short

SUBJECT = "Port"
_REGIONS = {EU_URL: "EU", US_URL: "US"}


def _check(name: str, grade: Grade, said: str, remedy: str = "") -> Check:
    return Check(subject=SUBJECT, name=name, grade=grade, said=said, remedy=remedy)


async def port_checks(client: PortClient, settings: Settings, found: list[Holdings]) -> AsyncIterator[Check]:
    """One after the other; the first that makes the others senseless ends them. `found` takes what Port holds."""
    try:
        organization = await client.organization()
    except CoderportError as error:
        yield failed(SUBJECT, "credentials", corrected(settings, error))
        return
    region = _REGIONS.get(client.base_url)
    where = f"{client.base_url} ({region})" if region else client.base_url
    name = f"{short(organization.name)} " if organization.name else ""
    yield _check("credentials", "pass", f"The organization {name}({short(organization.id)}) at {where}.")
    try:
        held = await holdings(client, kinds_asked(settings))
        found.append(held)
        for check in await _rights(client, held):
            yield check
    except CoderportError as error:
        yield failed(SUBJECT, "rights", corrected(settings, error))


async def _rights(client: PortClient, held: Holdings) -> list[Check]:
    """Whether the client may write entities: Port is asked to validate one, which writes none.

    Port tells of no other right but by a write, and of this one only for a blueprint that is there: it may look for the
    blueprint first. A refusal counts in any case.
    """
    there = [name for name, live in held.blueprints.items() if live is not None]
    filled = [(name, each.identifier) for name in there for each in held.entities.get(name, {}).values()]
    blueprint, identifier = next(iter(filled), (next(iter(there), TEMPLATE.identifier), "coderport-doctor"))
    try:
        body = {"identifier": identifier, "properties": {}}
        (outcome,) = await client.upsert(blueprint, [body], validate_only=True)
        problem: PortError | None = outcome.error
    except PortRejected as error:
        problem = error
    status = getattr(problem, "status", None)
    if status in (401, 403):
        return [_check("writes", "fail", f"The client may not write entities: {problem}")]
    read = _check("rights", "pass", "The client may read all.")
    if not there:
        said = "Port tells whether the client may write only of a blueprint that is there, and none of ours is yet."
        return [read, _check("writes", "skip", said, "The first run shows it.")]
    said = f"By Port's answer the client may write entities of {short(blueprint)}."
    return [read, _check("writes", "pass", f"{said} Of blueprints and actions Port tells it only by a write.")]


def whose_checks(past: Past, settings: Settings) -> Iterator[Check]:
    """Whose the blueprints and the entities in them are, seen from this stack."""
    for blueprint in blueprints_of(kinds_asked(settings)):
        live = past.held.blueprints.get(blueprint.identifier)
        name = blueprint.identifier
        if live is None:
            said = "is not there yet" if settings.blueprints == "manage" else "is not there, and another stack makes it"
            yield _check(name, "pass" if settings.blueprints == "manage" else "warn", f"The blueprint {said}.")
            continue
        ours = name in past.memory.blueprints
        by = (
            "of this stack"
            if ours
            else f"not of this stack, by {short(str(live.get('createdBy') or 'somebody unknown'))}"
        )
        deviating = len(differences(blueprint, live))
        state = f"differs in {deviating}" if deviating else "is as declared"
        yield _check(name, "pass" if ours or not deviating else "warn", f"The blueprint is {by}, and {state}.")
        yield _entities(past, name)


def _entities(past: Past, blueprint: str) -> Check:
    owner = past.owner()
    held: dict[str, Held] = dict(past.held.entities.get(blueprint, {}))
    counted = Counter(owner.whose(each) for each in held.values())
    told = ", ".join(f"{number:,}: {whose.value}" for whose, number in counted.most_common())
    others = sum(number for whose, number in counted.items() if whose not in (Whose.OURS, Whose.OURS_BY_NAME))
    number = f"{len(held):,} {'entity' if len(held) == 1 else 'entities'}"
    said = f"{number}{f' ({told})' if told else ''}."
    return _check(f"{blueprint} entities", "warn" if others else "pass", said)
