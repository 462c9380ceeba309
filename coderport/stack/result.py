"""How a run of the engine ended, told as the outcome of a command."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pulumi.automation.errors import CommandError

from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import resource_name
from coderport.engine.refusals import last_words
from coderport.errors import CoderportError, Refusal
from coderport.report.account import Account
from coderport.report.change import Change, ordered
from coderport.report.outcome import Outcome, Result, Tally, kind_of

_OPERATION_FAILED = "update failed"
_KILLED = re.compile(r"^\s*code: -(\d+)$", re.MULTILINE)


def outcome_of(tally: Tally, account: Account, error: CommandError | None, changed: Result) -> Outcome:
    """How a run ended, by what the engine counted and what program and provider left in the account.

    Orphans are deleted by the command itself, so that no event of the engine tells of them: they are counted here.
    """
    result: Result
    exit_code, total, unread = 0, account.elapsed, tuple[str, ...]()
    for blueprint, identifiers in account.orphans.items():
        for identifier in identifiers:
            resource = f"{ENTITY}::{resource_name(blueprint, identifier)}"
            gone = Change("deleted", kind_of(blueprint), identifier, identifier=identifier)
            tally.count(account.changes.get(resource, gone), resource)
    if account.failure is not None:
        exit_code = account.failure.exit_code
        result = "refused" if exit_code == Refusal.exit_code else "failed"
        message = account.failure.message
    elif error is not None:
        result, exit_code = "failed", CoderportError.exit_code
        said = [text for text in tally.errors if text != _OPERATION_FAILED]
        message = "\n".join(said) or words_of(error)
    else:
        result = changed if tally.kinds.changed else "unchanged"
        message = ""
        if account.unread:
            result, exit_code = result if changed == "changes" else "failed", CoderportError.exit_code
            unread, message = account.unread, not_read(account.unread)
    rest = {"engine" if tally.engine_ran else "cli": round(max(0.0, total - account.phases), 3)}
    seconds = {**account.seconds, **rest, "total": round(total, 3)}
    return Outcome(
        result=result,
        kinds=tally.kinds,
        read=account.read,
        coder_requests=account.coder_requests,
        port_requests=account.port_requests,
        port_writes=account.port_writes,
        retries=account.retries,
        seconds=seconds,
        message=message,
        changes=tuple(tally.changes),
        unread=unread,
        catalog=account.catalog,
        withheld=tuple(ordered(account.changes.values())) if result == "refused" else (),
        exit_code=exit_code,
    )


def not_read(what: Iterable[str]) -> str:
    """What is said where a part of what was asked for could not be read."""
    return (
        f"Not read: {', '.join(what)}. Coder failed at that, or answered in a form that this version of coderport does "
        "not know; a warning has the reason. What Port has of it stays as it is, and nothing else waits for it. Run "
        "again."
    )


def words_of(error: CommandError) -> str:
    """What the CLI said on stderr, or the error lines of its output."""
    text = str(error)
    if killed := _KILLED.search(text):
        return (
            f"The engine was ended by signal {killed[1]} before it was done. What it wrote to Port stands, "
            "and the next run does the rest."
        )
    return last_words(text)
