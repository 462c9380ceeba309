"""One run of the engine on a stack: what it shares with the program and the provider, its passes, and how it ended."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from coderport.engine.lock import StackLocked, unlock
from coderport.engine.refusals import known_refusal
from coderport.engine.resources import read_by
from coderport.errors import SettingsError
from coderport.history.store import PROJECT_FOLDER
from coderport.planning.planfile import PLAN
from coderport.report.account import Account, Failure, collected, variables
from coderport.report.outcome import Outcome, Result, Tally
from coderport.stack.result import outcome_of, words_of
from coderport.terminal.ending import Interrupted, asked, engine_run, over, told, wait_for_others
from coderport.terminal.progress import ENGINE, watcher

if TYPE_CHECKING:
    from coderport.stack.stack import Stack

Run = Callable[..., None]
"""The engine's own preview or up; it takes `on_event`, `on_output` and `color`."""

_CONFIG_REJECTED = "validating stack config"
_OF_THE_SCHEMA = re.compile(r"configuration key '(?P<key>[^']+)' must be of type '(?P<type>\w+)")


@engine_run()
def outcome_of_run(
    stack: Stack,
    run: Run,
    tally: Tally,
    account: Account,
    *,
    changed: Result,
    on_line: Callable[[str], None] | None,
) -> tuple[Outcome, Tally]:
    """Runs the engine, and again where the program asks for a second pass. Never raises for how that ends.

    `account` takes in what program and provider did; `changed` is the result of a run that changed something.
    """
    error: CommandError | StackLocked | Interrupted | None = None
    with ExitStack() as until_collected:
        folder = Path(
            until_collected.enter_context(tempfile.TemporaryDirectory(prefix="coderport-", ignore_cleanup_errors=True))
        )
        try:
            shared = {**variables(folder, account), PROJECT_FOLDER: str(stack.directory), **stack.variables}
            # The inline program runs in this process, the engine and the provider inherit its environment; a program
            # that was interrupted leaves its account by it a moment later.
            until_collected.enter_context(_environment({**shared, **stack.checkpoints}))
            with read_by(stack.resources):
                _unlocked(stack, lambda: _passes(run, folder, tally, account, on_line), tally)
        except (CommandError, StackLocked, Interrupted) as raised:
            error = raised
        finally:
            watcher().ended(ENGINE)
            if asked() is not None:
                wait_for_others()
            of_run = collected(folder)
            tally.settle(of_run.standing, of_run.changes)
            account.add(of_run)
    outcome = _judged(stack, tally, account, error, changed)
    over(outcome.result, account.port_writes)
    return outcome, tally


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The environment of this process with these variables; after the block it is as it was before."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _passes(run: Run, folder: Path, tally: Tally, account: Account, on_line: Callable[[str], None] | None) -> None:
    """One pass, and a second one where the program left word in the folder that it has more to declare."""
    run(on_event=tally.add, on_output=on_line, color="never")
    first = collected(folder)
    if first.kept_to_plan:
        os.environ.pop(PLAN, None)  # another pass has less to do: the plan was for the first
    if first.again:
        for path in folder.iterdir():
            path.unlink()
        tally.passed(first.standing, first.changes)
        account.add(first)
        run(on_event=tally.add, on_output=on_line, color="never")


def _unlocked(stack: Stack, run: Callable[[], None], tally: Tally) -> None:
    """Runs; where only a dead run's lock is in the way, clears it and runs once more."""
    try:
        run()
    except ConcurrentUpdateError as locked:
        tally.warnings.append(unlock(stack.name, str(locked), stack.cancel))
        run()
    finally:
        tally.warnings.extend(stack.healed)
        stack.healed.clear()


def _judged(
    stack: Stack,
    tally: Tally,
    account: Account,
    error: CommandError | StackLocked | Interrupted | None,
    changed: Result,
) -> Outcome:
    """How the run ended. One that was whole when the command was asked to end is no failure, and says so."""
    if (cause := asked()) is not None:
        if error is not None:
            account.failure = Failure(exit_code=cause.exit_code, message=told(cause, account.port_writes))
            return outcome_of(tally, account, None, changed)
        outcome = outcome_of(tally, account, None, changed)
        words = "\n".join(filter(None, (outcome.message, cause.told_after(outcome.result, account.port_writes))))
        return outcome.model_copy(update={"message": words, "exit_code": cause.exit_code})
    assert not isinstance(error, Interrupted)
    if isinstance(error, StackLocked):
        account.failure = Failure(exit_code=error.exit_code, message=str(error))
        return outcome_of(tally, account, None, changed)
    if error is not None and (known := known_refusal(stack.name, str(error), midway=tally.engine_ran)):
        account.failure = Failure(exit_code=known.exit_code, message=str(known))
    if error is not None and account.failure is None and _CONFIG_REJECTED in str(error):
        account.failure = Failure(exit_code=SettingsError.exit_code, message=_wrong_settings(stack, error))
    return outcome_of(tally, account, error, changed)


def _wrong_settings(stack: Stack, error: CommandError) -> str:
    """Pulumi checks types by the schema before the program runs and names one key; ours names all of them.

    What only Pulumi finds wrong (a list where a text is to be, nothing at all) is told in our words as well.
    """
    try:
        stack.settings()
    except SettingsError as wrong:
        return str(wrong)
    found = _OF_THE_SCHEMA.search(str(error))
    if not found:
        return words_of(error)
    key = found["key"] if ":" in found["key"] else f"{stack.project}:{found['key']}"
    return stack.wrong_types([(key, found["type"])], stack.printed())
