"""Through the real engine: a Port whose validator refuses some of our values.

The tests of this file share one laboratory and run in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import preview as preview_fast
from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome, Tally

pytestmark = pytest.mark.in_order

W, T = WORKSPACE.identifier, TEMPLATE.identifier


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    """A Coder on this machine, whose addresses a strict validator takes for no URLs."""
    with laboratory(tmp_path_factory.mktemp("refused"), cli, workspaces=45, templates=3) as lab:
        lab.port.behave(strict_formats=True)
        yield lab


def said(tally: Tally, name: str) -> list[str]:
    return [text for text in tally.warnings if f"does not take the value of {name} of" in text]


def quiet(ended: tuple[Outcome, Tally]) -> Tally:
    outcome, tally = ended
    assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("unchanged", 0, 0), outcome
    return tally


def test_every_entity_arrives_and_the_run_says_once_which_property_how_many_and_why(lab: Lab) -> None:
    outcome, tally = lab.up()
    assert outcome.result == "converged"
    assert lab.ids() == lab.coder.workspace_ids() and lab.ids(T) == lab.coder.template_ids()
    rows = lab.port.entities(W)
    assert all(not row["properties"].get("url") for row in rows)
    assert all(row["properties"]["status"] and row["properties"]["name"] for row in rows)
    (of_workspaces, of_templates) = sorted(said(tally, "url"), key=lambda text: "template" in text)
    assert f"of {len(lab.coder.workspace_ids())} workspaces" in of_workspaces and "must match format" in of_workspaces
    assert "of 3 templates" in of_templates


def test_no_later_run_flaps_writes_or_starts_the_engine_for_it(lab: Lab) -> None:
    outcome, tally = sync(lab.stack)
    assert len(said(quiet((outcome, tally)), "url")) == 2
    assert not tally.engine_ran
    for repair in (False, True):
        found, _ = drift(lab.stack, repair=repair)
        assert found.drift == () and found.port_writes == 0
    assert len(said(quiet(lab.up()), "url")) == 2
    assert quiet(lab.stack.preview()).changes == []
    assert quiet(preview_fast(lab.stack)).changes == []


def test_what_changes_is_tried_again_and_written_as_far_as_port_takes_it(lab: Lab) -> None:
    renamed = sorted(lab.coder.workspace_ids())[0]
    lab.coder.rename_workspace(renamed, "renamed")
    new = lab.coder.create_workspace(name="new")
    outcome, _ = sync(lab.stack)
    assert (outcome.result, outcome.exit_code) == ("converged", 0), outcome
    assert lab.workspace(renamed)["title"].endswith("/renamed")
    assert not lab.workspace(new)["properties"].get("url")
    quiet(sync(lab.stack))
    quiet(lab.up())


def test_a_value_that_a_colleague_removes_is_drift_all_the_same(lab: Lab) -> None:
    target = sorted(lab.coder.workspace_ids())[1]
    lab.port.put_entity(W, {"identifier": target, "properties": {"owner_email": None}}, by="colleague")
    found, _ = drift(lab.stack, repair=True)
    assert [(row.identifier, sorted(row.values)) for row in found.drift] == [(target, ["owner_email"])]
    quiet(sync(lab.stack))


def test_a_colleagues_enum_costs_the_value_alone(lab: Lab) -> None:
    body = {key: value for key, value in lab.blueprint(W).items() if not key.endswith(("At", "By"))}
    body["schema"]["properties"]["automatic_updates"]["enum"] = ["sometimes"]
    lab.port.put_blueprint(body, by="colleague")
    quiet(sync(lab.stack))
    new = lab.coder.create_workspace(name="new-2")
    outcome, tally = sync(lab.stack)
    assert outcome.exit_code == 0 and len(said(tally, "automatic_updates")) == 1
    assert lab.workspace(new)["properties"].get("automatic_updates") is None
    quiet(sync(lab.stack))


def test_once_port_takes_the_values_a_change_of_the_settings_brings_them(lab: Lab) -> None:
    lab.port.behave(strict_formats=False)
    lab.stack.configure({"volatileRefresh": "12h"})
    lab.up()
    assert all(row["properties"].get("url") for row in lab.port.entities(W))
    _, tally = sync(lab.stack)
    assert said(tally, "url") == []


def test_an_address_is_sent_as_coder_has_it_and_one_that_port_refuses_is_said(lab: Lab) -> None:
    lab.port.behave(strict_formats=False)
    made = {}
    for name, email in (("short", "short@corp"), ("other", "jürgen@exämple.de"), ("none", "nobody")):
        owner = lab.coder.create_user(name)
        lab.coder.set_user(owner, email=email)
        made[email] = lab.coder.create_workspace(name="addressed", owner=name)
    outcome, tally = sync(lab.stack)
    assert outcome.exit_code == 0, outcome
    addresses = {email: lab.workspace(one)["properties"].get("owner_email") for email, one in made.items()}
    assert addresses == {**{email: email for email in made}, "nobody": None}
    assert len(said(tally, "owner_email")) == 1 and "1 workspace" in said(tally, "owner_email")[0]
