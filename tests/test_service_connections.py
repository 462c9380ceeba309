"""Connections of strangers to the webhook service: what they hold open, drip or flood keeps nobody from being heard."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from service_lab import ONE, TWO, Caller, Stage, ended, looped, service

from coderport.runner.service import connections, server
from coderport.runner.service.connections import SECONDS, Connections, most_connections
from coderport.runner.service.logs import SHOWN, WINDOW_SECONDS, JsonLines, Sparing

HALF = b"POST /runs HTTP/1.1\r\nHost: x\r\nX-A: "
HALF_BODY = b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


def closed(reason: str) -> str:
    return f'coderport_connections_closed_total{{reason="{reason}"}}'


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a service's connections have, which the test moves: nobody is slow because this machine is."""
    time = [0.0]
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(server, "Connections", partial(Connections, clock=lambda: time[0]))
    return time


async def held(caller: Caller, start: bytes, number: int) -> list[asyncio.StreamWriter]:
    """So many connections that begin a request and do not go on."""
    url = urlsplit(str(caller.client.base_url))
    opened = []
    for _ in range(number):
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(start)
        opened.append(writer)
    return opened


@pytest.mark.parametrize("start", [b"", HALF, HALF_BODY])
def test_whoever_sends_a_whole_request_is_heard_among_many_who_do_not(
    tmp_path: Path, start: bytes, now: list[float]
) -> None:
    @looped
    async def act() -> None:
        stage = Stage()
        stage.go.set()
        async with service(stage, tmp_path, connections=16) as caller:
            opened = await held(caller, start, 50)
            assert (await caller.client.get("/healthz")).status_code == 200
            assert (await caller.run(ONE)).status_code == 202
            await caller.until(ended("success"), 1)
            figures = await caller.figures()
            assert figures["coderport_connections"] <= 17
            assert figures[closed("crowded")] >= 33
            for writer in opened:
                writer.close()

    act()


@pytest.mark.parametrize("start", [b"", HALF, HALF_BODY])
def test_a_drip_does_not_keep_a_connection_open(tmp_path: Path, start: bytes, now: list[float]) -> None:
    @looped
    async def act() -> None:
        async with service(Stage(), tmp_path) as caller:
            (dripping,) = await held(caller, start, 1)
            while (await caller.figures())[closed("slow")] == 0:
                if start and not dripping.is_closing():
                    dripping.write(b"x")
                await asyncio.sleep(0.01)
                now[0] += 1  # the caller is heard each second
            assert now[0] > SECONDS["body" if start == HALF_BODY else "headers"]
            assert (await caller.run(TWO)).status_code == 202

    act()


class Held:
    """A connection as `Connections` sees it."""

    def __init__(self, busy_with: str) -> None:
        self.part, self.since, self.busy_with, self.aborted = "", 0.0, busy_with, False
        self.transport = self

    def present_part(self) -> str:
        return self.busy_with

    def abort(self) -> None:
        self.aborted = True


def test_the_one_that_kept_us_waiting_for_longest_goes_and_one_that_is_answered_stays() -> None:
    why: list[str] = []
    open_ones: Any = Connections(2, why.append, clock=lambda: 0.0)
    answered, first, second, third = Held("answer"), Held("headers"), Held("body"), Held("headers")
    for each in (answered, first, second):
        open_ones.add(each)
    assert [each.aborted for each in (answered, first, second)] == [False, True, False]
    open_ones.heard(second)
    open_ones.add(third)
    assert [each.aborted for each in (answered, second, third)] == [False, True, False]
    assert why == ["crowded", "crowded"]


def test_each_part_of_an_exchange_has_its_time_from_its_own_beginning() -> None:
    now, why = [0.0], list[str]()
    open_ones: Any = Connections(9, why.append, clock=lambda: now[0])
    one = Held("headers")
    open_ones.add(one)
    for seconds, part in ((SECONDS["headers"] - 1, "body"), (SECONDS["body"] - 1, "answer"), (1.0, "answer")):
        now[0] += seconds
        one.busy_with = part
        open_ones.look()
    assert not one.aborted
    now[0] += SECONDS["answer"]
    open_ones.look()
    assert one.aborted and why == ["slow"] and len(open_ones) == 0


@pytest.mark.parametrize(
    ("limits", "most", "then"),
    [
        ((1024, 1024), 864, 1024),
        ((1024, 4096), 2000, 2160),
        ((1024, resource.RLIM_INFINITY), 2000, 2160),
        ((100, 100), 16, 100),
        ((9000, 9000), 2000, None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 2000, None),
    ],
)
def test_no_more_are_open_than_the_process_may_have_files(
    limits: tuple[int, int], most: int, then: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: allowed.append(given[0]))
    assert most_connections(2000) == most
    assert allowed == ([] if then is None else [then])


def event(message: str, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, message, (), None)
    record.__dict__.update(extra)
    return record


def test_a_log_line_shows_nothing_raw_and_means_the_same() -> None:
    text = JsonLines().format(event("run \x9b31m \u202e \u2028 ##[error]x", reason="\u200b"))
    assert not set(text) & set("\x9b\u202e\u2028\u200b") and "##[" not in text
    assert json.loads(text)["event"] == "run \x9b31m \u202e \u2028 ##[error]x"


def test_what_strangers_cause_fills_no_log() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    shown = [sparing.filter(event("Invalid HTTP request received.")) for _ in range(1000)]
    assert sum(shown) == SHOWN
    assert sparing.filter(event("request refused", reason="forged"))
    assert all(sparing.filter(event("request refused", reason="full", run_id=ONE)) for _ in range(100))
    now[0] += WINDOW_SECONDS
    again = event("Invalid HTTP request received.")
    assert sparing.filter(again) and again.__dict__["not_shown"] == 1000 - SHOWN
