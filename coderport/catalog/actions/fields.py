"""The inputs of forms that are the same for all templates and stacks, and what their values may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from coderport.catalog.actions.forms import INPUT_DESCRIPTION_LIMIT, changeable, cut
from coderport.catalog.actions.values import Input
from coderport.coder.parameters import TemplateForm

LONGEST_TTL_HOURS: Final = 720
"""Coder's limit of thirty days for a time to live."""
OFF: Final = "off"
"""What stands for no autostart in the schedule's form, where an empty field leaves it as it is."""
WORKSPACE_NAME = r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*"
"""A workspace's name by Coder's rule, beside its length."""
WORKSPACE_NAME_LENGTH = 32
CRON = r"(?:CRON_TZ=[A-Za-z0-9_+/-]+ )?[0-9*,/-]+ [0-9*,/-]+ \* \* [A-Za-z0-9*,/-]+"
CRON_TEXT = "When it starts by itself, as minute hour * * weekdays, such as CRON_TZ=Europe/Berlin 30 7 * * 1-5"

NAME = Input(
    "name",
    "string",
    "Name",
    f"1 to {WORKSPACE_NAME_LENGTH} letters, digits and single hyphens, not used by another workspace of yours",
    required=True,
    pattern=f"^{WORKSPACE_NAME}$",
    min_length=1,
    max_length=WORKSPACE_NAME_LENGTH,
)
CONFIRMATION = Input(
    "confirmation",
    "string",
    "Confirmation",
    "The name of the workspace, to be sure; an admin types owner/name for one of somebody else's",
    required=True,
    min_length=1,
)
OF_CREATION = (
    Input(
        "ttl_hours",
        "number",
        "Time to live",
        "Hours after a start at which the workspace stops by itself; empty for the template's own",
        minimum=1,
        maximum=LONGEST_TTL_HOURS,
    ),
    Input("autostart", "string", "Autostart", f"{CRON_TEXT}; empty for never", pattern=f"^{CRON}$"),
    Input(
        "automatic_updates",
        "boolean",
        "Automatic updates",
        "Whether each start takes the active version of the template",
        default=False,
    ),
)


def parameters_input(forms: Iterable[TemplateForm]) -> Input | None:
    """Values for a start, as one object, since the action is for the workspaces of all templates.

    None where forms were read and no template has a parameter that may change.
    """
    forms = [form for form in forms if form.readable]
    names = sorted({each.name for form in forms for each in changeable(form.parameters)})
    if forms and not names:
        return None
    known = f" Those of the templates in the catalog: {', '.join(names)}." if names else ""
    text = f'Values to change, by the name of the template\'s parameter: {{"cpu": 4}}; the others stay.{known}'
    return Input("parameters", "object", "Parameters", cut(text, INPUT_DESCRIPTION_LIMIT))
