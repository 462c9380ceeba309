"""All checks of one stack, in the order in which a run would need what they look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from coderport.doctor.backend import backend_check
from coderport.doctor.check import Check, failed, is_well, verdict_of
from coderport.doctor.clock import clock_check
from coderport.doctor.coder import coder_checks
from coderport.doctor.machine import Examined, cli_check, environment_checks, project_checks, stack_checks
from coderport.doctor.port import port_checks, whose_checks
from coderport.errors import CoderportError, Refusal
from coderport.guard.ownership import stack_mark
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.planning.past import Past
from coderport.program.survey import read_port, survey, with_former_kinds
from coderport.report.account import Account
from coderport.servers import opened_coder, opened_port
from coderport.settings import Releases, Settings
from coderport.stack.comparison import past_of
from coderport.stack.project_file import project_name
from coderport.stack.result import not_read
from coderport.stack.stack import Stack


def _now() -> datetime:
    return datetime.now(timezone.utc)


def examine(name: str, environ: Mapping[str, str], *, now: Callable[[], datetime] = _now) -> Iterator[Check]:
    """The checks of the stack, each as soon as it is made. Writes nothing; raises no error: one is a check, too."""
    try:
        yield from _examined(name, environ, now)
    except CoderportError as error:
        yield failed("doctor", "doctor", error)
    except Exception as error:  # whatever it is, who asked is told, and has the checks before it
        said = f"A check broke off ({type(error).__name__}), and nothing after it was looked at."
        remedy = "That is a fault of coderport: please report it, with the lines above."
        yield Check(subject="doctor", name="doctor", grade="fail", said=said, remedy=remedy)


def _examined(name: str, environ: Mapping[str, str], now: Callable[[], datetime]) -> Iterator[Check]:
    yield from (checks := list(project_checks()))
    cli, check = cli_check(environ)
    yield check
    if cli is None or not is_well(checks):
        yield from _skipped("stack", "settings", "Coder", "Port", "run")
        return
    examined = Examined()
    yield from stack_checks(name, cli, environ, examined)
    if examined.settings is None:
        yield from _skipped("Coder", "Port", "run")
        return
    yield from (found := list(environment_checks(examined.settings, environ, examined)))
    if found or examined.releases is None:
        yield from _skipped("Coder", "Port", "run")
        return
    yield from asyncio.run(_of_servers(examined.settings, examined.releases, examined.stack, name, now))


def _skipped(*names: str) -> Iterator[Check]:
    for name in names:
        yield Check(subject=name, name="all", grade="skip", said="Not looked at: something before it is missing.")


async def _of_servers(
    settings: Settings, releases: Releases, stack: Stack | None, name: str, now: Callable[[], datetime]
) -> list[Check]:
    account = Account()
    found: list[Holdings] = []
    async with opened_coder(settings, account) as coder, opened_port(settings, account) as port:
        checks = [each async for each in coder_checks(coder, settings, now())]
        checks += [each async for each in port_checks(port, settings, found)]
        if found:
            checks.append(await backend_check(port, settings, now()))
        serves = settings.actions.backend == "webhook"
        checks.append(clock_check({"Coder": coder.clock, "Port": port.clock}, now(), serves=serves))
    if not found:
        return [*checks, *_skipped("run")]
    try:
        past = await _past(stack, name, found[0], settings, account)
    except CoderportError as error:
        return [*checks, failed("run", "memory", error)]
    checks += whose_checks(past, settings)
    runs = verdict_of(checks) in ("well", "buttons")
    return [*checks, *(await _run(settings, releases, past, account) if runs else _skipped("run"))]


async def _past(stack: Stack | None, name: str, held: Holdings, settings: Settings, account: Account) -> Past:
    """What the stack remembers beside what Port holds, as a run would have it; nothing where there is no stack."""
    if stack is None:
        memory = Memory()
        return Past(memory, held, memory.mark(stack_mark(project_name(), name)))
    return await past_of(stack, await asyncio.to_thread(stack.memory), held, settings, account)


async def _run(settings: Settings, releases: Releases, past: Past, account: Account) -> list[Check]:
    """What a run would do now, by its own reads and its own guard."""

    async def again() -> Past:
        held = await with_former_kinds(await read_port(settings, account), settings, past.memory, account)
        return replace(past, held=held)

    try:
        _, plan, verdict = await survey(settings, releases, again(), now=_now(), account=account)
    except CoderportError as error:
        return [failed("run", "guard", error)]
    notes = [Check(subject="run", name="note", grade="warn", said=each) for each in plan.notes]
    if account.unread:
        notes.append(failed("run", "read", CoderportError(not_read(account.unread))))
    if verdict.refused:
        return [*notes, failed("run", "guard", Refusal(verdict.text()))]
    said = (
        f"A run would be accepted: {plan.creations:,} entities to create, of {len(plan.entities):,}; "
        f"{len(plan.actions)} actions."
    )
    return [*notes, Check(subject="run", name="guard", grade="pass", said=said)]
