"""What the page shows of the emulated Port: its catalog, scorecards and the runs of its actions.

Each function takes the store, whose lock its caller holds, and gives JSON that holds no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from coderport.emulators.page.coder_side import MOST_ROWS
from coderport.emulators.port.approvals import approvers, may_execute
from coderport.emulators.port.blueprints import Blueprint
from coderport.emulators.port.inputs import condition_holds
from coderport.emulators.port.people import USERS, User
from coderport.emulators.port.problems import not_found
from coderport.emulators.port.records import Entity, Json, targets
from coderport.emulators.port.runs import Run, RunFilter, run_json, the_run
from coderport.emulators.port.search import predicate
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import Look, entity_json

_WHOLE = Look()
_MOST_RUNS = 50
_LEVELS = ("Basic", "Bronze", "Silver", "Gold")
"""Of a scorecard that names none."""


def overview(store: Store) -> Json:
    """What there is: blueprints, pages, self-service actions and people."""
    return {
        "organization": store.organization_id,
        "blueprints": [
            {"identifier": name, "title": _title(held), "count": len(held.rows)}
            for name, held in sorted(store.blueprints.items())
            if name != USERS
        ],
        "pages": sorted(
            ({"identifier": name, "title": body["title"]} for name, body in store.pages.items()),
            key=lambda page: str(page["title"]),
        ),
        "actions": sum(_is_button(action) for action in store.actions.values()),
        "runs": len(store.runs),
        "people": sorted(store.users),
    }


def table(store: Store, blueprint: str, find: str = "") -> Json:
    """A blueprint's entities whose title, identifier or any text property has `find`, at most `MOST_ROWS`."""
    held = store.blueprint(blueprint)
    found = [each for each in held.rows.since(0) if _has(each, find)]
    return {
        "blueprint": blueprint,
        "title": _title(held),
        "columns": _columns(held),
        "count": len(found),
        "rows": [_row(store, each) for each in sorted(found, key=_order)[:MOST_ROWS]],
    }


def entity_page(store: Store, blueprint: str, identifier: str, user: User | None) -> Json:
    """An entity with what it relates to, what relates to it, its scorecards, and the buttons on it."""
    entity, held = store.entity(blueprint, identifier), store.blueprint(blueprint)
    sources = sorted(store.sources(entity.key), key=lambda pair: _order(pair[0]))
    return {
        **_row(store, entity),
        "blueprint_title": _title(held),
        "columns": _columns(held),
        "stamps": {key: getattr(entity, key) for key in ("created_at", "created_by", "updated_at", "updated_by")},
        "related_by": [{**_name(store, source), "relation": relation} for source, relation in sources[:MOST_ROWS]],
        "related_by_count": len(sources),
        "scorecards": [_scorecard(store, body, entity) for body in held.scorecards.values()],
        "actions": [
            _button(store, action, user, entity)
            for action in store.actions.values()
            if _is_button(action)
            and action["trigger"]["operation"] != "CREATE"
            and action["trigger"].get("blueprintIdentifier") == blueprint
        ],
    }


def hub(store: Store, user: User | None) -> Json:
    """The self-service hub: every action that a person starts, those that create something first."""
    buttons = [_button(store, each, user, None) for each in store.actions.values() if _is_button(each)]
    return {"actions": sorted(buttons, key=lambda each: (each["operation"] != "CREATE", each["title"]))}


def all_runs(store: Store) -> Json:
    """The latest runs, newest first."""
    return {"runs": [_run(store, each) for each in islice(RunFilter().matching(store), _MOST_RUNS)]}


def run_page(store: Store, run_id: str) -> Json:
    """A run with its log, its inputs, the entities it has touched, and who may approve it while it waits."""
    run = the_run(store, run_id)
    shown = _run(store, run)
    return {
        **shown,
        "link": list(run.link),
        "inputs": dict(run.properties),
        "log": [{"at": line.get("createdAt"), "message": line["message"]} for line in run.logs],
        "entities": [
            {"blueprint": key[0], "identifier": key[1], "did": did, "here": store.find(key) is not None}
            for key, did in run.affected.items()
        ],
        "approvers": [user.email for user in approvers(store, run)] if run.status == "WAITING_FOR_APPROVAL" else [],
    }


def _run(store: Store, run: Run) -> Json:
    shown = run_json(store, run)
    person = next((user.email for user in store.users.values() if user.id == run.by), run.by)
    keys = ("id", "status", "statusLabel", "createdAt", "endedAt", "summary")
    return {
        **{key: shown.get(key) for key in keys},
        "action": run.action.get("title") or run.action["identifier"],
        "entity": (run.entity or {}).get("title"),
        "by": person,
    }


def _is_button(action: Json) -> bool:
    return bool(action["trigger"]["type"] == "self-service")


def _button(store: Store, action: Json, user: User | None, entity: Entity | None) -> Json:
    """The action, and why this person does not get it on this entity; no reason where they do."""
    trigger = action["trigger"]
    why = None
    condition = trigger.get("condition")
    # On whom a policy decides depends on the entity: without one it is asked when the button is pressed.
    if user is None:
        why = "choose who you are first"
    elif (entity is not None or trigger["operation"] == "CREATE") and not may_execute(store, action, user, {}, entity):
        why = f"{user.email} may not run it"
    elif entity is not None and condition is not None and not condition_holds(store, condition, entity):
        why = "its condition does not hold for this entity"
    return {
        "identifier": action["identifier"],
        "title": action.get("title") or action["identifier"],
        "description": action.get("description"),
        "operation": trigger["operation"],
        "blueprint": trigger.get("blueprintIdentifier"),
        "approval": action.get("requiredApproval", False) is not False,
        "why_not": why,
    }


def _scorecard(store: Store, body: Json, entity: Entity) -> Json:
    """The scorecard with each rule judged by the emulator's search, and the level that follows.

    A level is reached where all rules of it and of those below hold.
    """
    rules = [
        {
            "title": rule["title"],
            "level": rule["level"],
            "holds": _judged(store, rule["query"], entity),
        }
        for rule in body["rules"]
    ]
    levels = [level["title"] for level in body.get("levels") or ()] or list(_LEVELS)
    reached = levels[0] if levels else None
    for level in levels[1:]:
        if not all(rule["holds"] for rule in rules if rule["level"] == level):
            break
        reached = level
    return {"identifier": body["identifier"], "title": body["title"], "level": reached, "rules": rules}


def _judged(store: Store, query: Json, entity: Entity) -> bool:
    rules = {"combinator": query["combinator"], "rules": query["conditions"]}
    return predicate(store, rules, "query")(entity)


def entity_of(store: Store, blueprint: str | None, identifier: str | None) -> Entity | None:
    """The entity that a form is for; None for a form that creates."""
    return None if blueprint is None or identifier is None else store.entity(blueprint, identifier)


def action_of(store: Store, identifier: str) -> Json:
    """The action, or 404."""
    found = store.actions.get(identifier)
    if found is None:
        raise not_found("Action", identifier)
    return found


def _row(store: Store, entity: Entity) -> Json:
    relations = store.blueprints[entity.blueprint].rules.relations
    return {
        "blueprint": entity.blueprint,
        "identifier": entity.identifier,
        "title": entity.title or entity.identifier,
        "properties": entity_json(store, entity, _WHOLE)["properties"],
        "relations": {
            key: [_named(store, relations[key].target, each) for each in targets(value)]
            for key, value in entity.relations.items()
            if key in relations
        },
    }


def _columns(held: Blueprint) -> list[Json]:
    """Relations, choices, other properties and those that Port computes, by key, with their titles."""
    body = held.body
    properties: Json = body["schema"]["properties"]
    maps: list[tuple[str, Json]] = [
        ("relation", body.get("relations") or {}),
        ("property", {key: each for key, each in properties.items() if "enum" in each}),
        ("property", {key: each for key, each in properties.items() if "enum" not in each}),
        ("property", body.get("mirrorProperties") or {}),
        ("property", body.get("calculationProperties") or {}),
        ("property", body.get("aggregationProperties") or {}),
    ]
    return [
        {"kind": kind, "key": key, "title": each.get("title") or key, "format": each.get("format")}
        for kind, named in maps
        for key, each in named.items()
    ]


def rows_of(store: Store, entities: Iterable[Entity]) -> list[Json]:
    """Rows of a table, in the order of their titles."""
    return [_row(store, each) for each in sorted(entities, key=_order)[:MOST_ROWS]]


def columns_of(store: Store, blueprint: str) -> list[Json]:
    """The columns of a blueprint's table."""
    return _columns(store.blueprint(blueprint))


def _name(store: Store, entity: Entity) -> Json:
    return _named(store, entity.blueprint, entity.identifier)


def _named(store: Store, blueprint: str, identifier: str) -> Json:
    found = store.find((blueprint, identifier))
    title = found.title if found is not None and found.title else identifier
    return {"blueprint": blueprint, "identifier": identifier, "title": title}


def _title(held: Blueprint) -> str:
    return str(held.body.get("title") or held.identifier)


def _order(entity: Entity) -> tuple[str, str]:
    return (entity.title or entity.identifier).lower(), entity.identifier


def _has(entity: Entity, find: str) -> bool:
    texts: list[Any] = [entity.title, entity.identifier, *entity.properties.values()]
    return not find or any(find.lower() in each.lower() for each in texts if isinstance(each, str))
