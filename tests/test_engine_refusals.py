"""Through the real engine: what is refused, with which words, that nothing is written, and how it is released.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from lab import Lab, laboratory

from coderport.commands import sync
from coderport.commands.drift import drift
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
T = TEMPLATE.identifier


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("refusals"), cli, workspaces=24) as lab:
        lab.up()
        yield lab


def test_many_deletions_are_refused_alike_in_preview_and_up_until_a_person_allows_them(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lab.ids()
    for identifier in sorted(before)[:12]:
        lab.coder.delete_workspace(identifier)
    previewed, refused = lab.refused(lab.stack.preview), lab.refused()
    assert previewed.message == refused.message
    assert "workspaces: 12 of 24 would go" in refused.message
    assert "--allow-deletions 12" in refused.message and "CODERPORT_ALLOW_DELETIONS=12" in refused.message
    assert lab.ids() == before
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", "11")
    lab.refused()
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", "12")
    outcome, _ = lab.up()
    assert outcome.kinds.workspace.deleted == 12
    lab.assert_converged()


def test_what_the_token_lost_sight_of_is_never_deleted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.pair.coder.faults.clear()
    hidden = sorted(lab.ids())[0]
    lab.coder.drop_rows(hidden)
    lab.pair.coder.faults.add(
        kind="status", method="GET", path=f"/workspaces/{hidden}", status=404, body={"message": "no"}
    )
    outcome = lab.refused()
    assert "1 not shown by Coder" in outcome.message and "--forget-unproven 1" in outcome.message
    assert hidden in lab.ids()
    monkeypatch.setenv("CODERPORT_FORGET_UNPROVEN", "1")
    assert lab.up()[0].kinds.workspace.deleted == 1
    monkeypatch.delenv("CODERPORT_FORGET_UNPROVEN")
    lab.coder.clear_list_faults()
    lab.pair.coder.faults.clear()
    assert lab.up()[0].kinds.workspace.created == 1
    lab.assert_converged()


def test_a_token_of_a_plain_member_is_its_own_error_and_deletes_nothing(lab: Lab) -> None:
    token = lab.coder.create_token("member")
    lab.stack.configure({"coderSessionToken": token})
    outcome, _ = lab.stack.up()
    lab.stack.configure({"coderSessionToken": lab.coder.token})
    assert (outcome.result, outcome.port_writes) == ("failed", 0)
    assert "template admin" in outcome.message.lower().replace("-", " ")
    assert token not in outcome.message
    lab.assert_converged()


def test_a_scope_that_shrinks_is_named_apart_and_refused_when_it_is_large(lab: Lab) -> None:
    names = [lab.coder.template(each).name for each in sorted(lab.coder.template_ids())]
    lab.stack.configure({"excludeTemplates": names})
    outcome = lab.refused()
    lab.stack.configure({"excludeTemplates": []})
    assert "alive in Coder, left out by the template settings" in outcome.message
    lab.assert_converged()


def test_a_pattern_that_names_nothing_is_told_before_the_release_wherever_a_run_is_refused(lab: Lab) -> None:
    names = [lab.coder.template(each).name for each in sorted(lab.coder.template_ids())]
    lab.stack.configure({"templates": ["nosuch-*"], "excludeTemplates": ["neither"], "takeOver": "true"})
    for act in (lab.stack.preview, lab.stack.up, partial(sync.preview, lab.stack), partial(sync.sync, lab.stack)):
        outcome, tally = act()
        assert (outcome.result, outcome.port_writes) == ("refused", 0)
        said, _, release = outcome.message.partition("If that is right, allow it")
        first = "coderport:templates names templates that Coder does not have: nosuch-*. It has "
        assert said.count(first) == 1 and all(each in said for each in names)
        assert "coderport:excludeTemplates names templates that Coder does not have: neither." in said
        assert said.rstrip().endswith("Look at that first: a mistyped pattern leaves out what it was to name.")
        assert "--allow-deletions" in release and "--allow-deletions" not in said
        assert [each for each in tally.warnings if "coderport:takeOver is still true" in each], tally.warnings
        assert not any("nosuch-*" in each for each in tally.warnings)  # it is in the refusal
    _, reported = drift(lab.stack, repair=False)
    assert any("takeOver" in each for each in reported.warnings) and "nosuch-*" in reported.warnings[-1]
    lab.stack.configure({"templates": [], "excludeTemplates": ["neither"], "takeOver": "false"})
    assert any("neither" in each for each in lab.stack.preview()[1].warnings)
    lab.stack.configure({"excludeTemplates": []})
    lab.assert_converged()


def test_a_role_that_nobody_has_ends_a_run_before_anything_is_written_and_a_fallback_nobody_is_told(lab: Lab) -> None:
    actions = {"backend": "webhook", "url": "https://runner.example.com/runs", "templates": "none"}
    lab.stack.configure({"actions": {**actions, "roles[0]": "Admin", "roles[1]": "Membr"}})
    for act in (lab.stack.preview, lab.stack.up, partial(sync.sync, lab.stack)):
        outcome, _ = act()
        assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("failed", 2, 0)
        assert "did you mean Member?" in outcome.message
        assert "--path 'coderport:actions.roles[1]' Member" in outcome.message
    lab.stack.configure({"actions": {**actions, "fallbackUser": "nobody-at-all"}})
    somebody = next(iter(lab.coder.state.users.values())).username
    told = lab.stack.preview()[1].warnings
    assert any("actions.fallbackUser names nobody-at-all, and Coder has no such user" in each for each in told), told
    lab.stack.configure({"actions": {**actions, "fallbackUser": somebody}})
    assert not any("fallbackUser" in each for each in lab.stack.preview()[1].warnings)
    lab.stack.configure({"actions": []})
    lab.assert_converged()


def test_another_coder_deployment_behind_the_same_stack_is_refused(lab: Lab) -> None:
    before = lab.coder.deployment_id
    with Pair(seed=99, workspaces=5, templates=2) as other:
        lab.stack.configure({"coderApiBaseUrl": other.coder_url, "coderSessionToken": other.coder.token})
        outcome = lab.refused()
        assert before in outcome.message and other.coder.deployment_id in outcome.message
    lab.stack.configure({"coderApiBaseUrl": lab.pair.coder_url, "coderSessionToken": lab.coder.token})
    lab.assert_converged()


def test_another_port_organization_behind_the_same_stack_is_refused(lab: Lab) -> None:
    with Pair(seed=98, workspaces=5, templates=2) as other:
        lab.stack.configure({"portBaseUrl": other.port_url})
        assert "another Port organization" in lab.refused().message
        assert other.port.log.writes == 0
    lab.stack.configure({"portBaseUrl": lab.pair.port_url})
    lab.assert_converged()


def test_an_identifier_that_somebody_else_holds_is_refused_and_can_be_taken_over(lab: Lab) -> None:
    identifier = lab.coder.create_workspace(name="contested")
    lab.port.put_entity(
        W, {"identifier": identifier, "title": "theirs", "properties": {"managed_by": "other/stack"}}, by="other"
    )
    outcome = lab.refused()
    assert identifier in outcome.message and "managed by other/stack" in outcome.message
    assert "coderport:takeOver true" in outcome.message
    lab.stack.configure({"takeOver": "true"})
    lab.up()
    lab.stack.configure({"takeOver": "false"})
    assert lab.workspace(identifier)["properties"]["managed_by"] == lab.mark()
    lab.assert_converged()


def test_an_entity_that_another_stack_took_over_is_left_to_it(lab: Lab) -> None:
    identifier = sorted(lab.ids())[0]
    lab.port.put_entity(W, {"identifier": identifier, "properties": {"managed_by": "other/stack"}}, by="other")
    lab.refused()
    lab.coder.delete_workspace(identifier)
    lab.up()
    assert lab.workspace(identifier)["properties"]["managed_by"] == "other/stack"
    lab.port.delete_entity(W, identifier)
    lab.assert_converged()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "html", "path": "/api/v2/workspaces"}, "HTML"),
        (
            {"kind": "redirect", "path": "/api/v2/", "headers": {"location": "https://elsewhere.example.com/"}},
            "elsewhere",
        ),
        ({"kind": "status", "path": "/api/v2/users/me", "status": 401, "body": {"message": "Expired."}}, "token"),
        ({"kind": "status", "path": "/api/v2/workspaces", "status": 403, "body": {"message": "Forbidden."}}, "403"),
    ],
    ids=["html", "redirect", "expired token", "forbidden"],
)
def test_an_answer_that_is_not_one_fails_the_run_before_anything_is_written(
    lab: Lab, fault: dict[str, object], words: str
) -> None:
    lab.coder.faults.add(fault)
    outcome, _ = lab.stack.up()
    lab.coder.faults.clear()
    assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("failed", 1, 0)
    assert words in outcome.message and "Traceback" not in outcome.message
    lab.assert_converged()


def test_wrong_settings_are_one_message_with_every_key_and_exit_with_2(lab: Lab) -> None:
    lab.stack.configure({"coderApiBaseUrl": "nonsense", "volatileRefresh": "soon", "takeOver": "maybe"})
    outcome, _ = lab.stack.up()
    lab.stack.configure({"coderApiBaseUrl": lab.pair.coder_url, "volatileRefresh": "24h", "takeOver": "false"})
    assert (outcome.result, outcome.exit_code, outcome.coder_requests, outcome.port_requests) == ("failed", 2, 0, 0)
    for key in ("coderApiBaseUrl", "volatileRefresh", "takeOver"):
        assert f"coderport:{key}" in outcome.message
    lab.assert_converged()


def test_an_organization_that_does_not_exist_is_named_beside_those_that_do(lab: Lab) -> None:
    lab.stack.configure({"organizations": ["acme-corp"]})
    outcome, _ = lab.stack.up()
    lab.stack.configure({"organizations": []})
    assert (outcome.result, outcome.port_writes) == ("failed", 0)
    assert "acme-corp" in outcome.message
    lab.assert_converged()


def test_a_port_client_of_another_region_is_told_about_regions(lab: Lab) -> None:
    lab.stack.configure({"portClientId": "client-of-another-region"})
    outcome, _ = lab.stack.up()
    lab.stack.configure({"portClientId": lab.port.client_id})
    assert outcome.result == "failed"
    assert "https://api.us.port.io" in outcome.message and lab.port.client_secret not in outcome.message
    lab.assert_converged()


def test_nobody_listening_on_this_machine_says_make_emulate(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODERPORT_PATIENCE", "2")
    lab.stack.configure({"coderApiBaseUrl": "http://127.0.0.1:9"})
    outcome, _ = lab.stack.up()
    lab.stack.configure({"coderApiBaseUrl": lab.pair.coder_url})
    assert outcome.result == "failed" and "make emulate" in outcome.message
    lab.assert_converged()


def test_a_failing_first_run_remembers_nothing_and_the_next_one_is_a_first_run(
    tmp_path: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERPORT_PATIENCE", "2")
    with laboratory(tmp_path, cli, workspaces=3, templates=1) as fresh:
        fresh.coder.faults.add(kind="status", path="/api/v2/organizations", status=500)
        assert fresh.stack.up()[0].result == "failed"
        fresh.coder.faults.clear()
        fresh.up()
        fresh.assert_converged()
