"""Who may run an action and who may approve a run: static rules, or a policy of queries and jq conditions.

Without a policy an action's `roles`, `users` (e-mails) and `teams` decide, and with `ownedByTeam` the teams of the
entity; with a policy only that does: `execute` is allowed where any condition yields true, `approve` by those whose
e-mails the conditions list. A client of the API that starts a run as itself acts for the organization, as Port's own
examples of approval by API do, and counts as an admin.
"""

from __future__ import annotations

from typing import Any

from coderport.emulators.port import runs
from coderport.emulators.port.forms import with_values
from coderport.emulators.port.inputs import entity_context
from coderport.emulators.port.owning import teams_of
from coderport.emulators.port.people import User, by_id
from coderport.emulators.port.problems import Problem
from coderport.emulators.port.records import Entity, Json
from coderport.emulators.port.runs import Run
from coderport.emulators.port.search import matches
from coderport.emulators.port.store import Store
from coderport.emulators.port.templates import TemplateError, evaluated, filled
from coderport.emulators.port.views import Look, entities_json

_MOST_ENTITIES = 1000


def may_execute(store: Store, action: Json, user: User | None, inputs: Json, entity: Entity | None) -> bool:
    """Whether the person (None: a client of the API) may run the action on these inputs and entity."""
    rule: Json = store.action_permissions[action["identifier"]]["execute"]
    policy = rule.get("policy")
    if policy is None:
        return user is None or _is_named(store, rule, user, entity)
    context = _policy_context(store, action, user, inputs, entity)
    return any(value is True for value in _conditions(store, policy, context))


def approvers(store: Store, run: Run) -> list[User]:
    """The people who may approve the run."""
    rule: Json = store.action_permissions.get(run.action["identifier"], {}).get("approve", {})
    entity = _entity(store, run)
    policy = rule.get("policy")
    if policy is None:
        return [user for user in store.users.values() if _is_named(store, rule, user, entity)]
    executor = by_id(store.users, run.by)
    context = _policy_context(store, run.action, executor, run.properties, entity)
    listed: set[str] = set()
    for value in _conditions(store, policy, context):
        if isinstance(value, list):
            listed.update(each for each in value if isinstance(each, str))
    return [user for user in store.users.values() if user.email in listed]


def decide(
    store: Store,
    run: Run,
    verdict: str,
    description: str | None,
    user: User | None,
    client_id: str,
    *,
    view_as: User | None = None,
) -> bool:
    """Approve or decline a waiting run; whether it may start now.

    403 for a person who is no approver, 422 for a run that does not wait. Where all approvers must agree
    (`requiredApproval: {"type": "ALL"}`) it starts with the last one's approval; one refusal declines it. With
    `view_as` the user acts as that person, whose rights count.
    """
    if run.status != runs.WAITING:
        raise Problem(422, "run_not_waiting_for_approval", f'Action run "{run.id}" does not wait for approval')
    named = approvers(store, run)
    judged = view_as or user
    if judged is not None and judged not in named:
        raise Problem(
            403, "missing_permissions", f'{judged.email} may not approve runs of "{run.action["identifier"]}"'
        )
    who = user.id if user else client_id
    state = "APPROVED" if verdict == "APPROVE" else "DECLINED"
    run.approvals[who] = verdict
    run.approval = {"userId": who, "state": state}
    if description is not None:
        run.approval["description"] = description
    if view_as is not None:
        run.approval["impersonatedUserId"] = view_as.id
    if verdict == "DECLINE":
        runs.end(store, run, runs.DECLINED, who)
        return False
    required = run.action.get("requiredApproval")
    waits_for_all = isinstance(required, dict) and required.get("type") == "ALL" and user is not None
    if waits_for_all and any(each.id not in run.approvals for each in named):
        runs.changed(store, run, who)
        return False
    run.status = runs.IN_PROGRESS
    runs.changed(store, run, who)
    return True


def _entity(store: Store, run: Run) -> Entity | None:
    if run.entity is None or run.blueprint is None:
        return None
    return store.find((run.blueprint["identifier"], run.entity["identifier"]))


def _is_named(store: Store, rule: Json, user: User, entity: Entity | None) -> bool:
    if user.email in rule.get("users", ()) or set(user.roles) & set(rule.get("roles", ())):
        return True
    owning = teams_of(store, entity) if entity is not None and rule.get("ownedByTeam") else ()
    return bool(set(user.teams) & {*rule.get("teams", ()), *owning})


def _policy_context(store: Store, action: Json, user: User | None, inputs: Json, entity: Entity | None) -> Json:
    blueprint = store.blueprints.get(action["trigger"].get("blueprintIdentifier") or "")
    return {
        "action": action,
        "blueprint": None if blueprint is None else blueprint.body,
        "inputs": inputs,
        "entity": entity_context(store, entity),
        "user": None if user is None else user.in_form(),
        "trigger": {"at": store.now(), "user": None if user is None else user.in_form()},
    }


def _conditions(store: Store, policy: Json, context: Json) -> list[Any]:
    """What the conditions yield on the results of the queries; a query or condition that fails is left out."""
    results: Json = {}
    for name, query in policy["queries"].items():
        try:
            search = with_values(query, lambda value, _: filled(value, context))
            found = matches(store, search, f"policy.queries.{name}")[:_MOST_ENTITIES]
        except (TemplateError, Problem):
            continue
        results[name] = {"entities": entities_json(store, found, Look())}
    values = []
    for condition in policy["conditions"]:
        try:
            values.append(evaluated(condition, {**context, "results": results}))
        except TemplateError:
            continue
    return values
