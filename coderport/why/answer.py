"""The answer to one question, as statements, each derived from what a run would know."""

from __future__ import annotations

from collections.abc import Iterator

from coderport.catalog.values import Ref
from coderport.guard.deletions import ACTION
from coderport.kinds.all import KIND_OF, KINDS
from coderport.planning.notes import skipped_of
from coderport.settings import NAMESPACE
from coderport.terminal.text import short
from coderport.why.actions import of_action
from coderport.why.entities import of_entity
from coderport.why.knowledge import Knowledge
from coderport.why.naming import Found, found, nearest
from coderport.why.properties import members, of_kind, of_object
from coderport.why.statement import Answer, Statement, name_of


def answers(knowledge: Knowledge, asked: str) -> tuple[Answer, ...]:
    """One for each object that is named so, or one that says why there is none."""
    named = found(knowledge, asked)
    if not named.any:
        return (Answer(kind="", identifier="", title=asked, statements=tuple(_unknown(knowledge, asked, named))),)
    return (
        *(_answer(knowledge, ref) for ref in named.refs),
        *(_of_kind(knowledge, blueprint, name) for blueprint, name in named.properties),
        *(_of_object(knowledge, ref, name) for ref, name in named.of_objects),
    )


def _of_kind(knowledge: Knowledge, blueprint: str, name: str) -> Answer:
    title = members(knowledge, blueprint)[name]
    statements = tuple(of_kind(knowledge, blueprint, name))
    return Answer(kind=PROPERTY, identifier=f"{blueprint}.{name_of(name)}", title=title, statements=statements)


def _of_object(knowledge: Knowledge, ref: Ref, name: str) -> Answer:
    whole, statements = _answer(knowledge, ref), tuple(of_object(knowledge, ref, name))
    identifier, title = f"{ref.identifier}#{name_of(name)}", f"{whole.title}#{name_of(name)}"
    return Answer(kind=PROPERTY, identifier=identifier, title=title, statements=statements)


PROPERTY = "property"
"""The kind of an answer on a property, of a kind or of one object."""


def _answer(knowledge: Knowledge, ref: Ref) -> Answer:
    if ref.blueprint == ACTION:
        action = knowledge.actions.get(ref.identifier)
        live = knowledge.past.held.actions.get(ref.identifier, {})
        title = action.title if action is not None else str(live.get("title") or ref.identifier)
        statements = tuple(of_action(knowledge, ref.identifier))
        return Answer(kind="action", identifier=ref.identifier, title=title, statements=statements)
    entity, held = knowledge.entities.get(ref), knowledge.held(ref)
    last = knowledge.last_written(ref)
    several = (entity, held, knowledge.seen.get(ref), None if last is None else last[1])
    title = next((each.title for each in several if each is not None and each.title), "")
    statements = tuple(of_entity(knowledge, ref, entity, held))
    return Answer(kind=KIND_OF[ref.blueprint].words[0], identifier=ref.identifier, title=title, statements=statements)


def _unknown(knowledge: Knowledge, asked: str, named: Found) -> Iterator[Statement]:
    if named.strange:
        yield Statement(topic="unknown", said=f"{short(asked.strip())} {named.strange}.")
        return
    read = knowledge.read
    there = [each for each in read.kinds if each.name not in read.skipped]
    counted = ", ".join(each.several(read.listings[each.name].seen) for each in there)
    said = f"Nothing is called {short(asked)}: not among {counted} that this token sees in Coder, nor in Port."
    yield Statement(topic="unknown", said=said)
    yield Statement(topic="coder", said=read.snapshot.breadth.text)
    for said in skipped_of(read):
        yield Statement(topic="coder", said=said)
    if off := [each.words[1] for each in KINDS if each not in read.kinds]:
        yield Statement(topic="scope", said=f"{NAMESPACE}:kinds does not ask for {', '.join(off)}.")
    if like := nearest(knowledge, asked):
        yield Statement(topic="unknown", said=f"Like it: {', '.join(map(short, like))}.")
