"""The routes of single entities, of bulk writes and deletions, and of search."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace as replace_fields
from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.blueprints import Blueprint
from coderport.emulators.port.http import Call, answer, json_response
from coderport.emulators.port.problems import Problem, invalid
from coderport.emulators.port.records import Entity, Key
from coderport.emulators.port.runs import Run, writable_run
from coderport.emulators.port.search import candidates, matches, predicate
from coderport.emulators.port.shapes import member, only, strings, typed
from coderport.emulators.port.views import PLAIN, entities_json, entity_json
from coderport.emulators.port.writing import Manner, change, write

_PAGE: Final = 200
_LONGEST_PAGE: Final = 1000
_GATEWAY_TIMEOUT: Final = "<html><head><title>504 Gateway Time-out</title></head><body></body></html>"


def create(call: Call) -> Response:
    """201 where it created, 200 where it changed (or only validated)."""
    blueprint = call.store.blueprint(call.names["blueprint"])
    run = _run(call)
    manner = call.manner()
    entity, created = write(call.store, blueprint, call.body(), manner, call.writer)
    if not manner.validation_only:
        _tie(run, entity, "CREATE" if created else "UPDATE")
    status = 201 if created and not manner.validation_only else 200
    return answer(status, entity=entity_json(call.store, entity, PLAIN))


def replace(call: Call) -> Response:
    return _change(call, merge=False)


def patch(call: Call) -> Response:
    return _change(call, merge=True)


def _change(call: Call, *, merge: bool) -> Response:
    blueprint = call.store.blueprint(call.names["blueprint"])
    run = _run(call)
    manner = Manner(True, merge, call.flag("create_missing_related_entities"), patch=merge)
    entity = change(call.store, blueprint, call.names["entity"], call.body(), manner, call.writer)
    _tie(run, entity, "UPDATE")
    return answer(entity=entity_json(call.store, entity, PLAIN))


def read(call: Call) -> Response:
    entity = call.store.entity(call.names["blueprint"], call.names["entity"])
    return answer(entity=entity_json(call.store, entity, call.look()))


def read_all(call: Call) -> Response:
    """All at once; of a blueprint with very many Port's gateway gives up (port-experimental/port-cli 0.3.2)."""
    rows = call.store.blueprint(call.names["blueprint"]).rows
    if len(rows) > call.store.behaviour.most_unpaged:
        return Response(_GATEWAY_TIMEOUT, 504, media_type="text/html")
    return answer(entities=entities_json(call.store, rows.since(0), call.look()))


def count(call: Call) -> Response:
    return answer(count=len(call.store.blueprint(call.names["blueprint"]).rows))


def delete(call: Call) -> Response:
    run = _run(call)
    entity = call.store.entity(call.names["blueprint"], call.names["entity"])
    call.store.delete({entity.key: entity}, dependents=call.flag("delete_dependents"))
    _tie(run, entity, "DELETE")
    return answer()


def bulk_write(call: Call) -> Response:
    """Item after item, so that one may relate to an earlier one; 207 as soon as one failed."""
    behaviour = call.store.behaviour
    blueprint = call.store.blueprint(call.names["blueprint"])
    run = _run(call)
    body = call.body()
    only(body, {"entities"}, "body")
    items = _some(call, member(body, "entities", list, "body", required=True), behaviour.max_bulk_upserts)
    unseen: set[Key] | None = None if behaviour.bulk_sees_itself else set()
    manner = replace_fields(call.manner(), unseen=unseen)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    if behaviour.bulk_is_atomic:
        _try_all(call, blueprint, items, failed)
    for index, item in enumerate([] if failed else items):
        try:
            _strike(call, item)
            entity, created = write(call.store, blueprint, item, manner, call.writer)
            if not manner.validation_only:
                _tie(run, entity, "CREATE" if created else "UPDATE")
            if unseen is not None and created:
                unseen.add(entity.key)
            done.append({"created": created, "identifier": entity.identifier, "index": index})
        except Problem as problem:
            failed.append(_failure(index, item, problem))
    shown = {"ok": not failed, "entities": done, "errors": failed, **_bulk_size(call, behaviour.max_bulk_upserts)}
    return json_response(shown, 207 if failed else 200)


def _try_all(call: Call, blueprint: Blueprint, items: list[Any], failed: list[dict[str, Any]]) -> None:
    """The failures that the items would have, with nothing written."""
    manner = replace_fields(call.manner(), validation_only=True)
    for index, item in enumerate(items):
        try:
            write(call.store, blueprint, item, manner, call.writer)
        except Problem as problem:
            failed.append(_failure(index, item, problem))


def _bulk_size(call: Call, most: int) -> dict[str, int]:
    return {"maxBulkSize": most} if call.store.behaviour.announces_bulk_size else {}


def _failure(index: int, item: Any, problem: Problem) -> dict[str, Any]:
    name = item.get("identifier") if isinstance(item, dict) else None
    return {
        "identifier": name if isinstance(name, str) else "unknown",
        "index": index,
        "statusCode": problem.status,
        "error": problem.error,
        "message": problem.message,
    }


def bulk_delete(call: Call) -> Response:
    """Those that exist, all of them or none; the answer names what was deleted."""
    rows = call.store.blueprint(call.names["blueprint"]).rows.by_identifier
    run = _run(call)
    body = call.body()
    only(body, {"entities"}, "body")
    most = call.store.behaviour.max_bulk_deletes
    names = strings(_some(call, member(body, "entities", list, "body", required=True), most), "body.entities")
    found = {rows[name].key: rows[name] for name in names if name in rows}
    call.store.delete(found, dependents=call.flag("delete_dependents"))
    for entity in found.values():
        _tie(run, entity, "DELETE")
    return answer(deletedEntities=[name for _, name in found], **_bulk_size(call, most))


def search_blueprint(call: Call) -> Response:
    """A page of one blueprint's entities, in the order of creation; `next` is absent on the last."""
    blueprint = call.store.blueprint(call.names["blueprint"])
    body = call.body()
    only(body, {"query", "include", "exclude", "limit", "from"}, "body")
    limit = typed(body.get("limit", _PAGE), int, "body.limit")
    if not 1 <= limit <= _LONGEST_PAGE:
        raise invalid("body.limit", f"must be between 1 and {_LONGEST_PAGE}")
    paths = {key: strings(body[key], f"body.{key}") for key in ("include", "exclude") if key in body}
    look = call.look(paths.get("include"), paths.get("exclude", ()), short=call.store.behaviour.short_include)
    start = _start(body["from"]) if body.get("from") is not None else 0
    fits = predicate(call.store, body["query"], "body.query") if body.get("query") is not None else None
    page: list[Entity] = []
    following: dict[str, str] = {}
    for entity in candidates(call.store, blueprint, body.get("query"), start):
        if fits is not None and not fits(entity):
            continue
        if len(page) == limit:
            following = {"next": _cursor(entity.number)}
            break
        page.append(entity)
    return answer(entities=entities_json(call.store, page, look), **following)


def count_found(call: Call) -> Response:
    """How many a search of the blueprint finds (its Go wrapper in port-labs/port-cli; OpenAPI lacks the route)."""
    blueprint = call.store.blueprint(call.names["blueprint"])
    body = call.body()
    only(body, {"query"}, "body")
    fits = predicate(call.store, body["query"], "body.query") if body.get("query") is not None else None
    found = candidates(call.store, blueprint, body.get("query"))
    return answer(count=sum(fits is None or fits(entity) for entity in found))


def search(call: Call) -> Response:
    """All matches of all blueprints, at once."""
    found = matches(call.store, call.body(), "body")
    blueprints = list(dict.fromkeys(entity.blueprint for entity in found))
    return answer(
        matchingBlueprints=blueprints, failedBlueprints=[], entities=entities_json(call.store, found, call.look())
    )


def _run(call: Call) -> Run | None:
    """The run that the query ties the write to, which must be in progress."""
    name = call.query.get("run_id")
    return writable_run(call.store, name) if name else None


def _tie(run: Run | None, entity: Entity, what: str) -> None:
    if run is not None:
        run.affected[entity.key] = what


def _strike(call: Call, item: Any) -> None:
    """Refuse an item that a fault of the emulator is meant for."""
    name = item.get("identifier") if isinstance(item, dict) else None
    for fault in call.store.item_faults:
        if name in fault.identifiers and fault.times != 0:
            fault.times = None if fault.times is None else fault.times - 1
            raise fault.problem


def _some(call: Call, items: list[Any], most: int) -> list[Any]:
    if len(items) > most and call.store.behaviour.bulk_too_large == 413:
        raise Problem(413, "bad_request", f"body.entities must have at most {most} items, not {len(items)}")
    if not 1 <= len(items) <= most:
        raise invalid("body.entities", f"must have between 1 and {most} items, not {len(items)}")
    return items


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"at": number}).encode()).decode()


def _start(cursor: Any) -> int:
    try:
        number = json.loads(base64.urlsafe_b64decode(typed(cursor, str, "body.from")))["at"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise invalid("body.from", "must be the 'next' of an earlier answer") from error
    found: int = typed(number, int, "body.from")
    return found
