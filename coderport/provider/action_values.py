"""An action's Pulumi inputs, Port's body for it, and how the two differ by meaning."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from coderport.provider.action_methods import METHODS, NOTIFICATIONS, TRIGGERS, Approval
from coderport.provider.protocol import Kind, Problem, Properties
from coderport.provider.translation import Field, Json, Shape, Trail, compared, same

_SHAPE = Shape(
    (
        *same("identifier", "title", "icon", "description", "allowAnyoneToViewRuns"),
        Field("publish", "publish", idle=True),
        Field("requiredApproval", "requiredApproval", Approval(), idle=False),
        *NOTIFICATIONS,
        *TRIGGERS,
        *METHODS,
    )
)

INPUTS = tuple(each.input for each in _SHAPE.fields)
"""The names of an action's inputs."""

# What others may set at Port where the program says nothing; the trigger with its form and the method are ours
# as a whole.
_NOTIFICATIONS = tuple(each.input for each in NOTIFICATIONS)
_OTHERS = ("title", "icon", "description", "requiredApproval", "allowAnyoneToViewRuns", *_NOTIFICATIONS)


def problems(inputs: Properties) -> list[Problem]:
    """What of the inputs cannot be accepted."""
    found = []
    if not inputs.get("identifier"):
        found.append(Problem("identifier", "an action needs an identifier"))
    for fields, what in ((TRIGGERS, "trigger"), (METHODS, "method")):
        names = [each.input for each in fields]
        if not any(inputs.get(name) is not None for name in names):
            found.append(Problem(names[0], f"an action needs a {what}: one of {', '.join(names)}"))
    trail = Trail()
    _SHAPE.to_port(inputs, trail)
    found += [Problem(path.partition(".")[0], f"{path} {reason}") for path, reason in trail.complaints]
    return found


def body(inputs: Properties) -> Json:
    """The action as Port's API takes it, which refuses a member that it does not know."""
    return {"publish": True, **_SHAPE.to_port(inputs, Trail())}


def inputs(action: Mapping[str, Any]) -> Json:
    """The inputs that make an action of Port's JSON."""
    found: Json = copy.deepcopy(_SHAPE.to_input(action))
    if found.get("publish") is True:
        del found["publish"]
    return found


def merged(live: Mapping[str, Any], new: Properties, old: Properties) -> Json:
    """The action to put: ours, and what others set of that of which the program says nothing, now or before."""
    held = inputs(live)
    ours = {*_named(new), *_named(old)}
    return body({**{key: held[key] for key in _OTHERS if key in held and key not in ours}, **new})


def _named(given: Properties) -> set[str]:
    """What the inputs name; the two notifications exclude each other, so one names both."""
    named = {key for key, value in given.items() if value is not None}
    return named.union(_NOTIFICATIONS) if named.intersection(_NOTIFICATIONS) else named


def differences(live: Mapping[str, Any], new: Properties, old: Properties) -> dict[str, Kind]:
    """Where the live action is not what the inputs wish for, by property path of the inputs."""
    return compared(_SHAPE.seen(live), _SHAPE.seen(merged(live, new, old)))


def restricted(live: Mapping[str, Any], ours: Properties) -> Json:
    """The inputs of what is live, without that which others set beside ours."""
    named = _named(ours)
    return {key: value for key, value in inputs(live).items() if key not in _OTHERS or key in named}


def outputs(given: Properties) -> Json:
    """The outputs as the stock provider shapes them: the inputs, the id, and whether the action is published."""
    result: Json = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    return {**result, "id": given["identifier"], "publish": given.get("publish") is not False}
