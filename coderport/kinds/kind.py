"""What a kind of objects is: all that the program knows of it stands in one value, and nothing else knows of it.

Guard, plan, memory, difference, sweep, notes and tables go over the kinds of `coderport.kinds.all`. A kind more is a
file here and a line there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import Context, Entity, Held, LeftOut, Ref, is_id
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate
from coderport.kinds.filters import Filters

if TYPE_CHECKING:
    from coderport.coder.client import CoderClient
    from coderport.coder.reading.snapshot import Advance, Snapshot

Row = TypeVar("Row")
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """One kind's part of a read of Coder; rows are by identifier.

    outside  alive, in organizations that the settings leave out
    fates    of each known one that was not seen: only what Coder says was deleted is gone
    skipped  why the kind could not be read, as a clause: then what Port has of it stays as it is
    failures what of it was not read because Coder failed or answered in an unknown form, each with the reason: what
             Port has of that stays as well, and the run is none that went well
    absent   those of the gone that only a list lacks: no answer about them, or about what they belong to, says so
    blank    those of the gone of which a list that showed nothing at all is the only word
    """

    rows: Mapping[str, Row]
    outside: Mapping[str, Row] = field(default_factory=lambda: NOTHING)
    fates: Mapping[str, Fate] = field(default_factory=lambda: NOTHING)
    skipped: str = ""
    failures: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    absent: frozenset[str] = frozenset()
    blank: frozenset[str] = frozenset()

    @property
    def seen(self) -> int:
        """How many objects were seen, in scope or not."""
        return len(self.rows) + len(self.outside)


@dataclass(frozen=True)
class Reading:
    """What a kind is read with: the read of templates and workspaces is done.

    `narrowed`: the settings name the organizations in scope. `known` are ids that need a proof. `read` are the kinds
    that were read before, `listings` what they showed and `gone` what they prove to be deleted. `held` is what Port
    holds, by kind and id.
    """

    client: CoderClient
    snapshot: Snapshot
    narrowed: bool
    known: frozenset[str]
    progress: Advance
    read: frozenset[str] = frozenset()
    gone: frozenset[Ref] = frozenset()
    held: Mapping[str, Mapping[str, Held]] = field(default_factory=lambda: NOTHING)
    listings: Mapping[str, Listing[Any]] = field(default_factory=lambda: NOTHING)

    def takes(self, organization_id: str) -> bool:
        """Whether the settings take what is in that organization. Without any named they take all that is seen: what
        a list of organizations lacks is not left out by the settings.
        """
        return not self.narrowed or any(each.id == organization_id for each in self.snapshot.organizations)

    def in_port(self, kind: str, identifier: str, key: str) -> str:
        """The value of a text property in Port; empty where Port has none."""
        held = self.held.get(kind, NOTHING).get(identifier)
        return str(held.properties.get(key) or "") if held is not None else ""


async def absent(
    reading: Reading, kind: str, unseen: Collection[str], by_id: Callable[[str], Awaitable[object | None]]
) -> dict[str, Fate]:
    """The fates of what a whole list of the kind (of `POST /authcheck`) lacks; `by_id` gives one object, or None.

    Coder answers 404 for what was deleted as well as for what the token may not see. So it counts only for a token that
    reads every object of the kind, when the read begins and when all of it has been asked for: no right was lost.
    """
    if not unseen:
        return {}
    fates = dict.fromkeys(sorted(unseen), Fate.UNPROVEN)
    if kind not in reading.snapshot.breadth.site:
        return fates
    try:
        found = {each: await by_id(each) for each in fates}
    except CoderForbidden:
        return fates
    still = await reading.client.authcheck({kind: {"resource_type": kind}})
    return {each: Fate.GONE if still[kind] and found[each] is None else Fate.UNPROVEN for each in fates}


def is_whole(snapshot: Snapshot) -> bool:
    """Whether the read of templates and workspaces showed all, so that what it shows of none of them is nowhere."""
    fates = {*snapshot.template_fates.values(), *snapshot.workspace_fates.values()}
    return snapshot.whole and Fate.UNPROVEN not in fates


def part_of_workspaces(
    reading: Reading,
    rows: Mapping[str, Row],
    outside: Mapping[str, Row],
    what: str,
    has_ended: Callable[[str], bool],
) -> Listing[Row]:
    """The listing of what workspaces have (`what`, in people's words), by the read of those.

    What it lacks has ended where `has_ended` says so of its identifier, and only if no workspace was missed.
    """
    unseen = reading.known - rows.keys() - outside.keys()
    if unseen and not is_whole(reading.snapshot):
        return Listing(NOTHING, skipped=f"the read of workspaces missed some, so it does not say which {what} ended")
    return Listing(
        dict(sorted(rows.items())),
        {key: outside[key] for key in sorted(reading.known & outside.keys())},
        {each: Fate.GONE for each in sorted(unseen) if has_ended(each)},
    )


async def still_sees(reading: Reading, needs: frozenset[str]) -> bool:
    """Whether the token reads every object in scope of these kinds (of `POST /authcheck`) now as well.

    What a list lacks has ended only for a token that saw all when it was asked for and still does.
    """
    from coderport.coder.reading.breadth import measured_breadth  # the provider loads this module without a Coder

    breadth = await measured_breadth(reading.client, reading.snapshot.breadth.scope, needs)
    return all(breadth.covers(each) for each in needs)


def refused(error: CoderForbidden | CoderNotFound, what: str) -> str:
    """Why a kind is skipped: Coder's own words for a licence or right that lacks, or that it shows no such list."""
    if isinstance(error, CoderForbidden):
        return f"Coder says: {error.reason.rstrip('.!') or 'forbidden'}"
    return f"Coder does not show the {what}: this token may not read them, or this version of Coder has no such list"


@dataclass
class Chosen:
    """The entities so far, of the kinds before: those that Port will have, and those that are left out.

    `kinds` are those of the stack, by the identifiers of their blueprints; None for all. `pointing` are the entities
    that have an entity in a relation to several. `others` are what Port has of others in our blueprints.
    """

    shown: set[Ref] = field(default_factory=set)
    left_out: dict[Ref, LeftOut] = field(default_factory=dict)
    kinds: frozenset[str] | None = None
    pointing: dict[Ref, list[Entity]] = field(default_factory=dict)
    others: frozenset[Ref] = frozenset()

    def stays(self, ref: Ref) -> bool:
        """Whether what a relation in Port leads to is there after this run as well."""
        return ref in self.shown or ref in self.others

    def add(self, kind: Blueprint, entities: Iterable[Entity]) -> None:
        """Port will have these entities of that blueprint."""
        several = [each for each in kind.relations if each.many]
        for entity in entities:
            self.shown.add(entity.ref)
            for relation in several:
                for identifier in entity.relations.get(relation.identifier, ()):
                    self.pointing.setdefault(Ref(relation.target, identifier), []).append(entity)


def _nothing(row: Any, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    return None


@dataclass(frozen=True)
class Kind(Generic[Row]):
    """One kind of objects that Coder has and Port shows.

    words          what people call one and several
    columns        properties and relations that a list for people shows beside the title, as far as there are such
    needs          the kinds of objects (of `POST /authcheck`) that the token has to see in full; without one of them
                   an optional kind is skipped, and what Port has of it stays
    uses           the same of what it shows more with: without, the kind is read, and those values stay in Port
    part, read     how the rows come: as a part of the read of templates and workspaces, or by requests of their own;
                   with both, the requests add what the part has not
    entity         what Port should hold of a row; its relations lead to entities of `Chosen.shown`
    left_out       which setting leaves a row out, if any
    volatile       properties that change by themselves (see `coderport.catalog.volatile`)
    last_used      the one of them that tells how old Port's values are
    ends           "proven": nothing of it goes without Coder's word. "derived": a whole read that does not show one is
                   its end, because it is derived from what was read or is as short-lived as a process; how many may
                   go so is the guard's rule (`coderport.guard.deletions`)
    end, proof     what is then so of it, after "because it is", and by what that is known, as a clause
    is_identifier  whether such an object can have that identifier
    own_id         whether Coder gives its id to nothing of another kind
    shared         whether such an object belongs to no organization, so that several stacks may see the same one: what
                   a sibling keeps in Port already is left to it
    always         whether it is there in every stack; the others are by `coderport:kinds`
    """

    blueprint: Blueprint
    words: tuple[str, str]
    entity: Callable[[Row, Context, Chosen], Entity]
    columns: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    part: Callable[[Snapshot], Listing[Row]] | None = None
    read: Callable[[Reading], Awaitable[Listing[Row]]] | None = None
    left_out: Callable[[Row, Filters, Context, Chosen], LeftOut | None] = _nothing
    volatile: frozenset[str] = frozenset()
    last_used: str | None = None
    ends: Literal["proven", "derived"] = "proven"
    end: str = "deleted in Coder"
    proof: str = "Coder says so of this id"
    is_identifier: Callable[[str], bool] = is_id
    own_id: bool = True
    shared: bool = False
    always: bool = False

    @property
    def name(self) -> str:
        """The identifier of its blueprint, by which it is known everywhere."""
        return self.blueprint.identifier

    def is_called(self, word: str) -> bool:
        """Whether people, or Port, call it so, one or several of it; capitals and blanks around it do not count."""
        return word.strip().lower() in (*self.words, self.name)

    def several(self, number: int) -> str:
        """So many of it, in people's words."""
        return f"{number:,} {self.words[number != 1]}"


def rights_text(needs: Iterable[str]) -> str:
    """Kinds of objects (of `POST /authcheck`) as the end of "may read every"."""
    return ", ".join(each.replace("_", " ").removesuffix("s") for each in sorted(needs))
