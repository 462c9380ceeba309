"""Entities that no state holds: looked at once more before they go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from catalog_samples import MARK, numbered

from coderport.catalog.blueprint import to_port
from coderport.emulators.pair import Pair
from coderport.guard.ownership import Owner
from coderport.kinds.all import BLUEPRINTS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.plan import Plan
from coderport.program.orphans import delete_orphans
from coderport.report.account import Account
from coderport.settings import Settings

W = WORKSPACE.identifier


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair(seed=1, workspaces=1, templates=1) as pair:
        for blueprint in BLUEPRINTS:
            pair.port.put_blueprint(to_port(blueprint))
        yield pair


def put(pair: Pair, number: int, mark: str | None) -> str:
    body = {"identifier": numbered(number), "title": "t", "properties": {"managed_by": mark}}
    pair.port.put_entity(W, body)
    return numbered(number)


def deleted(pair: Pair, orphans: list[str]) -> Account:
    servers, account = pair.describe(), Account()
    settings = Settings.model_validate(
        {
            "coderApiBaseUrl": servers["coder_url"],
            "coderSessionToken": servers["coder_token"],
            "portBaseUrl": servers["port_url"],
            "portClientId": servers["port_client_id"],
            "portClientSecret": servers["port_client_secret"],
        }
    )
    plan = SimpleNamespace(owner=Owner(MARK), orphans={W: frozenset(orphans), TEMPLATE.identifier: frozenset()})
    asyncio.run(delete_orphans(cast(Plan, plan), settings, account))
    return account


@pytest.mark.parametrize("number", [4, 40])
def test_what_somebody_else_has_signed_since_it_was_read_is_left(pair: Pair, number: int) -> None:
    ours = [put(pair, each, str(MARK)) for each in range(number)]
    theirs = [put(pair, 100 + at, mark) for at, mark in enumerate(("other/stack", "coderport/dev#ffffffff", None))]
    account = deleted(pair, [*ours, *theirs, numbered(999)])
    assert {each["identifier"] for each in pair.port.entities(W)} == set(theirs)
    assert len(account.orphans[W]) == number
