"""Looking where the hints point: many at once by their ids, and one by one what is not shown there."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden
from coderport.coder.fate import Fate
from coderport.coder.models import Template, Workspace
from coderport.coder.people import People
from coderport.coder.reading.breadth import organizations_in_scope
from coderport.coder.reading.proof import IDS_PER_QUERY, listed_by_id, template_fates, template_or_none, workspace_fates
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.catalog import Catalog
from coderport.live.values import Event, Reading

PER_READING = IDS_PER_QUERY
"""How many hints are looked at together."""
USERS_PER_PAGE = 1000
PER_PROOF = 6
"""How many of those that Coder does not show are asked for together."""

Hinted = dict[Ref, tuple[Event, ...]]
"""What is to be looked at, and the events that led to it."""


class Reader:
    """Reads objects of Coder for the catalog, and what a row refers to and nobody has read yet."""

    def __init__(self, coder: CoderClient, catalog: Catalog) -> None:
        self._coder, self._catalog = coder, catalog
        self._people = People(coder)

    async def read(self, hinted: Hinted) -> tuple[Reading, Hinted]:
        """What Coder shows of these now, and which of them it does not show. A CoderError where it does not answer."""
        asked = time.monotonic()
        ids = {key.identifier for key in hinted if key.blueprint == WORKSPACE.identifier}
        wanted = {key.identifier for key in hinted if key.blueprint == TEMPLATE.identifier}
        rows = await listed_by_id(self._coder, ids)
        templates = await self.templates(wanted)
        templates |= await self.referred(rows.values())
        shown = {Ref(WORKSPACE.identifier, each) for each in rows} | {
            Ref(TEMPLATE.identifier, each) for each in templates
        }
        unseen = {key: events for key, events in hinted.items() if key not in shown}
        return Reading(asked, templates, rows, events=hinted), unseen

    async def prove(self, hinted: Hinted) -> Reading:
        """What became of objects that Coder does not show: each is asked for by itself. CoderError as `read`."""
        asked = time.monotonic()
        ids = {key.identifier for key in hinted if key.blueprint == WORKSPACE.identifier}
        wanted = {key.identifier for key in hinted if key.blueprint == TEMPLATE.identifier}
        fates = await workspace_fates(self._coder, ids)
        rows = {each: row for each, row in fates.items() if isinstance(row, Workspace)}
        of_templates = await template_fates(self._coder, wanted, self._catalog.templates)
        templates = {each: row for each, row in of_templates.items() if isinstance(row, Template)}
        templates |= await self.referred(rows.values())
        gone = _keys(WORKSPACE.identifier, fates, Fate.GONE) | _keys(TEMPLATE.identifier, of_templates, Fate.GONE)
        return Reading(asked, templates, rows, gone=gone, events=hinted)

    async def referred(self, rows: Iterable[Workspace]) -> dict[str, Template]:
        """The templates of these workspaces that the catalog has not seen; their owners' addresses it takes in."""
        rows = list(rows)
        await self._learn_owners({row.owner_id for row in rows})
        return await self.templates({row.template_id for row in rows} - self._catalog.templates.keys())

    async def renew(self) -> bool:
        """Reads anew what all entities have in common: organizations and people. Whether any of it has changed."""
        settings = self._catalog.ground.settings
        organizations = await organizations_in_scope(self._coder, settings.coder_organizations)
        return self._catalog.renew(organizations, await self._emails())

    async def _emails(self) -> dict[str, str] | None:
        """The addresses of all users; None where the token may not read them, which may end at any time."""
        emails: dict[str, str] = {}
        offset, count = 0, 1
        try:
            while offset < count:
                rows, count = await self._coder.users(limit=USERS_PER_PAGE, offset=offset)
                emails.update((row.id, row.email) for row in rows)
                offset += USERS_PER_PAGE
        except CoderForbidden:
            return None
        return emails

    async def templates(self, ids: Collection[str]) -> dict[str, Template]:
        """Those of these templates that Coder shows, each asked for by itself."""
        found = {each: await template_or_none(self._coder, each) for each in sorted(ids)}
        return {each: row for each, row in found.items() if row is not None}

    async def _learn_owners(self, ids: Collection[str]) -> None:
        """Their addresses, where this token may read users. One that Coder does not show stays as Port has it."""
        emails = self._catalog.emails
        if emails is None:
            return
        for each in sorted(ids - emails.keys()):
            try:
                user = await self._people.user(each)
            except CoderForbidden:
                user = None
            if user is not None:
                emails[each] = user.email


def _keys(blueprint: str, fates: Mapping[str, object], fate: Fate) -> frozenset[Ref]:
    return frozenset(Ref(blueprint, each) for each, found in fates.items() if found is fate)
