"""The webhook service as a process of its own, whose runs act on the small deployment of `service_deployment`.

python service_process.py DATABASE DEPLOYMENT_URL WORKERS
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from service_lab import SECRET

from coderport.runner.service.queue import Runner, Sleep
from coderport.runner.service.server import serve
from coderport.runner.service.settings import ServiceSettings
from coderport.runner.values import Claim, Ended, Journal, Step


class Work:
    """Starts one build for a run and follows it, in the way in which the runner uses its journal."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._taken: set[str] = set()

    async def claim_of(self, run: str) -> Claim | None:
        return Claim(str((await self._get(f"/runs/{run}"))["workspace"]), run)

    async def open_runs(self) -> list[str]:
        return []

    async def execute(self, run: str, journal: Journal, sleep: Sleep) -> Ended:
        told = await self._get(f"/runs/{run}")
        if told["outcome"]:
            return Ended.ALREADY_ENDED
        workspace = str(told["workspace"])
        assert workspace not in self._taken, f"two runs at once for {workspace}"
        self._taken.add(workspace)
        try:
            build = await self._begun(run, workspace, journal)
            while (outcome := (await self._get(build))["outcome"]) is None:
                await sleep(0.01)
        finally:
            self._taken.remove(workspace)
        answer = await self._client.patch(f"/runs/{run}", json={"outcome": outcome})
        return Ended.ALREADY_ENDED if answer.status_code == 409 else Ended(outcome)

    async def _begun(self, run: str, workspace: str, journal: Journal) -> str:
        """The path of the run's build: the one that it began in an earlier process, or a new one."""
        path = f"/workspaces/{workspace}"
        newest = int((await self._get(path))["newest"])
        step = Step.of(await journal.step(run)) or Step("start", workspace, after=newest)
        if step.build_id is None and newest > step.after:
            step = Step("start", workspace, step.after, str(newest))
        elif step.build_id is None:
            await journal.record(run, step.text())
            answer = await self._client.post(f"{path}/builds", headers={"x-run": run})
            step = Step("start", workspace, step.after, str(answer.raise_for_status().json()["number"]))
        await journal.record(run, step.text())
        return f"{path}/builds/{step.build_id}"

    async def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._client.get(path)).raise_for_status().json()
        return answer


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Runner]:
    async with httpx.AsyncClient(base_url=url, timeout=300.0) as client:
        work = Work(client)
        yield Runner(work.execute, work.claim_of, work.open_runs)


if __name__ == "__main__":
    database, deployment, workers = sys.argv[1:]
    serve(
        ServiceSettings(
            port=0, database=Path(database), secret=SecretStr(SECRET), workers=int(workers), grace_seconds=300.0
        ),
        opened(deployment),
    )
