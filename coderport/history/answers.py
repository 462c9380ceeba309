"""The images of aggregations, scorecards and pages, and how what a run did to them is taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from coderport.catalog.answers.aggregations import AGGREGATIONS
from coderport.catalog.answers.agreement import differences, live_of
from coderport.catalog.answers.values import Answer, split
from coderport.catalog.meaning import returnable, unstamped
from coderport.catalog.overlay import declarable
from coderport.history.images import DefinitionImage
from coderport.planning.plan import Plan
from coderport.port.client import PortClient
from coderport.port.definitions import Definitions, placed

Json = dict[str, Any]


def answer_images(
    plan: Plan, leaving: Collection[str], also: Mapping[str, Mapping[str, Any]]
) -> Iterator[DefinitionImage]:
    """What a run of the plan changes of the answers, and those of the keys `leaving`, which it deletes.

    `also` are scorecards and pages of Port by key that the plan does not hold.
    """
    for answer in plan.answers:
        live = live_of(answer, plan.held.blueprints, plan.held.answers)
        if live is None or differences(answer, live):
            yield DefinitionImage("answer", answer.key, _before(answer, live), _after(answer))
    for key in sorted(leaving):
        kind, identifier = split(key)
        if kind != "aggregations":
            live = plan.held.answers.get(key) or also.get(key)
        else:
            ours = AGGREGATIONS[identifier].body if identifier in AGGREGATIONS else {}
            live = _among(plan.held.blueprints.get(identifier), ours.keys())
        if live is not None:
            yield DefinitionImage("answer", key, unstamped(live), None)


def _before(answer: Answer, live: Mapping[str, Any] | None) -> Json | None:
    if live is None:
        return None
    if answer.kind == "aggregations":
        live = {key: each for key, each in live.items() if key in answer.body}
    found: Json = unstamped(live)
    return found


def _after(answer: Answer) -> Json:
    return {**answer.body, "blueprint": answer.blueprint} if answer.kind == "scorecard" else dict(answer.body)


async def read_answer(client: PortClient, image: DefinitionImage) -> Json | None:
    """What Port holds now of what the image is about."""
    kind, identifier = split(image.identifier)
    if kind == "aggregations":
        return _among(await client.blueprint(identifier), _keys(image))
    live = await _several(client, image).one(identifier)
    if live is None:
        return None
    found: Json = unstamped(live)
    return {**found, "blueprint": _blueprint(image)} if kind == "scorecard" else found


async def restore_answer(client: PortClient, image: DefinitionImage) -> None:
    """Puts back what the image has from before the run."""
    kind, identifier = split(image.identifier)
    if kind == "aggregations":
        live = await client.blueprint(identifier)
        if live is not None:
            kept = {key: each for key, each in _aggregations(live).items() if key not in _keys(image)}
            body = {**declarable(live), "aggregationProperties": {**kept, **(image.before or {})}}
            await client.replace_blueprint(identifier, body)
        return
    several = _several(client, image)
    if image.before is None:
        await several.delete(identifier)
        return
    write = several.create if image.after is None else partial(several.replace, identifier)
    if kind == "page":
        await placed(write, returnable(image.before))
    else:
        await write({key: each for key, each in image.before.items() if key != "blueprint"})


def _several(client: PortClient, image: DefinitionImage) -> Definitions:
    if split(image.identifier)[0] == "page":
        return Definitions.pages(client)
    return Definitions.scorecards(client, _blueprint(image))


def _blueprint(image: DefinitionImage) -> str:
    return str((image.before or image.after or {}).get("blueprint", ""))


def _keys(image: DefinitionImage) -> Collection[str]:
    return {*(image.before or {}), *(image.after or {})}


def _aggregations(blueprint: Mapping[str, Any]) -> Mapping[str, Any]:
    found = blueprint.get("aggregationProperties")
    return found if isinstance(found, Mapping) else {}


def _among(blueprint: Mapping[str, Any] | None, keys: Collection[str]) -> Json | None:
    found = {key: each for key, each in _aggregations(blueprint or {}).items() if key in keys}
    return found or None
