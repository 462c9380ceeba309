"""Requests recorded on a real Coder 2.20.0, replayed on a like-seeded emulator: same status, same shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import serve

FOLDER = Path(__file__).parent / "recordings"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NIL = "00000000-0000-0000-0000-000000000000"

EXPLAINED: dict[str, str] = {}
"""Requests that may differ, each with the reason; there is none."""


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Replay:
    """Sends recorded requests, with the ids that the emulator gave to the same objects."""

    emulator: CoderEmulator
    client: httpx.Client
    clock: Clock
    ids: dict[str, str]

    def send(self, recorded: dict[str, Any]) -> httpx.Response:
        self._prepare(recorded["name"])
        text = json.dumps({key: recorded.get(key) for key in ("path", "params", "body")})
        request = json.loads(UUID.sub(lambda found: self.ids.get(found[0], found[0]), text))
        return self.client.request(
            recorded["method"],
            request["path"],
            params=request["params"],
            json=request["body"],
            headers=self._headers(recorded["name"]),
        )

    def _prepare(self, name: str) -> None:
        """What the recorder did between two requests without recording it."""
        if name not in ("build while one is active", "start a deleted one"):
            self.clock.now += 10
        if name == "start a deleted one":
            self.clock.now += 10
        if name == "delete template":
            self.ids["b9a3cb2f-0f93-4473-9404-c4a48daf5dfa"] = self.emulator.create_template("gone", provisioner="echo")

    def _headers(self, name: str) -> dict[str, str]:
        if name in ("no token", "outside the API"):
            return {}
        if name == "token malformed":
            return {"Coder-Session-Token": "x-y"}
        token = self.emulator.token
        if "as member" in name:
            token = self.emulator.create_token(user="alice")
        if "as template-admin" in name:
            token = self.emulator.create_token(user="tadmin")
        return {"Coder-Session-Token": token}

    def learn(self, recorded: Any, answered: Any) -> None:
        """Pair up the ids that stand in the same place of both answers."""
        if isinstance(recorded, dict) and isinstance(answered, dict):
            for key in recorded.keys() & answered.keys():
                self.learn(recorded[key], answered[key])
        elif isinstance(recorded, list) and isinstance(answered, list):
            for ours, theirs in zip(recorded, answered, strict=False):
                self.learn(ours, theirs)
        elif isinstance(recorded, str) and UUID.fullmatch(recorded) and recorded != NIL and isinstance(answered, str):
            self.ids.setdefault(recorded, answered)


def differences(recorded: Any, answered: Any, where: str = "") -> Iterator[str]:
    """Where the shapes differ: keys, types, lengths of lists, and null against a value."""
    if type(recorded) is not type(answered):
        yield f"{where}: {recorded!r} became {answered!r}"
    elif isinstance(recorded, dict):
        for key in sorted(recorded.keys() | answered.keys()):
            if key not in recorded or key not in answered:
                yield f"{where}.{key}: {'lacking' if key in recorded else 'added'}"
            else:
                yield from differences(recorded[key], answered[key], f"{where}.{key}")
    elif isinstance(recorded, list):
        if len(recorded) != len(answered):
            yield f"{where}: {len(recorded)} items became {len(answered)}"
        for index, (ours, theirs) in enumerate(zip(recorded, answered, strict=False)):
            yield from differences(ours, theirs, f"{where}[{index}]")


def content(response: httpx.Response) -> Any:
    if response.headers.get("content-type", "").startswith("application/json"):
        return response.json()
    return response.text


MEANT = ("status", "count", "name", "username", "transition", "build_number", "outdated", "owner_name",
"template_name",
         "message", "detail", "validations", "is_default", "ttl_ms", "autostart_schedule",
         "automatic_updates", "template_version_name", "email", "value", "stage", "output", "required",
         "default_value")  # fmt: skip


def values(answer: Any) -> Any:
    """An answer with only those values in it that do not depend on ids and times."""
    if isinstance(answer, dict):
        return {
            key: UUID.sub("(id)", json.dumps(value)) if key in MEANT else values(value)
            for key, value in answer.items()
            if key in MEANT or isinstance(value, dict | list)
        }
    if isinstance(answer, list):
        return [values(item) for item in answer]
    return answer if isinstance(answer, bool) else None


def test_recorded_requests_are_answered_alike(figure: Callable[[str], None]) -> None:
    clock = Clock()
    emulator = CoderEmulator.like_recording(clock=clock)
    deleted = next(found.id for found in emulator.state.workspaces.values() if found.deleted)
    recorded = [json.loads(line) for line in (FOLDER / "coder-2.20.0.jsonl").read_text().splitlines()]
    wrong: dict[str, list[str]] = {}
    with serve(emulator.app) as served, httpx.Client(timeout=300, base_url=served.url) as client:
        replay = Replay(emulator, client, clock, {"7fe1d260-9dc7-4cdc-87ac-d665c20a2d5a": deleted})
        for number, request in enumerate(recorded):
            response = replay.send(request)
            found = []
            if response.status_code != request["status"]:
                found.append(f"status {request['status']} became {response.status_code}: {response.text[:200]}")
            answer = content(response)
            if request["name"] != "outside the API":  # the site: any page will do
                found += differences(request["response"], answer)
                if not found and values(request["response"]) != values(answer):
                    found += differences_in_values(values(request["response"]), values(answer))
            found += header_differences(request["headers"], response.headers)
            replay.learn(request["response"], answer)
            if found and request["name"] not in EXPLAINED:
                wrong[f"{number} {request['name']}"] = found[:5]
    figure(f"Coder 2.20.0: {len(recorded)} recorded requests replayed, {len(wrong)} differ")
    assert wrong == {}


def differences_in_values(recorded: Any, answered: Any, where: str = "") -> Iterator[str]:
    if isinstance(recorded, dict):
        for key in recorded:
            yield from differences_in_values(recorded[key], answered[key], f"{where}.{key}")
    elif isinstance(recorded, list):
        for index, (ours, theirs) in enumerate(zip(recorded, answered, strict=True)):
            yield from differences_in_values(ours, theirs, f"{where}[{index}]")
    elif recorded != answered:
        yield f"{where}: {recorded} became {answered}"


def header_differences(recorded: dict[str, str], answered: httpx.Headers) -> Iterator[str]:
    for name, value in recorded.items():
        if name not in answered:
            yield f"header {name} is lacking"
        elif name in ("content-type", "x-coder-build-version", "x-ratelimit-limit") and answered[name] != value:
            yield f"header {name}: {value} became {answered[name]}"
