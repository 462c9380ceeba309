"""`conformance --coder`: what the probes find on the emulated versions, which flips they see, and what they leave."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from coderport.commands.cli import app
from coderport.conformance.coder_bench import BUDGET, RESERVE, CoderBench, CoderCredentials, is_throwaway, new_name
from coderport.conformance.coder_probes import CODER_PROBES
from coderport.conformance.coder_read_probes import newest_first
from coderport.conformance.command import ask_coder, clean_up_coder
from coderport.conformance.running import Report, findings
from coderport.conformance.talk import Talk
from coderport.emulators.coder import CoderEmulator, workspace_routes
from coderport.emulators.coder.flavour import DIFFERENCES
from coderport.settings import CoderAccess, load_access

Serve = Callable[..., CoderEmulator]

NEWER = {"start_of_deleted_conflicts", "unknown_user_is_400", "matches_presets", "task_fields"}
"""Flags that are asked for, or seen, on newer versions only."""

NOT_PROBED = {
    "keys_expire": "it takes a token to be ended, and the probes make nothing but one workspace",
    "checks_parameters_at_build": "it takes a template with two versions, one of which asks for more",
}
"""Flags that no probe finds, each with the reason."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves deployments on which every probe has something to ask about."""
    running = []

    def start(**settings: Any) -> CoderEmulator:
        coder = CoderEmulator(0, workspaces=12, templates=9, **settings)
        coder.delete_workspace(next(iter(coder.state.workspaces)))
        coder.delete_template(coder.create_template("gone"))
        running.append(coder.serve())
        return coder

    yield start
    for served in running:
        served.stop()


def access(coder: CoderEmulator, token: str | None = None) -> CoderAccess:
    where = {"CODER_API_BASE_URL": coder.url or "", "CODER_SESSION_TOKEN": token or coder.token}
    return load_access(CoderAccess, where)


def asked(coder: CoderEmulator, *, writes: bool = True, token: str | None = None) -> Report:
    return ask_coder(access(coder, token), Console(file=io.StringIO()), writes=writes)


def results(report: Report, *wanted: str) -> dict[str, Any]:
    return {finding.name: finding.seen for finding in report.findings if finding.result in wanted}


@pytest.mark.parametrize("version", ["2.20", "2.34", "newest"])
def test_each_emulated_version_is_as_expected_and_keeps_nothing(
    serve: Serve, version: str, figure: Callable[[str], None]
) -> None:
    coder = serve(flavour=version)
    before = coder.workspace_ids()
    report = asked(coder)
    assert results(report, "different", "failed") == {}
    assert set(results(report, "not asked")) <= {"workspace.dormant-by-id", "build.start-of-deleted"}
    assert report.exit_code == 0 and report.left == () and coder.workspace_ids() == before
    assert report.requests <= BUDGET - RESERVE
    figure(f"conformance of Coder {version}: {len(report.findings)} probes, {report.requests} requests")


def test_without_writes_nothing_is_changed_and_what_would_change_is_not_asked(serve: Serve) -> None:
    coder = serve()
    report = asked(coder, writes=False)
    assert coder.log.writes == 0
    assert set(results(report, "not asked").values()) >= {"it needs a throwaway workspace: --writes"}
    assert results(report, "different", "failed") == {} and len(results(report, "same")) >= 50


@pytest.mark.parametrize("flag", [each.flag for each in DIFFERENCES if each.flag not in NOT_PROBED])
def test_a_version_that_is_otherwise_in_one_thing_is_found_out(serve: Serve, flag: str) -> None:
    """The version is one in which the thing can be asked, and the emulator does the opposite of it."""
    version = "2.34" if flag in NEWER else "2.20"
    usual = CoderEmulator(flavour=version).state.flavour
    coder = serve(flavour=version, behaviour={flag: not getattr(usual, flag)})
    token = coder.create_token("template-admin") if flag == "dormant_read_for_template_admins" else None
    if token:
        coder.set_dormant(next(iter(coder.workspace_ids())))
    report = asked(coder, token=token)
    found = {finding.behaviour for finding in report.findings if finding.result == "different"}
    assert flag in found, results(report, "different", "failed", "not asked")
    assert report.exit_code == 4 and report.left == ()


def test_every_flag_has_a_probe_or_a_reason() -> None:
    probed = {probe.behaviour for probe in CODER_PROBES if probe.behaviour}
    assert probed | set(NOT_PROBED) == {each.flag for each in DIFFERENCES}
    assert not probed & set(NOT_PROBED)


@pytest.mark.parametrize(
    ("fault", "probe"),
    [
        ({"kind": "status", "status": 404, "path": r"/workspaces/[0-9a-f-]+$", "method": "GET"}, "workspace.deleted"),
        ({"kind": "status", "status": 200, "body": [], "path": "deleted%3Atrue"}, "workspaces.deleted-key"),
        ({"kind": "status", "status": 200, "body": [], "path": "status=asleep"}, "jobs.unknown-status"),
        ({"kind": "html", "path": r"coderport-asks$"}, "route.unknown"),
        ({"kind": "status", "status": 201, "body": {}, "path": r"/workspaces/.*/builds$", "method": "POST", "times": 1},
         "build.while-active"),
    ],
)  # fmt: skip
def test_an_answer_that_is_otherwise_is_found_out(serve: Serve, fault: dict[str, Any], probe: str) -> None:
    coder = serve()
    coder.faults.add(fault)
    found = next(each for each in asked(coder).findings if each.name == probe)
    assert found.result in ("different", "failed"), found


def test_killed_at_every_tenth_request_nothing_is_left_after_a_clean_up(serve: Serve) -> None:
    coder = serve()
    whole = asked(coder).requests
    before = coder.workspace_ids()
    console = Console(file=io.StringIO())
    for last in range(0, whole, 10):
        talk = Talk(coder.url or "", CoderCredentials(access(coder)), budget=last)
        for _ in findings(CODER_PROBES, CoderBench(talk, writes=True), talk):
            pass  # ends at the budget as a kill would: nothing is removed
        talk.close()
        assert clean_up_coder(access(coder), console) == 0
        assert coder.workspace_ids() == before


def test_a_workspace_whose_build_failed_is_deleted_whatever_the_error_says(serve: Serve) -> None:
    coder = serve()
    before = coder.workspace_ids()
    coder.state.fail_builds.append("Error: waiting for instance: timed out after 5m0s")
    assert asked(coder).left == ()
    assert coder.workspace_ids() == before


def test_a_workspace_that_had_to_be_refused_is_removed_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_routes, "_NAME", re.compile(r"[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*"))
    coder = serve()
    before = coder.workspace_ids()
    report = asked(coder)
    assert "create.bad-name" in {each.name for each in report.findings if each.result == "different"}
    assert report.left == () and coder.workspace_ids() == before


def test_a_clean_up_leaves_what_others_made(serve: Serve) -> None:
    coder = serve()
    template = next(iter(coder.template_ids()))
    kept = [coder.create_workspace("admin", template, name) for name in ("coderport-probe-mine", "mine")]
    kept.append(coder.create_workspace("anna-lindqvist", template, new_name()))
    doomed = coder.create_workspace("admin", template, new_name())
    result = CliRunner().invoke(app, ["conformance", "--coder", "--clean-up"], env={
        "CODER_API_BASE_URL": coder.url or "", "CODER_SESSION_TOKEN": coder.token,
    })  # fmt: skip
    assert result.exit_code == 0 and "1 throwaway workspaces deleted, 0 left" in result.output
    assert doomed not in coder.workspace_ids() and set(kept) <= coder.workspace_ids()


def test_only_names_that_conformance_gives_are_throwaway() -> None:
    assert is_throwaway(new_name()) and new_name() != new_name() and len(new_name()) <= 32
    for name in ("coderport-probe-", "coderport-probe-zzzzzzzz", "my-coderport-probe-00000000", "coderport-probe-0"):
        assert not is_throwaway(name)


def test_a_workspace_that_cannot_be_deleted_is_named_and_ends_with_1(serve: Serve) -> None:
    coder = serve()
    coder.faults.add(kind="status", status=500, path=r"/builds$", method="POST", after=3)
    report = asked(coder)
    assert report.exit_code == 1 and "coderport-probe-" in report.left[0]
    coder.faults.clear()
    assert clean_up_coder(access(coder), Console(file=io.StringIO())) == 0


@pytest.mark.parametrize("role", ["member", "auditor", "template-admin", "organization-admin"])
def test_a_weaker_token_is_asked_what_it_may_see(serve: Serve, role: str) -> None:
    coder = serve()
    report = asked(coder, writes=False, token=coder.create_token(role))
    assert results(report, "different", "failed") == {}


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2026-11-28T09:00:00.123Z", "2026-11-28T09:00:00.12Z", "2026-11-28T09:00:00Z"], True),
        (["2026-11-28T09:00:00.12Z", "2026-11-28T09:00:00.123Z"], False),
        (["2026-11-28T09:00:00Z", "2026-11-28T10:00:00+02:00", "2026-11-28T07:59:59Z"], True),
        (["2026-11-28T09:00:00Z", None], False),
        ([], True),
    ],
)
def test_what_is_newest_is_told_by_moments_and_not_by_their_texts(times: list[object], said: bool) -> None:
    assert newest_first(times) is said


def test_names_of_probes_are_unique_and_each_says_where_its_assumption_comes_from() -> None:
    assert len({probe.name for probe in CODER_PROBES}) == len(CODER_PROBES)
    assert all(probe.question.endswith("?") and probe.source for probe in CODER_PROBES)
