"""Where Port differs from Coder in one entity, property by property, and why."""

from __future__ import annotations

from collections.abc import Iterator

from coderport.catalog.values import Entity, Held
from coderport.settings import NAMESPACE
from coderport.terminal.text import short
from coderport.why.knowledge import Knowledge
from coderport.why.statement import shown


def differing(knowledge: Knowledge, entity: Entity, held: Held) -> Iterator[tuple[str, str]]:
    """Each property, relation or title that differs, or that Port refuses, with what is so of it, as a sentence."""
    unchanged = knowledge.past.memory.digests.get(entity.ref) == knowledge.plan.memory.digests.get(entity.ref)
    for each in knowledge.found.changed:
        if each.entity.ref != entity.ref:
            continue
        by = each.held.updated_by or "somebody unknown"
        for name, (before, after) in sorted(each.values.items()):
            if unchanged:
                why = f"a hand edit in Port since the last run (the entity was last changed by {short(by)})"
            elif by == knowledge.settings.port_client_id:
                why = "changed in Coder since the last run"
            else:
                why = f"changed since the last run, in Coder or in Port (the entity was last changed by {short(by)})"
            if after is None:
                why += "; Coder has no value, so the next run clears it"
            yield name, f"Port has {shown(before)}, wanted is {shown(after)}: {why}."
    for name, (before, after) in sorted(knowledge.waiting(entity.ref).items()):
        said = f"Port has {shown(before)}, Coder {shown(after)}: volatile, written in its turn"
        yield name, f"{said} ({NAMESPACE}:volatileRefresh)."
    for (blueprint, name), refused in sorted(knowledge.wanted.refused.items()):
        if blueprint == entity.blueprint and entity.identifier in refused.values:
            yield name, f"not written, Port refuses it: {refused.why}"
