"""The Automation API's stack, for runs whose result is read from their events."""

from __future__ import annotations

from datetime import datetime, timezone

from pulumi import automation
from pulumi.automation._stack import StackInitMode


class EngineStack(automation.Stack):
    """A stack in the workspace that asks the CLI for nothing after a run.

    The original asks for the outputs, twice, and for the history, to put them into a result that nobody here reads:
    3 s at 10,000 resources.
    """

    def __init__(self, name: str, workspace: automation.LocalWorkspace, *, create: bool) -> None:
        """Raises StackNotFoundError where there is none and `create` is false."""
        super().__init__(name, workspace, StackInitMode.CREATE_OR_SELECT if create else StackInitMode.SELECT)

    def outputs(self) -> automation.OutputMap:
        """None; `LocalWorkspace.stack_outputs` has them."""
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:
        """A summary that says nothing."""
        now = datetime.now(timezone.utc)
        return automation.UpdateSummary(
            kind="", start_time=now, message="", environment={}, config={}, result="not asked for"
        )
