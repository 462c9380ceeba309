"""The step that registers a plan: the only place where resources are created."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import port_pulumi as port
import pulumi

from coderport.catalog.actions.arguments import permissions_args, pulumi_args
from coderport.catalog.actions.values import Action
from coderport.catalog.answers.arguments import aggregations_args, page_args, scorecard_args
from coderport.catalog.answers.values import Answer
from coderport.catalog.blueprint import Blueprint, Property, PropertyType
from coderport.kinds.all import KIND_OF
from coderport.planning.plan import Plan
from coderport.program.entities import Entities, Refusals
from coderport.program.registrations import Registrations, sparing_messages
from coderport.settings import Settings


async def declare(plan: Plan, settings: Settings) -> Refusals:
    """Registers the plan: one explicit provider, the blueprints, then the entities, what others refer to first.

    Returns when all of it is registered with success, and raises where a part of it is not. What it returns are the
    values that the provider left out because Port does not take them.
    """
    with sparing_messages():
        return await _declared(plan, settings, Registrations())


async def _declared(plan: Plan, settings: Settings, registrations: Registrations) -> Refusals:
    secrets = settings.secrets_from_config
    provider = await registrations.begin(
        lambda: port.Provider(
            "port",
            base_url=settings.port_base_url,
            client_id=settings.port_client_id if "portClientId" in secrets else None,
            secret=pulumi.Output.secret(settings.port_client_secret.get_secret_value())
            if "portClientSecret" in secrets
            else None,
        )
    )
    options = pulumi.ResourceOptions(provider=provider)
    protected = pulumi.ResourceOptions(provider=provider, protect=settings.protect_blueprints)
    declared: list[port.Blueprint] = []
    blueprints: dict[str, pulumi.Input[str]] = {}
    for blueprint in plan.blueprints:
        # What is there only where it is asked for goes when its entities do, all of them by a release.
        how = protected if KIND_OF[blueprint.identifier].always else options
        declared.append(await registrations.begin(partial(_blueprint, blueprint, blueprints, how)))
        blueprints[blueprint.identifier] = declared[-1].identifier
    # The engine deletes what is registered no longer, unless its state says by then that it is to be kept.
    kept = pulumi.ResourceOptions(provider=provider, protect=False, retain_on_delete=True)
    for blueprint in plan.leaving:
        declared.append(await registrations.begin(partial(_blueprint, blueprint, blueprints, kept)))
        blueprints[blueprint.identifier] = declared[-1].identifier
    # Pickers and conditions name blueprints inside of JSON texts, so the order has to be said.
    after_blueprints = pulumi.ResourceOptions(provider=provider, depends_on=declared)
    for action in plan.actions:
        declared_action = await registrations.begin(partial(_action, action, after_blueprints))
        await registrations.begin(partial(_permissions, action, declared_action, after_blueprints))
    await _answers(plan, registrations, after_blueprints)
    entities = Entities(registrations, provider, blueprints)
    for entity in plan.entities:
        await entities.begin(entity)
    await registrations.all_succeeded()
    return entities.refused


async def _answers(plan: Plan, registrations: Registrations, options: pulumi.ResourceOptions) -> None:
    """Registers the answers, aggregations before what names them in its JSON texts."""
    aggregations: list[pulumi.Resource] = []
    for answer in plan.answers:
        after = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=list(aggregations)))
        resource = await registrations.begin(partial(_answer, answer, after))
        if answer.kind == "aggregations":
            aggregations.append(resource)


def _answer(answer: Answer, options: pulumi.ResourceOptions) -> pulumi.CustomResource:
    if answer.kind == "aggregations":
        return port.AggregationProperties(answer.identifier, **aggregations_args(answer), opts=options)
    if answer.kind == "scorecard":
        return port.Scorecard(answer.identifier, **scorecard_args(answer), opts=options)
    return port.Page(answer.identifier, **page_args(answer), opts=options)


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
                target=targets.get(each.target, each.target),
                required=each.required,
                many=each.many,
            )
            for each in blueprint.relations
        }
        or None,
        ownership=None if blueprint.ownership is None else port.BlueprintOwnershipArgs(**blueprint.ownership.to_port()),
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


def _action(action: Action, options: pulumi.ResourceOptions) -> port.Action:
    return port.Action(action.identifier, **pulumi_args(action), opts=options)


def _permissions(action: Action, declared: port.Action, options: pulumi.ResourceOptions) -> port.ActionPermissions:
    """Who may run the action and approve its runs."""
    args = permissions_args(declared.identifier, action.permissions)
    return port.ActionPermissions(action.identifier, **args, opts=options)
