"""What all runs need to know of the deployment is asked for once, whether Coder answers or not."""

from __future__ import annotations

import asyncio

import pytest
from service_lab import looped

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderServerError
from coderport.coder.models import BuildInfo, CoderPerson, Organization
from coderport.runner.deployment import KEPT_SECONDS, Deployment, Deployments

PAUSE = 1.0
ME = "5b6b4e8a-0d2f-4a3c-9e52-7b2f0c1d9a10"


class Asked(CoderClient):
    """A Coder that is away or not, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9", "a token")
        self.away, self.asked = True, 0

    async def build_info(self) -> BuildInfo:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise CoderServerError("Coder answers 502", status=502, reason="Bad Gateway")
        return BuildInfo(deployment_id="d", version="v2.20.0", dashboard_url="https://coder.example.com")

    async def me(self) -> CoderPerson:
        return CoderPerson(id=ME, username="runner")

    async def organizations(self) -> tuple[Organization, ...]:
        return ()


@looped
async def test_runs_that_wait_together_ask_a_coder_that_is_away_once_and_fail_together() -> None:
    coder, deployments = Asked(), Deployments()
    ends = await asyncio.gather(*(deployments.of(coder, lambda: 0.0, PAUSE) for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in ends] == [CoderServerError] * 20
    assert coder.asked == 1


@looped
async def test_a_run_that_comes_within_the_pause_after_a_failure_asks_nothing() -> None:
    clock = iter([0.0, 0.0, 0.2, PAUSE - 0.01])
    coder, deployments = Asked(), Deployments()
    for _ in range(3):
        with pytest.raises(CoderServerError):
            await deployments.of(coder, lambda: next(clock), PAUSE)
    assert coder.asked == 1


@looped
async def test_after_the_pause_coder_is_asked_anew_and_its_answer_is_kept() -> None:
    now = 0.0
    coder, deployments = Asked(), Deployments()
    with pytest.raises(CoderServerError):
        await deployments.of(coder, lambda: now, PAUSE)
    coder.away, now = False, PAUSE
    assert isinstance(await deployments.of(coder, lambda: now, PAUSE), Deployment)
    now += KEPT_SECONDS - 1
    assert (await deployments.of(coder, lambda: now, PAUSE)).id == "d"
    assert coder.asked == 2
    now += 1
    await deployments.of(coder, lambda: now, PAUSE)
    assert coder.asked == 3


@looped
async def test_a_run_that_is_cancelled_while_it_asks_leaves_no_failure_to_others() -> None:
    coder, deployments = Asked(), Deployments()
    coder.away = False
    first = asyncio.ensure_future(deployments.of(coder, lambda: 0.0, PAUSE))
    await asyncio.sleep(0)
    first.cancel()
    assert (await deployments.of(coder, lambda: 0.0, PAUSE)).id == "d"
