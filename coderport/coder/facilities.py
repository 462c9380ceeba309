"""What a deployment has beside templates, workspaces and people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from coderport.coder.access import access_list
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderBadRequest, CoderForbidden, CoderNotFound
from coderport.coder.models import CoderModel, Id, Job, Time, read_as, rows_of, rows_or_none_of, same_id
from coderport.coder.parameters import Preset
from coderport.tasks import together


class Author(CoderModel):
    """Who made something; empty where Coder does not say."""

    id: str = ""
    username: str = ""


class TemplateVersion(CoderModel):
    """A version of a template; `job` is that of its import. `template_id` is "" until it belongs to one."""

    id: Id
    name: str
    organization_id: Id
    template_id: str = ""
    message: str = ""
    archived: bool = False
    created_at: Time = None
    created_by: Author = Author()
    job: Job = Job()


class DaemonJob(CoderModel):
    """What a provisioner does, or did last."""

    id: str = ""
    status: str = ""
    template_name: str = ""


class ProvisionerDaemon(CoderModel):
    """A process that builds workspaces. `status` is idle, busy or offline; it says so itself every few seconds."""

    id: Id
    name: str
    organization_id: Id
    organization_name: str = ""
    key_name: str = ""
    version: str = ""
    api_version: str = ""
    status: str = ""
    provisioners: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    created_at: Time = None
    last_seen_at: Time = None
    current_job: DaemonJob | None = None
    previous_job: DaemonJob | None = None


class PrebuildPreset(Preset):
    """A preset with the number of prebuilt workspaces that it asks for: None for none at all."""

    desired: int | None = Field(
        default=None, validation_alias=AliasChoices("DesiredPrebuildInstances", "desiredPrebuildInstances")
    )
    icon: str = Field(default="", validation_alias=AliasChoices("Icon", "icon"))


class ProxyReport(CoderModel):
    """What is wrong with a proxy."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ProxyStatus(CoderModel):
    """What the last look at a proxy found: ok, unreachable, unhealthy or unregistered."""

    status: str = ""
    report: ProxyReport = ProxyReport()


class WorkspaceProxy(CoderModel):
    """A proxy near its users, or the server itself, whose times Coder gives as now (so that they are not read)."""

    id: Id
    name: str
    display_name: str = ""
    icon_url: str = ""
    path_app_url: str = ""
    wildcard_hostname: str = ""
    healthy: bool | None = None
    version: str = ""
    status: ProxyStatus = ProxyStatus()
    deleted: bool = False


def _of_seconds(value: object) -> datetime | None:
    """The moment of a NumericDate (RFC 7519); None for what is no number of seconds in the calendar."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


class Claims(CoderModel):
    """What a licence grants, of its claims; those that name the account are not kept."""

    license_expires: Annotated[datetime | None, BeforeValidator(_of_seconds)] = None
    feature_set: str = ""
    trial: bool = False


class Licence(CoderModel):
    """A licence of the deployment, expired ones as well. `number` is what Coder's command line calls it by."""

    id: Id = Field(validation_alias="uuid")
    number: int = Field(validation_alias="id")
    uploaded_at: Time = None
    claims: Claims = Claims()


class Feature(CoderModel):
    """A feature of the licences together; `limit` and `actual` where it is counted."""

    enabled: bool = False
    limit: int | None = None
    actual: int | None = None


class Entitlements(CoderModel):
    """What all licences together grant; `warnings` and `errors` are sentences for the people who pay for them.

    `has_license` is None where the server does not say whether there is any.
    """

    has_license: bool | None = None
    features: Mapping[str, Feature] = {}
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Quota(CoderModel):
    """What the workspaces of a member of an organization use there, in credits a day, and how much they may.

    `budget` is the sum of what the groups of the organization allow its member; -1 without a licence (recorded).
    """

    credits_consumed: int
    budget: int


class Facilities:
    """The facilities of one Coder deployment, as its client's token sees them."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client

    async def version(self, version_id: str) -> TemplateVersion | None:
        """One version, or None: there is none of that id, or the token may not see its template."""
        path = f"/templateversions/{version_id}"
        try:
            return same_id(read_as(TemplateVersion, (await self._client._get(path)).data), version_id)
        except CoderNotFound:
            return None

    async def versions(
        self, ids: Iterable[str], seen: Callable[[int], None] = lambda done: None
    ) -> dict[str, TemplateVersion]:
        """Those of the versions that Coder shows, by id: a request for each, because only a few of all are meant."""
        done = 0

        async def one(version_id: str) -> TemplateVersion | None:
            nonlocal done
            found = await self.version(version_id)
            done += 1
            seen(done)
            return found

        found = await together(one(each) for each in sorted(set(ids)))
        return {each.id: each for each in found if each is not None}

    async def daemons(self, organization_id: str, ids: Iterable[str] = ()) -> tuple[ProvisionerDaemon, ...]:
        """All provisioners of an organization, or those of the ids, and the offline ones too that Coder still knows.

        `limit=0` is all of them, in place of 50. Newer servers show the offline ones to who asks for them, and older
        ones, which show them anyway, do not know the word. CoderNotFound for a token without the right, and before
        2.20, which has no such list.
        """
        path = f"/organizations/{organization_id}/provisionerdaemons"
        asked: dict[str, str | int] = {"limit": 0}
        if ids:
            asked["ids"] = ",".join(ids)
        try:
            rows = await self._rows(path, {**asked, "offline": "true"})
        except CoderBadRequest:
            rows = await self._rows(path, asked)
        return tuple(read_as(ProvisionerDaemon, row) for row in rows)

    async def presets(self, version_id: str) -> tuple[PrebuildPreset, ...] | None:
        """The presets of a version; None where this version of Coder does not say how many of each are prebuilt."""
        rows = await self._rows(f"/templateversions/{version_id}/presets")
        told = {"DesiredPrebuildInstances", "desiredPrebuildInstances"}
        if any(isinstance(row, Mapping) and not told.intersection(row) for row in rows):
            return None
        return tuple(read_as(PrebuildPreset, row) for row in rows)

    async def proxies(self) -> tuple[WorkspaceProxy, ...]:
        """The proxies, and the server itself as the first of them. CoderForbidden without a licence for them."""
        path = "/workspaceproxies"
        data = (await self._client._get(path)).data
        rows = data.get("regions") if isinstance(data, Mapping) else None
        return tuple(read_as(WorkspaceProxy, row) for row in rows_of(rows, path))

    async def proxy(self, proxy_id: str) -> WorkspaceProxy | None:
        """One proxy, also a deleted one, which says so; None where there is none or the token may not see it."""
        try:
            answer = await self._client._get(f"/workspaceproxies/{proxy_id}")
        except CoderNotFound:
            return None
        return read_as(WorkspaceProxy, answer.data)

    async def licences(self) -> tuple[Licence, ...]:
        """Those that the token may read, which is none for all but owners. CoderNotFound on a server without any."""
        return tuple(read_as(Licence, row) for row in await self._rows("/licenses"))

    async def entitlements(self) -> Entitlements:
        """What the licences grant; everybody may read it."""
        return read_as(Entitlements, (await self._client._get("/entitlements")).data)

    async def template_groups(self, template_id: str) -> tuple[str, ...] | None:
        """The ids of the groups that may use a template, in order; None where Coder does not show its access list.

        It does so to who may change the template, and with a licence.
        """
        try:
            found = await access_list(self._client, template_id)
        except (CoderForbidden, CoderNotFound):
            return None
        return tuple(sorted(each.id for each in found.groups))

    async def quota(self, organization_id: str, user_id: str) -> Quota | None:
        """That of a member; None where Coder does not show it.

        There is no such member, the token may not see them (400 or 404, recorded), or Coder is older than the route.
        """
        path = f"/organizations/{organization_id}/members/{user_id}/workspace-quota"
        try:
            return read_as(Quota, (await self._client._get(path)).data)
        except (CoderBadRequest, CoderNotFound):
            return None

    async def _rows(self, path: str, params: Mapping[str, str | int] | None = None) -> Sequence[Any]:
        return rows_or_none_of((await self._client._get(path, params)).data, path)
