"""What a read of Coder showed of each kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from coderport.catalog.values import Held, Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError, CoderForbidden, CoderNotFound
from coderport.coder.failing import reason_of
from coderport.coder.fate import Fate
from coderport.coder.reading.snapshot import Advance, Breadth, Known, Snapshot, read_snapshot
from coderport.kinds.all import KINDS
from coderport.kinds.kind import NOTHING, Kind, Listing, Reading, refused, rights_text
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

HeldByKind = Mapping[str, Mapping[str, Held]]
"""What Port holds, by kind and identifier."""

KnownIds = Mapping[str, frozenset[str]]
"""By kind the ids that the stack declared before or that Port holds: none may disappear without a proof."""


@dataclass(frozen=True)
class Inventory:
    """The read of templates and workspaces, with its proofs, and a listing for each kind that was asked for."""

    snapshot: Snapshot
    kinds: tuple[Kind[Any], ...]
    listings: Mapping[str, Listing[Any]]

    @property
    def gone(self) -> frozenset[Ref]:
        """What Coder says was deleted, of all that was known and not seen."""
        return frozenset(
            Ref(name, each)
            for name, listing in self.listings.items()
            for each, fate in listing.fates.items()
            if fate is Fate.GONE
        )

    @property
    def proven(self) -> frozenset[Ref]:
        """Those of the gone of which an answer says so, about them or about what they belong to."""
        return self.gone - self._each("absent")

    @property
    def blank(self) -> frozenset[Ref]:
        """Those of the gone of which a list that showed nothing at all is the only word."""
        return self._each("blank")

    def _each(self, which: Literal["absent", "blank"]) -> frozenset[Ref]:
        return frozenset(Ref(name, each) for name, listing in self.listings.items() for each in getattr(listing, which))

    @property
    def skipped(self) -> Mapping[str, str]:
        """By kind why it could not be read."""
        return {name: listing.skipped for name, listing in self.listings.items() if listing.skipped}

    @property
    def failures(self) -> Mapping[str, str]:
        """What was asked for and not read because Coder failed or answered in an unknown form, and the reason."""
        return {what: why for listing in self.listings.values() for what, why in listing.failures.items()}

    @property
    def unread(self) -> Mapping[str, str]:
        """All that was asked for and not read, in people's words, and why."""
        skipped = {each.words[1]: self.skipped[each.name] for each in self.kinds if each.name in self.skipped}
        return {**skipped, **self.failures}

    def counts(self) -> dict[str, int]:
        """How many objects are in scope, by what people call several of them."""
        return {each.words[1]: len(self.listings[each.name].rows) for each in self.kinds}

    def seen(self) -> dict[str, int]:
        """How many objects of each kind were seen, in scope or not."""
        return {name: listing.seen for name, listing in self.listings.items()}


def inventory_of(snapshot: Snapshot, kinds: Iterable[Kind[Any]] = KINDS) -> Inventory:
    """What a snapshot alone shows: the kinds that are parts of it."""
    parts = tuple(each for each in kinds if each.part is not None)
    return Inventory(snapshot, parts, {each.name: each.part(snapshot) for each in parts if each.part is not None})


def derived(listing: Listing[Any], known: frozenset[str]) -> Listing[Any]:
    """The listing of a kind of which a read that does not show one is its end, where it has no fate yet."""
    if listing.skipped:
        return listing
    absent = known - listing.rows.keys() - listing.outside.keys() - listing.fates.keys()
    return replace(listing, fates={**dict.fromkeys(sorted(absent), Fate.GONE), **listing.fates}, absent=absent)


def known_in_snapshot(known: KnownIds) -> Known:
    """The ids of what a snapshot is of."""
    return Known(known.get(TEMPLATE.identifier, frozenset()), known.get(WORKSPACE.identifier, frozenset()))


async def read_inventory(
    client: CoderClient,
    kinds: Sequence[Kind[Any]],
    *,
    organizations: Sequence[str] = (),
    known: Callable[[], Awaitable[KnownIds]],
    progress: Advance,
    held: Callable[[], Awaitable[HeldByKind]] | None = None,
) -> Inventory:
    """Reads Coder: templates and workspaces, then each other kind that the token sees in full; the rest are skipped.

    `held` is what Port holds, which says where the known ones belong. A kind of which Coder fails to answer, or answers
    in an unknown form, is skipped as well. Raises as `read_snapshot` does.
    """

    async def in_snapshot() -> Known:
        return known_in_snapshot(await known())

    needs = frozenset().union(*(each.needs | each.uses for each in kinds))
    snapshot = await read_snapshot(
        client, organizations=organizations, known=in_snapshot, progress=progress, needs=needs
    )
    found = inventory_of(snapshot, kinds)
    listings: dict[str, Listing[Any]] = dict(found.listings)
    for kind in kinds:
        if kind.read is None:
            continue
        if why := blind(kind, snapshot.breadth):
            listings[kind.name] = Listing(NOTHING, skipped=why)
            continue
        if "user" in kind.needs and (why := snapshot.users_failure):
            listings[kind.name] = _failed(kind, why)
            continue
        ids = (await known()).get(kind.name, frozenset())
        before = frozenset(name for name, each in listings.items() if not each.skipped)
        gone = Inventory(snapshot, (), listings).gone
        in_port = await held() if held is not None else NOTHING
        reading = Reading(client, snapshot, bool(organizations), ids, progress, before, gone, in_port, dict(listings))
        listing = await (kind.read(reading) if kind.always else _read_optional(kind, kind.read, reading))
        listings[kind.name] = listing if kind.ends == "proven" else derived(listing, ids)
    return Inventory(snapshot, tuple(kinds), listings)


async def _read_optional(
    kind: Kind[Any], read: Callable[[Reading], Awaitable[Listing[Any]]], reading: Reading
) -> Listing[Any]:
    """What the kind reads. What only it asks for, and Coder does not answer, costs this kind and nothing else."""
    try:
        return await read(reading)
    except (CoderForbidden, CoderNotFound) as error:
        return Listing(NOTHING, skipped=refused(error, kind.words[1]))
    except CoderError as error:
        return _failed(kind, await reason_of(reading.client, error))


def _failed(kind: Kind[Any], why: str) -> Listing[Any]:
    return Listing(NOTHING, skipped=why, failures={kind.words[1]: why})


def blind(kind: Kind[Any], breadth: Breadth) -> str:
    """Why the kind cannot be read in full with such a token, as a clause; empty where it can."""
    missing = [need for need in kind.needs if not breadth.covers(need)]
    if not missing:
        return ""
    rights = rights_text(missing)
    return f"the token may not read every {rights}, so Coder would show only some of them. A token of an owner may"
