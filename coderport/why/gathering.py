"""Reads Coder, Port and the stack for a question. Writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from coderport.catalog.values import Ref
from coderport.guard.verdict import Verdict
from coderport.history.store import Store
from coderport.kinds.inventory import Inventory, KnownIds
from coderport.planning.difference import Difference, difference_of
from coderport.planning.past import Past
from coderport.planning.plan import Plan, judge, wanted_of
from coderport.planning.siblings import ids_to_prove, templates_offered
from coderport.program.survey import inventory_asked, read_coder, read_permissions, read_port, with_pointers
from coderport.report.account import Account
from coderport.servers import opened_coder
from coderport.settings import Releases, Settings
from coderport.stack.comparison import past_of
from coderport.stack.stack import Stack
from coderport.why.knowledge import Knowledge
from coderport.why.naming import everything, subjects


def gathered(stack: Stack, asked: str | None = None) -> Knowledge:
    """Reads Coder, Port and the stack side by side. Raises as a run does where a read fails.

    Coder is asked as well for what the question names, if a kept run has deleted that and no run needs a proof of it;
    without a question, for all of that.
    """
    return asyncio.run(_gather(stack, asked, Account(), datetime.now(timezone.utc)))


async def _gather(stack: Stack, asked: str | None, account: Account, now: datetime) -> Knowledge:
    settings = await asyncio.to_thread(stack.settings)
    memory = await asyncio.to_thread(stack.memory)
    past = await past_of(stack, memory, await read_port(settings, account), settings, account)

    async def known() -> KnownIds:
        return ids_to_prove(past, settings)

    def theirs(deployment: str) -> Awaitable[frozenset[str]]:
        async def ids() -> frozenset[str]:
            return templates_offered(past, settings, deployment)

        return ids()

    read, of_siblings, forms = await read_coder(settings, known, theirs, account)
    plan, verdict = judge(settings, Releases(), past, read, forms, now, of_siblings)
    if (more := await with_pointers(past, plan, settings, account)) != past:
        past = more
        plan, verdict = judge(settings, Releases(), past, read, forms, now, of_siblings)
    permissions = await read_permissions(settings, plan, account)
    store = Store(settings.history, stack.managed_by, state=memory.state, project=stack.directory, called=stack.name)
    unreadable: list[str] = []
    history = tuple(store.records(unreadable.append))
    knowledge = knowledge_of(settings, past, read, plan, verdict, difference_of(plan, past.memory, permissions), now)
    knowledge = replace(knowledge, history=history, unreadable=tuple(unreadable))
    asked_for = everything(knowledge) if asked is None else subjects(knowledge, asked)
    deleted = tuple(ref for ref in asked_for if _was_deleted(knowledge, ref))
    return await _with_proofs(knowledge, deleted, account) if deleted else knowledge


def knowledge_of(
    settings: Settings, past: Past, read: Inventory, plan: Plan, verdict: Verdict, found: Difference, now: datetime
) -> Knowledge:
    """What is known from the past, a read of Coder, and what a run would make of both. The history is not in it."""
    unsettled = wanted_of(settings.model_copy(update={"volatile_refresh": timedelta(0)}), past, read, now)
    return Knowledge(
        settings=settings,
        past=past,
        read=read,
        wanted=wanted_of(settings, past, read, now),
        unsettled={each.ref: each for each in unsettled.entities},
        plan=plan,
        verdict=verdict,
        found=found,
        history=(),
    )


def _was_deleted(knowledge: Knowledge, ref: Ref) -> bool:
    """Whether a kept run has deleted it, and neither Coder's lists nor a proof of this read tell what became of it."""
    last = knowledge.last_written(ref)
    gone = last is not None and last[1].step == "deleted" and ref.blueprint in knowledge.read.listings
    return gone and ref not in knowledge.seen and knowledge.fate(ref) is None


async def _with_proofs(knowledge: Knowledge, refs: Iterable[Ref], account: Account) -> Knowledge:
    """The same with what Coder says of these: a read of its own, so that the answer to a run's questions is a run's."""
    settings, ids = knowledge.settings, {name: set[str]() for name in knowledge.read.listings}
    for ref in refs:
        ids[ref.blueprint].add(ref.identifier)

    async def known() -> KnownIds:
        return {name: frozenset(each) for name, each in ids.items()}

    with account.phase("read_coder") as progress:
        async with opened_coder(settings, account) as client:
            read = await inventory_asked(client, settings, known, progress)
    fates = {Ref(name, each): fate for name, listing in read.listings.items() for each, fate in listing.fates.items()}
    outside = frozenset(Ref(name, each) for name, listing in read.listings.items() for each in listing.outside)
    return replace(knowledge, proofs=fates, outside=outside)
