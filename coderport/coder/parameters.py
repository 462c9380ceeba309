"""What a template asks for: the rich parameters and presets of its active version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from coderport.coder import errors
from coderport.coder.models import CoderModel, Id, Template, read_as
from coderport.tasks import together

if TYPE_CHECKING:
    from coderport.coder.client import CoderClient

_TOO_EARLY = 425


class ParameterOption(CoderModel):
    """One of the values that a parameter may take; `value` is the text that goes to Coder."""

    name: str = ""
    value: str = ""
    description: str = ""


class RichParameter(CoderModel):
    """A parameter of a template version. Values are texts on the wire, whatever the type.

    `type` is string, number, bool or list(string); `form_type` is how Coder's own form shows it, "" on servers
    before 2025. `mutable` values may change after the creation; `ephemeral` ones hold for one build only.
    """

    name: str
    display_name: str = ""
    description: str = ""
    description_plaintext: str = ""
    type: str = "string"
    form_type: str = ""
    mutable: bool = False
    default_value: str = ""
    options: tuple[ParameterOption, ...] = ()
    validation_error: str = ""
    validation_regex: str = ""
    """In RE2's syntax, searched for anywhere in the value."""
    validation_min: int | None = None
    validation_max: int | None = None
    validation_monotonic: str = ""
    required: bool = False
    ephemeral: bool = False

    @property
    def title(self) -> str:
        """What people call it."""
        return self.display_name or self.name


class PresetParameter(CoderModel):
    """A value that a preset sets."""

    # The wire has capitals (the Go fields have no tags), the documentation lower case.
    name: str = Field(validation_alias=AliasChoices("Name", "name"))
    value: str = Field(default="", validation_alias=AliasChoices("Value", "value"))


class Preset(CoderModel):
    """A named set of parameter values. Its id is another one in each version; its values win over given ones."""

    id: Id = Field(validation_alias=AliasChoices("ID", "id"))
    name: str = Field(validation_alias=AliasChoices("Name", "name"))
    description: str = Field(default="", validation_alias=AliasChoices("Description", "description"))
    default: bool = Field(default=False, validation_alias=AliasChoices("Default", "default"))
    parameters: tuple[PresetParameter, ...] = Field(
        default=(), validation_alias=AliasChoices("Parameters", "parameters")
    )


@dataclass(frozen=True)
class TemplateForm:
    """What the active version of a template asks for, in the template's order.

    Not `readable` where Coder does not know the version (any more): there is nothing to offer then. With dynamic
    parameters these are the values that the import saw; Coder judges what is given once more.
    """

    template_id: str
    version_id: str
    parameters: tuple[RichParameter, ...] = ()
    presets: tuple[Preset, ...] = ()
    readable: bool = True


class Diagnostic(CoderModel):
    """What Coder has against a form or a value; only those of the severity `error` refuse a build."""

    severity: str = ""
    summary: str = ""
    detail: str = ""


class EvaluatedParameter(CoderModel):
    """A parameter that a version asks for with the values that it was evaluated with."""

    name: str
    display_name: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


class Evaluation(CoderModel):
    """What a version asks for with certain values, and what Coder has against them."""

    diagnostics: tuple[Diagnostic, ...] = ()
    parameters: tuple[EvaluatedParameter, ...] = ()


async def read_evaluation(
    client: CoderClient, version_id: str, values: Mapping[str, str], owner_id: str
) -> Evaluation | None:
    """Evaluates the dynamic parameters for that owner; nothing is built. None where Coder offers no such thing.

    Source: `POST /templateversions/{id}/dynamic-parameters/evaluate` (coder/coder#18182, from 2.24 on). A version whose
    import has not ended is CoderStatusError 425.
    """
    path = f"/templateversions/{version_id}/dynamic-parameters/evaluate"
    body = {"id": 0, "inputs": dict(values), "owner_id": owner_id}
    try:
        answer = await client._request("POST", path, body=body, repeat=True)
    except (errors.CoderNotFound, errors.CoderForbidden):
        return None
    return read_as(Evaluation, answer.data)


async def read_forms(
    client: CoderClient, templates: Iterable[Template], progress: Callable[[str, int, int | None], None] | None = None
) -> Mapping[str, TemplateForm]:
    """The forms of these templates by template id: two requests for each, as many at once as the client permits.

    A version that Coder does not know (404: the template was deleted or promoted meanwhile) gives a form that is
    not readable. One that is still being imported raises VersionImporting, since its form is only not known *yet*
    and leaving it out would delete the action that exists for it; Coder promotes no such version, so that this is
    over by the next run. `progress` is told ("forms", done, total).
    """
    wanted, done = tuple(templates), 0

    async def form(template: Template) -> TemplateForm:
        nonlocal done
        found = await _read_form(client, template)
        done += 1
        if progress is not None:
            progress("forms", done, len(wanted))
        return found

    forms = await together(form(template) for template in wanted)
    return {each.template_id: each for each in forms}


async def _read_form(client: CoderClient, template: Template) -> TemplateForm:
    version = template.active_version_id
    try:
        parameters = await client.rich_parameters(version)
    except errors.CoderNotFound:
        return TemplateForm(template.id, version, readable=False)
    except errors.CoderStatusError as error:
        if error.status != _TOO_EARLY:
            raise
        raise errors.VersionImporting(
            f"Coder is still importing the active version {version} of the template {template.name}, so its "
            "parameters cannot be read yet. Nothing was applied: run again when the import has ended"
        ) from None
    return TemplateForm(template.id, version, parameters, await _presets(client, version))


async def _presets(client: CoderClient, version: str) -> tuple[Preset, ...]:
    try:
        return await client.presets(version)
    except errors.CoderNotFound:  # servers before 2025 have no such route
        return ()
