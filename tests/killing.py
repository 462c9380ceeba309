"""Runs that are killed at a chosen moment, in a copy of the project on the emulators, and what must be true after."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Literal, TypeVar

import httpx
from lab import Json

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo, engine_environment
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

ROOT = Path(__file__).resolve().parents[1]
STACK = "lab"

Value = TypeVar("Value")
Victim = Literal["command", "engine", "plugin", "all"]
Place = Literal["seconds", "coder", "port read", "port write", "written", "state"]

COMMANDS: dict[str, tuple[str, ...]] = {"up": ("up",), "sync": ("sync",), "drift --repair": ("drift", "--repair")}
_OTHERS: dict[str, tuple[str, ...]] = {"adopt": ("adopt", "--apply")}
_VICTIMS: tuple[Victim, ...] = ("all", "command", "engine", "plugin")
_NUMBERS: dict[Place, tuple[float, float]] = {
    "seconds": (0.1, 1.5),
    "coder": (1, 8),
    "port read": (1, 5),
    "port write": (1, 2),
    "written": (1, 2),
    "state": (0.0, 0.03),
}


@dataclass(frozen=True)
class Moment:
    """When to kill, by what the run has done until then.

    `number` counts requests: those that reached Coder, reads and writes that reached Port, and writes that Port is
    about to answer. `seconds` are since the start, and for `state` since the engine began to write it.
    """

    place: Place
    number: float

    def __str__(self) -> str:
        if self.place == "seconds":
            return f"{self.number:.2f} s after the start"
        if self.place == "state":
            return f"{self.number * 1000:.0f} ms after the state was written"
        what = {
            "coder": "request to Coder",
            "port read": "read from Port",
            "port write": "write to Port, on arrival",
            "written": "write to Port, before its answer",
        }
        return f"{what[self.place]}, number {self.number:.0f}"


@dataclass(frozen=True)
class Kill:
    """One kill that is to be: `seed` decides what happens in Coder before and after."""

    command: str
    victim: Victim
    moment: Moment
    seed: int

    def __str__(self) -> str:
        return f"{self.command}: {self.victim} at {self.moment}"


def kills(seed: int, number: int, commands: Sequence[str] = tuple(COMMANDS)) -> list[Kill]:
    """That many kills at random, each command, victim and place as often as the others; the first is of an `up`."""
    rng = random.Random(seed)

    places, victims = _dealt(rng, tuple(_NUMBERS)), _dealt(rng, _VICTIMS)
    named = _dealt(rng, tuple(commands))
    made: list[Kill] = []
    for index in range(number):
        place = next(places)
        low, high = _NUMBERS[place]
        count = rng.uniform(low, high) if place in ("seconds", "state") else rng.randint(int(low), int(high))
        command = next(named) if index else "up"
        made.append(Kill(command, next(victims), Moment(place, count), rng.randrange(1_000_000)))
    return made


def _dealt(rng: random.Random, values: Sequence[Value]) -> Iterator[Value]:
    """All of the values in some order, and again in another, for ever."""
    while True:
        yield from rng.sample(values, len(values))


class Trap:
    """Calls `strike` once, at the moment that it is set for."""

    def __init__(self, pair: Pair, state: Path) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._moment: Moment | None = None
        self._seen = 0
        self._strike: Callable[[], None] = lambda: None
        self._watch(pair.coder.faults, "coder")
        self._watch(pair.port.faults, "port")
        record = pair.port.log.record

        def answered(method: str, target: str, route: str, status: int) -> None:
            record(method, target, route, status)
            if not _reads(method, target):
                self._met("written")

        pair.port.log.record = answered  # type: ignore[method-assign]

    @contextmanager
    def set(self, moment: Moment, strike: Callable[[], None]) -> Iterator[None]:
        """In force within the block."""
        with self._lock:
            self._moment, self._seen, self._strike = moment, 0, strike
        over = threading.Event()
        watch = threading.Thread(target=self._wait, args=(moment, over))
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()
            with self._lock:
                self._moment = None

    def _watch(self, faults: object, server: Literal["coder", "port"]) -> None:
        original = faults.strike  # type: ignore[attr-defined]

        def noticed(method: str, target: str) -> object:
            if server == "coder":
                self._met("coder")
            else:
                self._met("port read" if _reads(method, target) else "port write")
            return original(method, target)

        faults.strike = noticed  # type: ignore[attr-defined]

    def _met(self, place: Place) -> None:
        with self._lock:
            if self._moment is None or self._moment.place != place:
                return
            self._seen += 1
            if self._seen < self._moment.number and place not in ("seconds", "state"):
                return
            self._moment = None
        self._strike()

    def _wait(self, moment: Moment, over: threading.Event) -> None:
        if moment.place == "state":
            before = self._written()
            while self._written() == before:
                if over.wait(0.001):
                    return
        if moment.place in ("state", "seconds") and not over.wait(moment.number):
            self._met(moment.place)

    def _written(self) -> tuple[int, int] | None:
        """Tells one write of a state that holds resources from the next; the one that makes the stack is small."""
        try:
            found = self._state.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found.st_size > 2000 else None


def _reads(method: str, target: str) -> bool:
    return method == "GET" or "/search" in target or "/auth/" in target


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, the JSON object that it printed (empty if none), and what it said to people."""

    code: int
    outcome: Json
    said: str


class Ground:
    """A copy of the project, a state of its own in a folder, and the emulators."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        self.pair = pair
        self._folder = folder / "checkout"
        for part in ("coderport", "plugins"):
            shutil.copytree(ROOT / part, self._folder / part)
        for part in ("__main__.py", "Pulumi.yaml"):
            shutil.copy2(ROOT / part, self._folder)
        (folder / "tmp").mkdir()
        servers = pair.describe()
        self._environment = {
            **engine_environment(os.environ, cli=cli.path, local_state=folder),
            "TMPDIR": str(folder / "tmp"),
            "CODER_API_BASE_URL": servers["coder_url"],
            "CODER_SESSION_TOKEN": servers["coder_token"],
            "PORT_BASE_URL": servers["port_url"],
            "PORT_CLIENT_ID": servers["port_client_id"],
            "PORT_CLIENT_SECRET": servers["port_client_secret"],
        }
        self._backend = folder / "state" / ".pulumi"
        self._state = self._backend / "stacks" / "coderport" / f"{STACK}.json"
        self._trap = Trap(pair, self._state)

    def run(self, command: str) -> Ended:
        """The command to its end."""
        return self._ended(self._started(command))

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Any command line of the project to its end, on the stack where it names none."""
        return subprocess.run(
            [sys.executable, "-m", "coderport", *words, *(() if "--stack" in words else ("--stack", STACK))],
            cwd=self._folder,
            env={**self._environment, **environment},
            text=True,
            capture_output=True,
            timeout=600,
        )

    def killed(self, kill: Kill) -> bool:
        """Runs the command and kills at the moment; False if the run was over before. Nothing of it lives on."""
        found: list[int] = []

        def strike() -> None:
            below = children(process.pid)
            engine = [pid for pid, name in below if name == "pulumi"]
            plugins = [pid for each in engine for pid, _ in children(each)]
            found.extend([process.pid, *(pid for pid, _ in below)])
            victims = {"engine": engine, "plugin": plugins, "all": found}.get(kill.victim) or [process.pid]
            for pid in victims:
                os.kill(pid, signal.SIGKILL)

        process = self._started(kill.command)
        with self._trap.set(kill.moment, strike):
            self._ended(process)
        wait_for_end(found)
        return bool(found)

    def locks(self) -> list[Path]:
        return list((self._backend / "locks").rglob("*.json"))

    def assert_right(self) -> None:
        """Port holds exactly Coder's objects with the values of Coder's own answers, and the state exactly those."""
        coder, port = self.pair.coder, self.pair.port
        held = {each["identifier"]: each for each in port.entities(WORKSPACE.identifier)}
        templates = {each["identifier"]: each for each in port.entities(TEMPLATE.identifier)}
        assert held.keys() == coder.workspace_ids()
        assert templates.keys() == coder.template_ids()
        with httpx.Client(
            timeout=300, base_url=self.pair.coder_url, headers={"Coder-Session-Token": coder.token}
        ) as client:
            rows = client.get("/api/v2/workspaces", params={"limit": 1000}).json()["workspaces"]
            described = client.get("/api/v2/templates").json()
        assert len(rows) == len(held)
        for row in rows:
            entity, build = held[row["id"]], row["latest_build"]
            values = entity["properties"]
            assert entity["title"] == f"{row['owner_name']}/{row['name']}"
            assert entity["relations"]["template_id"] == row["template_id"]
            assert (values["name"], values.get("ttl_ms")) == (row["name"], row.get("ttl_ms"))
            assert (values["status"], values["latest_build_number"]) == (build["status"], build["build_number"])
            assert values["outdated"] == row["outdated"]
        for row in described:
            values = templates[row["id"]]["properties"]
            assert (values.get("description") or "") == row["description"]
            assert values["active_version_id"] == row["active_version_id"]
        state = json.loads(self._state.read_text())["checkpoint"]["latest"]
        names = [each["urn"].rsplit("::", 1)[-1] for each in state["resources"] if each["type"].endswith(":Entity")]
        expected = [f"{WORKSPACE.identifier}-{each}" for each in held] + [
            f"{TEMPLATE.identifier}-{each}" for each in templates
        ]
        assert sorted(names) == sorted(expected)
        assert not state.get("pending_operations")

    def _started(self, command: str) -> subprocess.Popen[str]:
        words = [*{**COMMANDS, **_OTHERS}[command], "--stack", STACK, "--json", "--allow-deletions", "1000"]
        return subprocess.Popen(
            [sys.executable, "-m", "coderport", *words],
            cwd=self._folder,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def _ended(self, process: subprocess.Popen[str]) -> Ended:
        printed, said = process.communicate(timeout=600)
        last = (printed.strip().splitlines() or [""])[-1]
        return Ended(process.returncode, json.loads(last) if last.startswith("{") else {}, said)


class Happenings:
    """What happens in Coder, and to a few entities in Port, around a run that is killed."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self._coder, self._port = pair.coder, pair.port
        self._rng = random.Random(seed)
        self._seed = seed
        self._back: list[Callable[[], None]] = []
        self._created: list[str] = []

    def before(self) -> None:
        """Values change, workspaces come and go, and somebody edits Port by hand."""
        coder, rng = self._coder, self._rng
        ids = sorted(coder.workspace_ids())
        rng.shuffle(ids)
        for number, each in enumerate(ids[:8]):
            self._back.append(partial(coder.set_workspace, each, ttl_ms=coder.workspace(each).ttl_ms))
            coder.set_workspace(each, ttl_ms=1000 * (number + rng.randrange(10_000)))
        for each in ids[6:9]:
            self._back.append(partial(coder.rename_workspace, each, coder.workspace(each).name))
            coder.rename_workspace(each, f"briefly-{self._seed}-{each[:4]}")
        for each in ids[9:12]:
            coder.delete_workspace(each)
        for each in ids[12:14]:
            (coder.stop if coder.workspace(each).running else coder.start)(each)
        template = sorted(coder.template_ids())[0]
        self._back.append(partial(coder.set_template, template, description=coder.template(template).description))
        coder.set_template(template, description=f"meant for a moment, {self._seed}")
        self._created = [coder.create_workspace(name=f"new-{self._seed}-{number}") for number in range(8)]
        held = [each["identifier"] for each in self._port.entities(WORKSPACE.identifier)]
        for each in held[:2]:
            self._port.delete_entity(WORKSPACE.identifier, each)
        for each in held[2:4]:
            self._port.put_entity(WORKSPACE.identifier, {"identifier": each, "title": "by hand"})

    def after(self) -> None:
        """Most of what changed goes back to what the state says, and half of what was new is deleted again."""
        for back in self._back:
            if self._rng.random() < 0.7:
                back()
        for each in self._created[::2]:
            self._coder.delete_workspace(each)
        self._coder.delete_workspace(sorted(self._coder.workspace_ids() - set(self._created))[0])


def children(parent: int) -> list[tuple[int, str]]:
    """(pid, command) of the processes below `parent`."""
    rows = [
        line.split(None, 2)
        for line in subprocess.check_output(["ps", "-A", "-o", "pid=,ppid=,comm="], text=True).splitlines()
    ]

    def below(parent: int) -> Iterator[tuple[int, str]]:
        for pid, above, name in rows:
            if int(above) == parent:
                yield int(pid), Path(name).name
                yield from below(int(pid))

    return list(below(parent))


def wait_for_end(pids: Sequence[int]) -> None:
    """Until none of the processes lives; it fails if one of them stays."""
    until = monotonic() + 300
    while left := [pid for pid in pids if _lives(pid)]:
        assert monotonic() < until, f"processes live on: {left}"
        threading.Event().wait(0.02)


def _lives(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(shown) and not shown.startswith("Z")
