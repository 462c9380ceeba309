"""The values that pass between the parts of the runner, and the two ways in which a run can go wrong."""

from __future__ import annotations

import asyncio
import enum
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from coderport.catalog.actions import bulk, declared
from coderport.coder.client import CoderClient
from coderport.errors import CoderportError
from coderport.guard.ownership import Mark
from coderport.kinds.filters import Filters
from coderport.port.client import PortClient
from coderport.runner.deployment import Deployments
from coderport.settings import Actions
from coderport.transport.patience import Patience, Say


class Operation(enum.Enum):
    """What a run asks for; the value is the identifier of the action that Port has for it."""

    CREATE = declared.CREATE
    START = declared.START
    STOP = declared.STOP
    RESTART = declared.RESTART
    UPDATE = declared.UPDATE
    EXTEND = declared.EXTEND
    SCHEDULE = declared.SCHEDULE
    WAKE = declared.WAKE
    DORMANT = declared.DORMANT
    DELETE = declared.DELETE
    UPDATE_OUTDATED = bulk.UPDATE_OUTDATED
    STOP_OF_USER = bulk.STOP_OF_USER
    STOP_OF_PERSON = bulk.STOP_OF_PERSON


@dataclass(frozen=True)
class Order:
    """An operation with its inputs, nulls left out.

    `template_id` where the action is one template's own, with `preset` (see `OwnForm`) where it is one preset's.
    """

    operation: Operation
    inputs: Mapping[str, Any]
    template_id: str | None = None
    preset: str | None = None

    @property
    def form(self) -> declared.OwnForm | None:
        """The form of its own that the action has."""
        return None if self.template_id is None else declared.OwnForm(self.template_id, self.preset)


class Ended(enum.Enum):
    """How `execute` came back. With ALREADY_ENDED, NOT_OURS and WAITING nothing was done in Coder or told to Port.

    ALREADY_ENDED also stands for a run that somebody closed while it was worked on: what was begun in Coder goes on.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    ALREADY_ENDED = "already_ended"
    NOT_OURS = "not_ours"
    WAITING = "waiting"
    """For somebody's approval: Port calls again once it has that."""


@dataclass(frozen=True)
class Claim:
    """What a run acts on and who asked for it.

    `workspace` is the same for all runs on one workspace, and for those that create one of the same name for the same
    person (for anybody, where there is a `fallbackUser`): no two of them may be at work at once. `person` is Port's id
    of whoever pressed the button.
    """

    workspace: str
    person: str


class Stopped(CoderportError):
    """The run ends here with FAILURE; the message is for the person who pressed the button."""

    label = "Failed"


class Refused(Stopped):
    """A check said no before anything was done in Coder."""

    label = "Refused"


class Failed(Stopped):
    """Something was begun, and did not end as it should."""


class CoderAway(Failed):
    """Coder has not answered for as long as anybody waits."""


class RunClosed(CoderportError):
    """Somebody ended the run at Port while it was worked on."""


class Journal(Protocol):
    """Where a run's step is kept, so that another process can go on where this one was killed.

    The text is the runner's own. It must be kept for good before `record` returns.
    """

    async def step(self, run_id: str) -> str | None: ...

    async def record(self, run_id: str, step: str) -> None: ...


@dataclass(frozen=True)
class Step:
    """The phase that a run is in: written before its request is sent and again with the build that came of it.

    `build_id` None means that the request may or may not have reached Coder; `after` is the number of the newest
    build before it, so that the one it made can be told. `log_after` is the last line of the build's log that Port has.
    `chained`: the build is a stop that carries the start which follows it. `checked` is the version that takes the
    values of the workspace, where a start is to follow: what is active by then was looked at by nobody.
    """

    phase: str
    workspace_id: str | None = None
    after: int = 0
    build_id: str | None = None
    log_after: int = 0
    chained: bool = False
    checked: str | None = None

    def text(self) -> str:
        """As the journal keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of(cls, text: str | None) -> Step | None:
        """The step that a journal kept; None for none, and for one that another version wrote."""
        if text is None:
            return None
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Clock:
    """Time as the runner sees it; tests bring their own."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = field(default_factory=lambda: time.monotonic)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(timezone.utc))


@dataclass(frozen=True)
class RunContext:
    """What every run of a stack is worked with.

    `managed_by` is the mark of the stack, with the id of its state where that is known. `filters` and `organizations`
    (ids or names, none for all) are the stack's scope: outside of it nothing is created, but from a template that a
    sibling keeps in the catalog. Both clients are open and belong to the caller's event loop.
    """

    port: PortClient
    coder: CoderClient
    actions: Actions
    managed_by: str
    filters: Filters = field(default_factory=Filters)
    organizations: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)
    clock: Clock = field(default_factory=Clock)
    deployments: Deployments = field(default_factory=Deployments)
    claimant: str | None = None
    """Who takes runs on where no journal keeps them: the same for a process that follows one that was cut off."""
    say: Say | None = None
    """Is told what a person who waits should know."""

    def is_sibling(self, managed_by: object) -> bool:
        """Whether that is another stack of this project, whose actions are served here: one stack declares them."""
        mine = Mark.read(self.managed_by)
        return mine is not None and mine.is_sibling(Mark.read(managed_by))

    def is_own(self, managed_by: object) -> bool:
        """Whether that is this stack: by the id of its state, whatever it was called then.

        By the name only where one of the two has no id: a state of the same name is another owner.
        """
        mine, its = Mark.read(self.managed_by), Mark.read(managed_by)
        if mine is None or its is None:
            return False
        return its.state == mine.state if its.state and mine.state else its.stack == mine.stack
