"""As much of Coder and Port as the service's load test needs: builds that take time, and runs that end once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ANSWER_SECONDS = 0.01
"""Between a build's start and the answer that tells of it: where a kill hurts most."""


class Deployment:
    """Workspaces `w0`, `w1` … with so many runs each; the number of a run decides its workspace and its build's end.

    It goes on when the service is killed, and counts what the service must never do. With `hold_after`, no build ends
    once so many runs have ended, until `release`: who asks for one gets the answer then.
    """

    def __init__(self, runs_each: int, build_seconds: float = 0.03, hold_after: int | None = None) -> None:
        self._runs_each, self._build_seconds, self._hold_after = runs_each, build_seconds, hold_after
        self._changed = threading.Condition()
        self._builds: dict[str, list[tuple[str, float]]] = {}
        self._over: set[tuple[str, int]] = set()
        self.starts: Counter[str] = Counter()
        self.ends: dict[str, str] = {}
        self.ended_again: list[str] = []
        self.overlaps: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/runs/{run}", self._run),
                Route("/runs/{run}", self._end, methods=["PATCH"]),
                Route("/workspaces/{workspace}", self._workspace),
                Route("/workspaces/{workspace}/builds", self._start, methods=["POST"]),
                Route("/workspaces/{workspace}/builds/{number:int}", self._build),
            ]
        )

    def workspace(self, run: str) -> str:
        return f"w{int(run[2:]) // self._runs_each}"

    @staticmethod
    def outcome(run: str) -> str:
        """How the build of this run ends."""
        return "failure" if int(run[2:]) % 7 == 0 else "success"

    def release(self) -> None:
        """Lets the builds that are held end, and all that come."""
        self._hold_after = None

    def _is_held(self) -> bool:
        return self._hold_after is not None and len(self.ends) >= self._hold_after

    def wait_for(self, starts: int = 0, ends: int = 0) -> None:
        """Until so many builds were started and runs ended; AssertionError after five minutes."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.starts) >= starts and len(self.ends) >= ends, 300)
        assert enough, f"{len(self.starts)} builds started and {len(self.ends)} runs ended, no more"

    async def _run(self, request: Request) -> Response:
        run = request.path_params["run"]
        return JSONResponse({"workspace": self.workspace(run), "outcome": self.ends.get(run)})

    async def _end(self, request: Request) -> Response:
        run = request.path_params["run"]
        if run in self.ends:
            self.ended_again.append(run)
            return JSONResponse({}, 409)
        outcome = (await request.json())["outcome"]
        with self._changed:
            self.ends[run] = outcome
            self._changed.notify_all()
        return JSONResponse({})

    async def _workspace(self, request: Request) -> Response:
        return JSONResponse({"newest": len(self._builds.get(request.path_params["workspace"], ()))})

    async def _start(self, request: Request) -> Response:
        workspace, run = request.path_params["workspace"], request.headers["x-run"]
        builds = self._builds.setdefault(workspace, [])
        if builds and (workspace, len(builds)) not in self._over:
            self.overlaps.append(run)
            return JSONResponse({}, 409)
        builds.append((run, time.monotonic() + self._build_seconds))
        with self._changed:
            self.starts[run] += 1
            self._changed.notify_all()
        number = len(builds)
        await asyncio.sleep(ANSWER_SECONDS)
        return JSONResponse({"number": number}, 201)

    async def _build(self, request: Request) -> Response:
        workspace, number = request.path_params["workspace"], request.path_params["number"]
        run, end = self._builds[workspace][number - 1]
        if time.monotonic() >= end:
            while (workspace, number) not in self._over and self._is_held():
                await asyncio.sleep(0.05)
            self._over.add((workspace, number))
        return JSONResponse({"outcome": self.outcome(run) if (workspace, number) in self._over else None})
