"""What there is to say of one entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coderport.catalog.actions.bulk import STOP_OF_USER, UPDATE_OUTDATED
from coderport.catalog.actions.declared import extra_of
from coderport.catalog.actions.values import AdminsOnly
from coderport.catalog.identifiers import TEMPLATES, USERS, WORKSPACES
from coderport.catalog.values import Entity, Held, LeftOut, Ref
from coderport.coder.fate import Fate
from coderport.coder.models import Template
from coderport.guard.ownership import MANAGED_BY, Mark, Whose
from coderport.guard.verdict import SHOWN
from coderport.kinds.all import KIND_OF
from coderport.kinds.filters import filters_of
from coderport.kinds.kind import Kind, rights_text
from coderport.planning.plan import declares_actions
from coderport.settings import NAMESPACE
from coderport.terminal.remedy import COMMAND
from coderport.terminal.text import first_of, short
from coderport.why.actions import why_declared
from coderport.why.differing import differing
from coderport.why.knowledge import Knowledge
from coderport.why.statement import Statement, name_of, shown


def of_entity(knowledge: Knowledge, ref: Ref, entity: Entity | None, held: Held | None) -> Iterator[Statement]:
    """All that there is to say of an entity: what Port should hold of it, and what it holds."""
    yield Statement(topic="coder", said=in_coder(knowledge, ref))
    yield Statement(topic="scope", said=_in_scope(knowledge, ref))
    yield from _in_port(knowledge, ref, held)
    yield from _of_history(knowledge, ref)
    if entity is not None and held is not None:
        yield from _properties(knowledge, entity, held)
    yield Statement(topic="next run", said=next_run(knowledge, ref, entity, held))
    if held is not None:
        yield from _buttons(knowledge, held)


def in_coder(knowledge: Knowledge, ref: Ref) -> str:
    """Whether it is in Coder and seen, or what became of it, and how that is known."""
    listing, kind = knowledge.read.listings.get(ref.blueprint), KIND_OF[ref.blueprint]
    if listing is None:
        return f"{NAMESPACE}:kinds does not ask for this kind, so Coder was not asked."
    if listing.skipped:
        return f"This kind was not read: {listing.skipped}."
    if ref.identifier in listing.rows:
        return "In Coder, and seen by this token."
    if ref.identifier in listing.outside or ref in knowledge.outside:
        return "In Coder, and seen by this token, in an organization that is not in scope."
    fate = knowledge.fate(ref)
    if fate is Fate.GONE:
        return f"{kind.end[0].upper()}{kind.end[1:]}: {kind.proof}."
    if fate is not None:
        return f"Coder neither shows it nor says that it was deleted. {_sight(knowledge, kind)}"
    return f"Not in Coder, as far as this token sees. {_sight(knowledge, kind)}"


def _sight(knowledge: Knowledge, kind: Kind[Any]) -> str:
    """What the token sees of the kind."""
    breadth = knowledge.read.snapshot.breadth
    if kind.always or not kind.needs:
        return breadth.text
    return f"The token may read every {rights_text(kind.needs)}."


def _in_scope(knowledge: Knowledge, ref: Ref) -> str:
    why = LeftOut.ORGANIZATION if ref in knowledge.outside else knowledge.wanted.left_out.get(ref)
    if ref.blueprint in knowledge.read.skipped and why is None:
        return "Not known, because this kind was not read: what Port has of it stays as it is."
    if why is None and ref not in knowledge.entities and ref in knowledge.seen:
        return "In scope, and left to the other stack of this project that has it in Port."
    if why is None and ref in knowledge.entities:
        return "In scope."
    if why is None and knowledge.fate(ref) is Fate.GONE:
        return f"Nothing to be in scope: it is {KIND_OF[ref.blueprint].end}."
    if why is None:
        return "Nothing to be in scope: Coder shows no such object."
    setting = {
        LeftOut.ORGANIZATION: f"{NAMESPACE}:organizations or {NAMESPACE}:coderOrganizationId",
        LeftOut.TEMPLATE: f"{NAMESPACE}:templates and {NAMESPACE}:excludeTemplates",
        LeftOut.PREBUILD: f"{NAMESPACE}:includePrebuilds",
        LeftOut.KIND: f"{NAMESPACE}:kinds",
    }.get(why)
    pattern = _pattern(knowledge, ref) if why is LeftOut.TEMPLATE else ""
    return f"Left out: {why.value}{f' ({setting}{pattern})' if setting else ''}."


def _pattern(knowledge: Knowledge, ref: Ref) -> str:
    """Which pattern leaves out the template, or that which the object is of."""
    template = _template_of(knowledge, knowledge.rows(ref.blueprint).get(ref.identifier))
    if template is None:
        return ""
    found = filters_of(knowledge.settings).excluding(template.organization_name, template.name)
    return f": {short(template.name)} has {', '.join(found)}" if found else f": none names {short(template.name)}"


def _template_of(knowledge: Knowledge, row: Any) -> Template | None:
    """The template that a row of Coder's is, or is of by itself or by its workspace or version."""
    if isinstance(row, Template):
        return row
    whose = next((each for key in _OF_TEMPLATE if (each := getattr(row, key, None)) is not None), row)
    if isinstance(whose, Template):
        return whose
    return knowledge.read.snapshot.templates.get(getattr(whose, "template_id", ""))


_OF_TEMPLATE = ("template", "workspace", "version")
"""Where a row has what leads to its template, unless it names that itself."""


def _in_port(knowledge: Knowledge, ref: Ref, held: Held | None) -> Iterator[Statement]:
    if held is None:
        there = ref.blueprint in knowledge.past.held.blueprints
        yield Statement(topic="port", said="Not in Port." if there else f"Port has no blueprint {ref.blueprint} yet.")
        return
    yield Statement(topic="port", said=f"In Port, last changed {held.updated_at or 'at an unknown time'}.")
    whose = knowledge.plan.owner.whose(held)
    mark = Mark.read(held.properties.get(MANAGED_BY))
    signed = f"managed_by is {short(str(mark))}" if mark is not None else "it has no managed_by"
    ours = whose in (Whose.OURS, Whose.OURS_BY_NAME)
    yield Statement(topic="owner", said=f"{'This' if ours else 'Not this'} stack's: {whose.value} ({signed}).")


def _of_history(knowledge: Knowledge, ref: Ref) -> Iterator[Statement]:
    if (last := knowledge.last_written(ref)) is not None:
        record, image = last
        said = f"Last {image.step} by the run {record.run} ({record.started:%Y-%m-%d %H:%M} UTC)."
        shows = f"{COMMAND} undo {record.run} --stack {knowledge.settings.of_stack} shows it."
        yield Statement(topic="history", said=f"{said} {shows}")
        return
    if ref.identifier in knowledge.past.memory.declared.get(ref.blueprint, ()):
        yield Statement(topic="history", said="Declared by the last run; no run that is kept has written it.")
    else:
        yield Statement(topic="history", said="No run of this stack that is remembered has declared it.")


def _properties(knowledge: Knowledge, entity: Entity, held: Held) -> Iterator[Statement]:
    """Each that differs, and why; each that is empty because Coder has nothing; each that Port refuses."""
    for name, said in differing(knowledge, entity, held):
        yield Statement(topic="property", said=f"{name_of(name)}: {said}")
    if entity.blueprint in knowledge.read.skipped:
        return
    declared = [each.identifier for each in KIND_OF[entity.blueprint].blueprint.properties]
    if empty := [name for name in declared if entity.properties.get(name) is None]:
        yield Statement(topic="property", said=f"Empty, because Coder has no value: {', '.join(empty)}.")


def next_run(knowledge: Knowledge, ref: Ref, entity: Entity | None, held: Held | None) -> str:
    """What the next run does with it."""
    refused = " The guard would refuse that run." if knowledge.verdict.refused else ""
    if entity is not None:
        if held is None:
            return f"The next run creates it: it was not read until now, or is missing in Port.{refused}"
        if any(each.entity.ref == ref for each in knowledge.found.changed):
            return f"The next run changes it.{refused}"
        if requiring := knowledge.past.required.get(ref):
            return f"It stays as it is, because entities of others require it: {first_of(requiring, SHOWN)}."
        return "The next run leaves it as it is."
    kind = knowledge.plan.disappearing.get(ref.blueprint)
    if kind is not None:
        going = ref.identifier in kind.gone or ref.identifier in kind.left_out
        if going and held is None:
            return f"Port has it no longer, and the next run forgets it.{refused}"
        if ref.identifier in kind.gone:
            return f"The next run deletes it, because it is {KIND_OF[ref.blueprint].end}.{refused}"
        if ref.identifier in kind.left_out:
            return f"The next run deletes it, because the settings leave it out.{refused}"
        if ref.identifier in kind.handed_over:
            return "It leaves this stack and stays in Port: another stack has it now."
        if ref.identifier in kind.elsewhere:
            return (
                f"It stays: entities of another Coder deployment are never deleted, and no option allows it.{refused}"
            )
        if ref.identifier in kind.unproven and held is None:
            said = (
                "Port has it no longer, and its end is not proven. A release for one run forgets it: --forget-unproven."
            )
            return f"{said}{refused}"
        if ref.identifier in kind.unproven:
            said = "It stays, because its end is not proven. A release for one run deletes it: --forget-unproven."
            return f"{said}{refused}"
        if ref.identifier in kind.kept:
            return f"It stays: {kind.kept[ref.identifier].value}."
    return "The next run does nothing with it." if held is not None else "No run creates it."


def _buttons(knowledge: Knowledge, held: Held) -> Iterator[Statement]:
    """Which actions Port offers on the entity as Port holds it, and which condition is not met for the others."""
    if held.blueprint not in _WITH_BUTTONS:
        return
    if not declares_actions(knowledge.settings):
        yield Statement(topic="button", said=f"None: this stack declares no actions ({NAMESPACE}:actions.backend).")
        return
    its = [
        each for each in knowledge.actions.values() if each.blueprint == held.blueprint and each.operation != "CREATE"
    ]
    for identifier in _WITH_BUTTONS[held.blueprint]:
        if extra_of(identifier) not in knowledge.settings.actions.extra:
            yield Statement(topic="button", said=f"{identifier}: {why_declared(knowledge, identifier)}")
    for action in its:
        if action.identifier not in knowledge.past.held.actions:
            yield Statement(topic="button", said=f"{action.title}: not in Port yet.")
            continue
        unmet = [each for each in action.condition if not each.holds(held.properties)]
        if unmet:
            told = " and ".join(f"{each} (it is {shown(held.properties.get(each.property))})" for each in unmet)
            yield Statement(topic="button", said=f"{action.title}: not offered, it needs {told}.")
        elif isinstance(who := action.permissions.policy, AdminsOnly):
            yield Statement(
                topic="button", said=f"{action.title}: offered, to {', '.join(map(short, who.admins))} only."
            )
        else:
            yield Statement(topic="button", said=f"{action.title}: offered.")


_WITH_BUTTONS = {WORKSPACES: (), TEMPLATES: (UPDATE_OUTDATED,), USERS: (STOP_OF_USER,)}
"""The kinds that actions may be on, and those that a setting asks for: of these is told as well that they are not."""
