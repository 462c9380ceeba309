"""Which feeds this token may read: each is asked itself, because what Coder says of rights is not always so.

Coder 2.20 tells a template admin by `POST /authcheck` that they may read provisioner daemons, and answers 404.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderForbidden, CoderNotFound
from coderport.coder.notices import Notices
from coderport.live.catalog import Catalog
from coderport.live.feeds.audit import DEAREST, AuditFeed
from coderport.live.feeds.feed import Feed
from coderport.live.feeds.jobs import JobsFeed
from coderport.live.feeds.templates import TemplatesFeed
from coderport.live.feeds.transitional import STATUSES, TransitionalFeed

_NOT_READABLE = (CoderNotFound, CoderForbidden, CoderBadRequest)


@dataclass(frozen=True)
class Chosen:
    """The feeds that are had, those that are not with the reason, and how many requests one look at builds takes."""

    feeds: tuple[Feed, ...]
    absent: dict[str, str]
    requests: int


async def chosen(coder: CoderClient, catalog: Catalog) -> Chosen:
    """Asks each feed. Raises a CoderError where Coder does not answer at all."""
    notices = Notices(coder)
    organizations = [each.id for each in catalog.ground.snapshot.organizations]
    readable = [each for each in organizations if await reads_jobs(notices, each)]
    feeds: list[Feed] = [JobsFeed(notices, each, catalog.ground.settings.of_stack) for each in readable]
    absent: dict[str, str] = {}
    requests = len(readable)
    if len(readable) < len(organizations):
        absent["jobs"] = "the jobs of an organization are readable to its admins and to owners"
        feeds.append(TransitionalFeed(coder))
        requests += len(STATUSES)
    feeds.append(TemplatesFeed(coder, lambda: catalog.templates))
    why = await why_no_audit(notices)
    if why:
        absent["audit"] = why
    else:
        feeds.append(AuditFeed(notices, lambda: datetime.now(timezone.utc)))
    return Chosen(tuple(feeds), absent, requests)


async def reads_jobs(notices: Notices, organization_id: str) -> bool:
    """Whether the token reads the jobs of an organization."""
    try:
        await notices.jobs(organization_id, limit=1)
    except _NOT_READABLE:
        return False
    return True


async def why_no_audit(notices: Notices, clock: Callable[[], float] = time.monotonic) -> str:
    """Why the audit log is not used; empty where it is."""
    began = clock()
    try:
        await AuditFeed(notices, lambda: datetime.now(timezone.utc)).look()
    except _NOT_READABLE:
        return "the audit log is readable to owners, auditors and organization admins"
    took = clock() - began
    return f"a look at the audit log takes {took:.1f} s, which is too dear" if took > DEAREST else ""
