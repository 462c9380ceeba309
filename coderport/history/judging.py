"""The guard on an undo: what a run may delete though it lives in Coder, both counted together in a day. Values only.

An undo does not ask Coder what became of what it deletes, so all of it may live there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from coderport.catalog.values import LeftOut, Ref
from coderport.guard.deletions import ACTION, ANSWER, DeletionVerdict, Evidence, deletions_verdict
from coderport.guard.ownership import Owner, Whose
from coderport.history.undoing import Now, Stays, Undo
from coderport.planning.memory import Memory
from coderport.port.models import PortEntity
from coderport.settings import Limits
from coderport.terminal.text import short

Going = Mapping[str, frozenset[str]]
"""By kind what goes from Port; actions are of the kind `ACTION`, answers of `ANSWER`."""


def going_of(undo: Undo) -> Going:
    """All that the undo deletes."""
    found: dict[str, set[str]] = defaultdict(set)
    for entity in undo.delete:
        found[entity.blueprint].add(entity.identifier)
    kinds = {"action": ACTION, "answer": ANSWER}
    for image in undo.define:
        if image.before is None and image.kind in kinds:
            found[kinds[image.kind]].add(image.identifier)
    return {kind: frozenset(ids) for kind, ids in found.items()}


def judged(
    undo: Undo,
    now: Now,
    owner: Owner,
    memory: Memory,
    *,
    limits: Limits,
    spent: Mapping[str, int],
    undone: Going,
    allow_deletions: int,
    run: str,
) -> DeletionVerdict:
    """The guard's verdict on what the undo of `run` deletes.

    `spent` is what runs deleted in the last day, `undone` what undos did. What is there again and goes once more counts
    once: an undo that was cut off is not counted twice.
    """
    going = going_of(undo)
    nothing: frozenset[str] = frozenset()
    held = _pointing_as_after(undo, now.held)
    # What an adoption's undo has made again has no mark, as before; nobody else has signed or changed it.
    unsigned = {(each.blueprint, each.identifier) for each in undo.delete if owner.whose(each) is Whose.NOBODYS}
    record = {
        name: (owner.record.get(name, nothing) & rows.keys()) | {key for at, key in unsigned if at == name}
        for name, rows in now.held.items()
    }
    owner = replace(owner, record=record)
    before = {
        **{name: owner.holds(rows) for name, rows in now.held.items()},
        ACTION: memory.actions | going.get(ACTION, nothing),
        ANSWER: memory.answers | going.get(ANSWER, nothing),
    }
    lately = Counter(spent) + Counter({kind: len(ids - going.get(kind, nothing)) for kind, ids in undone.items()})
    evidence = Evidence(
        desired={kind: ids - going.get(kind, nothing) for kind, ids in before.items()},
        owner=owner,
        held=held,
        gone=frozenset(),
        left_out={Ref(kind, each): LeftOut.UNDONE for kind, ids in going.items() for each in ids},
        seen={kind: len(ids) for kind, ids in before.items()},
        actions=before[ACTION],
        answers=before[ANSWER],
        spent=lately,
        limits=limits,
        undoes=run,
    )
    return deletions_verdict(evidence, allow_deletions=allow_deletions)


def _pointing_as_after(undo: Undo, held: Mapping[str, Mapping[str, PortEntity]]) -> dict[str, dict[str, PortEntity]]:
    """What Port holds, with the relations that the undo writes."""
    rows = {name: dict(each) for name, each in held.items()}
    for bodies in (undo.write, undo.point):
        for (name, identifier), body in bodies.items():
            if row := rows.get(name, {}).get(identifier):
                rows[name][identifier] = replace(row, relations={**row.relations, **body.get("relations", {})})
    return rows


def permitted(undo: Undo, verdict: DeletionVerdict) -> Undo:
    """The undo without the deletion of entities that are not this state's by all that it knows."""
    kept = [each for each in undo.delete if each.identifier not in verdict.ids(each.blueprint)]
    if not kept:
        return undo
    stays = (
        Stays(
            f"{each.blueprint} {short(each.title)} ({short(each.identifier)})",
            "is not deleted: this state has no record of it, and others may have written it",
        )
        for each in kept
    )
    return replace(undo, delete=tuple(each for each in undo.delete if each not in kept), stays=(*undo.stays, *stays))
