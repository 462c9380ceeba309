"""A second recording from a real Coder 2.20.0, replayed: jobs, daemons, members, groups, insights, audit, by role.

The real one had 3,013 workspaces and no licence; where its lists were cut, the answers are cut as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from test_coder_recordings import Clock, Replay, content, differences, differences_in_values, header_differences, values

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import serve

RECORDING = Path(__file__).parent / "recordings" / "coder-2.20.0-wide.jsonl"
CUT = "… "

EXPLAINED = (
    ("workspaces with status", r"\.count: (3011|2) became", "the real one had 3,013 workspaces"),
    ("workspaces with status running", r'\.name: "b103" became', "another workspace comes first in so many"),
    ("audit", r"\.count: [36]0\d\d became", "the real one had had thousands of builds"),
    ("members", r"\[2\]\.(username|email): ", "the real list has no order, and was another one a second later"),
    ("daemons", r'\[1\]\.name: "vm-2" became', "the real daemons began side by side, in any order"),
)
"""Differences that may be: the beginning of the request's name, a pattern of the difference, and the reason."""


class WideReplay(Replay):
    """Replays the second recording: the recorder built and changed roles between its requests."""

    def _prepare(self, name: str) -> None:
        if name == "jobs while a build is under way":
            self._build("alice/dev-0", "stop")
            self.clock.now += 0.03
        elif name != "jobs by status":
            self.clock.now += 30
        if name == "jobs after a creation by its owner":
            body = {"name": "rec-40177", "template_id": self.emulator.template("old").id}
            token = self.emulator.create_token(user="bob")
            made = self.client.post(
                "/api/v2/users/me/workspaces", json=body, headers={"Coder-Session-Token": token}
            ).json()
            self.ids["53efaa5d-c528-4b20-940c-d5a7676fac28"] = made["id"]
            self.clock.now += 30
        if name == "jobs after a deletion":
            self._build("bob/rec-40177", "delete")
            self.clock.now += 30
        if name == "workspaces with status pending, count only":
            self._build("alice/dev-0", "start")
            self.clock.now += 30
        if " as " in name:
            self._become(name.rpartition(" as ")[2])

    def _build(self, workspace: str, transition: str) -> None:
        path = f"/api/v2/workspaces/{self.emulator.workspace(workspace).id}/builds"
        headers = {"Coder-Session-Token": self.emulator.token}
        assert self.client.post(path, json={"transition": transition}, headers=headers).status_code == 201

    def _become(self, role: str) -> None:
        organization = self.emulator.organization("default").id
        site = {role} & {"template-admin", "auditor", "user-admin"}
        own = {role} & {"organization-admin"}
        self.emulator.set_user("carol", roles=frozenset(site), organizations={organization: frozenset(own)})

    def _headers(self, name: str) -> dict[str, str]:
        role = name.rpartition(" as ")[2] if " as " in name else "owner"
        token = self.emulator.token if role == "owner" else self.emulator.create_token(user="carol")
        return {"Coder-Session-Token": token}


def shortened(recorded: Any, answered: Any) -> Any:
    """The answer cut where the recording was cut."""
    if isinstance(recorded, list) and isinstance(answered, list):
        if recorded and isinstance(recorded[-1], str) and recorded[-1].startswith(CUT):
            return [shortened(ours, theirs) for ours, theirs in zip(recorded[:-1], answered, strict=False)]
        return [shortened(*pair) for pair in zip(recorded, answered, strict=False)] + answered[len(recorded) :]
    if isinstance(recorded, dict) and isinstance(answered, dict):
        return {key: shortened(recorded.get(key), value) for key, value in answered.items()}
    return answered


def uncut(recorded: Any) -> Any:
    """The recording without the notes of where it was cut."""
    if isinstance(recorded, list):
        return [uncut(item) for item in recorded if not (isinstance(item, str) and item.startswith(CUT))]
    if isinstance(recorded, dict):
        return {key: uncut(value) for key, value in recorded.items()}
    return recorded


def test_the_second_recording_is_answered_alike(figure: Callable[[str], None]) -> None:
    clock = Clock()
    emulator = CoderEmulator.like_recording(clock=clock)
    with emulator.state.lock:
        del emulator.state.users[emulator.user("tadmin").id]
    emulator.set_template("old", display_name="Old one")
    emulator.start("bob/dev-1")
    emulator.stop("alice/dev-4")
    for number in range(2397, 2400):
        clock.now += 1
        emulator.create_workspace("admin", "old", f"c{number}")
    wrong = dict(replayed(emulator, clock))
    figure(f"Coder 2.20.0, second recording: {wrong.pop('')[0]} requests replayed, {len(wrong)} differ")
    assert wrong == {}


def explained(name: str, difference: str, used: set[tuple[str, str, str]]) -> bool:
    """Whether a difference is one that may be."""
    for entry in EXPLAINED:
        if name.startswith(entry[0]) and re.search(entry[1], difference):
            used.add(entry)
            return True
    return False


def replayed(emulator: CoderEmulator, clock: Clock) -> Iterator[tuple[str, list[str]]]:
    """What differs by request, and under no name how many there were."""
    used: set[tuple[str, str, str]] = set()
    recorded = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    with serve(emulator.app) as served, httpx.Client(timeout=300, base_url=served.url) as client:
        replay = WideReplay(
            emulator, client, clock, {recorded[0]["path"].split("/")[4]: emulator.organization("default").id}
        )
        for number, request in enumerate(recorded):
            response = replay.send(request)
            expected, answer = uncut(request["response"]), shortened(request["response"], content(response))
            found = []
            if response.status_code != request["status"]:
                found.append(f"status {request['status']} became {response.status_code}: {response.text[:200]}")
            found += differences(expected, answer)
            if not found and values(expected) != values(answer):
                found += differences_in_values(values(expected), values(answer))
            found += header_differences(request["headers"], response.headers)
            replay.learn(request["response"], answer)
            unexplained = [each for each in found if not explained(request["name"], each, used)]
            if unexplained:
                yield f"{number} {request['name']}", unexplained[:5]
    if set(EXPLAINED) - used:
        yield "explanations that nothing needs", [pattern for _, pattern, _ in set(EXPLAINED) - used]
    yield "", [str(len(recorded))]
