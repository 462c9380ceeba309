"""Carrying out runs in the background: webhooks that are really sent, workflows that a hook of the tests stands for."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import logging
import queue
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

import httpx

from coderport.emulators.kit import compact_json
from coderport.emulators.port import integrations, runs
from coderport.emulators.port.records import Json
from coderport.emulators.port.runs import Run
from coderport.emulators.port.store import Store

_WORKERS: Final = 32

WorkflowHook = Callable[[Json], "int | None"]
"""Runs the workflow of a dispatch and returns its exit code; None: it goes on, and nothing is reported."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The `x-port-signature` of a body: HMAC-SHA256 over ``<timestamp>.<body>``, base64, with the version in front."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Deliveries:
    """Sends what the store's outbox is given; each run in its own time, up to 32 at once.

    What Port's cloud makes of a failing asynchronous webhook is not documented; here, as with Port's agent, the run
    fails for an answer of 400 or more and for none at all. Redirects are not followed.
    """

    def __init__(self, store: Store, client_id: str, secret: str, timeout: float) -> None:
        self._store, self._client_id, self._secret = store, client_id, secret
        self._timeout = timeout
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._under_way = 0
        self._workers = 0
        self.hook: WorkflowHook | None = None
        self.sent: list[Json] = []
        """Webhooks that were sent: run_id, method, url, headers, body (text), and the status of the answer or None."""

    @cached_property
    def _http(self) -> httpx.Client:
        """Made for the first webhook that is sent: reading the certificates takes 20 ms."""
        return httpx.Client(timeout=self._timeout, trust_env=False, follow_redirects=False)

    def put(self, run_id: str) -> None:
        """Carry this run out soon; call with the store's lock held."""
        self._under_way += 1
        self._waiting.put(run_id)
        if self._workers < min(_WORKERS, self._under_way):
            self._workers += 1
            threading.Thread(target=self._work, daemon=True, name="port deliveries").start()

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is being carried out; False if that takes longer."""
        with self._store.lock:
            return self._store.changed.wait_for(lambda: self._under_way == 0, timeout)

    def _work(self) -> None:
        while True:
            run_id = self._waiting.get()
            try:
                self._carry_out(run_id)
            except Exception:
                logging.getLogger(__name__).exception("the emulated Port failed to invoke run %s", run_id)
            with self._store.lock:
                self._under_way -= 1
                self._store.changed.notify_all()

    def _carry_out(self, run_id: str) -> None:
        with self._store.lock:
            run = self._store.runs[run_id]
            payload: Json = copy.deepcopy(run.payload or {})
            dispatch = next((each for each in self._store.dispatches if each["run_id"] == run_id), None)
        if dispatch is not None:
            self._run_workflow(run, copy.deepcopy(dispatch))
        else:
            self._send_webhook(run, payload)

    def _run_workflow(self, run: Run, dispatch: Json) -> None:
        if run.definition["type"] == "INTEGRATION_ACTION":
            with self._store.lock:
                integrations.begun(self._store, run, dispatch)
        if self.hook is None:
            return
        try:
            code = self.hook(dispatch)
        except Exception:
            logging.getLogger(__name__).exception("the workflow of run %s failed", run.id)
            code = 1
        if code is not None:
            self.report_workflow(run, dispatch, code)

    def report_workflow(self, run: Run, dispatch: Json, code: int) -> None:
        """A workflow has ended: the integration, or the former app, ends the run unless the action says not to."""
        with self._store.lock:
            if run.definition["type"] == "INTEGRATION_ACTION":
                integrations.completed(self._store, run.id, code)
            elif dispatch["report_status"]:
                runs.end(self._store, run, "SUCCESS" if code == 0 else "FAILURE", self._client_id)

    def _send_webhook(self, run: Run, payload: Json) -> None:
        body = compact_json(payload["body"])
        timestamp = str(int(self._store.clock()))
        headers = {
            "content-type": "application/json",
            **{name.lower(): value for name, value in payload["headers"].items()},
            "x-port-timestamp": timestamp,
            "x-port-signature": signature(self._secret, timestamp, body),
        }
        record: Json = {
            "run_id": run.id,
            "method": payload["method"],
            "url": payload["url"],
            "headers": headers,
            "body": body.decode(),
            "status": None,
        }
        with self._store.lock:
            self.sent.append(record)
        try:
            reply = self._http.request(payload["method"], payload["url"], content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._refused(run, payload, f"the webhook could not be reached: {type(error).__name__}")
            return
        with self._store.lock:
            record["status"] = reply.status_code
            if payload["synchronized"] and not run.ended:
                run.response = _answered(reply)
        if reply.status_code >= 400:
            self._refused(run, payload, f"the webhook answered {reply.status_code}")
        elif payload["synchronized"]:
            self._end(run, "SUCCESS", None)

    def _refused(self, run: Run, payload: Json, why: str) -> None:
        if payload["synchronized"] or self._store.behaviour.refused_webhook == "FAILURE":
            self._end(run, "FAILURE", why)

    def _end(self, run: Run, status: str, summary: str | None) -> None:
        with self._store.lock:
            runs.end(self._store, run, status, self._client_id, summary)


def _answered(reply: httpx.Response) -> Any:
    """The reply's JSON, or its text."""
    try:
        return reply.json()
    except ValueError:
        return reply.text
