"""What a deployment has beside templates, workspaces and people."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderNotFound
from coderport.coder.models import CoderModel, Id, Job, Time, read_as
from coderport.transport.together import together


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


class Facilities:
    """The facilities of one Coder deployment, as its client's token sees them."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client

    async def version(self, version_id: str) -> TemplateVersion | None:
        """One version, or None: there is none of that id, or the token may not see its template."""
        path = f"/templateversions/{version_id}"
        try:
            found = read_as(TemplateVersion, (await self._client._request("GET", path, repeat=True)).data)
        except CoderNotFound:
            return None
        if found.id != version_id:
            raise CoderAnswerError(f"Coder was asked for the version {version_id} and answered with {found.id}")
        return found

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
