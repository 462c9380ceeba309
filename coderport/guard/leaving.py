"""Why actions and answers that this stack has are not declared any more: by their objects, or by the settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from coderport.catalog.actions.declared import OwnForm, extra_of, form_of, preset_of, wants_form
from coderport.catalog.answers.aggregations import aggregations_of
from coderport.catalog.answers.pages import ORGANIZATION_PREFIX
from coderport.catalog.answers.scorecards import BLUEPRINT_OF
from coderport.catalog.answers.values import PART_OF, AnswerKind, Part, split
from coderport.catalog.values import LeftOut
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm
from coderport.settings import Actions


@dataclass(frozen=True)
class Leaving:
    """Those whose template or preset is gone in Coder, and those that the settings leave out.

    Nothing accounts for others.
    """

    gone: frozenset[str]
    left_out: Mapping[str, LeftOut]


def leaving_actions(
    identifiers: Iterable[str],
    settings: Actions | None,
    templates: Mapping[str, Template],
    forms: Mapping[str, TemplateForm],
    *,
    gone: Collection[str],
    left_out: Mapping[str, LeftOut],
    unkept: Collection[str] = (),
) -> Leaving:
    """The reasons for which these actions leave.

    `settings` is None for a stack that declares no actions. `templates` are all that were read and `forms` what was
    read of theirs, by id; `gone`, `left_out` and `unkept` hold ids of templates. A form whose template lives and wants
    one was just not readable: that is no reason. Nor is it one that no stack keeps the template in Port (`unkept`):
    who took it from there, and why, is not known.
    """
    ended: set[str] = set()
    out: dict[str, LeftOut] = {}
    for identifier in identifiers:
        own = form_of(identifier)
        if settings is None or own is None or settings.backend == "off":
            out[identifier] = LeftOut.ACTIONS
            continue
        template_id, template = own.template_id, templates.get(own.template_id)
        if template_id in left_out and template_id not in unkept:
            out[identifier] = left_out[template_id]
        elif template is not None and not wants_form(settings, template):
            out[identifier] = LeftOut.DEPRECATED if template.deprecated else LeftOut.ACTIONS
        elif template_id in gone:
            ended.add(identifier)
        elif extra_of(identifier) not in (None, *settings.extra):
            out[identifier] = LeftOut.ACTIONS
        elif own.preset is not None and _is_without(forms.get(template_id), own):
            ended.add(identifier)
    return Leaving(frozenset(ended), out)


def _is_without(form: TemplateForm | None, own: OwnForm) -> bool:
    """Whether the template's form was read and does not have the preset."""
    return form is not None and form.readable and preset_of(own, form.presets) is None


def leaving_answers(
    keys: Iterable[str],
    parts: Collection[Part],
    in_scope: Collection[str] | None,
    kinds: Collection[str],
) -> Mapping[str, LeftOut]:
    """The reasons for which these answers leave.

    `parts` are those that the stack declares, `in_scope` the ids of the organizations that the settings name, None
    where they name none. `kinds` are the blueprints of the stack's kinds. The page of an organization
    that should be there and was not read has no reason.
    """
    out: dict[str, LeftOut] = {}
    for key in keys:
        kind, identifier = split(key)
        organization = identifier.removeprefix(ORGANIZATION_PREFIX)
        if PART_OF[kind] not in parts:
            out[key] = LeftOut.ANSWERS
        elif kind == "page" and organization != identifier and in_scope is not None and organization not in in_scope:
            out[key] = LeftOut.ORGANIZATION
        elif not _is_of(kind, identifier, kinds):
            out[key] = LeftOut.KIND
    return out


def _is_of(kind: AnswerKind, identifier: str, kinds: Collection[str]) -> bool:
    """Whether a stack of these kinds declares the answer where its part is asked for."""
    if kind == "aggregations":
        return identifier in {each.identifier for each in aggregations_of(kinds)}
    return kind != "scorecard" or BLUEPRINT_OF.get(identifier) in (None, *kinds)
