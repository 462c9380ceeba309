"""Each behaviour of the emulated Port that is turned over is found by `conformance`, with nothing else changed.

Two ways of turning one over: a field of `Behaviour`, and an answer that is changed on its way out, which stands for
what the emulator has no switch for.
"""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import dataclass, fields
from typing import Any
from unittest import mock

import pytest
from port_talk import Clock, emulator_of
from rich.console import Console
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coderport.conformance.command import ask_port
from coderport.conformance.port_probes import PORT_PROBES
from coderport.emulators.kit import serve
from coderport.emulators.port import PortEmulator
from coderport.emulators.port.behaviour import Behaviour
from coderport.settings import PortAccess, load_access

UNPROBED = {"most_unpaged", "retry_after"}
"""Behaviours that no probe finds, as `Behaviour` says and why."""


@dataclass(frozen=True)
class Changed:
    """Answers to requests that fit are made others: another status, error code or header, or a member taken out."""

    request: str
    when: int
    status: int | None = None
    error: str | None = None
    without: str | None = None
    no_header: bytes | None = None

    def of(self, app: ASGIApp) -> ASGIApp:
        fits = re.compile(self.request)

        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not fits.search(f"{scope['method']} {scope['path']}"):
                await app(scope, receive, send)
                return
            start: Message = {}
            content = bytearray()

            async def hold(message: Message) -> None:
                if message["type"] == "http.response.start":
                    start.update(message)
                else:
                    content.extend(message.get("body", b""))

            await app(scope, receive, hold)
            body = bytes(content)
            if start["status"] == self.when:
                start["status"] = self.status or self.when
                body = self._body(body)
            headers = [
                (key, value) for key, value in start["headers"] if key not in (self.no_header, b"content-length")
            ]
            await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        return changed

    def _body(self, content: bytes) -> bytes:
        body = json.loads(content)
        if self.error is not None and "error" in body:
            body["error"] = self.error
        for row in [body, *body.get("entities", ())] if self.without else ():
            row.pop(self.without, None)
        return json.dumps(body).encode()


def differing(emulator: PortEmulator, app: ASGIApp | None = None) -> set[str]:
    """The probes that a whole run finds different, or without an answer."""
    emulator.add_user("somebody@example.com", teams=("somebodies",))
    pause = time.sleep

    def settled(seconds: float) -> None:
        """A wait takes no time here, so what the emulator has under way in other threads is waited for itself."""
        emulator.settle()
        pause(seconds)

    with serve(app or emulator.app) as served, mock.patch.object(time, "sleep", settled):
        environ = {
            "PORT_CLIENT_ID": emulator.client_id,
            "PORT_CLIENT_SECRET": emulator.client_secret,
            "PORT_BASE_URL": served.url,
        }
        report = ask_port(load_access(PortAccess, environ), Console(file=io.StringIO()))
    assert report.left == ()
    return {finding.name for finding in report.findings if finding.result in ("different", "failed")}


FLIPPED: dict[str, Any] = {
    "unset_property": "absent",
    "unset_relation": "absent",
    "unset_many_relation": "empty",
    "unset_label": "null",
    "takes_null_label": True,
    "apostrophe": False,
    "strict_formats": True,
    "fills_defaults": False,
    "format_is_permanent": False,
    "type_is_permanent": False,
    "target_is_permanent": False,
    "many_is_permanent": False,
    "error_details": False,
    "max_bulk_upserts": 7,
    "max_bulk_deletes": 30,
    "announces_bulk_size": False,
    "bulk_too_large": 413,
    "bulk_sees_itself": False,
    "bulk_is_atomic": True,
    "moves_updated_at": False,
    "search_delay": 2.0,
    "single_write_budget": "single upsert",
    "calculations": "read",
    "calculations_delay": 2.0,
    "lists_blueprint_actions": False,
    "short_include": False,
    "moderators": False,
    "permissions_name_unknown": frozenset({"users", "teams"}),
    "action_permissions_name_unknown": frozenset(),
    "permissions_delay": 600.0,
    "serves_github_app": True,
    "refused_webhook": "IN_PROGRESS",
    "log_order": "newest first",
    "most_log_lines": 100,
    "input_entity": "brief",
    "users_own_by_team": False,
    "users_have_scim": False,
}


def probes_of(behaviour: str) -> set[str]:
    return {probe.name for probe in PORT_PROBES if probe.behaviour == behaviour}


def test_every_behaviour_has_a_probe_or_says_why_not() -> None:
    assert set(FLIPPED) | UNPROBED == {field.name for field in fields(Behaviour)}
    assert all(len(probes_of(name)) == 1 for name in FLIPPED)


@pytest.mark.parametrize("behaviour", FLIPPED)
def test_a_behaviour_that_is_turned_over_is_found(behaviour: str, clock: Clock) -> None:
    found = differing(emulator_of(clock, **{behaviour: FLIPPED[behaviour]}))
    assert probes_of(behaviour) & found


CHANGES: dict[str, tuple[str, Changed]] = {
    "a conflict under another code": (
        "entity.identifier-taken",
        Changed("POST /v1/blueprints/[^/]+/entities$", 409, error="conflict"),
    ),
    "a creation answered with 200": ("entity.created", Changed("POST /v1/blueprints/[^/]+/entities$", 201, status=200)),
    "a mismatch under another code": (
        "entity.wrong-type",
        Changed("POST /v1/blueprints/[^/]+/entities$", 422, error="invalid_request"),
    ),
    "dependents as a conflict": ("entity.required-by-others", Changed("DELETE .*/entities/", 403, status=409)),
    "a blueprint with entities as a conflict": (
        "blueprint.with-entities",
        Changed("DELETE /v1/blueprints/[^/]+$", 403, status=409),
    ),
    "a partial success as a success": ("bulk.mixed", Changed("POST .*/entities/bulk", 207, status=200)),
    "pages without a next": ("search.walk", Changed("POST .*/entities/search$", 200, without="next")),
    "a run that is answered with 201": ("run.started", Changed("POST .*/runs$", 202, status=201)),
    "an ended run under another code": ("run.patch-ended", Changed("PATCH .*/runs/", 422, error="run_closed")),
    "an ended run's log as a conflict": ("run.log-after-end", Changed("POST .*/logs$", 422, status=409)),
    "no trace id": ("answers.trace-id", Changed("GET /v1/organization", 200, no_header=b"x-trace-id")),
    "no rate header": ("rates.headers", Changed("GET /v1/organization", 200, no_header=b"x-ratelimit-period")),
    "an organization that is not found": ("organization", Changed("GET /v1/organization", 200, status=404)),
    "a lost mirror as something that is not found": (
        "blueprint.lost-mirror",
        Changed("POST /v1/blueprints$", 422, error="not_found"),
    ),
    "a page that stands after nothing as malformed": (
        "page.after-nothing",
        Changed("POST /v1/pages$", 404, status=422),
    ),
    "no count of a search": ("search.count", Changed("POST .*/search/count$", 200, status=404)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_answer_that_is_changed_is_found(name: str, clock: Clock) -> None:
    probe, change = CHANGES[name]
    emulator = emulator_of(clock)
    assert probe in differing(emulator, change.of(emulator.app))


def test_nothing_is_found_where_nothing_was_changed(clock: Clock) -> None:
    assert differing(emulator_of(clock)) == set()
    unchanged = Changed("nothing that is asked", 0)
    emulator = emulator_of(clock)
    assert differing(emulator, unchanged.of(emulator.app)) == set()
