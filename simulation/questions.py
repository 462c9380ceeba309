"""What `why` says of everything at one moment, held against the world then and against what the run after it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coderport.catalog.values import Ref
from coderport.guard.deletions import ACTION
from coderport.why.answer import answers
from coderport.why.knowledge import Knowledge
from coderport.why.naming import everything

Effect = Literal["created", "changed", "deleted", "none"]
Said = Mapping[Ref, Mapping[str, str]]
"""By object what was said of it, by topic: each statement is a line."""
Shown = Mapping[Ref, tuple[Any, ...]]
"""What Port holds of each entity: title, properties and relations, as far as they have a value."""

REFUSED = "The guard would refuse that run."
_EFFECTS: tuple[tuple[str, Effect], ...] = (
    ("The next run creates it", "created"),
    ("The next run changes it", "changed"),
    ("The next run deletes it", "deleted"),
)


@dataclass(frozen=True)
class Truth:
    """How the world is: what Coder shows, what of that the settings leave out, what was deleted in Coder, and what in
    Port is somebody else's without doubt.
    """

    shown: frozenset[Ref]
    left_out: frozenset[Ref]
    gone: frozenset[Ref]
    theirs: frozenset[Ref]


def said_of_everything(knowledge: Knowledge) -> dict[Ref, dict[str, str]]:
    """Asks about every object that is known, as a person would: by what errors call it."""
    found: dict[Ref, dict[str, str]] = {}
    for ref in everything(knowledge):
        if ref.blueprint == ACTION:
            continue
        (answer,) = [each for each in answers(knowledge, f"{ref.blueprint}:{ref.identifier}") if each.kind]
        topics = found.setdefault(ref, {})
        for each in answer.statements:
            topics[each.topic] = f"{topics[each.topic]}\n{each.said}" if each.topic in topics else each.said
    return found


def untrue(said: Said, truth: Truth, before: Shown) -> Iterator[str]:
    """What was said of Coder, the settings, Port and the owner, and is not so."""
    for ref, topics in said.items():
        seen, out = topics["coder"].startswith("In Coder, and seen"), topics["scope"].startswith("Left out: ")
        if seen is not (ref in truth.shown):
            yield _text(ref, topics, "coder")
        if topics["coder"].startswith("Deleted in Coder") and ref not in truth.gone:
            yield _text(ref, topics, "coder")
        if out is not (ref in truth.left_out):
            yield _text(ref, topics, "scope")
        if (topics["scope"] == "In scope.") is not (ref in truth.shown - truth.left_out):
            yield _text(ref, topics, "scope")
        if topics["port"].startswith("In Port") is not (ref in before):
            yield _text(ref, topics, "port")
        if ref in truth.theirs and topics["owner"].startswith("This stack's"):
            yield _text(ref, topics, "owner")
    for ref in before.keys() - said.keys():
        yield f"{ref} is in Port, and nothing is said of it"


def unlike_the_run(said: Said, before: Shown, after: Shown, *, refused: bool) -> Iterator[str]:
    """What was said of the next run, and is not what it did: `refused` says whether the guard has refused it."""
    for ref, topics in said.items():
        claimed = claim(topics["next run"])
        if claimed != "none" and refused is not topics["next run"].endswith(REFUSED):
            yield _text(ref, topics, "next run")
        does = effect(ref, before, after)
        if does != ("none" if refused else claimed):
            yield f"{_text(ref, topics, 'next run')}, but: {does}; {topics.get('property')}"
        if does == "changed" == claimed and _named(topics) != (names := set(_changed(before[ref], after[ref]))):
            yield f"why names as what differs of {ref.identifier} {_named(topics)}, and the run changed {names}"
        if does == "deleted" and not topics["owner"].startswith("This stack's"):
            yield _text(ref, topics, "owner")
    for ref in after.keys() - said.keys():
        yield f"{ref} was created, and nothing is said of it"


_RUN = len("20261121T120000Z-000000")


def unlike_the_history(said: Said, run: Mapping[Ref, Effect]) -> Iterator[str]:
    """What is said after a run of the last run that wrote each object, where that is not what the run did to it."""
    names = {ref: topics.get("history", "") for ref, topics in said.items()}
    newest = max(
        (each.partition(" by the run ")[2].split()[0] for each in names.values() if "Last " in each), default=""
    )
    for ref, does in run.items():
        if does != "none" and not names.get(ref, "").startswith(f"Last {does} by the run {newest} "):
            yield f"why says of {ref}: {names.get(ref)}, and the run {newest} has {does} it"
        if does == "none" and any(each != "none" for each in run.values()) and newest in names.get(ref, ""):
            yield f"why says of {ref}: {names[ref]}, and that run did nothing to it"


def claim(text: str) -> Effect:
    """What the next run does by such a statement."""
    return next((each for words, each in _EFFECTS if text.startswith(words)), "none")


def effect(ref: Ref, before: Shown, after: Shown) -> Effect:
    """What became of an entity in Port."""
    if ref not in before:
        return "created" if ref in after else "none"
    if ref not in after:
        return "deleted"
    return "none" if before[ref] == after[ref] else "changed"


def _named(topics: Mapping[str, str]) -> set[str]:
    """The properties of which it was said that Port has them otherwise than wanted."""
    lines = topics.get("property", "").splitlines()
    return {each.partition(": ")[0] for each in lines if ": Port has " in each and ", wanted is " in each}


def _changed(before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[str]:
    """What a run has changed of an entity: its title, properties and relations."""
    if before[0] != after[0]:
        yield "title"
    for was, became in zip(before[1:], after[1:], strict=True):
        yield from (key for key in {**was, **became} if was.get(key) != became.get(key))


def counted(said: Said) -> Counter[str]:
    """How often each kind of statement on the next run was made."""
    return Counter(
        f"{claim(topics['next run'])}{', refused' if topics['next run'].endswith(REFUSED) else ''}"
        for topics in said.values()
    )


def _text(ref: Ref, topics: Mapping[str, str], topic: str) -> str:
    return f"why says of {ref.blueprint}:{ref.identifier}: {topics.get(topic, 'nothing')}"
