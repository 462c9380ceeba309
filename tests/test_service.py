"""The webhook service over sockets: whom it hears, what it takes on, in which order it works, how it stops."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from functools import wraps
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from service_lab import SECRET, Caller, Stage, compact, ended, refused, run_id, service, settings, signed

from coderport.errors import CoderportError, SettingsError
from coderport.runner.service import queue
from coderport.runner.service.app import BODY_LIMIT, Service, create_app
from coderport.runner.service.journal import KEPT_SECONDS, JournalError, RunJournal, Taken
from coderport.runner.service.logs import JsonLines
from coderport.runner.service.metrics import REFUSALS, Metrics
from coderport.runner.service.server import running
from coderport.runner.service.settings import ENVIRONMENT, ServiceSettings, service_settings
from coderport.runner.service.signature import TOLERANCE_SECONDS, signature
from coderport.runner.values import Ended, Journal

Body = Callable[..., Coroutine[Any, Any, None]]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "actions.md"
ONE, TWO, THREE = run_id(1), run_id(2), run_id(3)


def looped(test: Body) -> Callable[..., None]:
    """Runs an async test; one that hangs fails."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), 30))

    return run


# --- whom it hears ---------------------------------------------------------------------------------------------------


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


NOW = 1_800_000_000.0
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


# --- what it takes on ------------------------------------------------------------------------------------------------


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
    stage, metrics = Stage(), Metrics()
    options = settings(tmp_path)
    async with RunJournal.opened(options.database, lambda: NOW) as journal, stage.opened() as runner:
        workers = queue.Workers(runner, journal, metrics, workers=1, clock=lambda: NOW)
        app = create_app(Service(options, journal, workers, metrics, lambda: NOW))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            assert (await client.get("/readyz")).status_code == 200
            await journal._do(lambda database: database.execute("PRAGMA query_only = ON"))
            assert (await client.get("/readyz")).status_code == 503
            answer = await client.post("/runs", content=BODY, headers=GOOD)
            assert (answer.status_code, answer.json()["error"]) == (503, "journal")
            assert (await client.get("/healthz")).status_code == 200
            assert workers.waiting == 0


# --- in which order it works -----------------------------------------------------------------------------------------


@looped
async def test_one_run_at_a_time_for_each_workspace_in_the_order_of_arrival(tmp_path: Path) -> None:
    first, other = [run_id(number) for number in range(10)], [run_id(number) for number in range(10, 15)]
    stage = Stage(keys=dict.fromkeys(first, "one") | dict.fromkeys(other, "two"))
    overlaps: list[str] = []

    async def execute(run: str, journal: Journal) -> Ended:
        key = str(stage.keys[run])
        if key in stage.at_work:
            overlaps.append(run)
        stage.at_work.add(key)
        stage.most_at_work = max(stage.most_at_work, len(stage.at_work))
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
        now[0] += queue.GIVE_UP_SECONDS + 1
        stage.go.set()
        await caller.until(ended("abandoned"), 1)
        await caller.run(TWO, at=now[0])
        await caller.until(ended("success"), 1)
    assert (stage.begun, stage.done) == ([ONE, TWO], [TWO])


def test_pauses_grow_to_a_minute() -> None:
    assert [queue.pause(attempt) for attempt in (1, 2, 3, 6, 99)] == [2, 4, 8, 60, 60]


# --- how it stops and goes on ----------------------------------------------------------------------------------------


@looped
async def test_a_draining_service_ends_what_is_at_work_and_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    stage, leave = Stage(keys={ONE: "one", TWO: "one"}), asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def life() -> None:
        async with running(settings(tmp_path, grace_seconds=20.0), stage.opened()) as found:
            url.set_result(found)
            await leave.wait()

    living = asyncio.create_task(life())
    async with httpx.AsyncClient(base_url=await url) as client:
        caller = Caller(client)
        await caller.run(ONE)
        await caller.run(TWO)
        await caller.until("coderport_runs_running", 1)
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


def test_settings_come_from_the_environment_and_all_mistakes_are_told_at_once() -> None:
    given = {"PORT_CLIENT_SECRET": SECRET, "CODERPORT_SERVE_DATABASE": "/data/runs", "CODERPORT_SERVE_WORKERS": "3"}
    found = service_settings(given)
    assert (found.database, found.secret.get_secret_value(), found.workers) == (Path("/data/runs"), SECRET, 3)
    assert SECRET not in repr(found)
    with pytest.raises(SettingsError) as caught:
        service_settings({"PORT_CLIENT_SECRET": SECRET, "CODERPORT_SERVE_PORT": "x", "CODERPORT_SERVE_WORKERS": "0"})
    for name in ("CODERPORT_SERVE_DATABASE", "CODERPORT_SERVE_PORT", "CODERPORT_SERVE_WORKERS"):
        assert name in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_page_on_actions_lists_exactly_the_settings_and_their_defaults() -> None:
    listed = re.findall(r"^\| `(CODERPORT_SERVE_\w+|PORT_CLIENT_SECRET)` \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    fields = {ENVIRONMENT[name]: field for name, field in ServiceSettings.model_fields.items()}
    assert {name: text.strip("` ") for name, text in listed} == {
        name: "required"
        if field.is_required()
        else f"{field.default:g}"
        if isinstance(field.default, float)
        else str(field.default)
        for name, field in fields.items()
    }


# --- the journal -----------------------------------------------------------------------------------------------------


@looped
async def test_two_services_cannot_share_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderport.runner.service.journal._LOCK_SECONDS", 0.0)
    path = tmp_path / "deep" / "runs.sqlite"
    async with RunJournal.opened(path, lambda: NOW):
        with pytest.raises(JournalError, match="in use by another service"):
            async with RunJournal.opened(path, lambda: NOW):
                pass
    async with RunJournal.opened(path, lambda: NOW):
        pass


@looped
async def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    text, newer = tmp_path / "text", tmp_path / "newer"
    text.write_text("not a database, but long enough to be read as one" * 100)
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    for path, message in ((text, "cannot be read"), (newer, "another version"), (tmp_path, "cannot be opened")):
        with pytest.raises(JournalError, match=message):
            async with RunJournal.opened(path, lambda: NOW):
                pass
    assert text.read_text().startswith("not a database")


@looped
async def test_the_journal_keeps_how_far_a_run_has_come(tmp_path: Path) -> None:
    path, step = tmp_path / "runs.sqlite", '{"phase":"building","build":"é"}'
    async with RunJournal.opened(path, lambda: NOW) as journal:
        await journal.take(ONE, "mark", NOW, 1)
        assert await journal.step(ONE) is None
        await journal.record(ONE, step)
    async with RunJournal.opened(path, lambda: NOW) as journal:
        assert await journal.step(ONE) == step
        assert await journal.step(TWO) is None
        with pytest.raises(JournalError, match=TWO):
            await journal.record(TWO, step)


@looped
async def test_a_run_ends_once_in_the_journal(tmp_path: Path) -> None:
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: NOW) as journal:
        await journal.take(ONE, "mark", NOW, 1)
        await journal.started(ONE)
        await journal.ended(ONE, "success")
        assert await journal.unfinished() == []
        with pytest.raises(JournalError, match="has ended"):
            await journal.ended(ONE, "failure")


@looped
async def test_what_is_old_is_forgotten_and_what_is_unfinished_is_not(tmp_path: Path) -> None:
    now = [NOW]
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: now[0]) as journal:
        for run in (ONE, TWO):
            assert await journal.take(run, f"mark of {run}", NOW + 301, 9) is Taken.NEW
        await journal.ended(ONE, "success")
        now[0] += 300
        assert await journal.take(ONE, f"mark of {ONE}", NOW + 301, 9) is Taken.REPLAYED
        now[0] += KEPT_SECONDS
        assert await journal.take(THREE, "another", now[0] + 301, 9) is Taken.NEW
        counts = await journal._do(
            lambda database: database.execute(
                "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM signatures)"
            ).fetchone()
        )
        assert counts == (2, 1)
        assert [run.run_id for run in await journal.unfinished()] == [TWO, THREE]


# --- what it tells ---------------------------------------------------------------------------------------------------


@looped
async def test_metrics_are_in_the_text_format_with_every_reason_at_zero(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path) as caller:
        answer = await caller.client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        figures = await caller.figures()
    assert {figures[refused(reason)] for reason in REFUSALS} == {0.0}
    assert not [name for name in figures if "_created" in name]


def test_the_page_on_actions_lists_exactly_the_metrics() -> None:
    listed = re.findall(r"^\| `(coderport_\w+)[^|]*` \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert set(listed) == set(re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().exposition().decode(), re.MULTILINE))


@looped
async def test_the_log_has_one_line_of_json_for_each_event_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(failures=[ValueError(f"the token {SECRET}\nis wrong"), CoderportError("Port is away")])
    body = compact({"run_id": ONE, "note": "private\nnote"})
    async with service(stage, tmp_path, pause=lambda attempt: 0.0) as caller:
        for headers in (signed(body), signed(body), signed(body, secret="guess"), {}):
            await caller.client.post("/runs", content=body, headers=headers)
        stage.go.set()
        await caller.until(ended("success"), 1)
    text = [JsonLines().format(record) for record in caplog.records if record.name.startswith(("coderport", "uvicorn"))]
    lines = [json.loads(line) for line in text]
    assert not [line for line in text if "\n" in line or SECRET in line or "private" in line or "v1," in line]
    events = [line["event"] for line in lines if line.get("run_id") == ONE]
    assert events == ["run taken on", "attempt broke off", "attempt broke off", "run ended"]
    assert [line["reason"] for line in lines if "reason" in line] == ["replayed", "forged", "unsigned"]
    broken = [line for line in lines if line["event"] == "attempt broke off"]
    assert [line["error"] for line in broken] == ["ValueError", "CoderportError"]
    assert [line.get("message") for line in broken] == [None, "Port is away"]
    assert broken[0]["at"][-1].startswith("service_lab.py:")
