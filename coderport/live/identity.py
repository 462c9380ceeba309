"""Whether Coder is still the one that `live` began with: not another deployment, not an older state of the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden, CoderGone, CoderNotFound
from coderport.coder.models import Template, Workspace
from coderport.errors import Refusal
from coderport.live.catalog import Catalog
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import COMMAND


class Identity:
    """Compares what Coder shows with what it has shown before."""

    def __init__(self, coder: CoderClient, catalog: Catalog) -> None:
        self._coder, self._catalog = coder, catalog
        self._deployment = catalog.ground.snapshot.deployment.deployment_id
        self._organizations = {each.id for each in catalog.ground.snapshot.organizations}

    async def insist_on_deployment(self) -> None:
        """Refusal where another deployment answers. Raises a CoderError where none does."""
        found = (await self._coder.build_info()).deployment_id
        if found != self._deployment:
            raise Refusal(
                f"Another Coder answers at {self._coder.base_url.host}: its deployment is {found}, and was "
                f"{self._deployment}. live has stopped, and nothing of the other one was written.\n"
                f"If it is meant, give the new one a stack of its own:\n  {COMMAND} up --stack {NO_STACK}"
            )

    async def insist_on(self, rows: Iterable[Workspace | Template]) -> None:
        """Refusal where these are rows of another deployment, or of an older state of the same."""
        rows = list(rows)
        strange = {row.organization_id for row in rows} - self._organizations
        if strange:
            await self.insist_on_deployment()
            self._organizations |= strange
        for row in rows:
            if isinstance(row, Workspace) and row.latest_build.build_number < self._catalog.builds.get(row.id, 0):
                await self._insist_on_builds(row, self._catalog.builds)

    async def _insist_on_builds(self, row: Workspace, known: Mapping[str, int]) -> None:
        """Numbers of builds never go back in one database: asked once more, a lower one is from an older state."""
        before = known[row.id]
        try:
            again = await self._coder.workspace(row.id)
        except (CoderGone, CoderNotFound, CoderForbidden):
            return
        if again.latest_build.build_number < before:
            raise restored(
                f"the workspace {row.owner_name}/{row.name} is at build {again.latest_build.build_number}, and was at "
                f"build {before}",
                self._catalog.ground.settings.of_stack,
            )


def restored(what: str, stack: str) -> Refusal:
    """Why `live` stops where Coder was restored from a backup, and what a person can do."""
    return Refusal(
        f"Coder has gone back to an older state, as after a restore from a backup: {what}. live has stopped, and has "
        "deleted nothing because of it.\nIf that is right, see what a run would change, and start live again:\n"
        f"  {COMMAND} preview --stack {stack}"
    )
