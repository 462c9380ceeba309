"""What there is to say of one action."""

from __future__ import annotations

from collections.abc import Iterator

from coderport.catalog.actions.declared import extra_of, form_of, wants_form
from coderport.catalog.values import Ref
from coderport.settings import NAMESPACE
from coderport.terminal.text import short
from coderport.why.knowledge import Knowledge
from coderport.why.statement import Statement


def of_action(knowledge: Knowledge, identifier: str) -> Iterator[Statement]:
    """All that there is to say of an action."""
    live = knowledge.past.held.actions.get(identifier)
    yield Statement(topic="port", said="In Port." if live is not None else "Not in Port.")
    remembered = identifier in knowledge.past.memory.actions
    yield Statement(
        topic="owner", said="Declared by this stack's last run." if remembered else "Not of this stack's last run."
    )
    yield Statement(topic="scope", said=why_declared(knowledge, identifier))
    for each in knowledge.found.actions:
        if each.action.identifier == identifier:
            for finding in each.findings:
                yield Statement(topic="property", said=f"{finding}.")
            yield Statement(topic="next run", said=f"The next run {'creates' if each.missing else 'corrects'} it.")
    if identifier in knowledge.found.leaving_actions:
        yield Statement(topic="next run", said="The next run deletes it.")


def why_declared(knowledge: Knowledge, identifier: str) -> str:
    """Whether this stack declares the action, or why not."""
    settings = knowledge.settings
    if identifier in knowledge.actions:
        return "The settings ask for it."
    if settings.actions.backend == "off":
        return f"Not declared: {NAMESPACE}:actions.backend is off."
    if settings.blueprints != "manage":
        return f"Not declared: {NAMESPACE}:blueprints is use, and the stack that manages them declares the actions."
    if (extra := extra_of(identifier)) not in (None, *settings.actions.extra):
        return f"Not declared: {NAMESPACE}:actions.extra does not have {extra}."
    own = form_of(identifier)
    if own is None:
        return "Not declared: coderport has no such action."
    template = knowledge.read.snapshot.templates.get(own.template_id)
    if template is None:
        return "Not declared: its template is not in Coder, as far as this token sees."
    if template.deprecated:
        return "Not declared: its template is deprecated."
    if not wants_form(settings.actions, template):
        return f"Not declared: {NAMESPACE}:actions.templates leaves out {short(template.name)}."
    why = knowledge.wanted.left_out.get(Ref("coder_template", own.template_id))
    if why is not None:
        return f"Not declared: its template is {why.value}."
    gone = " or has no such preset any more" if own.preset is not None else ""
    return f"Not declared: its form was not readable{gone}."
