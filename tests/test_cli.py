"""The commands as a person types them, in a copy of the checkout: words, JSON and exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from checkout import ROOT, Checkout
from lab import Json

from coderport.commands.demo import released_by, show_catalog
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Counts, Outcome
from coderport.terminal.screen import Screen
from coderport.terminal.text import counted


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[tuple[Checkout, Json]]:
    """A checkout and what the first `up` of its stack said. Each test begins converged and leaves it so."""
    with Pair(seed=5, workspaces=12, templates=3) as pair:
        made = Checkout(tmp_path_factory.mktemp("cli"), cli, pair)
        yield made, made.json("up", "--stack", "shell")


@pytest.fixture
def checkout(begun: tuple[Checkout, Json]) -> Checkout:
    return begun[0]


def test_up_creates_the_stack_and_ends_with_one_json_object(begun: tuple[Checkout, Json]) -> None:
    outcome = begun[1]
    assert set(outcome) == {name for name, field in Outcome.model_fields.items() if not field.exclude}
    assert sum(each["operation"] == "created" and each["kind"] == "workspace" for each in outcome["changes"]) == 12
    assert outcome["result"] == "converged"
    assert outcome["kinds"]["workspace"] == Counts(created=12).model_dump()
    assert outcome["kinds"]["template"]["created"] == 3
    assert outcome["coder_requests"] > 0 and outcome["port_requests"] > outcome["port_writes"] > 0
    assert outcome["read"] == {"coder_templates": 3, "coder_workspaces": 12, "port_entities": 0}


def test_up_again_is_unchanged_and_its_summary_is_the_same_json_in_a_file(checkout: Checkout) -> None:
    outcome = checkout.json("up", "--stack", "shell", "--summary", "summary.json")
    assert (outcome["result"], outcome["port_writes"]) == ("unchanged", 0)
    workspaces = len(checkout.pair.coder.workspace_ids())
    assert outcome["read"] == {"coder_templates": 3, "coder_workspaces": workspaces, "port_entities": 3 + workspaces}
    assert json.loads((checkout.folder / "summary.json").read_text()) == outcome


def test_preview_of_changes_exits_with_0_or_where_none_were_expected_with_4(checkout: Checkout) -> None:
    checkout.pair.coder.create_workspace(name="typed")
    outcome = checkout.json("preview", "--stack", "shell")
    assert outcome["result"] == "changes" and outcome["kinds"]["workspace"]["created"] == 1
    assert checkout.json("preview", "--stack", "shell", "--expect-no-changes", code=4)["result"] == "changes"
    checkout.json("up", "--stack", "shell")
    checkout.json("preview", "--stack", "shell", "--expect-no-changes")


def test_people_read_what_changed_by_name(checkout: Checkout) -> None:
    checkout.pair.coder.create_workspace(name="readable")
    done = checkout.run("up", "--stack", "shell")
    assert done.returncode == 0, done.stderr
    assert "+ workspace " in done.stdout and "/readable" in done.stdout


def test_a_log_has_a_line_for_each_phase_and_the_figures_at_the_end(checkout: Checkout) -> None:
    workspaces = len(checkout.pair.coder.workspace_ids())
    done = checkout.run("sync", "--stack", "shell", "--summary", "/dev/stderr")
    assert done.returncode == 0, done.stderr
    lines = [re.sub(r"\d+\.\d s", "# s", line) for line in done.stdout.splitlines()]
    assert lines[0] == "Syncing stack shell"
    assert sorted(lines[1:3]) == [
        f"reading Coder: 3 templates, {counted(workspaces, 'workspaces')}, 6 users, # s",
        f"reading Port: 3 templates, {counted(workspaces, 'workspaces')}, # s",
    ]
    assert lines[3:5] == ["judging: # s", "comparing: # s"]
    read = f"read 3 templates and {counted(workspaces, 'workspaces')} from Coder, {workspaces + 3} entities from Port"
    assert lines[-2] == read
    assert re.fullmatch(r"Coder \d+ requests · Port \d+ requests, 0 of them writes · 0 retries", lines[-1])
    assert json.loads(done.stderr)["result"] == "unchanged", "a pipe is written to, and not replaced"


def test_a_refusal_exits_with_3_and_its_release_works(checkout: Checkout) -> None:
    for identifier in sorted(checkout.pair.coder.workspace_ids())[:12]:
        checkout.pair.coder.delete_workspace(identifier)
    outcome = checkout.json("preview", "--stack", "shell", "--summary", "summary.json", code=3)
    assert json.loads((checkout.folder / "summary.json").read_text()) == outcome
    assert outcome["result"] == "refused" and "--allow-deletions 12" in outcome["message"]
    outcome = checkout.json("up", "--stack", "shell", "--allow-deletions", "12")
    assert outcome["kinds"]["workspace"]["deleted"] == 12


def test_missing_settings_exit_with_2_and_name_every_key(checkout: Checkout) -> None:
    outcome = checkout.json("up", "--stack", "shell", code=2, CODER_SESSION_TOKEN="", PORT_CLIENT_ID="")
    assert outcome["result"] == "failed"
    assert "coderport:coderSessionToken is missing" in outcome["message"]
    assert "coderport:portClientId is missing" in outcome["message"]


def test_a_failed_read_exits_with_1(checkout: Checkout) -> None:
    outcome = checkout.json("up", "--stack", "shell", code=1, CODER_SESSION_TOKEN="nonsense-token")
    assert outcome["result"] == "failed" and "nonsense-token" not in outcome["message"]


def test_wrong_usage_exits_with_2(checkout: Checkout) -> None:
    assert checkout.run("up").returncode == 2
    assert checkout.run("nonsense").returncode == 2


@pytest.mark.parametrize(
    ("command", "file", "why"),
    [
        ("preview", "docs", "docs is a folder"),
        ("up", "nowhere/summary.json", "There is no folder nowhere"),
        ("sync", "nowhere/summary.json", "There is no folder nowhere"),
        ("drift", "nowhere/summary.json", "There is no folder nowhere"),
    ],
)
def test_a_summary_that_could_not_be_written_stops_the_command_before_it_begins(
    checkout: Checkout, command: str, file: str, why: str
) -> None:
    checkout.pair.port.reset_requests()
    done = checkout.run(command, "--stack", "shell", "--summary", file)
    assert done.returncode == 2 and why in done.stderr
    assert checkout.pair.port.log.total == 0


def test_engine_prints_where_the_cli_is(checkout: Checkout, cli: CliInfo) -> None:
    assert str(cli.path) in checkout.run("engine").stdout


def test_the_demo_prints_what_the_readme_shows(checkout: Checkout) -> None:
    done = checkout.run("demo", PATH=checkout.environment["PATH"])
    assert done.returncode == 0, done.stdout + done.stderr
    shown = (ROOT / "README.md").read_text().split("<!-- demo -->", 1)[1].split("<!-- end of demo -->", 1)[0]
    lines = {comparable(line) for line in shown.splitlines() if line.startswith("    ") and line.strip() != "…"}
    assert len(lines) > 15
    assert lines <= {comparable(f"    {line}") for line in done.stdout.splitlines()}
    assert not (checkout.folder / "Pulumi.demo.yaml").exists(), "the demo leaves the checkout as it is"


def comparable(line: str) -> str:
    """A line without what differs from run to run: seconds, ports, how often a busy machine flushed or asked again."""
    return re.sub(r"\d+\.\d s|127\.0\.0\.1:\d+|Port \d+ requests, \d+ of them|\d+ retries", "#", line.rstrip())


@pytest.mark.parametrize("width", [50, 70])
def test_the_catalog_of_the_demo_names_each_workspace_whole_at_a_narrow_terminal(width: int) -> None:
    names = [f"anna-lindqvist/{each}" for each in ("api", "notebook", "notebook-of-the-second-team")]
    values = {"status": "running", "template_version": "v1", "outdated": False}
    held = {
        TEMPLATE.identifier: [{"identifier": "t", "title": "Python data science"}],
        WORKSPACE.identifier: [
            {"identifier": each, "title": each, "properties": values, "relations": {"template_id": "t"}}
            for each in names
        ],
    }
    pair: Any = SimpleNamespace(port=SimpleNamespace(entities=held.get))
    seen = StringIO()
    show_catalog(pair, Screen(file=seen, width=width))
    lines = seen.getvalue().splitlines()
    assert [each for each in lines if each in names] == names and max(map(len, lines)) <= width
    assert lines.count("  template: Python data science") == 3


def test_the_demo_takes_the_line_that_a_refusal_prints() -> None:
    assert released_by(".venv/bin/python -m coderport up --stack demo --allow-deletions 15\n") == {
        "CODERPORT_ALLOW_DELETIONS": "15"
    }
    assert released_by("\n") == {}


def test_emulate_prints_where_everything_is_until_it_is_interrupted(checkout: Checkout) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "coderport", "emulate", "--workspaces", "5", "--templates", "2", "--free-ports"],
        cwd=checkout.folder,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        servers = json.loads(process.stdout.readline())
        assert set(servers) == {
            "coder_url", "coder_token", "port_url", "port_client_id", "port_client_secret", "control_url",
            "page_url",
        }  # fmt: skip
    finally:
        process.terminate()
    assert process.wait(300) == 0
