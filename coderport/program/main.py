"""The Pulumi program: reads, judges, declares.

Both servers are read and the plan is judged before the first resource is registered. An exception in a program deletes
nothing, but what was registered before it is still applied.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import get_config_env, get_config_secret_keys_env
from pulumi.runtime.config import CONFIG, is_config_secret

from coderport.engine.resources import Resources, are_read_by_command, resources_of
from coderport.errors import CoderportError, Refusal
from coderport.guard.foreign import state_verdict
from coderport.guard.ownership import new_state_id, stack_mark
from coderport.history.images import deleted_of
from coderport.history.keeping import keep
from coderport.history.place import check_place
from coderport.history.store import PROJECT_FOLDER, Store
from coderport.kinds.all import KIND_OF, kinds_asked
from coderport.kinds.refused import notes
from coderport.planning.changes import outlook
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory, MemoryUnreadableError, completed, rebuilt, recalled, unreadable
from coderport.planning.past import Past
from coderport.planning.plan import Plan, refusal
from coderport.planning.planfile import PLAN, kept_to, loaded, stamps_of
from coderport.program.declaration import declare
from coderport.program.orphans import delete_orphans
from coderport.program.refused import reasons, remembered
from coderport.program.survey import read_permissions, read_port, survey, with_former_kinds
from coderport.report.account import FOLDER, Account, Failure
from coderport.settings import Settings, load_releases, settings_of
from coderport.tasks import together
from coderport.terminal.ending import Interrupted, unless_asked, waited_for
from coderport.terminal.progress import ENGINE, Silent, watched, watcher


async def program() -> dict[str, Any]:
    """Reads, judges and declares; returns the stack's outputs. A refusal or a failed read declares nothing."""
    account = Account()
    with _accounted(account), _told_by_engine():
        memory, settings, plan = await unless_asked(_planned(account))
    if plan is None:
        return memory.outputs()
    if orphans := sum(map(len, account.orphans.values())):
        done = "would be deleted" if pulumi.runtime.is_dry_run() else "were deleted"
        pulumi.log.warn(f"{orphans:,} entities of this stack that its state does not know {done} in Port.")
    _warn_of_checkpoints(plan)
    return await _declared(plan, settings, memory, plan.memory, account)


async def _kept(plan: Plan, past: Past, settings: Settings, account: Account) -> None:
    """Keeps what this run changes and deletes in Port, in the stack's history."""
    stack = stack_mark(pulumi.get_project(), pulumi.get_stack())
    store = Store(settings.history, stack, state=plan.memory.state, project=_project(), called=settings.of_stack)
    now = datetime.now(timezone.utc)
    await keep(
        plan,
        past.memory,
        deleted_of(plan),
        settings,
        account,
        how="up",
        stack=stack,
        store=store,
        now=now,
        leaving_actions=past.actions - plan.memory.actions,
        leaving_answers=past.answers - plan.memory.answers,
    )


def _project() -> Path:
    """Pulumi names no folder to a program that a command serves inline: the command names it."""
    return Path(os.environ.get(PROJECT_FOLDER) or pulumi.get_root_directory())


async def _planned(account: Account) -> tuple[Memory, Settings, Plan | None]:
    """All that comes before the first resource, with the memory and the settings that the plan was made from.

    Without a plan in the very first pass of a state, which only gives it an id, and nothing is written to Port before
    it: what a run that is killed later leaves is then known to this state, and to no other of its name, for its own.
    """
    memory = await _recalled()
    settings = settings_of(_stack_config(), pulumi.get_project(), os.environ, stack=_named())
    kinds_asked(settings)  # a name that is none is found before anything is read
    check_place(settings, _project(), writes=not pulumi.runtime.is_dry_run())
    if memory.first_run and not memory.state and FOLDER in os.environ and not pulumi.runtime.is_dry_run():
        account.again = True
        return Memory(state=new_state_id()), settings, None
    past, plan, verdict = await survey(
        settings,
        load_releases(os.environ),
        _past(memory, settings, account),
        now=datetime.now(timezone.utc),
        account=account,
        project=_project(),
    )
    for note in plan.notes:
        pulumi.log.warn(note)
    await _foreseen(plan, settings, account)
    if verdict.refused:
        raise refusal(verdict)
    _keep_to_plan(account)
    account.again = bool(plan.leaving) and not pulumi.runtime.is_dry_run()
    if not pulumi.runtime.is_dry_run():
        await _kept(plan, past, settings, account)
    _remember_spent(memory, plan.memory, plan.living)
    await _without_orphans(plan, settings, account)
    return memory, settings, plan


async def _foreseen(plan: Plan, settings: Settings, account: Account) -> None:
    """What the plan changes in Port; for a preview, or a run that is to keep to a plan, permissions included."""
    shown = pulumi.runtime.is_dry_run() and FOLDER in os.environ
    exact = shown or PLAN in os.environ
    permissions = await read_permissions(settings, plan, account) if exact else None
    outlook(plan, permissions, whole=exact).leave_in(account)
    if exact:
        account.stamps = stamps_of(plan, account.changes, permissions)


def _keep_to_plan(account: Account) -> None:
    """Refusal where there is a plan to keep to, and this run would do anything else."""
    if file := os.environ.get(PLAN):
        looked_at = loaded(Path(file), _named())
        verdict = kept_to(looked_at, Path(file), account.changes, account.stamps, stack=_named())
        if verdict.refused:
            raise refusal(verdict)
        account.kept_to_plan = True


def _remember_spent(before: Memory, after: Memory, living: Mapping[str, frozenset[str]]) -> None:
    """What goes without a release counts for the day even if this run fails: then this is what is kept.

    `living` are those: the next run looks which of them are still in Port.
    """
    if before.stack and (living or before.pending or before.spent != after.spent):
        entities = {name: ids for name, ids in living.items() if name in KIND_OF}
        now = datetime.now(timezone.utc).isoformat()
        kept = replace(before, spent=after.spent, pending=entities, pending_at=now)
        pulumi.export("coderport", kept.outputs()["coderport"])


async def _without_orphans(plan: Plan, settings: Settings, account: Account) -> None:
    """The orphans deleted, or counted in a preview."""
    if pulumi.runtime.is_dry_run():
        account.orphans = {blueprint: sorted(ids) for blueprint, ids in plan.orphans.items()}
    elif any(plan.orphans.values()):
        await delete_orphans(plan, settings, account)


async def _past(memory: Memory, settings: Settings, account: Account) -> Past:
    stack = stack_mark(pulumi.get_project(), pulumi.get_stack())

    async def holdings() -> Holdings:
        return await with_former_kinds(await read_port(settings, account), settings, memory, account)

    if not are_read_by_command():
        past = Past(memory, await holdings(), memory.mark(stack))
        return past if past.is_complete else past.completed(rebuilt(await _resources()))
    # The engine deletes what is not declared, whatever it is: a command looks at all of the state, beside its reads.
    side_by_side: list[Coroutine[Any, Any, Any]] = [holdings(), _resources()]
    held, resources = await together(side_by_side)
    state = rebuilt(resources)
    past = Past(memory, held, memory.mark(stack), actions=state.actions, answers=state.answers)
    return past if past.is_complete else past.completed(state)


def program_of_part(plan: Plan, settings: Settings, before: Memory, after: Memory) -> Callable[[], None]:
    """The program of a targeted run: declares a part of the plan that was made on the memory of `before`."""

    async def part() -> dict[str, Any]:
        account = Account()
        outlook(plan).leave_in(account)
        with _accounted(account):
            if await _recalled() != before:
                raise CoderportError(
                    "Another run of this stack came in between. Nothing was applied; the next run starts from there."
                )
            _remember_spent(before, after, plan.living)
            await _without_orphans(plan, settings, account)
        return await _declared(plan, settings, before, after, account)

    return lambda: pulumi.run(part)


async def _declared(plan: Plan, settings: Settings, before: Memory, after: Memory, account: Account) -> dict[str, Any]:
    """Registers the plan; the outputs."""
    leaving = sum(len(ids - after.declared.get(name, frozenset())) for name, ids in before.declared.items())
    watcher().began(ENGINE, "entities", len(plan.entities) + leaving)
    if refused := await declare(plan, settings):
        with _accounted(account):
            learned = await reasons(refused, settings, account)
        for note in notes(learned):
            pulumi.log.warn(note)
        after = remembered(after, learned, refused)
    return after.outputs()


class _EngineLog(Silent):
    """For plain `pulumi up`: its person sees what the engine shows."""

    def said(self, text: str) -> None:
        """A warning beside the stack."""
        pulumi.log.warn(text)


@contextmanager
def _told_by_engine() -> Iterator[None]:
    """What a person should know is told by the engine where no command of ours watches this process."""
    if isinstance(watcher(), Silent):
        with watched(_EngineLog()):
            yield
    else:
        yield


@contextmanager
def _accounted(account: Account) -> Iterator[None]:
    """Leaves the account for the command that started this run; a failure inside is in it, and ends the program."""
    with waited_for():
        try:
            yield
        except (CoderportError, Interrupted) as error:
            account.failure = Failure(exit_code=error.exit_code, message=str(error))
            raise pulumi.RunError(str(error)) from None
        finally:
            account.leave()


def _named() -> str:
    """This stack's name for the CLI and the engine.

    A folder or bucket may keep its stacks in Pulumi's old layout, which knows no other name than the bare one.
    """
    if _self_managed():
        return pulumi.get_stack()
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"


async def _recalled() -> Memory:
    """What the stack remembers, exported again at once: outputs that a failing run does not export are wiped.

    A state that lost its outputs, or has them of an older version, is asked for its resources as well.
    """
    named = _named()
    try:
        result = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackOutputs", {"name": named})
        outputs: dict[str, Any] = (result or {}).get("outputs") or {}
        for name, value in outputs.items():
            pulumi.export(name, value)
        memory = recalled(outputs)
        return memory if memory.stack else completed(memory, await _resources())
    except MemoryUnreadableError as error:
        raise unreadable(named, error) from None
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(
            f"What the stack {named} declared before cannot be read ({error}), so no deletion can be judged. "
            "Nothing was applied. Check that the backend is reachable and run again."
        ) from None


async def _resources() -> Resources:
    """What the state holds. Refusal where that is not coderport's."""
    found = await asyncio.to_thread(resources_of, _named())
    if (verdict := state_verdict(found, _named())).refused:
        raise refusal(verdict)
    return found


def _stack_config() -> dict[str, tuple[Any, bool]]:
    """The whole config: by `namespace:key` the value and whether it is encrypted."""
    listed = set(get_config_secret_keys_env())
    everything = {**get_config_env(), **CONFIG.get()}
    return {key: (value, key in listed or is_config_secret(key)) for key, value in everything.items()}


def _self_managed() -> bool:
    """Whether the backend is a folder or bucket: all but Pulumi Cloud have one organization, of this name."""
    return bool(pulumi.get_organization() == "organization")


def _warn_of_checkpoints(plan: Plan) -> None:
    """Says so before a first run that rewrites the whole state after each of very many resources.

    Measured (2 cores, file backend): 1,000 creations take 260 s, and the time grows with their square.
    """
    skipped = os.environ.get("PULUMI_SKIP_CHECKPOINTS", "").lower() in {"1", "true"}
    seconds = 260 * (plan.creations / 1000) ** 2
    if _self_managed() and not skipped and seconds > 60:
        pulumi.log.warn(
            f"{plan.creations:,} resources are new. This backend rewrites the whole state after each of them: "
            f"expect about {max(1, round(seconds / 60))} minutes. "
            f"With `python -m coderport up --stack {_named()}`, or PULUMI_SKIP_CHECKPOINTS=true and plain "
            "`pulumi up`, a thousand take 20 seconds."
        )
