"""The actions that a stack declares: one for each thing that a person does with a workspace.
Identifiers are stable: those of the template's forms come from its id, so that a rename is an update.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from coderport.catalog.actions.bulk import BULK, bulk_actions
from coderport.catalog.actions.extras import Extra
from coderport.catalog.actions.fields import (
    CONFIRMATION,
    CRON,
    CRON_TEXT,
    LONGEST_TTL_HOURS,
    NAME,
    OF_CREATION,
    OFF,
    parameters_input,
)
from coderport.catalog.actions.forms import TITLE_LIMIT, asked_at_creation, cut, fixed_by, parameter_input, preset_input
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
from coderport.catalog.values import UUID
from coderport.coder.models import Template
from coderport.coder.parameters import Preset, TemplateForm

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

INSTALLATION: Final = "github-ocean"
"""The installation id of Port's GitHub integration where nobody gave it another: its kind."""

_EXTRA_OF: Mapping[str, Extra] = {DORMANT: "dormancy", **dict.fromkeys(BULK, "bulk")}
_DESCRIPTION_LIMIT = 200
_PRESET_DIGITS = 12
_OWN_FORM = re.compile(
    rf"{CREATE_FROM_PREFIX}(?P<template>{UUID})"
    rf"(?:_(?P<preset>[0-9a-f]{{{_PRESET_DIGITS}}}))?"
)


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


def create_from_preset(template_id: str, preset: str) -> str:
    """The identifier of the action that creates a workspace from this template with the preset of that name.

    The name stays from version to version, and the preset's id does not.
    """
    return f"{create_from(template_id)}_{_digest(preset)}"


class OwnForm(NamedTuple):
    """The template that an action creates from, and what stands for the name of the preset whose own form it is."""

    template_id: str
    preset: str | None = None


def form_of(action: str) -> OwnForm | None:
    """What the action of that identifier creates from; None for every other action."""
    found = _OWN_FORM.fullmatch(action)
    return OwnForm(found["template"], found["preset"]) if found is not None else None


def extra_of(action: str) -> Extra | None:
    """The group of extra actions that the action of that identifier is of; None for those that are always there."""
    form = form_of(action)
    return "presets" if form is not None and form.preset is not None else _EXTRA_OF.get(action)


def preset_of(form: OwnForm, presets: Iterable[Preset]) -> Preset | None:
    """The one of these presets whose own form it is; None where it is none's (any more)."""
    return next((each for each in own_presets(presets) if _digest(each.name) == form.preset), None)


def own_presets(presets: Iterable[Preset]) -> tuple[Preset, ...]:
    """Those that can have a form of their own: the names that one preset has, and no other."""
    presets = tuple(presets)
    names = Counter(each.name for each in presets)
    return tuple(each for each in presets if each.name and names[each.name] == 1)


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
    with_users: bool = False,
) -> tuple[Action, ...]:
    """All actions, in order of their identifiers within their kind; none while the backend is off.

    `templates` are those in the catalog, `forms` by template id what was read of those that `wants_form` names: one
    that is missing or not readable gets no action. With `deployment_id` only that deployment's templates can be picked
    and only its workspaces get the actions: another stack's belong to another runner. `with_users` where the catalog
    has the users of Coder.
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
        *(
            action
            for template, form in with_form
            for action in make.own_forms(template, form, alone=names[_name(template)] == 1)
        ),
        *make.on_workspace(forms.values()),
        *make.on_many(with_users),
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
            (picker, NAME),
        )

    def own_forms(self, template: Template, form: TemplateForm, *, alone: bool) -> Iterator[Action]:
        """The template's own form, and those of its presets. `alone`: no other template is called the same."""
        name = _name(template) if alone else f"{_name(template)} ({template.organization_name})"
        preset = preset_input(form.presets)
        yield self._creation(
            create_from(template.id),
            cut(f"Create {name}", TITLE_LIMIT),
            cut(template.description, _DESCRIPTION_LIMIT) or f"Creates a workspace of your own from {name}",
            (NAME, *((preset,) if preset else ()), *_asked(form, ())),
        )
        for each in own_presets(form.presets) if "presets" in self._settings.extra else ():
            yield self._creation(
                create_from_preset(template.id, each.name),
                cut(f"Create {name}: {each.name}", TITLE_LIMIT),
                cut(each.description, _DESCRIPTION_LIMIT)
                or f"Creates a workspace of your own from {name} with the values of {each.name}",
                (NAME, *_asked(form, fixed_by(each))),
            )

    def on_workspace(self, forms: Iterable[TemplateForm]) -> tuple[Action, ...]:
        """What can be done with a workspace that exists, offered as its entity says: as Port knew it last."""
        awake = Rule("dormant_at", "isEmpty")
        parameters = parameters_input(forms)
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
                        f"{CRON_TEXT}; {OFF} for never, empty to leave it",
                        pattern=f"^(?:{OFF}|{CRON})$",
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
                (CONFIRMATION,),
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
                (CONFIRMATION,),
                (Rule("status", "in", ("running", "stopped", "failed", "canceled")), awake),
            ),
        )

    def on_many(self, with_users: bool) -> tuple[Action, ...]:
        """What the admins can do with many workspaces at once."""
        if "bulk" not in self._settings.extra:
            return ()
        roles, admins = self._settings.roles, self._settings.admins
        return bulk_actions(self._invocation, roles, admins, self._deployment_id, with_users=with_users)

    def _creation(self, identifier: str, title: str, description: str, inputs: tuple[Input, ...]) -> Action:
        return Action(
            identifier,
            title,
            description,
            "CREATE",
            self._invocation,
            self._permissions(None),
            (*inputs, *OF_CREATION),
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


def _asked(form: TemplateForm, fixed: Collection[str]) -> Iterator[Input]:
    """The inputs for the parameters of the template but the fixed ones."""
    return (parameter_input(each) for each in asked_at_creation(form.parameters) if each.name not in fixed)


def _digest(preset: str) -> str:
    return hashlib.sha256(preset.encode()).hexdigest()[:_PRESET_DIGITS]


def _name(template: Template) -> str:
    return template.display_name or template.name
