"""Whether an action that Port has under an identifier of ours may become ours without being asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from action_samples import DEPLOYMENT, PRESETS, form, settings
from catalog_samples import TEMPLATE_ID, template

from coderport.catalog.actions.declared import STOP, declared
from coderport.catalog.actions.values import to_port
from coderport.guard.definitions import Claim, actions_verdict
from coderport.guard.verdict import Verdict
from coderport.planning.memory import Memory
from coderport.settings import Settings, load_settings

Json = dict[str, Any]
OURS = declared(settings(), [template()], {TEMPLATE_ID: form(presets=PRESETS)}, deployment_id=DEPLOYMENT)


def stack(**more: Any) -> Settings:
    servers = {"coderApiBaseUrl": "http://localhost:1", "coderSessionToken": "t" * 10}
    port = {"portClientId": "id", "portClientSecret": "secret", "portBaseUrl": "http://localhost:2"}
    actions = {"backend": "github", "repository": "acme/platform"}
    return load_settings({**servers, **port, "actions": actions, **more}, {})


def verdict(change: Callable[[Json], object], memory: Memory | None = None, **more: Any) -> Verdict:
    """On a Port whose actions are ours but for the change."""
    live: dict[str, Json] = {}
    for action in OURS:
        live[action.identifier] = to_port(action)
        change(live[action.identifier])
    return actions_verdict(OURS, live, Claim((memory or Memory()).actions, stack(**more).take_over, "prod"))


def by_the_former_app(live: Json) -> None:
    method = live["invocationMethod"]["integrationActionExecutionProperties"]
    live["invocationMethod"] = {"type": "GITHUB", **method}


def open_to_view(live: Json) -> None:
    del live["allowAnyoneToViewRuns"]


def as_an_older_version_left_it(live: Json) -> None:
    by_the_former_app(live)
    open_to_view(live)


def of_another_repository(live: Json) -> None:
    by_the_former_app(live)
    live["invocationMethod"]["repo"] = "theirs"


def by_a_webhook(live: Json) -> None:
    live["invocationMethod"] = {"type": "WEBHOOK", "url": "https://x.example.com"}


@pytest.mark.parametrize("change", [lambda live: None, by_the_former_app, open_to_view, as_an_older_version_left_it])
def test_a_stack_that_lost_its_state_goes_on_with_the_actions_of_an_older_version(
    change: Callable[[Json], object],
) -> None:
    assert not verdict(change).refused


@pytest.mark.parametrize("change", [of_another_repository, by_a_webhook])
def test_what_somebody_else_made_has_to_be_taken_over(change: Callable[[Json], object]) -> None:
    refused = verdict(change)
    assert refused.refused and f"Port already has an action {STOP}" in refused.text()
    assert not verdict(change, takeOver=True).refused
    assert not verdict(change, Memory(actions=frozenset(each.identifier for each in OURS))).refused
