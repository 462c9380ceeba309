"""The Automation API's stack, for runs whose result is read from their events."""

from __future__ import annotations

from datetime import datetime, timezone

from pulumi import automation
from pulumi.automation._stack import StackInitMode


class EngineWorkspace(automation.LocalWorkspace):
    """A workspace in which no stack is selected: each call of the CLI names its own.

    The answer to any call says as well as a selection whether the stack is there, and a person's selection stays.
    """

    def select_stack(self, stack_name: str) -> None:
        """Does nothing."""


class EngineStack(automation.Stack):
    """A stack in the workspace that asks the CLI for nothing but what it is to do.

    The original asks after a run for the outputs, twice, and for the history, to put them into a result that nobody
    here reads: 3 s at 10,000 resources.
    """

    def __init__(self, name: str, workspace: EngineWorkspace) -> None:
        """Whether there is such a stack is told by its first call."""
        super().__init__(name, workspace, StackInitMode.SELECT)

    def outputs(self) -> automation.OutputMap:
        """None; `LocalWorkspace.stack_outputs` has them."""
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:
        """A summary that says nothing."""
        now = datetime.now(timezone.utc)
        return automation.UpdateSummary(
            kind="", start_time=now, message="", environment={}, config={}, result="not asked for"
        )
