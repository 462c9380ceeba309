"""What a run did besides its resources: requests, seconds per phase and how it ended.

The program and the provider run in other processes than the command that starts the engine (or, with plain
`pulumi up`, without such a command): each leaves its account in a folder that the command names.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from coderport.report.change import Change
from coderport.terminal.progress import Advance, watcher
from coderport.transport.patience import WAITED, Patience, Waits

FOLDER = "CODERPORT_ACCOUNT_DIR"
PROVIDER_STATS = "CODERPORT_STATS_FILE"
_PROGRAM_FILE = "program.json"
_PROVIDER_FILE = "provider"


Standing = Literal["same", "different", "held", "released"]
"""How a resource stood in Port before a run: as wanted, otherwise, or there and not compared. One that is `released`
leaves the state and stays in Port. What Port lacked has no standing.
"""


class Failure(BaseModel):
    """Why the program stopped before it declared anything; `exit_code` as in the commands' contract."""

    model_config = ConfigDict(frozen=True)

    exit_code: int
    message: str


class Read(BaseModel):
    """How many objects a run has seen: what Coder has in scope, and what Port held in our blueprints before.

    Of a kind that is by `coderport:kinds` the number is there where that is asked for, as `coder_` and its name.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int] = Field(init=False)

    coder_templates: int = 0
    coder_workspaces: int = 0
    port_entities: int = 0

    def count(self, objects: Mapping[str, int]) -> None:
        """Takes the numbers of objects in Coder, by what people call several of them."""
        for words, number in objects.items():
            setattr(self, f"coder_{words}", number)

    @property
    def of_coder(self) -> dict[str, int]:
        """The numbers of objects in Coder, by what people call several of them."""
        return {name.removeprefix("coder_"): number for name, number in self if name.startswith("coder_")}


class Account(BaseModel):
    """Counts are HTTP requests with retries included; seconds are wall-clock per phase.

    `orphans` are, by blueprint, the entities that the program deletes itself because no state knows them. `standing`
    says of resources, by `type::name`, how they stood in Port before, and `changes` what of Port changes with them (see
    `coderport.planning.changes`), also where the guard refuses it. `waited` are the seconds in which a server failed.
    `stamps` are digests of the changes, for a plan file (see `coderport.planning.planfile`); `kept_to_plan` says that
    a run was held against one. `catalog` is where people see what a run wrote, in a browser. `again` asks the command
    for one more pass: this has prepared the state for it.
    `unread` is what was asked for and not read because Coder failed at it; None where Coder was not read.
    """

    coder_requests: int = 0
    port_requests: int = 0
    port_writes: int = 0
    retries: int = 0
    waited: float = 0.0
    read: Read = Field(default_factory=Read)
    seconds: dict[str, float] = {}
    orphans: dict[str, list[str]] = {}
    standing: dict[str, Standing] = {}
    changes: dict[str, Change] = {}
    stamps: dict[str, str] = {}
    kept_to_plan: bool = False
    failure: Failure | None = None
    again: bool = False
    catalog: str = ""
    unread: tuple[str, ...] | None = None
    _began: float = PrivateAttr(default_factory=perf_counter)
    _waits: Waits = PrivateAttr(default_factory=Waits)
    _waited_elsewhere: float = PrivateAttr(default=0.0)

    def model_post_init(self, context: Any) -> None:
        """What an account begins with was waited elsewhere."""
        self._waited_elsewhere = self.waited

    @contextmanager
    def phase(self, name: str, *, shown: str | None = None) -> Iterator[Advance]:
        """Adds the time spent inside to the phase; what it yields takes how far it is, for those who watch the run.

        They see it as the phase `shown`, where it is another: a second part of a phase is a line of its own.
        """
        shown = shown or name
        progress = watcher()
        start = perf_counter()
        progress.began(shown)
        try:
            yield functools.partial(progress.advanced, shown)
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + perf_counter() - start, 3)
            progress.ended(shown)

    @property
    def phases(self) -> float:
        """Seconds of the phases that follow upon each other; within `read` Coder and Port are read side by side."""
        return sum(self.seconds.get(phase, 0.0) for phase in ("read", "judge", "delete", "adopt"))

    def patience(self) -> Patience:
        """What the command has, less what other processes of it have spent; the rest is in `waits`."""
        return Patience.of(os.environ).after(self._waited_elsewhere)

    @property
    def waits(self) -> Waits:
        """What the clients of this account spend together on servers that fail."""
        return self._waits

    def book_waits(self) -> None:
        """Brings `waited` up to date."""
        self.waited = self._waited_elsewhere + self._waits.seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return perf_counter() - self._began

    def add(self, later: Account) -> None:
        """Takes in what another process, or a later part of the command, did; what failed later counts."""
        self.coder_requests += later.coder_requests
        self.port_requests += later.port_requests
        self.port_writes += later.port_writes
        self.retries += later.retries
        self.waited += later.waited
        self._waited_elsewhere += later.waited
        self.read = later.read if later.read != Read() else self.read
        for phase, seconds in later.seconds.items():
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + seconds, 3)
        for blueprint, identifiers in later.orphans.items():
            self.orphans[blueprint] = [*self.orphans.get(blueprint, ()), *identifiers]
        self.standing = {**self.standing, **later.standing}
        self.changes = {**self.changes, **later.changes}
        self.stamps = {**self.stamps, **later.stamps}
        self.failure = later.failure or self.failure
        self.catalog = later.catalog or self.catalog
        self.unread = self.unread if later.unread is None else later.unread

    def leave(self, environ: Mapping[str, str] = os.environ) -> None:
        """Writes the account where the command that started this run looks for it, if there is one."""
        if folder := environ.get(FOLDER):
            target = Path(folder) / _PROGRAM_FILE
            partial = target.with_suffix(".partial")
            partial.write_text(self.model_dump_json(), encoding="utf-8")
            partial.replace(target)


def variables(folder: Path, before: Account | None = None) -> dict[str, str]:
    """The environment that makes program and provider leave their accounts in the folder.

    `before` is what the command did until then: of its patience they have what is left.
    """
    waited = f"{before.waited:.3f}" if before is not None else "0"
    return {FOLDER: str(folder), PROVIDER_STATS: str(folder / _PROVIDER_FILE), WAITED: waited}


def collected(folder: Path) -> Account:
    """The accounts of the program and of each provider process in the folder, added up."""
    program = folder / _PROGRAM_FILE
    total = Account.model_validate_json(program.read_text(encoding="utf-8")) if program.exists() else Account()
    for path in sorted(folder.glob(f"{_PROVIDER_FILE}.*")):
        stats: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        total.port_requests += int(stats.get("requests", 0))
        total.port_writes += int(stats.get("writes", 0))
        total.retries += int(stats.get("retries", 0))
        total.waited += float(stats.get("waited", 0.0))
    return total


def requests_text(coder: int, port: int, writes: int, retries: int) -> str:
    """What a command cost the two servers, as its last line says it."""
    return f"Coder {coder:,} requests · Port {port:,} requests, {writes:,} of them writes · {retries:,} retries"
