"""The emulated Coder deployment: what tests, the demo and the control routes do to it."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.routing import Route

from coderport.emulators.coder import builds
from coderport.emulators.coder.app import Api
from coderport.emulators.coder.audit import Entry
from coderport.emulators.coder.flavour import flavour as flavour_named
from coderport.emulators.coder.listing import ListFaults
from coderport.emulators.coder.members import Members
from coderport.emulators.coder.notifications import notification, posting
from coderport.emulators.coder.seed import Size, seed, seed_like_recording
from coderport.emulators.coder.state import State
from coderport.emulators.kit import (
    Clock,
    Faults,
    Instrumented,
    RateBuckets,
    RequestLog,
    Served,
    serve,
)

_READS = re.compile(r"/api/v2/(authcheck|templateversions/[^/]+/dynamic-parameters/evaluate)")
"""What is asked with POST and changes nothing."""


def _is_write(method: str, target: str) -> bool:
    return method not in ("GET", "HEAD", "OPTIONS") and not _READS.fullmatch(target.partition("?")[0])


class CoderEmulator(Members):
    """A Coder deployment in memory, seeded; `app` is its ASGI application, `token` its owner's session token.

    The same arguments give the same ids and names; the token is always the same. Objects are named in the methods by
    id, workspaces also as ``owner/name``, templates and users by name. Methods may be called from any thread while it
    serves. Changes made by them are done when they return (a started workspace runs); builds asked for over the API
    go on with the `clock`: `pending_seconds` in the queue, then `running_seconds`.

    `flavour` is a version from ``2.13`` on, or ``newest``; `behaviour` turns single flags of it, as a recording of
    `conformance` has them. Without a licence (`licensed`) deprecation and
    the scheduling settings of templates have no effect, and without `renames` workspaces keep their names, which is
    Coder's default before 2026. With `priced` answers take as long as a real server's (module `prices`).
    `rate_limit` is requests a minute for each user and
    path (Coder's default is 512), 0 is none.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        workspaces: int = 12,
        templates: int = 4,
        organizations: int = 1,
        users: int | None = None,
        prebuilds: int = 0,
        flavour: str = "2.20",
        behaviour: Mapping[str, bool] | None = None,
        licensed: bool = True,
        renames: bool = False,
        rate_limit: int = 0,
        latency_ms: float = 0,
        priced: bool = False,
        clock: Clock = time.time,
        pending_seconds: float = 0.02,
        running_seconds: float = 0.05,
    ) -> None:
        self.url: str | None = None
        self.faults, self.log = Faults(seed), RequestLog(_is_write)
        self.faults.latency_ms = latency_ms
        self._clock, self._durations = clock, (pending_seconds, running_seconds)
        self._flavour, self._licensed, self._renames = flavour_named(flavour, behaviour), licensed, renames
        self._priced = priced
        self._churn: threading.Event | None = None
        state = self._new_state(seed)
        super().__init__(state)
        self._api = Api(state, RateBuckets(rate_limit, clock=clock))
        self._fill(state, Size(workspaces, templates, organizations, users, prebuilds))
        self.app = Instrumented(self._api.application(), self.faults, self.log, clock)

    @classmethod
    def like_recording(cls, *, clock: Clock = time.time, **settings: Any) -> CoderEmulator:
        """A deployment like the one that was recorded: 2.20.0 without a licence, rate limit 512."""
        emulator = cls(workspaces=0, templates=0, licensed=False, rate_limit=512, clock=clock, **settings)
        state = emulator._new_state(1)
        emulator._use(state)
        emulator.token = seed_like_recording(state)
        return emulator

    def _new_state(self, seed_number: int) -> State:
        state = State(seed_number, self._flavour, self._clock, self._licensed)
        state.priced = self._priced
        state.renames = self._renames or state.flavour.newest_fields
        state.pending_seconds, state.running_seconds = self._durations
        return state

    def _fill(self, state: State, size: Size) -> None:
        self.token = seed(state, size)
        self._chance = random.Random(state.deployment_id)

    def reseed(self, seed: int = 0, **size: int) -> None:
        """Become another deployment: new ids, the same token. Sizes that are not named are `Size`'s defaults."""
        state = self._new_state(seed)
        with self._api.state.lock:
            self._fill(state, Size(**size))
            self._api.list_faults = ListFaults()
            self._use(state)

    def _use(self, state: State) -> None:
        self._state = state
        self._api.reset(state)

    def serve(self, port: int = 0) -> Served:
        """Serve the application on loopback; sets `url`."""
        served = serve(self.app, port)
        self.url = served.url
        return served

    def control_routes(self) -> list[Route]:
        """Routes to seed, mutate and break it, for a server of their own."""
        from coderport.emulators.coder.control import routes  # it drives this class

        return routes(self)

    def notify(self, url: str | None) -> None:
        """Point the notification webhook there, or nowhere; another deployment has none."""
        state = self.state
        if url is None:
            state.noted = lambda entry: None
            return
        post = posting(url)

        def noted(entry: Entry) -> None:
            if (body := notification(state, entry)) is not None:
                post(body)

        state.noted = noted

    def set_prices(self, priced: bool = True) -> None:
        """Have answers take as long as a real server's from now on, or as short as they can."""
        with self.state.lock:
            self._priced = self.state.priced = priced

    # ------------------------------------------------------------ a busy deployment

    def change_states(self, count: int = 1) -> None:
        """Start or stop that many workspaces at random (seeded), each of which thereby moves in the list."""
        with self.state.lock:
            self.state.advance()
            places = self.state.listed()
            for _ in range(min(count, len(places))):
                workspace = self.state.workspaces[self._chance.choice(places)[3]]
                if not workspace.build.active and not workspace.is_prebuild and workspace.dormant_at is None:
                    transition = "stop" if workspace.running else "start"
                    builds.begin(self.state, workspace, transition, workspace.owner_id, instant=True)

    def between_lists(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each answered ``GET /workspaces``: what it does happens between two pages."""
        self._api.list_faults.between.append(hook)

    def churn_between_lists(self, count: int) -> None:
        """Change `count` workspaces' states between every two list requests: a busy deployment, repeatably."""
        self.between_lists(lambda: self.change_states(count))

    def drop_rows(self, *workspaces: str) -> None:
        """Leave these out of every page, after its limit was applied; the count still has them."""
        ids = frozenset(self.workspace(name).id for name in workspaces)
        self._api.list_faults.dropped |= ids

    def set_count_off(self, by: int) -> None:
        """Have the list's count be wrong by so many."""
        self._api.list_faults.count_off = by

    def clear_list_faults(self) -> None:
        """No dropped rows, no wrong count, no hooks."""
        self._api.list_faults = ListFaults()

    def start_churn(self, per_second: float) -> None:
        """Change workspaces' states in the background until `stop_churn`; a second call changes the pace."""
        self.stop_churn()
        stopping = self._churn = threading.Event()

        def work() -> None:
            due = time.monotonic()
            while not stopping.is_set():
                due += 1 / per_second
                if stopping.wait(max(0.0, due - time.monotonic())):
                    return
                self.change_states()

        threading.Thread(target=work, daemon=True, name="coder-churn").start()

    def stop_churn(self) -> None:
        """End the background changes."""
        if self._churn is not None:
            self._churn.set()
            self._churn = None
