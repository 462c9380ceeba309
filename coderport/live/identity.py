"""Whether Coder is still the one that `live` began with: not another deployment, not an older state of the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from coderport.catalog.meaning import instant
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden, CoderGone, CoderNotFound
from coderport.coder.models import Template, Workspace
from coderport.errors import Refusal
from coderport.kinds.workspace import WORKSPACE
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

    def insist_on_progress(self, rows: Iterable[Workspace]) -> None:
        """Refusal where Port holds later builds of these than Coder has: it was restored before this began.

        Who edits the number of a build in Port does not edit its time as well.
        """
        held = self._catalog.held[WORKSPACE.identifier]
        ours = set(self._catalog.ours(WORKSPACE.identifier))
        for row in rows:
            if row.id in ours:
                number, at = (held[row.id].properties.get(each) for each in ("latest_build_number", "latest_build_at"))
                build, later = row.latest_build, instant(at)
                if not isinstance(number, (int, float)) or later is None or build.created_at is None:
                    continue
                if number > build.build_number and later > build.created_at:
                    self._refuse(row, build.build_number, int(number))

    async def _insist_on_builds(self, row: Workspace, known: Mapping[str, int]) -> None:
        """Numbers of builds never go back in one database: asked once more, a lower one is from an older state."""
        before = known[row.id]
        try:
            again = await self._coder.workspace(row.id)
        except (CoderGone, CoderNotFound, CoderForbidden):
            return
        if again.latest_build.build_number < before:
            self._refuse(row, again.latest_build.build_number, before)

    def _refuse(self, row: Workspace, number: int, before: int) -> NoReturn:
        """`live` stops where Coder was restored from a backup, and says what a person can do."""
        stack = self._catalog.ground.settings.of_stack
        raise Refusal(
            f"Coder has gone back to an older state, as after a restore from a backup: the workspace "
            f"{row.owner_name}/{row.name} is at build {number}, and was at build {before}. live has stopped, and has "
            "deleted nothing because of it.\nIf that is right, see what a run would change, let it, and start live "
            f"again:\n  {COMMAND} preview --stack {stack}\n  {COMMAND} up --stack {stack}"
        )
