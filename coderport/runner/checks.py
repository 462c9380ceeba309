"""What must hold before anything is done in Coder: pure judgements, each with a plain text for the person.

Inputs are untrusted, whatever the form let through: only known keys, of the right type, in the right range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from coderport.catalog.actions.declared import form_of
from coderport.catalog.actions.fields import LONGEST_TTL_HOURS, OFF, WORKSPACE_NAME, WORKSPACE_NAME_LENGTH
from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import is_id
from coderport.coder.builds import ACTIVE
from coderport.coder.models import Template, Workspace
from coderport.port.runs import Run
from coderport.runner.values import Operation, Order, Refused, RunContext
from coderport.terminal.text import short

_RESERVED = frozenset({"new", "create"})


def order_of(run: Run) -> Order | None:
    """What the run asks for; None if its action is not one of ours."""
    inputs = {key: value for key, value in run.inputs.items() if value is not None}
    if (own := form_of(run.action)) is not None:
        return Order(Operation.CREATE, inputs, own.template_id, own.preset)
    try:
        return Order(Operation(run.action), inputs)
    except ValueError:
        return None


def is_ours(action: str) -> bool:
    """Whether the action of that identifier is one of those that this project declares."""
    return action in {each.value for each in Operation} or form_of(action) is not None


# ---------------------------------------------------------------- inputs


def require_known(order: Order, known: Collection[str]) -> None:
    """Refused if there is an input that the operation does not know: it may mean something to whoever sent it."""
    if strangers := sorted(order.inputs.keys() - set(known)):
        named = ", ".join(repr(each) for each in strangers)
        raise Refused(f"The input {named} is not one of this action. Is its form older than the template's?")


def workspace_name(order: Order) -> str:
    """The name for a new workspace, by Coder's rule."""
    name = _text(order, "name", "")
    if not re.fullmatch(WORKSPACE_NAME, name) or len(name) > WORKSPACE_NAME_LENGTH or name.lower() in _RESERVED:
        raise Refused(
            f"{name!r} cannot be the name of a workspace: it has up to {WORKSPACE_NAME_LENGTH} letters, digits and "
            "single hyphens between them, and is not `new` or `create`."
        )
    return name


def picked_template(order: Order) -> str:
    """The id of the template: the action's own, or the one that was picked in the form."""
    if order.form is not None:
        return order.form.template_id
    value = order.inputs.get("template")
    if isinstance(value, Mapping):
        value = value.get("identifier")
    if not isinstance(value, str) or not value:
        raise Refused("No template was picked.")
    if not is_id(value):
        raise Refused(
            f"The picked template {short(value)} is not kept by coderport (a copy, for example), so nobody knows which "
            "template of Coder it stands for. Pick another one."
        )
    return value


def time_to_live(order: Order, *, may_be_off: bool) -> int | None:
    """Milliseconds from `ttl_hours`; None where it is not given, 0 for off."""
    if "ttl_hours" not in order.inputs:
        return None
    hours = _number(order, "ttl_hours", "The time to live")
    if hours == 0 and may_be_off:
        return 0
    if not 1 / 60 <= hours <= LONGEST_TTL_HOURS:
        off = ", or 0 for no automatic stop" if may_be_off else ""
        raise Refused(f"The time to live must be between one minute and {LONGEST_TTL_HOURS} hours{off}.")
    return round(hours * 60) * 60_000


def autostart(order: Order) -> str | None:
    """The schedule, "" for none at all (`off` in the form); None where it is not given. Coder judges it."""
    schedule = _text(order, "autostart", "").strip()
    if not schedule.isprintable():
        raise Refused("The autostart schedule has characters that no schedule has.")
    return "" if schedule == OFF else schedule or None


def automatic_updates(order: Order) -> str:
    """`always` or `never`."""
    value = order.inputs.get("automatic_updates", False)
    if not isinstance(value, bool):
        raise Refused("Automatic updates must be on or off.")
    return "always" if value else "never"


def started_on(run: Run, blueprint: Blueprint) -> str:
    """The identifier of the entity that the run was started on; Refused unless it is one of that blueprint."""
    if run.entity is None or run.blueprint not in (None, blueprint.identifier):
        raise Refused(f"This run was not started on a {blueprint.title.lower()}.")
    return run.entity


def require_named(order: Order, names: Collection[str], what: str) -> None:
    """Refused unless one of the names was typed, so that it is sure which object is meant; which, it does not say."""
    if order.inputs.get("confirmation") not in names:
        raise Refused(f"Nothing was done: the confirmation does not name the {what}.")


def person_named(order: Order) -> str:
    """The e-mail address of the person whom the run is about."""
    return _text(order, "person", "").strip()


def flag(order: Order, key: str, *, default: bool) -> bool:
    """Whether the box is ticked."""
    value = order.inputs.get(key, default)
    if not isinstance(value, bool):
        raise Refused(f"The input {key} must be true or false.")
    return value


def preset_name(order: Order) -> str | None:
    """The preset that was chosen, None for none."""
    return _text(order, "preset", "") or None


def longer_by(order: Order) -> timedelta:
    """From now on, for `extend`."""
    hours = _number(order, "hours", "The number of hours")
    if not 1 <= hours <= LONGEST_TTL_HOURS:
        raise Refused(f"The number of hours must be between 1 and {LONGEST_TTL_HOURS}.")
    return timedelta(hours=hours)


def _text(order: Order, key: str, default: str) -> str:
    value = order.inputs.get(key, default)
    if not isinstance(value, str):
        raise Refused(f"The input {key} must be a text.")
    return value


def _number(order: Order, key: str, what: str) -> float:
    value = order.inputs.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Refused(f"{what} must be a number.")
    return float(value)


# ---------------------------------------------------------------- the template


def require_offered(template: Template) -> None:
    """Refused unless new workspaces may be made from the template."""
    if template.deleted:
        raise Refused(f"The template {template.name} was deleted in Coder.")
    if template.deprecated:
        why = f": {template.deprecation_message}" if template.deprecation_message else "."
        raise Refused(f"The template {template.name} is deprecated and takes no new workspaces{why}")


def require_served(template: Template, context: RunContext) -> None:
    """Refused unless the template is in the scope of this stack's settings."""
    scope = {each.lower() for each in context.organizations}
    if scope and not scope & {template.organization_id, template.organization_name.lower()}:
        raise Refused(f"The template {template.name} is outside of the organizations that this stack serves.")
    if not context.filters.takes(template.organization_name, template.name):
        raise Refused(f"The template {template.name} is left out by the settings of this stack.")


# ---------------------------------------------------------------- the workspace


def require_free(workspace: Workspace) -> None:
    """Refused while a build of the workspace is active: Coder does one at a time."""
    build = workspace.latest_build
    if build.job.status in ACTIVE:
        began = f", begun by {build.initiator_name}" if build.initiator_name else ""
        raise Refused(
            f"Build {build.build_number} of this workspace ({build.transition}, {build.job.status}{began}) is still "
            "active. Try again when it has ended."
        )


def is_running(workspace: Workspace) -> bool:
    """Whether its latest build is a start that succeeded."""
    return workspace.latest_build.transition == "start" and workspace.latest_build.job.status == "succeeded"


def is_stopped(workspace: Workspace) -> bool:
    """Whether its latest build is a stop that succeeded; after a failed build nobody knows what is there."""
    return workspace.latest_build.transition == "stop" and workspace.latest_build.job.status == "succeeded"


def is_starting(workspace: Workspace) -> bool:
    """Whether a start of it is waiting or at work."""
    return workspace.latest_build.transition == "start" and workspace.latest_build.job.status in ("pending", "running")


def new_deadline(workspace: Workspace, by: timedelta, now: datetime) -> datetime:
    """The deadline so far from now; Refused where the workspace has none or may not live that long."""
    build = workspace.latest_build
    if not is_running(workspace):
        raise Refused(f"Only a running workspace can be extended, and this one is {build.status or 'not running'}.")
    if build.deadline is None:
        raise Refused("This workspace has no deadline: it runs until somebody stops it, so there is nothing to extend.")
    deadline = now + by
    if build.max_deadline is not None and deadline > build.max_deadline:
        raise Refused(
            f"The template lets this workspace run until {_when(build.max_deadline)} at most, and "
            f"{_when(deadline)} would be later."
        )
    return deadline


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
