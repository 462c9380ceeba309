"""Which feeds this token may read: each is asked itself, because what Coder says of rights is not always so.

Coder 2.20 tells a template admin by `POST /authcheck` that they may read provisioner daemons, and answers 404.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderError, CoderForbidden, CoderNotFound
from coderport.coder.notices import Notices
from coderport.live.catalog import Catalog
from coderport.live.feeds.audit import DEAREST, AuditFeed
from coderport.live.feeds.feed import Feed, Place
from coderport.live.feeds.jobs import JobsFeed
from coderport.live.feeds.templates import TemplatesFeed
from coderport.live.feeds.transitional import STATUSES, TransitionalFeed
from coderport.tasks import together

_NOT_READABLE = (CoderNotFound, CoderForbidden, CoderBadRequest)


@dataclass(frozen=True)
class Absent:
    """Why a feed is not had. Where it `fails`, Coder did not say that it may not be read: it is tried again soon."""

    why: str
    fails: bool = False


@dataclass(frozen=True)
class Chosen:
    """The feeds that are had, those that are not with the reason, and how many requests one look at builds takes."""

    feeds: tuple[Feed, ...]
    absent: Mapping[Place, Absent]
    requests: int


async def chosen(coder: CoderClient, catalog: Catalog, had: Collection[Place] = (), *, anew: bool = True) -> Chosen:
    """Asks each feed. One that is `had` is given up only where Coder refuses it, and not asked at all unless `anew`."""
    notices = Notices(coder)

    async def why_not(place: Place) -> Absent | None:
        if place in had and not anew:
            return None
        name, organization = place
        found = await (jobs_absent(notices, organization) if name == JobsFeed.name else audit_absent(coder))
        return None if found is not None and found.fails and place in had else found

    organizations = [each.id for each in catalog.ground.snapshot.organizations]
    places = [*((JobsFeed.name, each) for each in organizations), (AuditFeed.name, AuditFeed.place)]
    answers = dict(zip(places, await together(why_not(each) for each in places), strict=True))
    absent = {place: found for place, found in answers.items() if found is not None}
    readable = [each for each in organizations if (JobsFeed.name, each) not in absent]
    feeds: list[Feed] = [JobsFeed(notices, each) for each in readable]
    requests = len(readable)
    if len(readable) < len(organizations):
        feeds.append(TransitionalFeed(coder))
        requests += len(STATUSES)
    feeds.append(TemplatesFeed(coder, lambda: catalog.templates))
    if (AuditFeed.name, AuditFeed.place) not in absent:
        feeds.append(AuditFeed(notices, lambda: _now_in(coder)))
    return Chosen(tuple(feeds), absent, requests)


async def jobs_absent(notices: Notices, organization_id: str) -> Absent | None:
    """Why the jobs of an organization are not read; None where they are."""
    try:
        await notices.jobs(organization_id, limit=1)
    except _NOT_READABLE:
        return Absent("the jobs of an organization are readable to its admins and to owners")
    except CoderError as error:
        return Absent(str(error), fails=True)
    return None


async def audit_absent(coder: CoderClient) -> Absent | None:
    """Why the audit log is not used; None where it is. Its price is what Coder took for the answer, and no waiting."""
    notices = Notices(coder)
    try:
        await AuditFeed(notices, lambda: _now_in(coder)).look()
    except _NOT_READABLE:
        return Absent("the audit log is readable to owners, auditors and organization admins")
    except CoderError as error:
        return Absent(str(error), fails=True)
    if notices.took > DEAREST:
        return Absent(f"a look at the audit log takes {notices.took:.1f} s, which is too dear")
    return None


def _now_in(coder: CoderClient) -> datetime:
    """The time by Coder's clock; by this machine's where Coder gives no dates."""
    return coder.times.at(time.monotonic()) or datetime.now(timezone.utc)
