"""Reads of all kinds from an emulated Coder, with answers changed on the way, and what Port then should hold."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from catalog_samples import CONTEXT, MARK, held
from coder_talk import Api

from coderport.catalog.values import Entity, Held, OrganizationNames, Ref
from coderport.coder.client import CoderClient
from coderport.guard.deletions import Evidence, deletions_verdict
from coderport.guard.ownership import Owner
from coderport.guard.verdict import Verdict
from coderport.kinds.all import kinds_of
from coderport.kinds.desired import Desired, desired
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import Inventory, read_inventory

NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)
ORGANIZATION, USER, GROUP, WORKSPACE, TEMPLATE = (
    "coder_organization", "coder_user", "coder_group", "coder_workspace", "coder_template",
)  # fmt: skip
VERSION, PROVISIONER, PRESET = "coder_template_version", "coder_provisioner_daemon", "coder_prebuild_preset"
PROXY, LICENCE, FAILURE, AGENT = "coder_workspace_proxy", "coder_licence", "coder_failed_build", "coder_agent"
QUOTA = "coder_quota"

Known = Mapping[str, frozenset[str]]
InPort = Mapping[str, Mapping[str, Held]]
Change = Callable[[str, Any], Any]


def changing(change: Change) -> type[CoderClient]:
    """A client whose answers to GET are what `change` makes of the path and the body."""

    class Changing(CoderClient):
        async def _request(self, method: str, path: str, **how: Any) -> Any:
            answer = await super()._request(method, path, **how)
            if method != "GET":
                return answer
            return replace(answer, data=change(path, copy.deepcopy(answer.data)))

    return Changing


def answering(end: str, body: Any) -> type[CoderClient]:
    """A client that gets this in place of every answer to a path of that end."""
    return changing(lambda path, data: body if path.endswith(end) else data)


def read(
    api: Api,
    *,
    kinds: str | tuple[str, ...] = "all",
    known: Known | None = None,
    client: type[CoderClient] = CoderClient,
    token: str = "",
    within: Iterable[str] = (),
    in_port: InPort | None = None,
) -> Inventory:
    """One read; `in_port` is what Port holds."""

    async def ids() -> Known:
        return known or {}

    async def holds() -> InPort:
        return in_port or {}

    async def run() -> Inventory:
        async with client(str(api.http.base_url), token or api.emulator.token) as coder:
            return await read_inventory(
                coder,
                kinds_of(kinds),
                organizations=tuple(within),
                known=ids,
                progress=lambda *_: None,
                held=holds if in_port is not None else None,
            )

    return asyncio.run(run())


def known_in(found: Inventory) -> dict[str, frozenset[str]]:
    """All that the read showed."""
    return {name: frozenset(each.rows) for name, each in found.listings.items()}


def wanted(found: Inventory, in_port: InPort | None = None, known: Known | None = None) -> Desired:
    """What Port should hold after the read."""
    snapshot = found.snapshot
    context = replace(
        CONTEXT,
        emails=snapshot.emails or {},
        organizations={each.id: OrganizationNames(each.name, each.display_name) for each in snapshot.organizations},
    )
    return desired(found, Filters(), context, in_port or {}, NOW, timedelta(), known=known or {})


def verdict_on(found: Inventory, later: Desired, there: InPort, known: Known) -> Verdict:
    """What the guard says of this read and what is wanted by it, for the state that has all that is known."""
    return deletions_verdict(
        Evidence(
            desired=later.ids(),
            owner=Owner(MARK, known),
            held=there,
            gone=found.gone,
            left_out=later.left_out,
            seen=found.seen(),
            proven=found.proven,
            blank=found.blank,
        )
    )


def entities(found: Desired) -> dict[Ref, Entity]:
    """By reference."""
    return {each.ref: each for each in found.entities}


def port_of(found: Desired) -> dict[str, dict[str, Held]]:
    """Port as it is after it was sent them, lists as JSON has them."""
    there: dict[str, dict[str, Held]] = {}
    for each in found.entities:
        its = held(each)
        relations = {key: list(value) if isinstance(value, tuple) else value for key, value in its.relations.items()}
        there.setdefault(each.blueprint, {})[each.identifier] = replace(its, relations=relations)
    return there


def as_kept(found: Inventory) -> tuple[dict[str, frozenset[str]], dict[str, dict[str, Held]]]:
    """What a stack knows and Port holds after a run with that read."""
    there = port_of(wanted(found))
    return {name: frozenset(several) for name, several in there.items()}, there
