"""What a person should know of a plan that nothing refuses, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from coderport.catalog.actions.values import Action
from coderport.catalog.blueprint import Blueprint
from coderport.catalog.template_names import is_named
from coderport.catalog.values import Entity, Held, LeftOut
from coderport.coder.models import Template
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.deletions import Disappearances
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.guard.verdict import SHOWN
from coderport.kinds.all import KIND_OF
from coderport.kinds.filters import filters_of
from coderport.kinds.inventory import Inventory
from coderport.planning.holdings import Holdings
from coderport.planning.installation import note_of
from coderport.planning.memory import Memory
from coderport.planning.roles import notes_of_roles
from coderport.port.integrations import Integration
from coderport.settings import ENVIRONMENT, Releases, Settings
from coderport.terminal.remedy import CLI, COMMAND
from coderport.terminal.text import first_of, short


def notes_on(
    snapshot: Snapshot,
    memory: Memory,
    mark: Mark,
    held: Holdings,
    kinds: Mapping[str, Disappearances],
    narrowed: Mapping[LeftOut, str],
) -> Iterator[str]:
    """All: on the read, the stack's name, what leaves, is handed over, or is left."""
    yield from _on_the_read(snapshot, held.installation)
    yield from notes_of_roles(held.unproven_roles)
    yield from _renamed(memory, mark)
    yield from _narrowed(narrowed, kinds)
    yield from _handed_over(kinds, held, mark)
    yield from _kept(kinds, held)


def narrowed_by(settings: Settings) -> dict[LeftOut, str]:
    """The environment variables that decide what is left out, in words for a person."""
    found: dict[LeftOut, str] = {}
    if "coderOrganizationId" in settings.from_environment:
        name, value = ENVIRONMENT["coderOrganizationId"], settings.coder_organization_id
        found[LeftOut.ORGANIZATION] = f" (the environment has {name}={value})"
    if "actions" in settings.from_environment:
        found[LeftOut.ACTIONS] = f" (the environment has {ENVIRONMENT['actions']})"
    elif "actions" not in settings.model_fields_set:
        found[LeftOut.ACTIONS] = f" (it is not set, and the environment has no {ENVIRONMENT['actions']})"
    return found


def notes_on_taking_over(
    desired: Iterable[Entity], held: Mapping[str, Mapping[str, Held]], owner: Owner, path: str
) -> Iterator[str]:
    """Where `takeOver` is set, at this path: how many entities it is for, and how to take it out again."""
    foreign = sum(
        (its := held.get(each.blueprint, {}).get(each.identifier)) is not None
        and owner.whose(its) not in (Whose.OURS, Whose.OURS_BY_NAME)
        for each in desired
    )
    others = "1 entity of others is" if foreign == 1 else f"{foreign:,} entities of others are"
    what = f"{others} taken over" if foreign else "no entity is left that it is for"
    yield (
        f"{path} is still true: {what}. With it, a run also takes what somebody else writes later. When a "
        "run has converged, take it out:\n"
        f"  {CLI} config rm {path} --stack {owner.called}"
    )


def notes_of_skipped(read: Inventory) -> Iterator[str]:
    """What was asked for and could not be read, and why."""
    for said in skipped_of(read):
        yield f"{said} What Port has of them stays as it is."


def skipped_of(read: Inventory) -> Iterator[str]:
    """The same for a command that does not care what Port has."""
    yield from said_of(read.unread)


def said_of(unread: Mapping[str, str]) -> Iterator[str]:
    """What was not read and the reasons, as sentences."""
    for what, why in unread.items():
        yield f"{what.capitalize()} were not read: {why}."


def missed_of(snapshot: Snapshot) -> str:
    """How many workspaces the read is known to have missed, as a sentence; empty where it is whole."""
    if snapshot.whole:
        return ""
    return (
        f"The read was not whole: Coder counts {snapshot.count:,} workspaces, {snapshot.short:,} of them were seen by "
        "nobody yet."
    )


def _on_the_read(snapshot: Snapshot, installation: Integration | None) -> tuple[str, ...]:
    notes = []
    if installation is not None and (note := note_of(installation)):
        notes.append(note)
    if not snapshot.deletions_provable:
        notes.append(f"Deletions cannot be proven with this token. {snapshot.breadth.text}")
    if missed := missed_of(snapshot):
        notes.append(f"{missed} They endanger nothing, and the next run picks them up.")
    return tuple(notes)


def notes_on_idle(settings: Settings, snapshot: Snapshot, of_siblings: Iterable[Template] | None) -> Iterator[str]:
    """Patterns of the settings that are no template's name: mistyped, or of one that was renamed or deleted.

    `of_siblings` are the templates of other stacks that can have a form here; None where this one declares no actions.
    """
    filters = filters_of(settings)
    organizations = {each.id: each.name for each in snapshot.organizations}
    there = [
        (each.organization_name or organizations.get(each.organization_id, ""), each.name)
        for each in snapshot.templates.values()
    ]
    yield from _idle(settings.path("templates"), filters.templates, there, "Coder")
    yield from _idle(settings.path("excludeTemplates"), filters.exclude_templates, there, "Coder")
    chosen = settings.actions.templates
    if of_siblings is not None and not isinstance(chosen, str):
        offered = [each for each in there if filters.takes(*each)]
        offered += [(each.organization_name, each.name) for each in of_siblings]
        yield from _idle(settings.path("actions", "templates"), chosen, offered, "the catalog")


def _idle(path: str, patterns: Iterable[str], there: Collection[tuple[str, str]], where: str) -> Iterator[str]:
    """The note on those of the patterns that name none of the templates (organization, name); none where all do."""
    idle = [each for each in patterns if not any(is_named(each, *name) for name in there)]
    if not idle:
        return
    names = sorted({short(name) for _, name in there})
    yield (
        f"{path} names templates that {where} does not have: {', '.join(map(short, idle))}. "
        f"It has {first_of(names, SHOWN) or 'none'}."
    )


def _renamed(memory: Memory, mark: Mark) -> Iterator[str]:
    """What to know where the state was written under another name: a rename, or a copy of it."""
    before = (memory.names | {memory.stack}) - {"", mark.stack}
    if memory.state == mark.state and before and memory.stack != mark.stack:
        yield (
            f"This state was that of {', '.join(sorted(before))} until its last run. Its entities go on as those of "
            f"{mark.stack}."
        )


def _narrowed(narrowed: Mapping[LeftOut, str], kinds: Mapping[str, Disappearances]) -> Iterator[str]:
    """What leaves the catalog because of an environment variable, with the variable."""
    for reason, words in narrowed.items():
        number = sum(why is reason for kind in kinds.values() for why in kind.left_out.values())
        if number:
            yield f"{number:,} of this stack's entities are {reason.value}{words}."


def _handed_over(kinds: Mapping[str, Disappearances], held: Holdings, own: Mark) -> Iterator[str]:
    """Deletions of the engine that are none in Port, by the stack that took the entities over."""
    takers = Counter(
        mark.stack if mark.stack != own.stack else str(mark)
        for blueprint, kind in kinds.items()
        for identifier in kind.handed_over
        if (mark := Mark.read(held.entities[blueprint][identifier].properties.get(MANAGED_BY))) is not None
    )
    for taker, number in sorted(takers.items()):
        yield f"{number:,} of this stack's entities belong to {taker} now: they leave this stack and stay in Port."


_KEPT = {
    Whose.COPY: "carry this stack's mark under an identifier that no such object of Coder has: somebody's copies",
    Whose.ELSEWHERE: "carry this stack's mark and are of another Coder deployment",
    Whose.OURS: "carry this stack's mark, are in no record of its state, and no proof says that their objects are gone",
    Whose.OURS_BY_NAME: "carry this stack's name without the id of its state, and are in no record of that",
}


def _kept(kinds: Mapping[str, Disappearances], held: Holdings) -> Iterator[str]:
    """What has our mark and is left as it is, with the first names."""
    for whose, words in _KEPT.items():
        found = sorted(
            f"{short(held.entities[name][identifier].title or identifier)} ({short(identifier)})"
            for name, kind in kinds.items()
            for identifier, why in kind.kept.items()
            if why is whose
        )
        if found:
            yield (
                f"Entities in Port ({len(found):,}) {words}. They stay; delete them in Port if nobody needs them: "
                f"{first_of(found, SHOWN)}"
            )


def notes_on_unkept(forms: Collection[Action], stack: str) -> Iterator[str]:
    """That these forms stay though no stack keeps their templates in Port, and what ends that."""
    if not forms:
        return
    names = sorted(short(each.title) for each in forms)
    release = Releases(forget_unproven=len(forms)).options
    yield (
        f"Of these forms Coder has the template, and no stack keeps it in Port: {first_of(names, SHOWN)}. They "
        "stay. Run the stack whose templates they are; or, if nobody is to have them, delete them:\n"
        f"  {COMMAND} up --stack {stack}{release}"
    )


def notes_on_staying(keepers: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """That these blueprints of former kinds stay, and for what of others."""
    for name, several in keepers.items():
        yield (
            f"coderport:kinds asks for no {KIND_OF[name].words[1]} any more. The blueprint {name} stays in Port, and "
            f"this stack's, for what others have there: {first_of(list(several), SHOWN)}. The run after the last of "
            "that has gone deletes it."
        )


def notes_on_leaving(leaving: Iterable[Blueprint]) -> Iterator[str]:
    """That these blueprints are to be managed by this stack no longer."""
    if names := ", ".join(each.identifier for each in leaving):
        yield (
            f"This stack manages the blueprints {names} no longer: they leave its state and stay in Port "
            "(with plain `pulumi up` by its second run)."
        )
