"""What the commands `history` and `undo` do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from coderport.catalog.meaning import IDENTIFIER, TITLE
from coderport.commands.consoles import people
from coderport.errors import CoderportError, Refusal
from coderport.guard.allowance import PERIOD, spent_lately
from coderport.history.applying import apply, read_now
from coderport.history.images import DefinitionImage, EntityImage
from coderport.history.judging import going_of, judged, permitted
from coderport.history.pointing import pointers_to
from coderport.history.record import Record, run_name
from coderport.history.spending import spent_by_live
from coderport.history.store import Store
from coderport.history.undoing import Now, Place, Stays, Undo, Undone, places_of, undo_of
from coderport.planning.memory import Memory
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.port.models import PortEntity
from coderport.settings import Releases, Settings
from coderport.settings.corrections import correcting
from coderport.stack.stack import Stack
from coderport.terminal import ending
from coderport.terminal.ending import says, writes_text
from coderport.terminal.remedy import CLI
from coderport.terminal.text import line


def store_of(stack: Stack, settings: Settings, memory: Memory) -> Store:
    """Where the runs of the stack are kept; `memory` is the stack's, or that which the run is to leave."""
    return Store(settings.history, stack.managed_by, state=memory.state, project=stack.directory, called=stack.name)


def kept_runs(stack: Stack) -> list[Record]:
    """The runs that are kept, the newest first; of one that cannot be read a person is told."""
    return store_of(stack, stack.settings(), stack.memory()).records(_warn)


def undo(stack: Stack, run: str, *, apply_it: bool) -> Undone:
    """Shows, or with `apply_it` does, what takes the run back.

    Raises Refusal where it would delete more than a run may, or where the stack works with another Port by now, and
    StackLocked where it is to be done while another run of the stack is under way.
    """
    settings, releases = stack.settings(), stack.releases()
    with stack.held(for_writing=apply_it):
        memory = stack.memory()
        store = store_of(stack, settings, memory)
        record = store.record(run)
        later = _later(store, run)
        return ending.run(_undo(stack, memory, settings, releases, store, record, later, apply_it))


async def _undo(
    stack: Stack,
    memory: Memory,
    settings: Settings,
    releases: Releases,
    store: Store,
    record: Record,
    later: Mapping[Place, str],
    apply_it: bool,
) -> Undone:
    owner = replace(memory.owner(memory.mark(stack.managed_by)), called=stack.name)
    secret = settings.port_client_secret.get_secret_value()
    async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client, correcting(settings):
        organization = await client.organization()
        if organization.id != record.port_organization:
            raise Refusal(
                f"The run {record.run} wrote to the Port organization {record.port_organization}, and these "
                f"credentials belong to {organization.id}. Nothing was changed."
            )
        moment = datetime.now(timezone.utc)
        now = await read_now(client, record, later, memory.refused)
        found = await _without_targets_of_others(client, undo_of(record, now, owner), now)
        verdict = judged(
            found,
            now,
            owner,
            memory,
            limits=settings.guard,
            spent=spent_lately(memory.spent, moment, spent_by_live(store)),
            undone=store.undone_since(moment - PERIOD),
            allow_deletions=releases.allow_deletions,
            run=record.run,
        )
        if verdict.refused:
            raise Refusal(f"Refused, nothing was changed.\n\n{verdict.text()}")
        found = permitted(found, verdict)
        if not apply_it or found.nothing:
            return Undone(record, found)
        if not settings.keep_runs:
            raise CoderportError(
                "An undo keeps what it changes, and coderport:keepRuns is 0. Nothing was changed. "
                f"{CLI} config set coderport:keepRuns 20 --stack {stack.name}"
            )
        name = run_name(moment)
        kept = Record(
            run=name,
            how="undo",
            stack=record.stack,
            deployment=record.deployment,
            port_organization=organization.id,
            started=moment,
            entities=tuple(_images(found, now.entities)),
            definitions=(*(_turned(each, now) for each in found.define), *_rights_of_deleted(found, now)),
        )
        store.keep(kept, settings.keep_runs, beside=record.run)
        if verdict.spent():  # counted for the day also where the rest fails
            store.keep_undone(name, going_of(found), moment - PERIOD)
        rest = f"The same command does the rest. What it was about to change is kept as {name}."
        says(lambda cause: f"Ended by {cause.name}, after {writes_text(client.writes)} to Port. {rest}")
        try:
            refused = await apply(client, found, now)
        except PortError as error:
            raise CoderportError(
                f"{error}\nThe undo is not whole: it ended after {writes_text(client.writes)} to Port. {rest}"
            ) from None
        return Undone(record, found, tuple(refused), name)


async def _without_targets_of_others(client: PortClient, found: Undo, now: Now) -> Undo:
    """The undo without the deletion of what an entity that stays points at: Port would empty that relation."""
    stays: list[Stays] = []
    going = list(found.delete)
    while going:  # what stays may itself point at what goes
        by_blueprint = {
            name: frozenset(each.identifier for each in going if each.blueprint == name)
            for name in {each.blueprint for each in going}
        }
        needed: dict[str, str] = {}
        for pointer in await pointers_to(client, by_blueprint, now.held):
            place = (pointer.blueprint, pointer.identifier)
            if any(
                pointer.relation in bodies.get(place, {}).get("relations", {}) for bodies in (found.write, found.point)
            ):
                continue  # the undo takes that back as well
            values = pointer.value if isinstance(pointer.value, list) else [pointer.value]
            needed |= {value: f"{pointer.blueprint} {line(pointer.identifier)}" for value in values}
        kept = [each for each in going if each.identifier in needed]
        if not kept:
            break
        going = [each for each in going if each.identifier not in needed]
        stays += [
            Stays(
                f"{each.blueprint} {line(each.title)} ({line(each.identifier)})",
                f"is not deleted: {needed[each.identifier]} points at it",
            )
            for each in kept
        ]
    return replace(found, delete=tuple(going), stays=(*found.stays, *stays)) if stays else found


def _later(store: Store, run: str) -> dict[Place, str]:
    """By entity the newest run after `run` that wrote it."""
    found: dict[Place, str] = {}
    for record in store.records(_warn):
        for place in places_of(record) if record.run > run else ():
            found.setdefault(place, record.run)
    return found


def _warn(text: str) -> None:
    people(stderr=True).print(text, style="yellow")


def _turned(image: DefinitionImage, now: Now) -> DefinitionImage:
    """The image of what the undo of `image` changes: what Port holds now, and what it goes back to."""
    return replace(image, before=now.definitions.get((image.kind, image.identifier)), after=image.before)


def _rights_of_deleted(found: Undo, now: Now) -> Iterator[DefinitionImage]:
    """The permissions of the actions that the undo deletes: they go with them."""
    for image in found.define:
        if image.kind == "action" and image.before is None:
            held = now.definitions.get(("permissions", image.identifier))
            if held is not None:
                yield DefinitionImage("permissions", image.identifier, held, None)


def _images(found: Undo, held: Mapping[Place, PortEntity]) -> Iterator[EntityImage]:
    """What the undo itself changes, so that it can be undone."""
    for entity in found.delete:
        yield EntityImage(entity.blueprint, entity.identifier, before=entity)
    there = dict(held)
    for (blueprint, identifier), body in found.rename.items():
        renamed = there[blueprint, body["identifier"]] = held[blueprint, identifier]
        values = {key: (renamed.properties.get(key), value) for key, value in body.get("properties", {}).items()}
        values[IDENTIFIER] = (identifier, body["identifier"])
        yield EntityImage(blueprint, body["identifier"], before=renamed, values=values)
    for (blueprint, identifier), body in _bodies(found).items():
        was = there.get((blueprint, identifier))
        if was is None:
            yield EntityImage(blueprint, identifier, created=PortEntity.from_json(blueprint, body))
            continue
        values = {key: (was.properties.get(key), value) for key, value in body.get("properties", {}).items()}
        if body["title"] != was.title:
            values[TITLE] = (was.title, body["title"])
        relations = {key: (was.relations.get(key), value) for key, value in body.get("relations", {}).items()}
        yield EntityImage(blueprint, identifier, before=was, values=values, relations=relations)


def _bodies(found: Undo) -> dict[Place, Mapping[str, Any]]:
    """What the undo writes of each entity, with the relations that it writes last."""
    bodies = dict(found.write)
    for place, body in found.point.items():
        first = bodies.get(place, {})
        bodies[place] = {**body, **first, "relations": {**first.get("relations", {}), **body["relations"]}}
    return bodies
