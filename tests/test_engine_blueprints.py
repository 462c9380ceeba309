"""Through the real engine: what colleagues do to our blueprints in Port, and what each command makes of it.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.catalog.blueprint import to_port
from coderport.commands.drift import drift
from coderport.commands.sync import preview as preview_fast
from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.kinds.all import ALWAYS
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome
from coderport.stack.stack import Stack

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
Json = dict[str, Any]

ADDED: dict[str, Json] = {
    "description": {"properties": {"owner_name": {"description": "Login name"}}},
    "enum with colours": {
        "properties": {
            "status": {"enum": ["running", "stopped", "failed", "pending"], "enumColors": {"running": "green"}}
        }
    },
    "format": {"properties": {"autostart_schedule": {"format": "markdown"}}},
    "limits": {"properties": {"ttl_ms": {"minimum": 0}, "failing_agents": {"maxItems": 90}}},
    "icon and default": {"properties": {"healthy": {"icon": "Health", "default": True}}},
    "relation": {"relations": {"template_id": {"description": "The template for the workspace", "type": "dependency"}}},
    "mirror": {"mirrorProperties": {"template_name": {"title": "Template", "path": "template_id.name"}}},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("blueprints"), cli, workspaces=4, templates=2) as lab:
        lab.up()
        yield lab


@pytest.fixture(scope="module")
def user(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack that only uses the blueprints, and has nothing in its scope."""
    stack = lab.opened("user", tmp_path_factory.mktemp("user"))
    stack.configure({"blueprints": "use", "templates": ["no-such-template"]})
    return stack


def edit(lab: Lab, change: Callable[[Json], None]) -> Json:
    """A colleague changes the blueprint; what Port holds then."""
    body = {key: value for key, value in lab.blueprint(W).items() if not key.endswith(("At", "By"))}
    change(body)
    lab.port.put_blueprint(body, by="colleague")
    return lab.blueprint(W)


def add(body: Json, more: Json) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(body.get(key), dict):
            add(body[key], value)
        else:
            body[key] = copy.deepcopy(value)


def quiet(outcome: Outcome) -> None:
    assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("unchanged", 0, 0), outcome


def add_by_hand(lab: Lab, what: str) -> Json:
    """A colleague adds it to the blueprint; what Port holds then."""
    more = ADDED[what]
    parts = {("schema" if key == "properties" else key): value for key, value in more.items()}
    if "properties" in more:
        parts["schema"] = {"properties": more["properties"]}
    lab.port.behave(format_is_permanent=what != "format")  # in a Port that takes one later than the property
    return edit(lab, lambda body: add(body, parts))


@pytest.mark.parametrize("what", ADDED)
def test_what_a_person_adds_to_ours_is_kept_and_is_no_difference_for_any_command(lab: Lab, what: str) -> None:
    theirs = add_by_hand(lab, what)
    outcome, tally = sync(lab.stack)
    quiet(outcome)
    assert not [text for text in tally.warnings if "full run" in text]
    for repair in (False, True):
        found, _ = drift(lab.stack, repair=repair)
        assert found.drift == ()
        quiet(found)
    quiet(lab.stack.preview()[0])
    assert lab.blueprint(W) == theirs


def test_nor_is_all_of_it_for_a_run_a_refresh_and_a_stack_that_uses_the_blueprints(lab: Lab, user: Stack) -> None:
    theirs = [add_by_hand(lab, what) for what in ADDED][-1]
    quiet(lab.up()[0])
    lab.stack.refresh()
    quiet(lab.stack.preview()[0])
    assert user.up()[0].exit_code == 0
    assert lab.blueprint(W) == theirs


def test_what_we_state_is_corrected_by_each_and_what_was_added_stays(lab: Lab, user: Stack) -> None:
    def retitle(body: Json) -> None:
        body["schema"]["properties"]["status"]["title"] = "Zustand"
        body["schema"]["required"] = ["name"]

    for correct in (sync, lambda stack: drift(stack, repair=True), Stack.up):
        edit(lab, retitle)
        assert user.preview()[0].exit_code == 3
        assert {row.identifier for row in drift(lab.stack, repair=False)[0].drift} == {W}
        assert correct(lab.stack)[0].exit_code == 0
        now = lab.blueprint(W)["schema"]
        assert now["properties"]["status"]["title"] == "Status"
        assert now["properties"]["status"]["enumColors"] == {"running": "green"}
        assert now["required"] == []
        quiet(sync(lab.stack)[0])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda body: body["schema"].update(required=["cost_center"]),
            "property cost_center (Cost center)",
        ),
        (
            lambda body: body["relations"]["service"].update(required=True),
            "relation service (Service)",
        ),
    ],
    ids=["property", "relation"],
)
def test_a_colleagues_mandatory_property_is_named_before_anything_is_written(
    lab: Lab, change: Callable[[Json], None], text: str
) -> None:
    lab.port.put_blueprint({"identifier": "service", "title": "Service", "schema": {"properties": {}}})
    before = edit(lab, lambda body: None)

    def demand(body: Json) -> None:
        body["schema"]["properties"]["cost_center"] = {"type": "string", "title": "Cost center"}
        body["relations"]["service"] = {"title": "Service", "target": "service", "required": False, "many": False}
        change(body)

    edit(lab, demand)
    quiet(sync(lab.stack)[0])  # nothing is to be written, so nothing is refused
    new = lab.coder.create_workspace(name=f"new-{'relation' in text}")
    owner = lab.coder.user(lab.coder.workspace(new).owner_id).username
    for act in (lab.stack.preview, lab.stack.up, lambda: preview_fast(lab.stack), lambda: sync(lab.stack)):
        message = lab.refused(act).message
        assert text in message and f"{owner}/new-" in message and "colleague" in message, message
    stamps = {key: value for key, value in before.items() if not key.endswith(("At", "By"))}
    lab.port.put_blueprint(stamps)
    assert sync(lab.stack)[0].result == "converged"


@pytest.mark.parametrize(
    "change",
    [
        lambda properties: properties["last_used_at"].pop("format"),
        lambda properties: properties["url"].update(format="email"),
    ],
    ids=["none", "another"],
)
def test_another_format_of_ours_is_a_conflict_with_ports_own_way_out(
    cli: CliInfo, tmp_path: Path, change: Callable[[Json], None]
) -> None:
    with laboratory(tmp_path, cli, workspaces=2, templates=1) as lab:
        first, second = ALWAYS
        body = to_port(second)
        change(body["schema"]["properties"])
        lab.port.put_blueprint(to_port(first))
        lab.port.put_blueprint(body)
        lab.stack.configure({"takeOver": "true"})
        for act in (lab.stack.preview, lab.stack.up):
            message = lab.refused(act).message
            assert "format" in message and "contradicts" in message and "POST /v1/migrations" in message, message
