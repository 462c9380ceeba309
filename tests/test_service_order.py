"""In which order the webhook service works, how it stops and goes on."""

from __future__ import annotations

import asyncio
import socket
from itertools import zip_longest
from pathlib import Path

import httpx
import pytest
from service_lab import (
    NOW,
    ONE,
    THREE,
    TWO,
    Caller,
    Stage,
    ended,
    looped,
    run_id,
    service,
    settings,
)

from coderport.errors import CoderportError
from coderport.runner.service import queue
from coderport.runner.service.server import running
from coderport.runner.values import Ended, Journal


@looped
async def test_one_run_at_a_time_for_each_workspace_in_the_order_of_arrival(tmp_path: Path) -> None:
    first, other = [run_id(number) for number in range(10)], [run_id(number) for number in range(10, 15)]
    stage = Stage(keys=dict.fromkeys(first, "one") | dict.fromkeys(other, "two"))
    overlaps: list[str] = []

    async def execute(run: str, journal: Journal, sleep: queue.Sleep) -> Ended:
        key = str(stage.keys[run])
        if key in stage.at_work:
            overlaps.append(run)
        stage.at_work.add(key)
        stage.most_at_work = max(stage.most_at_work, len(stage.at_work))
        await stage.go.wait()
        await asyncio.sleep(0.005)
        stage.at_work.discard(key)
        stage.done.append(run)
        return Ended.SUCCESS

    async def key_of(run: str) -> str | None:
        await asyncio.sleep(0.01 if run == first[0] else 0)  # the first to come is the last to be known
        return stage.keys[run]

    stage.execute, stage.key_of = execute, key_of  # type: ignore[method-assign]
    async with service(stage, tmp_path, workers=4) as caller:
        for pair in zip_longest(first, other):
            for run in filter(None, pair):
                await caller.run(run)
        await caller.until("coderport_runs_running", 2)
        await stage.until_at_work(2)
        stage.go.set()
        await caller.until(ended("success"), 15)
    assert overlaps == []
    assert stage.most_at_work == 2
    assert [run for run in stage.done if run in first] == first
    assert [run for run in stage.done if run in other] == other


@looped
async def test_no_more_runs_at_once_than_workers(tmp_path: Path) -> None:
    stage = Stage()
    async with service(stage, tmp_path, workers=3) as caller:
        for number in range(8):
            await caller.run(run_id(number))
        await caller.until("coderport_runs_running", 3)
        await stage.until_at_work(3)
        assert (await caller.figures())["coderport_runs_queued"] == 5
        stage.go.set()
        await caller.until(ended("success"), 8)
        assert (await caller.figures())["coderport_runs_running"] == 0
    assert stage.most_at_work == 3


@looped
async def test_runs_that_act_on_no_workspace_wait_for_no_other(tmp_path: Path) -> None:
    stage = Stage(keys={ONE: None, TWO: None}, outcome=Ended.NOT_OURS)
    async with service(stage, tmp_path) as caller:
        await caller.run(ONE)
        await caller.run(TWO)
        await caller.until("coderport_runs_running", 2)
        await stage.until_at_work(2)
        stage.go.set()
        await caller.until(ended("not_ours"), 2)


@looped
async def test_a_run_that_breaks_off_is_tried_again_and_keeps_its_workspace(tmp_path: Path) -> None:
    stage = Stage(keys={ONE: "one", TWO: "one"}, failures=[CoderportError("Port is away"), ValueError("odd")])
    pauses: list[int] = []

    def pause(attempt: int) -> float:
        pauses.append(attempt)
        return 0.01

    async with service(stage, tmp_path, pause=pause) as caller:
        await caller.run(ONE)
        await caller.run(TWO)
        stage.go.set()
        await caller.until(ended("success"), 2)
        assert (await caller.figures())["coderport_runs_broken_off_total"] == 2
    assert stage.begun == [ONE, ONE, ONE, TWO]
    assert pauses == [1, 2]


@looped
async def test_a_workspace_that_cannot_be_asked_for_is_asked_for_again(tmp_path: Path) -> None:
    stage = Stage(key_failures=[CoderportError("Port is away")])
    stage.go.set()
    async with service(stage, tmp_path, pause=lambda attempt: 0.01) as caller:
        await caller.run(ONE)
        await caller.until(ended("success"), 1)
    assert (stage.asked[ONE], stage.done) == (2, [ONE])


@looped
async def test_a_run_is_given_up_after_a_day(tmp_path: Path) -> None:
    now = [NOW]
    stage = Stage(keys={ONE: "one", TWO: "one"}, failures=[CoderportError("Port is away")])
    async with service(stage, tmp_path, clock=lambda: now[0]) as caller:
        await caller.run(ONE, at=NOW)
        await caller.until("coderport_runs_running", 1)
        await stage.until_at_work(1)
        now[0] += queue.GIVE_UP_SECONDS + 1
        stage.go.set()
        await caller.until(ended("abandoned"), 1)
        await caller.run(TWO, at=now[0])
        await caller.until(ended("success"), 1)
    assert (stage.begun, stage.done) == ([ONE, TWO], [TWO])


def test_pauses_grow_to_a_minute() -> None:
    assert [queue.pause(attempt) for attempt in (1, 2, 3, 6, 99)] == [2, 4, 8, 60, 60]


@looped
async def test_a_draining_service_ends_what_is_at_work_and_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    stage, leave = Stage(keys={ONE: "one", TWO: "one"}), asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def life() -> None:
        async with running(settings(tmp_path, grace_seconds=300.0), stage.opened()) as found:
            url.set_result(found)
            await leave.wait()

    living = asyncio.create_task(life())
    async with httpx.AsyncClient(timeout=300, base_url=await url) as client:
        caller = Caller(client)
        await caller.run(ONE)
        await caller.run(TWO)
        await caller.until("coderport_runs_running", 1)
        await stage.until_at_work(1)
        leave.set()
        while (await client.get("/readyz")).status_code != 503:
            await asyncio.sleep(0.01)
        answer = await caller.run(THREE)
        assert (answer.status_code, answer.json()["error"]) == (503, "draining")
        assert "retry-after" in answer.headers
        assert (await client.get("/healthz")).status_code == 200
        stage.go.set()
        await living
    assert stage.done == [ONE]

    async with service(stage, tmp_path) as caller:
        await caller.until(ended("success"), 1)
        assert (await caller.figures())["coderport_runs_resumed_total"] == 1
        assert (await caller.run(THREE)).status_code == 202
        await caller.until(ended("success"), 2)
    assert stage.begun == stage.done == [ONE, TWO, THREE]


@looped
async def test_what_does_not_end_in_the_grace_is_begun_again_by_the_next(tmp_path: Path) -> None:
    stage = Stage()
    async with service(stage, tmp_path) as caller:
        await caller.run(ONE)
        await caller.until("coderport_runs_running", 1)
        await stage.until_at_work(1)
    assert (stage.begun, stage.done) == ([ONE], [])
    stage.go.set()
    async with service(stage, tmp_path) as caller:
        await caller.until(ended("success"), 1)
    assert (stage.begun, stage.done) == ([ONE, ONE], [ONE])
    assert stage.asked[ONE] == 1, "its workspace is in the journal"


@looped
async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = settings(tmp_path).model_copy(update={"port": port})
        with pytest.raises(CoderportError, match=f"port {port} on 127.0.0.1"):
            async with running(options, Stage().opened()):
                pass
