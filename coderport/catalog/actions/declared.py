"""The actions that a stack declares: one for each thing that a person does with a workspace.
Identifiers are stable: those of the template's forms come from its id, so that a rename is an update.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol

from coderport.catalog.actions.extras import Extra
from coderport.catalog.actions.forms import (
    INPUT_DESCRIPTION_LIMIT,
    TITLE_LIMIT,
    asked_at_creation,
    changeable,
    cut,
    parameter_input,
    preset_input,
)
from coderport.catalog.actions.values import (
    Action,
    DatasetRule,
    GithubWorkflow,
    Input,
    Invocation,
    Operation,
    OwnerOrAdmin,
    Permissions,
    Rule,
    Webhook,
)
from coderport.catalog.identifiers import TEMPLATES
from coderport.catalog.template_names import is_named
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm

CREATE: Final = "coder_create_workspace"
START: Final = "coder_start_workspace"
STOP: Final = "coder_stop_workspace"
RESTART: Final = "coder_restart_workspace"
UPDATE: Final = "coder_update_workspace"
EXTEND: Final = "coder_extend_workspace"
SCHEDULE: Final = "coder_schedule_workspace"
WAKE: Final = "coder_wake_workspace"
DORMANT: Final = "coder_make_workspace_dormant"
DELETE: Final = "coder_delete_workspace"

CREATE_FROM_PREFIX: Final = "coder_create_"

LONGEST_TTL_HOURS: Final = 720
"""Coder's limit of thirty days for a time to live."""
OFF: Final = "off"
"""What stands for no autostart in the schedule's form, where an empty field leaves it as it is."""

INSTALLATION: Final = "github-ocean"
"""The installation id of Port's GitHub integration where nobody gave it another: its kind."""

_DESCRIPTION_LIMIT = 200
WORKSPACE_NAME = r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*"
"""A workspace's name by Coder's rule, beside its length."""
WORKSPACE_NAME_LENGTH = 32
_CRON = r"(?:CRON_TZ=[A-Za-z0-9_+/-]+ )?[0-9*,/-]+ [0-9*,/-]+ \* \* [A-Za-z0-9*,/-]+"


class ActionSettings(Protocol):
    """The part of the settings that the declaration needs; see `coderport.settings.Actions`."""

    @property
    def backend(self) -> Literal["off", "github", "webhook"]: ...
    @property
    def repository(self) -> str | None: ...
    @property
    def workflow(self) -> str: ...
    @property
    def installation_id(self) -> str | None: ...
    @property
    def url(self) -> str | None: ...
    @property
    def agent(self) -> bool: ...
    @property
    def templates(self) -> Literal["all", "none"] | tuple[str, ...]: ...
    @property
    def approve_delete(self) -> bool: ...
    @property
    def admins(self) -> tuple[str, ...]: ...
    @property
    def roles(self) -> tuple[str, ...]: ...
    @property
    def extra(self) -> tuple[Extra, ...]: ...


def create_from(template_id: str) -> str:
    """The identifier of the action that creates a workspace from this template."""
    return f"{CREATE_FROM_PREFIX}{template_id}"


def wants_form(settings: ActionSettings, template: Template) -> bool:
    """Whether this template gets a form of its own, for which its parameters have to be read.

    Globs of the setting are matched whatever the case against the name, or organization/name where they have a slash.
    """
    if settings.backend == "off" or template.deprecated or settings.templates == "none":
        return False
    return settings.templates == "all" or any(
        is_named(pattern, template.organization_name, template.name) for pattern in settings.templates
    )


def declared(
    settings: ActionSettings,
    templates: Iterable[Template],
    forms: Mapping[str, TemplateForm],
    *,
    deployment_id: str = "",
) -> tuple[Action, ...]:
    """All actions, in order of their identifiers within their kind; none while the backend is off.

    `templates` are those in the catalog, `forms` by template id what was read of those that `wants_form` names: one
    that is missing or not readable gets no action. With `deployment_id` only that deployment's templates can be picked
    and only its workspaces get the actions: another stack's belong to another runner.
    """
    if settings.backend == "off":
        return ()
    make = _Maker(settings, deployment_id)
    with_form = [
        (template, forms[template.id])
        for template in sorted(templates, key=lambda each: each.id)
        if wants_form(settings, template) and template.id in forms and forms[template.id].readable
    ]
    names = Counter(_name(template) for template, _ in with_form)
    return (
        make.create(),
        *(make.create_from(template, form, alone=names[_name(template)] == 1) for template, form in with_form),
        *make.on_workspace(forms.values()),
    )


class _Maker:
    """Makes actions that share an invocation, permissions and the deployment."""

    def __init__(self, settings: ActionSettings, deployment_id: str) -> None:
        self._settings = settings
        self._deployment_id = deployment_id
        self._invocation = _invocation(settings)

    def create(self) -> Action:
        rules = [DatasetRule("deprecated", "!=", "true")]
        if self._deployment_id:
            rules.append(DatasetRule("coder_deployment", "=", f'"{self._deployment_id}"'))
        picker = Input(
            "template",
            "string",
            "Template",
            "What the workspace is made from. One that asks for values of its own has an action of its own.",
            required=True,
            format="entity",
            blueprint=TEMPLATES,
            dataset=tuple(rules),
        )
        return self._creation(
            CREATE,
            "Create Coder Workspace",
            "Creates a workspace of your own from a template, with the template's defaults",
            (picker, _NAME_INPUT),
        )

    def create_from(self, template: Template, form: TemplateForm, *, alone: bool) -> Action:
        """The template's own form. `alone`: no other template is called the same."""
        preset = preset_input(form.presets)
        name = _name(template) if alone else f"{_name(template)} ({template.organization_name})"
        return self._creation(
            create_from(template.id),
            cut(f"Create {name}", TITLE_LIMIT),
            cut(template.description, _DESCRIPTION_LIMIT) or f"Creates a workspace of your own from {name}",
            (
                _NAME_INPUT,
                *((preset,) if preset else ()),
                *(parameter_input(each) for each in asked_at_creation(form.parameters)),
            ),
        )

    def on_workspace(self, forms: Iterable[TemplateForm]) -> tuple[Action, ...]:
        """What can be done with a workspace that exists, offered as its entity says: as Port knew it last."""
        awake = Rule("dormant_at", "isEmpty")
        parameters = _parameters_input(forms)
        return (
            self._existing(
                START,
                "Start",
                "Starts the workspace with the version that it had",
                (parameters,) if parameters else (),
                (Rule("status", "in", ("stopped", "failed", "canceled")), awake),
            ),
            self._existing(
                STOP,
                "Stop",
                "Stops the workspace; what its template keeps is kept",
                condition=(Rule("status", "in", ("running", "failed", "canceled")), awake),
            ),
            self._existing(
                RESTART,
                "Restart",
                "Stops the workspace and starts it again",
                condition=(Rule("status", "=", "running"), awake),
            ),
            self._existing(
                UPDATE,
                "Update",
                "Brings the workspace to the active version of its template; one that runs is stopped before",
                condition=(Rule("outdated", "=", True),),
            ),
            self._existing(
                EXTEND,
                "Extend",
                "Lets the workspace run for longer before it stops by itself",
                (
                    Input(
                        "hours",
                        "number",
                        "Hours",
                        "Hours from now until the workspace stops by itself, as far as the template permits",
                        required=True,
                        minimum=1,
                        maximum=LONGEST_TTL_HOURS,
                    ),
                ),
                (Rule("status", "=", "running"),),
            ),
            self._existing(
                SCHEDULE,
                "Schedule",
                "Says when the workspace starts and stops by itself",
                (
                    Input(
                        "ttl_hours",
                        "number",
                        "Time to live",
                        "Hours after a start at which the workspace stops by itself; 0 for never, empty to leave it",
                        minimum=0,
                        maximum=LONGEST_TTL_HOURS,
                    ),
                    Input(
                        "autostart",
                        "string",
                        "Autostart",
                        f"{_CRON_TEXT}; {OFF} for never, empty to leave it",
                        pattern=f"^(?:{OFF}|{_CRON})$",
                    ),
                ),
            ),
            self._existing(
                WAKE,
                "Wake",
                "Makes a dormant workspace usable again; it stays stopped",
                condition=(Rule("dormant_at", "isNotEmpty"),),
            ),
            *self._dormancy(awake),
            self._existing(
                DELETE,
                "Delete",
                "Deletes the workspace and all that it holds, for good",
                (_CONFIRMATION,),
                operation="DELETE",
                approval=self._settings.approve_delete,
            ),
        )

    def _dormancy(self, awake: Rule) -> tuple[Action, ...]:
        if "dormancy" not in self._settings.extra:
            return ()
        return (
            self._existing(
                DORMANT,
                "Make dormant",
                "Stops the workspace and puts it aside until it is woken; its template may have Coder delete it then",
                (_CONFIRMATION,),
                (Rule("status", "in", ("running", "stopped", "failed", "canceled")), awake),
            ),
        )

    def _creation(self, identifier: str, title: str, description: str, inputs: tuple[Input, ...]) -> Action:
        return Action(
            identifier,
            title,
            description,
            "CREATE",
            self._invocation,
            self._permissions(None),
            (*inputs, *_CREATION_INPUTS),
        )

    def _existing(
        self,
        identifier: str,
        title: str,
        description: str,
        inputs: tuple[Input, ...] = (),
        condition: tuple[Rule, ...] = (),
        *,
        operation: Operation = "DAY-2",
        approval: bool = False,
    ) -> Action:
        if self._deployment_id:
            condition = (*condition, Rule("coder_deployment", "=", self._deployment_id))
        return Action(
            identifier,
            title,
            description,
            operation,
            self._invocation,
            self._permissions(OwnerOrAdmin(self._settings.admins)),
            inputs,
            condition,
            approval,
        )

    def _permissions(self, policy: OwnerOrAdmin | None) -> Permissions:
        return Permissions(self._settings.roles, policy, approvers=self._settings.admins)


def _invocation(settings: ActionSettings) -> Invocation:
    if settings.backend == "github":
        organization, _, repository = (settings.repository or "").partition("/")
        return GithubWorkflow(organization, repository, settings.workflow, settings.installation_id or INSTALLATION)
    return Webhook(settings.url or "", settings.agent)


def _name(template: Template) -> str:
    return template.display_name or template.name


def _parameters_input(forms: Iterable[TemplateForm]) -> Input | None:
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


_CRON_TEXT = "When it starts by itself, as minute hour * * weekdays, such as CRON_TZ=Europe/Berlin 30 7 * * 1-5"

_NAME_INPUT = Input(
    "name",
    "string",
    "Name",
    f"1 to {WORKSPACE_NAME_LENGTH} letters, digits and single hyphens, not used by another workspace of yours",
    required=True,
    pattern=f"^{WORKSPACE_NAME}$",
    min_length=1,
    max_length=WORKSPACE_NAME_LENGTH,
)
_CONFIRMATION = Input(
    "confirmation",
    "string",
    "Confirmation",
    "The name of the workspace, to be sure; an admin types owner/name for one of somebody else's",
    required=True,
    min_length=1,
)
_CREATION_INPUTS = (
    Input(
        "ttl_hours",
        "number",
        "Time to live",
        "Hours after a start at which the workspace stops by itself; empty for the template's own",
        minimum=1,
        maximum=LONGEST_TTL_HOURS,
    ),
    Input("autostart", "string", "Autostart", f"{_CRON_TEXT}; empty for never", pattern=f"^{_CRON}$"),
    Input(
        "automatic_updates",
        "boolean",
        "Automatic updates",
        "Whether each start takes the active version of the template",
        default=False,
    ),
)
