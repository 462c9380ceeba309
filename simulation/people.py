"""People who press buttons in Port, and what has to be so of their runs at the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime

from coderport.catalog.values import is_id
from coderport.emulators.coder.emulator import CoderEmulator
from coderport.emulators.port.emulator import PortEmulator
from coderport.emulators.port.problems import Problem
from coderport.kinds.workspace import WORKSPACE

W = WORKSPACE.identifier
BUTTONS = {"coder_stop_workspace": "stop", "coder_start_workspace": "start", "coder_restart_workspace": "start"}
"""The actions that are pressed, each with the build that comes of it last."""


class People:
    """`deliver` is Port's call to the service for a run: it may be lost, or made twice."""

    def __init__(self, coder: CoderEmulator, port: PortEmulator, deliver: Callable[[str], Awaitable[bool]]) -> None:
        self._coder, self._port, self._deliver = coder, port, deliver
        self._calls: list[str] = []
        self.pressed: dict[str, tuple[str, str, str]] = {}
        """By run: the action, the workspace and the e-mail of who pressed."""
        port.deliver_by(self._calls.append)

    async def press(self, chance: random.Random) -> None:
        """Somebody, most often its owner, presses a button on a workspace."""
        buttons = sorted(name for name in self._port.objects()["actions"] if name in BUTTONS)
        entities = self._port.entities(W) if buttons else []
        rows = sorted(
            (each for each in entities if is_id(each["identifier"])), key=lambda each: str(each["identifier"])
        )
        if not rows:
            return
        row, action = chance.choice(rows), chance.choice(buttons)
        people = sorted(each.email for each in self._coder.state.users.values() if "@example.com" in each.email)
        owner = row["properties"].get("owner_email")
        who = owner if owner and chance.random() < 0.8 else chance.choice(people)
        self._port.add_user(who)
        try:
            run = self._port.run_action(action, by=who, entity=row["identifier"])
        except Problem:
            return  # Port does not offer it
        self.pressed[run["id"]] = (action, row["identifier"], who)
        calls, self._calls[:] = list(self._calls), []
        for run_id in calls:
            for _ in range(chance.choice((0, 1, 1, 1, 2))):
                await self._deliver(run_id)

    def broken(self) -> str:
        """What is wrong with the runs, if anything: each has ended, for its owner alone, and began its builds once."""
        wanted: Counter[str] = Counter()
        for run_id, (action, entity, who) in self.pressed.items():
            run = self._port.run(run_id)
            busy = run["statusLabel"] == "Refused" and "still active" in (run.get("summary") or "")
            wanted[entity] += 0 if busy else 2 if action == "coder_restart_workspace" else 1
            if run["status"] not in ("SUCCESS", "FAILURE"):
                return f"the run {run_id} of {action} has not ended: {run['status']} {run['statusLabel']}"
            if run["status"] == "FAILURE":
                continue
            workspace = self._coder.workspace(entity)
            if self._coder.user(workspace.owner_id).email != who:
                return f"the run {run_id} of {action} succeeds for somebody whose workspace it is not"
            begun = datetime.fromisoformat(run["createdAt"].replace("Z", "+00:00"))
            since = [each.transition for each in workspace.builds if (each.created_at - begun).total_seconds() >= -1]
            if BUTTONS[action] not in since and "already" not in run["summary"]:
                return f"the run {run_id} of {action} says SUCCESS, and no such build began: {since}"
        us = self._coder.user("admin").id  # whose token the service has
        for entity, most in wanted.items():
            workspace = self._coder.workspace(entity)
            builds = [each for each in workspace.builds if each.initiator_id == us]
            if len(builds) > most and workspace.owner_id != us:
                return f"{len(builds)} builds of {entity} were begun for runs that ask for {most}"
        return ""
