"""Which objects a question is about: by id, by name, or by an address of this Coder or of Port's app."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from coderport.catalog.actions.declared import CREATE_FROM_PREFIX
from coderport.catalog.identifiers import PROXIES, QUOTAS, TEMPLATES, USERS, WORKSPACES
from coderport.catalog.values import Ref, is_id
from coderport.guard.deletions import ACTION
from coderport.guard.ownership import DEPLOYMENT
from coderport.kinds.all import KIND_OF, KINDS
from coderport.terminal.text import short
from coderport.why.addresses import Addresses
from coderport.why.knowledge import Knowledge
from coderport.why.properties import kinds_named, members, named
from coderport.why.statement import name_of

SHOWN = 5
_NAMES = ("name", "display_name", "username", "email")
_BEFORE = ("owner_name", "organization_name", "template_name")


@dataclass(frozen=True)
class Found:
    """The objects that a text names; actions are of the kind `ACTION`. `strange` is why it names none.

    properties   those of kinds that it names, as blueprint and property
    of_objects   those of one object
    """

    refs: tuple[Ref, ...] = ()
    strange: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    of_objects: tuple[tuple[Ref, str], ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is something of that name."""
        return bool(self.refs or self.properties or self.of_objects)


def found(knowledge: Knowledge, asked: str) -> Found:
    """What the text names: objects, a property of one (`OBJECT#PROPERTY`, or with a point), or of kinds (`PROPERTY`).

    An object is meant by its id, or else by its name, or else by one that it had when a kept run wrote it.
    """
    text = asked.strip()
    if (of_it := _of_objects(knowledge, text, "#")) is not None:
        return of_it
    objects = _objects(knowledge, text)
    everywhere = tuple((kind.name, name) for kind in KINDS for name in named(knowledge, kind.name, text))
    if objects.refs or everywhere:
        return replace(objects, properties=everywhere, strange="")
    return _of_objects(knowledge, text, ".") or objects


def _of_objects(knowledge: Knowledge, text: str, sign: str) -> Found | None:
    """The property behind the last sign, of the kind or the objects before it; None where those are none.

    Behind a point it has to be a property that there is: points are in names and addresses too.
    """
    before, there, name = text.rpartition(sign)
    if not there or not before or not name:
        return None
    of_kinds = tuple((kind, each) for kind in kinds_named(before) for each in named(knowledge, kind, name))
    if of_kinds:
        return Found(properties=of_kinds)
    refs = [each for each in _objects(knowledge, before).refs if each.blueprint in KIND_OF]
    if several := tuple((ref, each) for ref in refs for each in named(knowledge, ref.blueprint, name)):
        return Found(of_objects=several)
    if sign == "#" and (kinds := kinds_named(before) or tuple({ref.blueprint: None for ref in refs})):
        known = [name_of(each) for kind in kinds for each in members(knowledge, kind)]
        like = difflib.get_close_matches(name.lower(), known, n=SHOWN)
        hint = f"; like it: {', '.join(dict.fromkeys(like))}" if like else ""
        words = ", ".join(KIND_OF[kind].words[1] for kind in kinds)
        return None if _objects(knowledge, text).refs else Found(strange=f"names no property of {words}{hint}")
    return None


def _objects(knowledge: Knowledge, text: str) -> Found:
    place = _addresses(knowledge).place(text)
    if place is None:
        return Found(tuple(_named(knowledge, text.strip("/").removeprefix("@"))))
    if place.ref is not None:
        known = place.ref in dict(_names(knowledge)) or place.ref in dict(_former_names(knowledge))
        strange = f"is of {place.ref.blueprint} {short(place.ref.identifier)}, which neither Coder nor Port has shown"
        return Found((place.ref,)) if known else Found(strange=strange)
    if place.strange:
        proxies = tuple(ref for ref, url in _urls(knowledge) if ref.blueprint == PROXIES and _same(url, text))
        return Found(proxies) if proxies else Found(strange=place.strange)
    refs = tuple(_on_page(knowledge, place.path))
    return Found(refs) if refs else Found(strange="is no page of an object that is known in this Coder")


def _same(url: str, text: str) -> bool:
    """Whether it is that address, which Coder gives for a proxy of its own, somewhere else."""
    return bool(url) and url.rstrip("/").lower() == text.rstrip("/").lower()


def subjects(knowledge: Knowledge, asked: str) -> tuple[Ref, ...]:
    """The objects that the text names, or a property of which."""
    named_so = found(knowledge, asked)
    return (*named_so.refs, *(ref for ref, _ in named_so.of_objects))


def everything(knowledge: Knowledge) -> tuple[Ref, ...]:
    """All that can be asked about: what Coder, Port or the stack's memory has, and what kept runs wrote."""
    return tuple({**dict(_names(knowledge)), **dict(_former_names(knowledge))})


def nearest(knowledge: Knowledge, asked: str) -> tuple[str, ...]:
    """Names that are like the one that nothing has."""
    known = {name for names in dict(_names(knowledge)).values() for name in names}
    known |= {name_of(each) for kind in KINDS for each in members(knowledge, kind.name)}
    return tuple(difflib.get_close_matches(asked.strip().strip("/").removeprefix("@").lower(), sorted(known), n=SHOWN))


def _addresses(knowledge: Knowledge) -> Addresses:
    settings, deployment = knowledge.settings, knowledge.read.snapshot.deployment
    return Addresses((settings.coder_api_base_url, deployment.dashboard_url), settings.port_base_url)


def _named(knowledge: Knowledge, text: str, kinds: Iterable[str] = ()) -> Iterator[Ref]:
    """Those of the kinds, or of all, that have the text as their id or name, now or when a kept run wrote them."""
    for names in (dict(_names(knowledge)), dict(_former_names(knowledge))):
        several = [ref for ref in names if not kinds or ref.blueprint in kinds]
        by_id = [ref for ref in several if text.lower() in _ids(ref)]
        if shown := by_id or [ref for ref in several if text.lower() in names[ref]]:
            yield from shown
            return


def _ids(ref: Ref) -> tuple[str, ...]:
    """By its id, and as errors of a run and of the engine name it."""
    own = ref.identifier.lower()
    return own, f"{ref.blueprint}:{own}", f"{ref.blueprint}-{own}"


def _on_page(knowledge: Knowledge, path: str) -> Iterator[Ref]:
    """The objects whose page in this Coder it is, or else those that a page below that, or an API's route, is of."""
    addresses = _addresses(knowledge)
    pages = {ref for ref, url in _urls(knowledge) if path and addresses.page(url) == path}
    if pages:
        yield from sorted(pages)
        return
    for kinds, text in _of_path(path):
        if refs := [ref for ref in _named(knowledge, text, kinds) if not _is_elsewhere(knowledge, ref)]:
            yield from refs
            return


def _of_path(path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a path is about, the likeliest first: which kinds, and their name or id. An app's page has `ws.agent`."""
    steps = [each for each in path.split("/") if each]
    if steps[:2] == ["api", "v2"]:
        yield from ((tuple(KIND_OF), each) for each in reversed(steps) if is_id(each))
    elif steps and steps[0].startswith("@"):
        owner = steps[0].removeprefix("@")
        if steps[1:]:
            yield (WORKSPACES,), f"{owner}/{steps[1].partition('.')[0]}"
        else:
            yield (USERS, QUOTAS), owner
    elif steps[:1] == ["templates"]:
        yield from (((TEMPLATES,), "/".join(steps[1 : 1 + many])) for many in (2, 1) if len(steps) > many)


def _is_elsewhere(knowledge: Knowledge, ref: Ref) -> bool:
    """Whether Port holds it as one of another Coder deployment."""
    held = knowledge.held(ref)
    its = None if held is None or ref in knowledge.seen else held.properties.get(DEPLOYMENT)
    return bool(its) and its != knowledge.read.snapshot.deployment.deployment_id


def _urls(knowledge: Knowledge) -> Iterator[tuple[Ref, str]]:
    """The addresses of pages that Coder and Port give for entities."""
    for ref, entity in knowledge.seen.items():
        yield ref, str(entity.properties.get("url") or "")
    for kind, entities in knowledge.past.held.entities.items():
        for identifier, held in entities.items():
            if not _is_elsewhere(knowledge, Ref(kind, identifier)):
                yield Ref(kind, identifier), str(held.properties.get("url") or "")


def _names(knowledge: Knowledge) -> Iterator[tuple[Ref, frozenset[str]]]:
    """Everything that Coder, Port or the stack's memory has, with the names that it goes by, in lower case."""
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
    for ref, names in found.items():
        yield ref, frozenset(each.lower() for each in names if each)


def _former_names(knowledge: Knowledge) -> Iterator[tuple[Ref, frozenset[str]]]:
    """What kept runs wrote or deleted, with the names that it had then, in lower case."""
    found: dict[Ref, set[str]] = {}
    for record in knowledge.history:
        for image in record.entities:
            for was in (image.before, image.created):
                if was is not None:
                    its = found.setdefault(Ref(image.blueprint, image.identifier), set())
                    its.update(_of(was.title or "", was.properties))
    for ref, names in found.items():
        yield ref, frozenset(each.lower() for each in names if each)


def _of(title: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """The names of an entity: its own, and those with whose it is before it."""
    yield title
    texts = {key: value for key, value in properties.items() if isinstance(value, str)}
    yield from (texts[key] for key in _NAMES if key in texts)
    if name := texts.get("name"):
        yield from (f"{texts[key]}/{name}" for key in _BEFORE if key in texts)
