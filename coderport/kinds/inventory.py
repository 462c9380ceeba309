"""What a read of Coder showed of each kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.fate import Fate
from coderport.coder.reading.snapshot import Advance, Breadth, Known, Snapshot, read_snapshot
from coderport.kinds.all import KINDS
from coderport.kinds.kind import NOTHING, Kind, Listing, Reading, rights_text
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

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
    def skipped(self) -> Mapping[str, str]:
        """By kind why it could not be read."""
        return {name: listing.skipped for name, listing in self.listings.items() if listing.skipped}

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
    """The listing of a kind of which a read that does not show one is its end."""
    if listing.skipped:
        return listing
    return replace(listing, fates=dict.fromkeys(known - listing.rows.keys() - listing.outside.keys(), Fate.GONE))


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
) -> Inventory:
    """Reads Coder: templates and workspaces, then each other kind that the token sees in full; the rest are skipped.

    Raises as `read_snapshot` does.
    """

    async def in_snapshot() -> Known:
        return known_in_snapshot(await known())

    needs = frozenset().union(*(each.needs for each in kinds))
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
        ids = (await known()).get(kind.name, frozenset())
        before = frozenset(name for name, each in listings.items() if not each.skipped)
        listing = await kind.read(Reading(client, snapshot, bool(organizations), ids, progress, before))
        listings[kind.name] = listing if kind.ends == "proven" else derived(listing, ids)
    return Inventory(snapshot, tuple(kinds), listings)


def blind(kind: Kind[Any], breadth: Breadth) -> str:
    """Why the kind cannot be read in full with such a token, as a clause; empty where it can."""
    missing = [need for need in kind.needs if not breadth.covers(need)]
    if not missing:
        return ""
    rights = rights_text(missing)
    return f"the token may not read every {rights}, so Coder would show only some of them. A token of an owner may"
