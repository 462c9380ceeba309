"""Whom the webhook service hears, over sockets, and what it takes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from service_lab import (
    NOW,
    ONE,
    THREE,
    TWO,
    Stage,
    compact,
    ended,
    looped,
    refused,
    service,
    settings,
    signed,
)

from coderport.runner.service import queue
from coderport.runner.service.app import BODY_LIMIT, PROBE_SECONDS, Service, create_app
from coderport.runner.service.journal import RunJournal
from coderport.runner.service.metrics import Metrics
from coderport.runner.service.signature import TOLERANCE_SECONDS, signature


def test_the_signature_is_the_one_that_port_documents() -> None:
    # Worked out with `openssl dgst -sha256 -hmac secret -binary | base64` on `1700000000.` and the body.
    expected = "v1,a1wILKoT91gK5sOCM1cOdaRIgz4BkQGaZGGn2qfksSQ="
    assert signature("secret", "1700000000", b'{"run_id":"r_0000000000000001"}') == expected


@looped
async def test_a_signed_run_is_taken_on_and_worked_to_its_end(tmp_path: Path) -> None:
    stage = Stage()
    async with service(stage, tmp_path) as caller:
        answer = await caller.run(ONE)
        assert (answer.status_code, answer.json()) == (202, {"run_id": ONE})
        stage.go.set()
        await caller.until(ended("success"), 1)
        assert stage.done == [ONE]
        figures = await caller.figures()
        assert figures["coderport_runs_accepted_total"] == figures["coderport_run_duration_seconds_count"] == 1


@looped
async def test_a_request_is_heard_as_ports_agent_sends_it(tmp_path: Path) -> None:
    """The agent signs compact JSON, sends it with spaces, and adds keys of its own."""
    body = {"run_id": ONE, "headers": {}, "payload": {"action": {"é": 1}}, "context": {"runId": TWO}}
    wire = json.dumps(body).encode()
    stage = Stage()
    async with service(stage, tmp_path) as caller:
        answer = await caller.client.post("/runs", content=wire, headers=signed(wire, over=compact(body)))
        assert (answer.status_code, answer.json()) == (202, {"run_id": ONE})
        stage.go.set()
        await caller.until(ended("success"), 1)
    assert stage.done == [ONE]


BODY = compact({"run_id": ONE})
GOOD = signed(BODY, at=NOW)
MARK, STAMP = "x-port-signature", "x-port-timestamp"
NOT_FROM_PORT: dict[str, tuple[str, dict[str, str]]] = {
    "no signature": ("unsigned", {STAMP: GOOD[STAMP]}),
    "no timestamp": ("unsigned", {MARK: GOOD[MARK]}),
    "an empty signature": ("unsigned", {**GOOD, MARK: ""}),
    "another secret": ("forged", signed(BODY, at=NOW, secret="guess")),
    "the signature of another body": ("forged", signed(compact({"run_id": TWO}), at=NOW)),
    "the signature of another time": ("forged", {**signed(BODY, at=NOW - 9), STAMP: GOOD[STAMP]}),
    "an old signature with a new time": ("forged", {**signed(BODY, at=NOW - 900), STAMP: GOOD[STAMP]}),
    "another version": ("forged", {**GOOD, MARK: GOOD[MARK].replace("v1", "v0")}),
    "no version": ("forged", {**GOOD, MARK: GOOD[MARK][3:]}),
    "a cut signature": ("forged", {**GOOD, MARK: GOOD[MARK][:-1]}),
    "a padded signature": ("forged", {**GOOD, MARK: GOOD[MARK] + "="}),
    "two signatures": ("forged", {**GOOD, MARK: f"{GOOD[MARK]} {GOOD[MARK]}"}),
    "too old": ("stale", signed(BODY, at=NOW - TOLERANCE_SECONDS - 1)),
    "from the future": ("stale", signed(BODY, at=NOW + TOLERANCE_SECONDS + 1)),
    "no time": ("stale", {**GOOD, STAMP: "soon"}),
    "milliseconds": ("stale", {**GOOD, STAMP: GOOD[STAMP] + "000"}),
    "a time without end": ("stale", {**GOOD, STAMP: "9" * 4000}),
    "a negative time": ("stale", {**GOOD, STAMP: "-" + GOOD[STAMP]}),
}


@looped
async def test_a_request_that_is_not_from_port_or_not_from_now_is_refused_and_counted(tmp_path: Path) -> None:
    stage = Stage()
    async with service(stage, tmp_path, clock=lambda: NOW) as caller:
        for case, (reason, headers) in NOT_FROM_PORT.items():
            answer = await caller.client.post("/runs", content=BODY, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (401, reason), case
        figures = await caller.figures()
        for reason, number in Counter(reason for reason, _ in NOT_FROM_PORT.values()).items():
            assert figures[refused(reason)] == number
        assert figures["coderport_webhook_received_total"] == len(NOT_FROM_PORT)
        assert figures["coderport_runs_accepted_total"] == 0
        assert (await caller.client.post("/runs", content=BODY, headers=GOOD)).status_code == 202


@looped
async def test_clocks_may_differ_by_the_tolerance(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path, clock=lambda: NOW) as caller:
        assert (await caller.run(ONE, at=NOW - TOLERANCE_SECONDS)).status_code == 202
        assert (await caller.run(TWO, at=NOW + TOLERANCE_SECONDS)).status_code == 202


@looped
async def test_a_replayed_request_is_refused_and_counted_also_after_a_restart(tmp_path: Path) -> None:
    stage = Stage()
    stage.go.set()
    for replays in (1, 2):
        async with service(stage, tmp_path, clock=lambda: NOW) as caller:
            if replays == 1:
                assert (await caller.run(ONE, at=NOW)).status_code == 202
                await caller.until(ended("success"), 1)
            answer = await caller.run(ONE, at=NOW)
            assert (answer.status_code, answer.json()["error"]) == (409, "replayed")
            assert (await caller.figures())[refused("replayed")] == 1
    assert stage.begun == [ONE]


@looped
async def test_a_signature_serves_for_one_form_of_a_body_only(tmp_path: Path) -> None:
    """The agent's form is accepted under the signature of the compact one: spaces must not make a new request."""
    stage = Stage()
    async with service(stage, tmp_path, clock=lambda: NOW) as caller:
        statuses = [
            (await caller.client.post("/runs", content=form, headers=GOOD)).status_code
            for form in (BODY, BODY.replace(b":", b": "), b" " + BODY, BODY + b"\n")
        ]
    assert statuses == [202, 409, 409, 409]


@looped
async def test_a_known_run_that_is_signed_anew_is_accepted_without_effect(tmp_path: Path) -> None:
    """Port's agent takes an error as the end of the run, so a message that it delivers again must not be one."""
    stage = Stage()
    async with service(stage, tmp_path, clock=lambda: NOW) as caller:
        assert (await caller.run(ONE, at=NOW)).status_code == 202
        assert (await caller.run(ONE, at=NOW + 1)).status_code == 202
        stage.go.set()
        await caller.until(ended("success"), 1)
        assert (await caller.run(ONE, at=NOW + 2)).status_code == 202
        figures = await caller.figures()
    assert stage.begun == [ONE]
    assert (figures["coderport_webhook_repeated_total"], figures["coderport_runs_accepted_total"]) == (2, 1)


@looped
async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    stage = Stage()
    fitting = compact({"run_id": ONE, "filler": ""})
    fitting = fitting[:-2] + b"x" * (BODY_LIMIT - len(fitting)) + b'"}'
    larger = fitting[:-2] + b'x"}'

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(larger), 4096):
            yield larger[start : start + 4096]

    async with service(stage, tmp_path) as caller:
        whole = await caller.client.post("/runs", content=larger, headers=signed(larger))
        chunked = await caller.client.post("/runs", content=in_chunks(), headers=signed(larger))
        huge = await caller.client.post("/runs", content=b"x" * 900_000, headers=signed(larger))
        assert [answer.status_code for answer in (whole, chunked, huge)] == [413, 413, 413]
        assert (await caller.figures())[refused("too_large")] == 3
        assert (await caller.client.post("/runs", content=fitting, headers=signed(fitting))).status_code == 202


@looped
async def test_a_request_that_is_cut_is_counted_and_hurts_nobody(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path) as caller:
        url = urlsplit(str(caller.client.base_url))
        with socket.create_connection((str(url.hostname), int(url.port or 0))) as cut:
            cut.sendall(b"POST /runs HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n" + BODY)
            await caller.until("coderport_webhook_received_total", 1)
        await caller.until(refused("incomplete"), 1)
        assert (await caller.run(ONE)).status_code == 202


NAMING_NO_RUN = [
    b"",
    b"run_id=r_0000000000000001",
    b"[" * 60_000,
    b"1" * 60_000,
    b"\xff\xfe",
    compact(ONE),
    compact([ONE]),
    compact({}),
    compact({"context": {"runId": ONE}}),
    compact({"run_id": None}),
    compact({"run_id": 7}),
    compact({"run_id": [ONE]}),
    compact({"run_id": ""}),
    compact({"run_id": "r_"}),
    compact({"run_id": "w_0000000000000001"}),
    compact({"run_id": f"{ONE}\n"}),
    compact({"run_id": f"{ONE}/../{TWO}"}),
    compact({"run_id": "r_" + "x" * 65}),
    compact({"run_id": "r_１"}),
]


@looped
async def test_what_names_no_run_is_refused_even_if_port_signed_it(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path) as caller:
        for body in NAMING_NO_RUN:
            answer = await caller.client.post("/runs", content=body, headers=signed(body))
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid"), body[:80]
        assert (await caller.figures())[refused("invalid")] == len(NAMING_NO_RUN)


@looped
async def test_only_a_post_to_runs_is_a_webhook(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path) as caller:
        assert (await caller.client.get("/runs", headers=GOOD)).status_code == 405
        assert (await caller.client.post("/", content=BODY, headers=GOOD)).status_code == 404


@looped
async def test_a_full_queue_says_so_and_forgets_what_it_refused(tmp_path: Path) -> None:
    stage = Stage()
    async with service(stage, tmp_path, queue_size=1, workers=1, clock=lambda: NOW) as caller:
        await caller.run(ONE, at=NOW)
        await caller.until("coderport_runs_running", 1)
        await caller.run(TWO, at=NOW)
        answer = await caller.run(THREE, at=NOW)
        assert (answer.status_code, answer.json()["error"], int(answer.headers["retry-after"])) == (503, "full", 30)
        assert (await caller.client.get("/readyz")).status_code == 503
        assert (await caller.run(TWO, at=NOW + 1)).status_code == 202, "a run that is known needs no room"
        stage.go.set()
        await caller.until(ended("success"), 2)
        assert (await caller.client.get("/readyz")).status_code == 200
        assert (await caller.run(THREE, at=NOW)).status_code == 202
        await caller.until(ended("success"), 3)
        assert (await caller.figures())[refused("full")] == 1
    assert stage.done == [ONE, TWO, THREE]


@looped
async def test_nothing_is_taken_on_that_could_not_be_written_down(tmp_path: Path) -> None:
    stage, metrics, now = Stage(), Metrics(), [NOW]
    options = settings(tmp_path)
    async with RunJournal.opened(options.database, lambda: now[0]) as journal, stage.opened() as runner:
        workers = queue.Workers(runner, journal, metrics, workers=1, clock=lambda: now[0])
        app = create_app(Service(options, journal, workers, metrics, lambda: now[0]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            assert (await client.get("/readyz")).status_code == 200
            now[0] += PROBE_SECONDS
            await journal._do(lambda database: database.execute("PRAGMA query_only = ON"))
            assert (await client.get("/readyz")).status_code == 503
            answer = await client.post("/runs", content=BODY, headers=GOOD)
            assert (answer.status_code, answer.json()["error"]) == (503, "journal")
            assert (await client.get("/healthz")).status_code == 200
            assert workers.waiting == 0


@looped
async def test_however_often_it_is_asked_whether_it_is_ready_the_journal_is_written_once_a_second(
    tmp_path: Path,
) -> None:
    stage, metrics, now, writes = Stage(), Metrics(), [NOW], 0
    options = settings(tmp_path)
    async with RunJournal.opened(options.database, lambda: now[0]) as journal, stage.opened() as runner:
        real = journal.probe

        async def probe() -> None:
            nonlocal writes
            writes += 1
            await real()

        journal.probe = probe  # type: ignore[method-assign]
        workers = queue.Workers(runner, journal, metrics, workers=1, clock=lambda: now[0])
        app = create_app(Service(options, journal, workers, metrics, lambda: now[0]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            answers = await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
            assert {each.status_code for each in answers} == {200} and writes == 1
            now[0] += PROBE_SECONDS
            assert (await client.get("/readyz")).status_code == 200 and writes == 2
