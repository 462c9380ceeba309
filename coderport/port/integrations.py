"""Port's integrations: the processes that bring data into Port and carry out some of its actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected

GITHUB: Final = "github-ocean"
"""The kind of Port's GitHub integration (`integration.type` of its installation, port-labs/ocean)."""


@dataclass(frozen=True)
class Integration:
    """One integration of the organization.

    `installation_id` is what an action names it by, `kind` what it integrates, such as `github-ocean`.
    """

    installation_id: str
    kind: str | None = None
    carries_out_actions: bool | None = None
    """Whether it takes runs of actions; None where Port does not say."""
    hears_events: bool | None = None
    """Whether it is told when a workflow ends; None where Port does not say, as for one that is self-hosted."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Integration:
        """An integration of an answer of Port: Ocean and Port's clients read `installationId` or `identifier`."""
        identifier = row.get("installationId") or row.get("identifier")
        if not isinstance(identifier, str):
            raise PortError("Port sent an integration without an id")
        kind = row.get("installationAppType")
        spec = row.get("spec")
        app = spec.get("appSpec") if isinstance(spec, Mapping) else None
        hosted = app if isinstance(app, Mapping) else {}
        said = (row.get("actionsProcessingEnabled"), hosted.get("actionsProcessingEnabled"))
        events = hosted.get("liveEventsEnabled")
        return cls(
            identifier,
            kind if isinstance(kind, str) and kind else None,
            True if True in said else False if False in said else None,
            events if isinstance(events, bool) else None,
        )


class Integrations:
    """The integrations of one Port organization."""

    def __init__(self, client: PortClient) -> None:
        self._session = client._session

    async def all(self) -> tuple[Integration, ...]:
        """All of them."""
        reply = await self._session.call("GET", "/v1/integration", "reading the integrations")
        return tuple(Integration.from_json(each) for each in reply.rows("integrations"))

    async def one(self, installation_id: str) -> Integration | None:
        """The integration of that installation id, or None where Port has none."""
        path, what = f"/v1/integration/{quote(installation_id, safe='')}", f"reading integration {installation_id}"
        try:
            return Integration.from_json((await self._session.call("GET", path, what)).member("integration"))
        except PortRejected as error:
            if error.status == 404:
                return None
            raise
