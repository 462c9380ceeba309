"""Every recorded request to Port, in its order, on an emulator that starts as empty as the recorded one did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from coderport.emulators.port import PortEmulator

GOLDEN = Path(__file__).resolve().parents[1].parent / "shared" / "golden"
WIDE = Path(__file__).resolve().parent / "recordings" / "port-wide"

# The recorder echoed bodies; Port (and the emulator) keep their own times and writers, answer a team for entities that
# were written without, and null for each property and relation that was never written (the Terraform provider's
# acceptance test EntityWithNulls). Only these keys may differ. Defaults of properties are off here: the recorder, which
# is no Port, filled in none, and Port documents that it does.
SYSTEM = ("createdAt", "createdBy", "updatedAt", "updatedBy")
ALWAYS_ANSWERED: dict[str, dict[str, Any]] = {"entity": {"team": []}}


def recorded(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("[1-7]-*.http.jsonl"))
    if not files:
        pytest.skip("recordings are not part of a clone")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def unexplained(kind: str, answered: Any, expected: Any) -> list[str]:
    """What differs between an answer's object and the recorded one, beyond what is explained above."""
    if kind == "permissions":
        return [] if holds(answered, expected) else [f"{kind}: {answered!r} for {expected!r}"]
    if not isinstance(expected, dict) or not isinstance(answered, dict):
        return [] if answered == expected else [f"{kind}: {answered!r} for {expected!r}"]
    extra = ALWAYS_ANSWERED.get(kind, {})
    differing = []
    for key in sorted(answered.keys() | expected.keys()):
        if key in SYSTEM:
            same = isinstance(answered.get(key), type(expected.get(key)))
        elif key not in expected:
            same = key in extra and answered[key] == extra[key]
        elif kind == "entity" and key in ("properties", "relations"):
            unset = {name: value for name, value in answered[key].items() if value is None}
            same = {**answered[key], **unset} == {**unset, **expected[key]}
        else:
            same = key in answered and answered[key] == expected[key]
        if not same:
            differing.append(f"{kind}.{key}: {answered.get(key)!r} for {expected.get(key)!r}")
    return differing


def holds(answered: Any, expected: Any) -> bool:
    """Whether all that was recorded is answered: the recorder had only the permissions that it was sent."""
    if not isinstance(expected, dict) or not isinstance(answered, dict):
        return bool(answered == expected)
    return all(key in answered and holds(answered[key], value) for key, value in expected.items())


async def replay(emulator: PortEmulator, requests: list[dict[str, Any]]) -> list[str]:
    differing: list[str] = []
    transport = httpx.ASGITransport(emulator.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://port") as http:
        credentials = {"clientId": emulator.client_id, "clientSecret": emulator.client_secret}
        token = (await http.post("/v1/auth/access_token", json=credentials)).json()["accessToken"]
        http.headers["authorization"] = f"Bearer {token}"
        for at, line in enumerate(requests):
            content = None if line["body"] is None else json.dumps(line["body"])
            reply = await http.request(line["method"], line["path"], params=line["query"], content=content)
            body, where = reply.json(), f"{at} {line['method']} {line['path']}"
            if reply.status_code != line["status"] or body.keys() != line["response"].keys():
                differing.append(f"{where}: {reply.status_code} {body}")
                continue
            for kind, expected in line["response"].items():
                differing += [f"{where}: {text}" for text in unexplained(kind, body[kind], expected)]
    return differing


@pytest.mark.parametrize("folder", [GOLDEN, WIDE], ids=["catalog", "wide"])
def test_recorded_requests_get_the_same_status_shape_and_values(folder: Path, figure: Callable[[str], None]) -> None:
    """`wide` has an integration action, permissions of a blueprint, aggregations, a scorecard and a page."""
    requests = recorded(folder)
    emulator = PortEmulator(serves_github_app=folder == GOLDEN)
    emulator.behave(fills_defaults=False)
    differing = asyncio.run(replay(emulator, requests))
    figure(f"Port, {folder.name}: {len(requests)} recorded requests replayed, {len(differing)} differ")
    assert not differing, "\n".join(differing)
    assert len(requests) > 50
