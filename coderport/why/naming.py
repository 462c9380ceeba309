"""What a question names: an id, an address in Coder or Port, a name, a title, or a property of one of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from coderport.catalog.actions.declared import CREATE_FROM_PREFIX
from coderport.catalog.values import Ref
from coderport.guard.deletions import ACTION
from coderport.why.gathering import Knowledge

SHOWN = 5
_NAMES = ("name", "display_name", "username", "email")
_BEFORE = ("owner_name", "organization_name", "template_name")


def subjects(knowledge: Knowledge, asked: str) -> tuple[Ref, ...]:
    """The objects that the text names: all that have that id, or else that name. Actions are of the kind `ACTION`."""
    names = dict(_names(knowledge))
    page = _page(asked.strip())
    if page and (shown := tuple(ref for ref, known in names.items() if page in known)):
        return shown
    text = _of_address(asked.strip())
    by_id = [ref for ref in names if ref.identifier.lower() == text.lower()]
    if by_id:
        return tuple(by_id)
    return tuple(ref for ref, known in names.items() if text.lower() in known)


def nearest(knowledge: Knowledge, asked: str) -> tuple[str, ...]:
    """Names that are like the one that nothing has."""
    known = sorted({name for names in dict(_names(knowledge)).values() for name in names if not name.startswith("/")})
    return tuple(difflib.get_close_matches(_of_address(asked).lower(), known, n=SHOWN))


def _page(address: str) -> str:
    """The path of an address, in lower case; empty for what is none, or for one without a path."""
    parts = urlsplit(address)
    return unquote(parts.path).rstrip("/").lower() if parts.scheme in ("http", "https") else ""


def _of_address(text: str) -> str:
    """What an address is about: `/@owner/name` and `/templates/name` of Coder, `?identifier=` of Port."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        return text.removeprefix("@")
    if identifier := parse_qs(parts.query).get("identifier"):
        return identifier[0]
    steps = [unquote(each) for each in parts.path.split("/") if each]
    owner = next((at for at, each in enumerate(steps) if each.startswith("@")), None)
    if owner is not None:
        return "/".join([steps[owner].removeprefix("@"), *steps[owner + 1 : owner + 2]])
    if "templates" in steps:
        rest = steps[steps.index("templates") + 1 :]
        return "/".join(rest[:2] if len(rest) > 1 and rest[1] not in ("workspace", "docs", "settings") else rest[:1])
    return steps[-1] if steps else text


def _names(knowledge: Knowledge) -> Iterator[tuple[Ref, frozenset[str]]]:
    """Everything that is known, with the names that it goes by, in lower case."""
    found: dict[Ref, set[str]] = {}
    for ref, entity in knowledge.seen.items():
        found.setdefault(ref, set()).update(_of(entity.title, entity.properties))
    for kind, listing in knowledge.read.listings.items():
        for identifier in listing.fates:
            found.setdefault(Ref(kind, identifier), set())
    for kind, entities in knowledge.past.held.entities.items():
        for identifier, held in entities.items():
            found.setdefault(Ref(kind, identifier), set()).update(_of(held.title or "", held.properties))
    for kind, ids in knowledge.past.memory.declared.items():
        for identifier in ids:
            found.setdefault(Ref(kind, identifier), set())
    for identifier in {*knowledge.past.memory.actions, *knowledge.past.held.actions, *knowledge.actions}:
        action, live = knowledge.actions.get(identifier), knowledge.past.held.actions.get(identifier, {})
        if action is not None or identifier in knowledge.past.memory.actions or identifier.startswith("coder_"):
            title = action.title if action is not None else str(live.get("title") or "")
            found[Ref(ACTION, identifier)] = {title, identifier}
    for row in knowledge.read.snapshot.templates.values():
        form = Ref(ACTION, f"{CREATE_FROM_PREFIX}{row.id}")
        found.setdefault(form, set())
    for record in knowledge.history:
        for image in record.entities:
            if image.before is not None:
                found.setdefault(Ref(image.blueprint, image.identifier), set()).add(image.before.title)
    for ref, names in found.items():
        yield ref, frozenset(each.lower() for each in names if each)


def _of(title: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """The names of an entity: its own, those with whose it is before it, and the path of its page in Coder."""
    yield title
    texts = {key: value for key, value in properties.items() if isinstance(value, str)}
    yield from (texts[key] for key in _NAMES if key in texts)
    if name := texts.get("name"):
        yield from (f"{texts[key]}/{name}" for key in _BEFORE if key in texts)
    yield _page(texts.get("url", ""))
