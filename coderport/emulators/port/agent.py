"""Port's execution agent in small: it takes runs of `agent: true` webhooks from Port and sends them on from inside.

It does what the public agent (port-labs/port-agent, polling mode, its default mapping) does, oddities included:
the request's body is the action's body plus `headers`, `payload.action.invocationMethod` and `context.runId`; the
action's headers are not sent as headers; and the signature, made with the agent's own client secret, is over the body
as compact ASCII JSON, while the body is sent with a space after each colon and comma. A receiver that checks the raw
bytes refuses the agent; it has to serialize the parsed body again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from types import TracebackType
from typing import Any, Final

import httpx

from coderport.emulators.port.deliveries import signature
from coderport.emulators.port.records import Json

_INSTALLATION: Final = "_PORT_EXEC_AGENT"
_BATCH: Final = 100


class EmulatedAgent:
    """One agent of an emulated Port at `port_url`; `poll` does one round, `start` does rounds until `stop`.

    Nothing of it is in the emulator: it knows Port by its API only, as the real one does.
    """

    def __init__(
        self, port_url: str, client_id: str, client_secret: str, *, poll_seconds: float = 0.1, timeout: float = 30
    ) -> None:
        self._credentials = {"clientId": client_id, "clientSecret": client_secret}
        self._secret, self._poll_seconds = client_secret, poll_seconds
        self._port = httpx.Client(
            base_url=f"{port_url}/v1", headers={"user-agent": "port-agent"}, timeout=timeout, trust_env=False
        )
        self._outside = httpx.Client(timeout=timeout, trust_env=False)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def poll(self) -> int:
        """Claim what waits, acknowledge each run and send it on, one after the other; how many were sent."""
        claim = {"installationId": _INSTALLATION, "limit": _BATCH, "invocationMethod": "WEBHOOK"}
        claimed = self._ask("POST", "/actions/runs/claim-pending", claim).get("runs", [])
        sent = 0
        for run in claimed:
            if self._ask("PATCH", "/actions/runs/ack", {"runIds": [run["id"]]}).get("ackedCount"):
                self._forward(run)
                sent += 1
        return sent

    def start(self) -> EmulatedAgent:
        """Poll from a thread of its own."""
        self._thread = threading.Thread(target=self._rounds, daemon=True, name="port agent")
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the round under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._port.close()
        self._outside.close()

    def __enter__(self) -> EmulatedAgent:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _rounds(self) -> None:
        while not self._stopped.is_set():
            try:
                self.poll()
            except (httpx.HTTPError, KeyError, ValueError) as error:
                logging.getLogger(__name__).warning("a round of the emulated agent failed: %s", type(error).__name__)
            self._stopped.wait(self._poll_seconds)

    def _ask(self, method: str, path: str, body: Json) -> Json:
        token = self._port.post("/auth/access_token", json=self._credentials).json()["accessToken"]
        headers = {"authorization": f"Bearer {token}", "x-port-reserved-usage": "true"}
        found: Json = self._port.request(method, path, json=body, headers=headers).json()
        return found

    def _log(self, run_id: str, message: str) -> None:
        """Refused once the run has ended, as it may have before the agent is done; the agent does not mind."""
        self._ask("POST", f"/actions/runs/{run_id}/logs", {"message": message})

    def _forward(self, run: Json) -> None:
        run_id, method = run["id"], run["payload"]
        body = _message(run)
        timestamp = str(int(time.time()))
        signed = json.dumps(body, separators=(",", ":")).encode()
        self._log(run_id, f"agent: sending {method['method']} {method['url']}")
        try:
            reply = self._outside.request(
                method["method"],
                method["url"],
                content=json.dumps(body).encode(),
                headers={
                    "content-type": "application/json",
                    "x-port-timestamp": timestamp,
                    "x-port-signature": signature(self._secret, timestamp, signed),
                },
            )
        except httpx.HTTPError as error:
            # The real agent reports nothing here: the run stays in progress.
            self._log(run_id, f"agent: the request failed: {type(error).__name__}")
            return
        self._log(run_id, f"agent: answered {reply.status_code}")
        self._report(run_id, method, reply)

    def _report(self, run_id: str, method: Json, reply: httpx.Response) -> None:
        answered: Any = reply.text
        with contextlib.suppress(ValueError):
            answered = reply.json()
        if method["synchronized"] and answered:
            self._ask("PATCH", f"/actions/runs/{run_id}/response", {"response": answered})
        if reply.status_code >= 400:
            change = {"status": "FAILURE", "summary": f"the webhook answered {reply.status_code}"}
            self._ask("PATCH", f"/actions/runs/{run_id}", change)
        elif method["synchronized"]:
            self._ask("PATCH", f"/actions/runs/{run_id}", {"status": "SUCCESS"})


def _message(run: Json) -> Json:
    """The body that the agent makes of a run."""
    method = {key: run["payload"][key] for key in ("type", "url", "synchronized", "method", "headers")}
    body = dict(run["payload"]["body"])
    payload = dict(body.get("payload") or {})
    action = {**(payload.get("action") or {}), "invocationMethod": method}
    context = {**(body.get("context") or {}), "runId": run["id"]}
    return {**body, "headers": method["headers"], "payload": {**payload, "action": action}, "context": context}
