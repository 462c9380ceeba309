"""The Pulumi program, and the only module that creates resources.

Everything that can go wrong happens in `plan`, before the first resource is registered: an exception in a program
deletes nothing, but what was registered before it is still applied.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import port_pulumi as port
import pulumi
from pulumi.runtime import get_config_env, get_config_secret_keys_env
from pulumi.runtime.config import CONFIG, is_config_secret

from coderport.account import Account, Failure
from coderport.catalog.actions.arguments import permissions_args, pulumi_args
from coderport.catalog.actions.values import Action
from coderport.catalog.blueprints import TEMPLATE, Blueprint, Property, PropertyType
from coderport.catalog.values import Entity, Value
from coderport.errors import CoderportError, Refusal
from coderport.memory import Memory, MemoryUnreadableError, recalled
from coderport.plan import Plan, delete_orphans, make_plan
from coderport.settings import NAMESPACE, Settings, load_releases, load_settings


async def program() -> dict[str, Any]:
    """Reads, judges and declares; returns the stack's outputs. A refusal or a failed read declares nothing."""
    account = Account()
    try:
        memory = await _recalled()
        config, encrypted = _stack_config()
        settings = load_settings(config, os.environ, encrypted=encrypted)
        plan = await make_plan(
            settings,
            load_releases(os.environ),
            memory,
            managed_by=f"{pulumi.get_project()}/{pulumi.get_stack()}",
            now=datetime.now(timezone.utc),
            account=account,
        )
        account.orphans = {blueprint: len(ids) for blueprint, ids in plan.orphans.items()}
        if any(account.orphans.values()) and not pulumi.runtime.is_dry_run():
            await delete_orphans(plan, settings, account)
    except CoderportError as error:
        account.failure = Failure(exit_code=error.exit_code, message=str(error))
        account.leave()
        raise pulumi.RunError(str(error)) from None
    for note in plan.notes:
        pulumi.log.warn(note)
    if orphans := sum(account.orphans.values()):
        done = "would be deleted" if pulumi.runtime.is_dry_run() else "were deleted"
        pulumi.log.warn(f"{orphans} entities of this stack that its state does not know {done} in Port.")
    _warn_of_checkpoints(plan)
    declare(plan, settings)
    account.leave()
    return plan.memory.outputs()


def declare(plan: Plan, settings: Settings) -> None:
    """Registers the plan: one explicit provider, the blueprints, then templates before their workspaces."""
    secrets = settings.secrets_from_config
    provider = port.Provider(
        "port",
        base_url=settings.port_base_url,
        client_id=settings.port_client_id if "portClientId" in secrets else None,
        secret=pulumi.Output.secret(settings.port_client_secret.get_secret_value())
        if "portClientSecret" in secrets
        else None,
    )
    options = pulumi.ResourceOptions(provider=provider)
    protected = pulumi.ResourceOptions(provider=provider, protect=settings.protect_blueprints)
    declared: list[port.Blueprint] = []
    blueprints: dict[str, pulumi.Input[str]] = {}
    for blueprint in plan.blueprints:
        declared.append(_blueprint(blueprint, blueprints, protected))
        blueprints[blueprint.identifier] = declared[-1].identifier
    # Pickers and conditions name blueprints inside of JSON texts, so the order has to be said.
    after_blueprints = pulumi.ResourceOptions(provider=provider, depends_on=declared)
    for action in plan.actions:
        _action(action, after_blueprints)
    templates: dict[str, pulumi.Input[str]] = {}
    for entity in plan.entities:
        resource = _entity(entity, blueprints.get(entity.blueprint, entity.blueprint), templates, options)
        if entity.blueprint == TEMPLATE.identifier:
            templates[entity.identifier] = resource.identifier


def _blueprint(
    blueprint: Blueprint, targets: Mapping[str, pulumi.Input[str]], options: pulumi.ResourceOptions
) -> port.Blueprint:
    return port.Blueprint(
        blueprint.identifier,
        identifier=blueprint.identifier,
        title=blueprint.title,
        icon=blueprint.icon,
        description=blueprint.description,
        properties=_properties(blueprint.properties),
        calculation_properties={
            each.identifier: port.BlueprintCalculationPropertiesArgs(
                title=each.title, type=each.type, calculation=each.jq, description=each.description
            )
            for each in blueprint.calculations
        }
        or None,
        relations={
            each.identifier: port.BlueprintRelationsArgs(
                title=each.title,
                description=each.description,
                target=targets[each.target],
                required=each.required,
                many=each.many,
            )
            for each in blueprint.relations
        }
        or None,
        opts=options,
    )


def _properties(properties: tuple[Property, ...]) -> port.BlueprintPropertiesArgs:
    def of(kind: PropertyType) -> list[Property]:
        return [each for each in properties if each.type == kind]

    return port.BlueprintPropertiesArgs(
        string_props={
            each.identifier: port.BlueprintPropertiesStringPropsArgs(
                title=each.title, description=each.description, format=each.format
            )
            for each in of("string")
        },
        number_props={
            each.identifier: port.BlueprintPropertiesNumberPropsArgs(title=each.title, description=each.description)
            for each in of("number")
        },
        boolean_props={
            each.identifier: port.BlueprintPropertiesBooleanPropsArgs(title=each.title, description=each.description)
            for each in of("boolean")
        },
        array_props={
            each.identifier: port.BlueprintPropertiesArrayPropsArgs(
                title=each.title,
                description=each.description,
                string_items=port.BlueprintPropertiesArrayPropsStringItemsArgs(),
            )
            for each in of("array")
        }
        or None,
    )


def _action(action: Action, options: pulumi.ResourceOptions) -> None:
    """The action, and who may run it and approve its runs."""
    declared = port.Action(action.identifier, **pulumi_args(action), opts=options)
    port.ActionPermissions(action.identifier, **permissions_args(declared.identifier, action.permissions), opts=options)


def _entity(
    entity: Entity,
    blueprint: pulumi.Input[str],
    templates: Mapping[str, pulumi.Input[str]],
    options: pulumi.ResourceOptions,
) -> port.Entity:
    relations = {key: templates[target] for key, target in entity.relations.items() if target is not None}
    return port.Entity(
        resource_name(entity),
        identifier=entity.identifier,
        blueprint=blueprint,
        title=entity.title,
        properties=_values(entity.properties),
        relations=port.EntityRelationsArgs(single_relations=relations) if relations else None,
        opts=options,
    )


def resource_name(entity: Entity) -> str:
    """The Pulumi name: from the UUID, so that a rename in Coder is an update and never a replacement."""
    return f"{entity.blueprint}-{entity.identifier}"


def _values(properties: Mapping[str, Value]) -> port.EntityPropertiesArgs:
    strings = {key: value for key, value in properties.items() if isinstance(value, str)}
    booleans = {key: value for key, value in properties.items() if isinstance(value, bool)}
    lists = {key: value for key, value in properties.items() if isinstance(value, list)}
    numbers = {
        key: float(value)
        for key, value in properties.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return port.EntityPropertiesArgs(
        string_props=strings or None,
        number_props=numbers or None,
        boolean_props=booleans or None,
        array_props=port.EntityPropertiesArrayPropsArgs(string_items=lists) if lists else None,
    )


async def _recalled() -> Memory:
    """What the stack remembers, exported again at once: outputs that a failing run does not export are wiped."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        result = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackOutputs", {"name": stack})
    except Exception as error:
        raise Refusal(
            f"What the stack {stack} declared before cannot be read ({error}), so no deletion can be judged. "
            "Nothing was applied. Check that the backend is reachable and run again."
        ) from None
    outputs: dict[str, Any] = (result or {}).get("outputs") or {}
    for name, value in outputs.items():
        pulumi.export(name, value)
    try:
        return recalled(outputs)
    except MemoryUnreadableError as error:
        raise Refusal(
            f"What the stack {stack} declared before is not readable: {error}. Nothing was applied. "
            "Restore the stack's last good state (`pulumi stack export --version`, `pulumi stack import`)."
        ) from None


def _stack_config() -> tuple[dict[str, Any], frozenset[str]]:
    """The keys of our namespace without it, and the names of those that are encrypted."""
    prefix = f"{NAMESPACE}:"
    everything = {**get_config_env(), **CONFIG.get()}
    ours = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    listed = set(get_config_secret_keys_env())
    encrypted = {key for key in ours if prefix + key in listed or is_config_secret(prefix + key)}
    return ours, frozenset(encrypted)


def _warn_of_checkpoints(plan: Plan) -> None:
    """Says so before a first run that rewrites the whole state after each of very many resources.

    Measured (2 cores, file backend): 1,000 creations take 260 s, and the time grows with their square.
    """
    self_managed = pulumi.get_organization() == "organization"  # what every backend but Pulumi Cloud answers
    skipped = os.environ.get("PULUMI_SKIP_CHECKPOINTS", "").lower() in {"1", "true"}
    seconds = 260 * (plan.creations / 1000) ** 2
    if self_managed and not skipped and seconds > 60:
        pulumi.log.warn(
            f"{plan.creations} resources are new. This backend rewrites the whole state after each of them: "
            f"expect about {max(1, round(seconds / 60))} minutes. "
            f"With `python -m coderport up --stack {pulumi.get_stack()}`, or PULUMI_SKIP_CHECKPOINTS=true and plain "
            "`pulumi up`, a thousand take 20 seconds."
        )
