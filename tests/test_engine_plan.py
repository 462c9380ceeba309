"""A plan as a file is done exactly or not at all; at a terminal `up` shows what it would do, and asks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest
from at_terminal import Terminal
from checkout import Checkout
from lab import Lab, laboratory
from rich.console import Console

from coderport.commands.acts import offer
from coderport.commands.consent import DECLINED, keep_to
from coderport.commands.sync import preview as fast
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.planning.planfile import PLAN, loaded
from coderport.report.account import Account
from coderport.report.outcome import Outcome
from coderport.servers import opened_port

QUIET = Console(quiet=True)


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path, cli, workspaces=5, templates=2) as lab:
        lab.stack.configure({"actions": {"backend": "github", "repository": "acme/platform"}})
        yield lab


def planned(lab: Lab, file: Path, *, quickly: bool = False) -> Outcome:
    """A preview that leaves a plan."""
    found = Account()
    outcome, _ = partial(fast, lab.stack, found)() if quickly else lab.stack.preview(account=found)
    offer(outcome, found, lab.stack.name, file, QUIET, lab.stack.releases())
    return outcome


def told(outcome: Outcome) -> list[object]:
    """All that an outcome says of its changes."""
    return [[each, each.identifier, each.values, each.findings, each.why] for each in outcome.changes]


async def by_hand(lab: Lab, action: str) -> None:
    """A colleague lets others run the action."""
    async with opened_port(lab.stack.settings(), Account()) as port:
        await port.patch_action_permissions(action, {"execute": {"roles": ["Admin"], "policy": None}})


def test_a_plan_is_done_exactly_or_not_at_all(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"

    def keep() -> None:
        """As the command line says it to the program."""
        for name, value in keep_to("lab", file).items():
            monkeypatch.setenv(name, value)

    # the first run: what is planned before the state has a name for its entities
    quickly = planned(lab, file, quickly=True)
    before = planned(lab, file)
    assert told(quickly) == told(before)
    assert all(each.values for each in before.changes), "what is created comes with its values"
    text = file.read_text(encoding="utf-8")
    assert not any(secret in text for secret in (lab.coder.token, lab.port.client_secret))
    keep()
    outcome, tally = lab.up()
    assert outcome.result == "converged"
    assert [(each.operation, each.identifier) for each in tally.changes] == [
        (each.operation, each.identifier) for each in before.changes
    ]
    assert len(loaded(file).changes) == len(before.changes)

    # something else happens in Coder after the look
    stopped, renamed, gone = sorted(lab.coder.workspace_ids())[:3]
    lab.coder.rename_workspace(stopped, "looked-at")
    lab.coder.delete_workspace(gone)
    monkeypatch.delenv(PLAN, raising=False)
    planned(lab, file, quickly=True)
    lab.coder.rename_workspace(renamed, "afterwards")
    keep()
    refused = lab.refused()
    assert "1 change that the plan does not have:" in refused.message and "afterwards" in refused.message
    assert f"preview --stack lab --all --out {file}" in refused.message

    # somebody changes in Port what is to be changed, and who may run an action
    monkeypatch.delenv(PLAN, raising=False)
    planned(lab, file)
    lab.port.put_entity("coder_workspace", {"identifier": renamed, "title": "by hand"})
    keep()
    assert "1 change of the plan with other values:" in lab.refused().message
    monkeypatch.delenv(PLAN, raising=False)
    planned(lab, file)
    action = "coder_create_workspace"
    asyncio.run(by_hand(lab, action))
    keep()
    assert f"updated permissions of {action}" in lab.refused().message

    # somebody goes on working at what they had added to an action before the look
    def added(title: str) -> None:
        lab.port.look(
            lambda store: store.actions[action]["trigger"]["userInputs"]["properties"]["theirs"].update(title=title)
        )

    lab.port.look(
        lambda store: store.actions[action]["trigger"]["userInputs"]["properties"].update(theirs={"type": "string"})
    )
    added("Theirs")
    monkeypatch.delenv(PLAN, raising=False)
    planned(lab, file)
    added("Theirs, later")
    keep()
    assert "updated action" in lab.refused().message

    # looked at once more, with the engine and without it, it is done
    monkeypatch.delenv(PLAN, raising=False)
    quickly = planned(lab, tmp_path / "quickly.json", quickly=True)
    seen = planned(lab, file)
    assert told(quickly) == told(seen) and loaded(tmp_path / "quickly.json").changes == loaded(file).changes
    (permissions,) = [each for each in seen.changes if each.kind == "permissions of"]
    assert "in Port" in permissions.findings[0], "a preview has old and new of permissions as well"
    for identifier in lab.coder.workspace_ids():  # somebody is connected, as on every day
        lab.coder.workspace(identifier).last_used_at = datetime.now(timezone.utc)
    keep()
    outcome, _ = lab.up()
    assert (outcome.kinds.workspace.deleted, outcome.kinds.other.updated) == (1, 2)
    assert outcome.kinds.workspace.updated >= 2, "those of the plan, and those whose turn it is to show their last use"
    monkeypatch.delenv(PLAN, raising=False)
    assert lab.up()[0].result == "unchanged"


def test_at_a_terminal_up_shows_what_it_would_do_and_asks(tmp_path: Path, cli: CliInfo) -> None:
    with Pair(seed=5, workspaces=3, templates=2) as pair:
        checkout = Checkout(tmp_path, cli, pair)
        command = [sys.executable, "-m", "coderport", "up", "--stack", "asked"]
        environ = {**checkout.environment, "TERM": "dumb"}
        person = Terminal(command, checkout.folder, environ)
        person.says("Do this now?")
        person.answers("n")
        assert person.ended() == 1 and DECLINED in person.shown
        assert pair.port.log.writes == 0
        person = Terminal(command, checkout.folder, environ)
        person.says("Do this now?")
        person.answers("y")
        assert person.ended() == 0 and "converged in" in person.shown
        assert len(pair.port.entities("coder_workspace")) == 3
