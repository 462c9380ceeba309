"""Starting an action: may this person run it on this entity with these inputs? Then there is a run."""

from __future__ import annotations

import copy
from collections.abc import Collection

from coderport.emulators.port import runs
from coderport.emulators.port.approvals import may_execute
from coderport.emulators.port.inputs import accepted_inputs, condition_holds
from coderport.emulators.port.invoking import launch, prepare
from coderport.emulators.port.people import User
from coderport.emulators.port.problems import Problem, invalid, not_found
from coderport.emulators.port.records import Entity, Json
from coderport.emulators.port.runs import Run
from coderport.emulators.port.store import Store


def trigger(
    store: Store,
    name: str,
    inputs: Json,
    entity_id: str | None,
    by: User | str,
    source: str,
    *,
    view_as: User | None = None,
    cleared: Collection[str] = (),
) -> Run:
    """The new run of an action, on its way or waiting for approval; no run where this raises.

    `by` is a person, or the id of a client of the API; with `view_as` it acts as that person, whose rights count.
    Inputs that are `cleared` get no default. In this order: 404 (action), 422 `run_non_self_service_error`,
    422 `missing_self_service_action_entity`, 404 (entity), 403 `missing_permissions`, 422
    `entity_does_not_pass_condition`, 422 `user_inputs_schema_invalid`, and what `prepare` raises.
    """
    action = store.actions.get(name)
    if action is None:
        raise not_found("Action", name)
    definition = action["trigger"]
    if definition["type"] != "self-service":
        raise Problem(422, "run_non_self_service_error", f'Action "{name}" is an automation and cannot be run by hand')
    entity = _entity(store, name, definition, entity_id)
    user = view_as or (by if isinstance(by, User) else None)
    if not may_execute(store, action, user, inputs, entity):
        who = user.email if user else by
        raise Problem(403, "missing_permissions", f'{who} may not run action "{name}"')
    condition = definition.get("condition")
    if condition is not None and entity is not None and not condition_holds(store, condition, entity):
        why = f'entity "{entity.identifier}" does not pass the condition of action "{name}"'
        raise Problem(422, "entity_does_not_pass_condition", why)
    properties = accepted_inputs(store, definition["userInputs"], inputs, entity, user, cleared)
    run = _new_run(store, action, entity, properties, source, by.id if isinstance(by, User) else by)
    run.impersonated_id = view_as.id if view_as is not None else None
    if action.get("requiredApproval", False) is not False:
        run.status = runs.WAITING
        store.runs[run.id] = run
    else:
        prepare(store, run)
        store.runs[run.id] = run
        launch(store, run)
    store.changed.notify_all()
    return run


def _entity(store: Store, name: str, definition: Json, entity_id: str | None) -> Entity | None:
    if definition["operation"] == "CREATE":
        if entity_id is not None:
            raise invalid("body.entity", f'must be absent: action "{name}" creates')
        return None
    blueprint = definition.get("blueprintIdentifier")
    if entity_id is None or blueprint is None:
        raise Problem(422, "missing_self_service_action_entity", f'Action "{name}" runs on an entity; none was given')
    return store.entity(blueprint, entity_id)


def _new_run(store: Store, action: Json, entity: Entity | None, properties: Json, source: str, by: str) -> Run:
    now = store.now()
    blueprint = store.blueprints.get(action["trigger"].get("blueprintIdentifier") or "")
    shown = None if entity is None else {key: getattr(entity, key) for key in ("identifier", "title", "icon")}
    return Run(
        id=store.new_id("r_"),
        action=copy.deepcopy(action),
        blueprint=None
        if blueprint is None
        else {key: blueprint.body.get(key) for key in ("identifier", "title", "icon")},
        entity=shown,
        properties=properties,
        source=source,
        by=by,
        created_at=now,
        updated_at=now,
        updated_by=by,
    )
