"""The program of the world: what it takes from Pulumi and its surroundings is that of the process that runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

from coderport.planning.plan import Plan
from coderport.report.account import FOLDER, Account
from coderport.settings import Releases, Settings
from simulation.engine import PROJECT, FailedError, Run
from simulation.process import CURRENT, Process


class _Pulumi:
    """What the program uses of the SDK, for the process that runs it."""

    RunError = FailedError
    log = SimpleNamespace(warn=lambda text: None)

    def __init__(self) -> None:
        self.runtime = SimpleNamespace(is_dry_run=lambda: False, invoke_async=self._invoked)

    @staticmethod
    def _run() -> Run:
        process = CURRENT.get()
        assert process is not None
        run: Run = process.run
        return run

    async def _invoked(self, _: str, __: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"outputs": dict(self._run().stack.state_kept.outputs)}

    def export(self, name: str, value: Any) -> None:
        self._run().exported[name] = value

    def get_project(self) -> str:
        return PROJECT

    def get_stack(self) -> str:
        return self._run().stack.name

    def get_organization(self) -> str:
        return "organization"

    def get_root_directory(self) -> str:
        return str(self._run().stack.directory)

    def run(self, part: Callable[[], Any]) -> Any:
        """The coroutine of a part's program: the engine of the world awaits it."""
        return part()


@contextmanager
def everywhere() -> Iterator[None]:
    """Inside, the program runs on the engine of the process that it belongs to."""

    def process() -> Process:
        found = CURRENT.get()
        assert found is not None
        return found

    def run() -> Run:
        found: Run = process().run
        return found

    def releases(_: object) -> Releases:
        return process().releases

    def accounted(account: Account, *_: Any) -> None:
        run().account.add(account)
        run().account.again = account.again

    async def declare(plan: Plan, settings: Settings) -> None:
        await run().declared(plan, settings)

    with ExitStack() as patches:
        for name, value in {
            "pulumi": _Pulumi(),
            "declare": declare,
            "settings_of": lambda *_, **__: run().stack.settings(),
            "_stack_config": dict,
            "load_releases": releases,
            "resources_of": lambda _: run().stack.resources(),
            "are_read_by_command": lambda: True,
        }.items():
            patches.enter_context(mock.patch(f"coderport.program.main.{name}", value))
        # A history as a whole is one such block, and blocks of several processes at once would not nest.
        patches.enter_context(mock.patch("coderport.stack.comparison.seldom_collected", nullcontext))
        patches.enter_context(mock.patch.object(Account, "leave", accounted))
        patches.enter_context(mock.patch.dict(os.environ, {FOLDER: "the world"}))
        yield
