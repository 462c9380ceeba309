"""What all runs need to know of the Coder deployment, read once for those that come together."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coderport.catalog.values import OrganizationNames
from coderport.coder.client import CoderClient
from coderport.errors import CoderportError

CHAINS_BUILDS = (2, 36)
"""The first release in which a stop may carry the start that follows it."""

_RELEASE = re.compile(r"v?(\d{1,6})\.(\d{1,6})", re.ASCII)

KEPT_SECONDS = 60.0
"""Coder allows 512 requests a minute for each path: many runs at once would spend that on asking who it is."""


@dataclass(frozen=True)
class Deployment:
    """The deployment. `my_id` is the user of the token, who starts our builds; organizations are by id.

    `chains_builds`: a stop may carry the start that follows it (`on_success`, coder/coder#25758; in releases from 2.36
    on, says coder/vscode-coder#1115). Older servers ignore the key, and only stop.
    """

    id: str
    dashboard_url: str
    my_id: str
    organizations: Mapping[str, OrganizationNames]
    chains_builds: bool = False

    def page(self, owner: str, workspace: str) -> str:
        """The page of a workspace."""
        return f"{self.dashboard_url.rstrip('/')}/@{owner}/{workspace}"


class Deployments:
    """Reads the deployment and keeps it for a minute; for one client and one event loop.

    A failure is kept too, for as long as lies between two tries: runs that wait together fail together, and do not ask
    a Coder that is away one after the other.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._held: Deployment | CoderportError | None = None
        self._until = 0.0

    async def of(self, coder: CoderClient, now: Callable[[], float], pause: float) -> Deployment:
        """The deployment that the client talks to; the error of a read that failed less than `pause` seconds ago.

        `now` tells seconds of the clock that the run waits by.
        """
        async with self._lock:
            if self._held is None or now() >= self._until:
                self._held = None
                try:
                    self._held, kept = await _read(coder), KEPT_SECONDS
                except CoderportError as error:
                    self._held, kept = error, pause
                self._until = now() + kept
            if isinstance(self._held, CoderportError):
                raise self._held.with_traceback(None)
            return self._held


async def _read(coder: CoderClient) -> Deployment:
    info, me, organizations = await coder.build_info(), await coder.me(), await coder.organizations()
    return Deployment(
        id=info.deployment_id,
        dashboard_url=info.dashboard_url or str(coder.base_url).removesuffix("/api/v2"),
        my_id=me.id,
        organizations={each.id: OrganizationNames(each.name, each.display_name or each.name) for each in organizations},
        chains_builds=release_of(info.version) >= CHAINS_BUILDS,
    )


def release_of(version: str) -> tuple[int, int]:
    """Major and minor of what `/buildinfo` calls its version (`v2.36.0+4f6f4a1`); (0, 0) where it says none."""
    found = _RELEASE.match(version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
