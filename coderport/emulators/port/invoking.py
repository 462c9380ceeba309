"""What an action's invocation method becomes for one run, and handing it to whoever carries it out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from coderport.emulators.kit import compact_json
from coderport.emulators.port import integrations, runs
from coderport.emulators.port.inputs import entity_context, expanded_inputs
from coderport.emulators.port.people import by_id
from coderport.emulators.port.problems import Problem
from coderport.emulators.port.records import Json, Writer
from coderport.emulators.port.runs import Run
from coderport.emulators.port.store import Store
from coderport.emulators.port.templates import TemplateError, filled
from coderport.emulators.port.writing import Manner, write
from coderport.transport.loopback import is_loopback_host

_SENT: Final = frozenset({"WEBHOOK", "GITHUB"})
_DEFAULT_BRANCH: Final = "main"


def prepare(store: Store, run: Run) -> None:
    """Fill in the run's payload.

    422 `evaluate_invocation_method_error` or `invalid_evaluated_invocation_method` where that gives nothing to invoke,
    403 `private_destination` or `not_resolvable_destination` where Port could not reach the webhook.
    """
    try:
        payload: Json = filled(run.definition, _context(store, run))
    except TemplateError as error:
        raise Problem(422, "evaluate_invocation_method_error", str(error)) from error
    if payload["type"] == "WEBHOOK":
        payload = _webhook(store, payload)
    run.payload = payload


def launch(store: Store, run: Run) -> None:
    """Let a prepared run go: to the agent's queue, out by the outbox, or into the catalog at once."""
    payload = run.payload or {}
    if payload.get("type") == "UPSERT_ENTITY":
        _upsert(store, run, payload)
    elif run.by_agent:
        run.claimed_until = 0.0
    elif payload.get("type") == "INTEGRATION_ACTION":
        if integrations.takes(store, payload):
            store.dispatches.append(_dispatch(store, run, payload))
            store.outbox(run.id)
        else:
            run.claimed_until = 0.0
    elif payload.get("type") in _SENT:
        if payload["type"] != "WEBHOOK":
            store.dispatches.append(_dispatch(store, run, payload))
        store.outbox(run.id)


def start_approved(store: Store, run: Run) -> None:
    """Start a run that waited for approval; one that cannot be invoked fails, as there is nobody to refuse it to."""
    try:
        prepare(store, run)
    except Problem as problem:
        runs.end(store, run, "FAILURE", run.by, problem.message)
        return
    launch(store, run)


def _context(store: Store, run: Run) -> Json:
    """All that templates can refer to; of the run itself only the id."""
    trigger = run.action["trigger"]
    user = by_id(store.users, run.by)
    by: Json = {"orgId": store.organization_id, "userId": run.by}
    if user is not None:
        by["user"] = user.profile()
    blueprint, entity = run.blueprint or {}, run.entity or {}
    found = store.find((blueprint.get("identifier", ""), entity.get("identifier", "")))
    return {
        "inputs": expanded_inputs(store, trigger["userInputs"], run.properties),
        "trigger": {"by": by, "origin": run.source, "at": run.created_at, "operation": trigger["operation"]},
        "event": None,
        "entity": entity_context(store, found),
        "action": {
            "identifier": run.action["identifier"],
            "blueprint": blueprint.get("identifier"),
            "encryptedProperties": [],
        },
        "run": {"id": run.id},
        "secrets": dict(store.secrets),
    }


def _webhook(store: Store, payload: Json) -> Json:
    """The payload with every member that its description has: by default POST, and an empty object for a body."""
    webhook: Json = {"agent": False, "synchronized": False, "method": "POST", "headers": {}, "body": {}, **payload}
    url, headers = webhook["url"], webhook["headers"]
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Problem(422, "invalid_evaluated_invocation_method", f"the url is {url!r}, which is no http(s) URL")
    for key in ("agent", "synchronized"):
        if not isinstance(webhook[key], bool):
            raise Problem(422, "invalid_evaluated_invocation_method", f"{key} is {webhook[key]!r}, not a boolean")
    if not isinstance(headers, dict):
        raise Problem(422, "invalid_evaluated_invocation_method", "the headers are not an object")
    webhook["headers"] = {name: as_text(value) for name, value in headers.items() if value is not None}
    if not webhook["agent"]:
        _check_destination(urlsplit(url).hostname or "", strict=store.strict_destinations)
    return webhook


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else compact_json(value).decode()


def _check_destination(host: str, *, strict: bool) -> None:
    """Port reaches public hosts only; this emulator reaches loopback only, and says so unless it is `strict`.

    No name is looked up: those of private zones count as private, a single label as unknown.
    """
    private = is_loopback_host(host) or host.endswith((".local", ".internal", ".localhost"))
    try:
        private = private or not ipaddress.ip_address(host).is_global
    except ValueError:
        if not private and ("." not in host or host.endswith(".invalid")):
            raise Problem(403, "not_resolvable_destination", f"the webhook's host {host} cannot be resolved") from None
    if strict and private:
        raise Problem(403, "private_destination", f"the webhook's host {host} is private: use the agent to reach it")
    if not strict and not is_loopback_host(host):
        why = f"this emulator sends to loopback only, not to {host}"
        raise Problem(403, "not_resolvable_destination", why)


def _dispatch(store: Store, run: Run, payload: Mapping[str, Any]) -> Json:
    """The `workflow_dispatch` event: inputs are text, as GitHub wants them; an input `ref` names the branch.

    Without it the branch is the repository's default one. A status is reported where the action says so; for the former
    GitHub app that was so where it said nothing, for the integration it is not.
    """
    by_app = payload["type"] == "GITHUB"
    where = payload.get("integrationActionExecutionProperties", payload)
    repository = f"{where.get('org')}/{where.get('repo')}"
    inputs = {name: as_text(value) for name, value in where.get("workflowInputs", {}).items() if value is not None}
    return {
        "run_id": run.id,
        "org": where.get("org"),
        "repo": where.get("repo"),
        "workflow": where.get("workflow"),
        "ref": inputs.pop("ref", None) or store.default_branches.get(repository, _DEFAULT_BRANCH),
        "inputs": inputs,
        "report_status": where.get("reportWorkflowStatus", by_app) is True,
    }


def _upsert(store: Store, run: Run, payload: Mapping[str, Any]) -> None:
    """Write the entity of an `UPSERT_ENTITY` action; the run ends with it."""
    try:
        blueprint = store.blueprint(payload["blueprintIdentifier"])
        entity, created = write(store, blueprint, payload["mapping"], Manner(upsert=True, merge=True), Writer(run.by))
    except Problem as problem:
        runs.end(store, run, "FAILURE", run.by, problem.message)
        return
    run.affected[entity.key] = "CREATE" if created else "UPDATE"
    runs.end(store, run, "SUCCESS", run.by)
