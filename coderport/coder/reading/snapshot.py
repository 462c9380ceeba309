"""One whole, proven read of Coder: what exists, what of the known is proven gone, and how sure that is.

Order: who and where, then breadth (may the token see it all), then templates, workspaces, the fate of every
known id that was not listed, and last the owners' e-mails. Any answer that is not a proper 2xx (but for the
statuses that `proof` interprets) ends the read with a typed error; there is no partial Snapshot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderError, CoderForbidden, CoderNotFound
from coderport.coder.failing import reason_of
from coderport.coder.fate import Fate
from coderport.coder.models import BuildInfo, CoderPerson, Organization, Template, User, Workspace
from coderport.coder.reading.breadth import (
    Breadth,
    measured_breadth,
    organizations_in_scope,
    refuse_if_too_narrow,
)
from coderport.coder.reading.ledger import Ledger
from coderport.coder.reading.listing import PAGE_LIMIT, PASSES, Scope
from coderport.coder.reading.proof import listed_by_id, template_fates, template_or_none, workspace_fates
from coderport.tasks import together

ORGANIZATION = "organization:"
Advance = Callable[[str, int, int | None], None]

__all__ = ["Breadth", "Fate", "Known", "Snapshot", "read_snapshot"]


@dataclass(frozen=True)
class Known:
    """Ids that the stack declared before or that Port holds: none may disappear without a proof."""

    templates: frozenset[str] = frozenset()
    workspaces: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Snapshot:
    """What Coder holds, by id. `outside_*` are alive but in organizations that the settings leave out."""

    deployment: BuildInfo
    me: User
    organizations: tuple[Organization, ...]
    templates: Mapping[str, Template]
    workspaces: Mapping[str, Workspace]
    emails: Mapping[str, str] | None
    """Id to e-mail of the users that Coder showed, "" for one without; None where the token may not read users."""
    count: int
    """How many workspaces the server counts in scope, newest answer; with the outside ones before August 2024."""
    short: int
    """0: every workspace that existed throughout the read was seen. Else at most about so many were not."""
    deletions_provable: bool
    """False where the token may not open dormant workspaces: Coder then answers 404 where it should answer 410."""
    breadth: Breadth
    template_fates: Mapping[str, Fate]
    """For every known template that was not seen."""
    workspace_fates: Mapping[str, Fate]
    """For every known workspace that was not seen."""
    users: Mapping[str, CoderPerson] | None = None
    """The users that Coder showed, by id; None where they were not asked for, or the token may not read them."""
    users_failure: str = ""
    """Why they could not be read, where Coder failed or answered in an unknown form; a clause."""
    users_whole: bool = False
    """Whether it is proven that no user was missed who was there throughout the read; asked with `needs` of users."""
    disbelieved: int = 0
    """How many workspaces that Coder calls deleted are not taken for it: its count leaves no room for so many."""
    outside_templates: Mapping[str, Template] = field(default_factory=lambda: MappingProxyType({}))
    outside_workspaces: Mapping[str, Workspace] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def whole(self) -> bool:
        """Whether it is proven that no workspace of the scope was missed."""
        return self.short == 0


async def read_snapshot(
    client: CoderClient,
    *,
    organizations: Sequence[str] = (),
    known: Known | Callable[[], Awaitable[Known]] = Known(),
    progress: Advance | None = None,
    page_limit: int = PAGE_LIMIT,
    needs: Collection[str] = (),
) -> Snapshot:
    """Read everything in `organizations` (ids or names; none means all that the token sees) and prove the rest.

    `known` may still be on its way: it is asked for once the lists are read. `progress` is told (phase, done, total
    or None). Raises a CoderError of `coderport.coder.errors`, among them CoderTokenTooWeak before any object is read.
    `page_limit` is for tests: Coder takes 1 to 1,000. `needs` are further kinds of objects whose breadth is measured.
    """
    return await _Read(client, known, progress or _silent, page_limit).snapshot(organizations, needs)


def _silent(phase: str, done: int, total: int | None) -> None:
    return None


@dataclass(frozen=True)
class _PageOfUsers:
    """One page of `GET /users`, which is one SQL statement as well."""

    rows: tuple[CoderPerson, ...]
    count: int
    asked_at: datetime | None


class _Read:
    def __init__(
        self, client: CoderClient, known: Known | Callable[[], Awaitable[Known]], progress: Advance, page_limit: int
    ) -> None:
        self.client = client
        self._known = known
        self.progress = progress
        self.page_limit = page_limit
        self.templates: dict[str, Template] = {}
        self.scopes: list[Scope] = []
        self.listed: dict[str, tuple[int, int]] = {}
        self.asked_for: dict[str, Workspace] = {}
        self.users_whole = False
        self.users_failure = ""
        self.me = ""

    async def snapshot(self, wanted: Sequence[str], needs: Collection[str] = ()) -> Snapshot:
        deployment = await self.client.build_info()
        me = await self.client.me()
        self.me = me.id
        scope = await organizations_in_scope(self.client, wanted)
        breadth = await measured_breadth(self.client, scope, needs)
        refuse_if_too_narrow(breadth)
        inside = frozenset(one.id for one in scope) if wanted else None

        await self._list_templates(inside)
        await self._list_workspaces(inside)
        workspace_fates, disbelieved = self._believed(await self._settle_known_workspaces())
        template_fates = await self._settle_known_templates()

        workspaces = {row_id: row for one in self.scopes for row_id, row in one.ledger.rows.items()}
        workspaces |= self.asked_for
        await self._fetch_missing_templates(workspaces.values())
        in_scope, outside = _split(workspaces, inside)
        templates, outside_templates = _split(self.templates, inside)
        asked = "user" in breadth.site and (in_scope or "user" in needs)
        users = await self._users(needed="user" in needs) if asked else None
        return Snapshot(
            deployment=deployment,
            me=me,
            organizations=scope,
            templates=templates,
            workspaces=in_scope,
            emails=None if users is None else MappingProxyType({each.id: each.email for each in users.values()}),
            users=users,
            users_failure=self.users_failure,
            users_whole=self.users_whole,
            count=sum(one.ledger.count for one in self.scopes),
            short=sum(one.ledger.short for one in self.scopes),
            deletions_provable=breadth.covers("workspace_dormant"),
            breadth=breadth,
            template_fates=MappingProxyType(template_fates),
            workspace_fates=MappingProxyType(workspace_fates),
            disbelieved=disbelieved,
            outside_templates=outside_templates,
            outside_workspaces=outside,
        )

    async def _list_templates(self, inside: frozenset[str] | None) -> None:
        places: list[str | None] = [None] if inside is None else [*sorted(inside)]
        try:
            await self._list_templates_of(places)
        except CoderNotFound:
            # Listing over all organizations came in July 2024; before, each organization had its own list only.
            if inside is not None:
                raise
            await self._list_templates_of([one.id for one in await self.client.organizations()])

    async def _list_templates_of(self, places: Sequence[str | None]) -> None:
        for place in places:
            for query in ("", "deprecated:true"):
                try:
                    rows = await self.client.templates(query, organization_id=place)
                except CoderBadRequest:
                    # A server that does not know the key lists deprecated templates with the others.
                    if not query:
                        raise
                    continue
                self.templates.update((row.id, row) for row in rows if not row.deleted)
                self.progress("templates", len(self.templates), None)

    async def _list_workspaces(self, inside: frozenset[str] | None) -> None:
        self.scopes = await self._opened_scopes(inside)
        for scope in self.scopes:
            for turn in range(PASSES):
                before = (len(scope.ledger.rows), scope.ledger.short)
                await scope.walk_again(turn, self._templates_of(scope))
                if scope.ledger.short:
                    await self._complete_from_known()
                # A repeat that neither finds a row nor narrows the gap shows that another would not either.
                after = (len(scope.ledger.rows), scope.ledger.short)
                if not scope.ledger.short or (turn and after == before):
                    break

    async def _opened_scopes(self, inside: frozenset[str] | None) -> list[Scope]:
        if inside is not None:
            scopes = [self._scope(f"{ORGANIZATION}{one}") for one in sorted(inside)]
            try:
                pages = await together(scope.first_page() for scope in scopes)
            except CoderBadRequest:
                # `organization:` came in August 2024: read all, and leave the others out on this side.
                pages = []
            if pages and all(_belongs(row, one) for one, page in zip(scopes, pages, strict=True) for row in page.rows):
                return scopes
        everything = self._scope("")
        await everything.first_page()
        return [everything]

    def _scope(self, query: str) -> Scope:
        return Scope(
            self.client,
            query,
            page_limit=self.page_limit,
            seen=lambda rows, count: self._listed(query, rows, count),
        )

    def _listed(self, query: str, rows: int, count: int) -> None:
        """How far all scopes are together; the one of everything replaces those of organizations."""
        if not query:
            self.listed.clear()
        self.listed[query] = (rows, max(rows, count))
        done, total = map(sum, zip(*self.listed.values(), strict=True))
        self.progress("workspaces", done, total)

    def _templates_of(self, scope: Scope) -> list[Template]:
        return [one for one in self.templates.values() if _belongs(one, scope)]

    async def known(self) -> Known:
        """The ids that need a proof; waits for them the first time."""
        if not isinstance(self._known, Known):
            self._known = await self._known()
        return self._known

    async def _unseen(self) -> set[str]:
        known = await self.known()
        seen = {row_id for scope in self.scopes for row_id in scope.ledger.rows}
        return set(known.workspaces) - seen - self.asked_for.keys()

    async def _complete_from_known(self) -> None:
        """Ask for known ids that no listing held: each row found is one less to miss."""
        unseen = await self._unseen()
        sent = [scope.ledger.asking() for scope in self.scopes]
        found = await listed_by_id(self.client, unseen)
        self._note(found.values(), sent)

    def _note(self, rows: Iterable[Workspace], sent: Sequence[int]) -> None:
        rows = list(rows)
        for scope, step in zip(self.scopes, sent, strict=True):
            mine = [row for row in rows if _belongs(row, scope)]
            scope.ledger.saw(mine, step)
            rows = [row for row in rows if row.id not in scope.ledger.rows]
        self.asked_for.update((row.id, row) for row in rows)

    async def _settle_known_workspaces(self) -> dict[str, Fate]:
        if await self._unseen():
            await self._complete_from_known()
        unseen = await self._unseen()
        sent = [scope.ledger.asking() for scope in self.scopes]
        answers = await workspace_fates(self.client, unseen, lambda done: self.progress("proofs", done, len(unseen)))
        self._note([one for one in answers.values() if isinstance(one, Workspace)], sent)
        return {row_id: one for row_id, one in answers.items() if isinstance(one, Fate)}

    def _believed(self, fates: dict[str, Fate]) -> tuple[dict[str, Fate], int]:
        """The fates, and how many deletions among them were taken back.

        Where Coder counts more workspaces than it showed, that many of those that nobody saw live. They may be among
        the known ones, so only the others can be gone; where more are called so, none of it is believed.
        """
        gone = sum(fate is Fate.GONE for fate in fates.values())
        unseen = sum(scope.ledger.unseen for scope in self.scopes)
        if not unseen or gone <= len(fates) - unseen:
            return fates, 0
        return dict.fromkeys(fates, Fate.UNPROVEN), gone

    async def _settle_known_templates(self) -> dict[str, Fate]:
        unseen = (await self.known()).templates - self.templates.keys()
        answers = await template_fates(self.client, unseen, dict(self.templates))
        self.templates.update((row_id, one) for row_id, one in answers.items() if isinstance(one, Template))
        return {row_id: one for row_id, one in answers.items() if isinstance(one, Fate)}

    async def _fetch_missing_templates(self, workspaces: Iterable[Workspace]) -> None:
        """Templates created, or deprecated and back, while the two lists were read: their workspaces name them."""
        wanted = sorted({one.template_id for one in workspaces} - self.templates.keys())
        for found in await together(template_or_none(self.client, one) for one in wanted):
            if found is not None:
                self.templates[found.id] = found

    async def _users(self, *, needed: bool = False) -> Mapping[str, CoderPerson] | None:
        """All users that Coder shows; walked again where somebody got lost between two pages.

        Where a kind of its own needs them, they are proven whole by the standard of `ledger`, for one more request each
        time, and an answer that fails or is odd costs that kind alone. The user of the token is in every list of users:
        one without them is none.
        """
        ledger = Ledger[CoderPerson]()
        for _ in range(PASSES):
            try:
                if needed:
                    await self._page_of_users(ledger, 0, 1)
                offset, count = 0, 1
                while offset < count:
                    count = max(count if offset else 0, await self._page_of_users(ledger, offset, self.page_limit))
                    offset += self.page_limit
            except CoderForbidden:
                return None
            except CoderError as error:
                if not needed:
                    raise
                self.users_failure = await reason_of(self.client, error)
                return None
            if not (ledger.short if needed else ledger.unseen):
                break
        self.users_whole = needed and not ledger.short and self.me in ledger.rows
        return MappingProxyType(ledger.rows)

    async def _page_of_users(self, ledger: Ledger[CoderPerson], offset: int, limit: int) -> int:
        """Reads one page; how many there are. Past the end Coder counts 0, which says nothing.

        The clock of the answer before stands for the time of asking: it is not later.
        """
        sent, asked_at = ledger.asking(), self.client.clock
        rows, count = await self.client.users(limit=limit, offset=offset)
        if rows or not offset:
            ledger.counted(_PageOfUsers(rows, count, asked_at), sent)
        self.progress("users", len(ledger.rows), max(ledger.count, len(ledger.rows)))
        return count


Placed = TypeVar("Placed", Template, Workspace)


def _belongs(one: Template | Workspace, scope: Scope) -> bool:
    return scope.query in ("", f"{ORGANIZATION}{one.organization_id}")


def _split(
    rows: Mapping[str, Placed], inside: frozenset[str] | None
) -> tuple[Mapping[str, Placed], Mapping[str, Placed]]:
    """In scope and outside of it, each in order of id."""
    kept: dict[str, Placed] = {}
    left_out: dict[str, Placed] = {}
    for row_id in sorted(rows):
        row = rows[row_id]
        (kept if inside is None or row.organization_id in inside else left_out)[row_id] = row
    return MappingProxyType(kept), MappingProxyType(left_out)
