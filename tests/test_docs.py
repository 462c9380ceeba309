"""The documentation says what the code does: every property, command and exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from coderport.adoption.report import AdoptionOutcome, Definition, Moved, Renamed, Report
from coderport.catalog.answers.declared import declared
from coderport.catalog.answers.pages import MINE, ORGANIZATION_PREFIX
from coderport.catalog.answers.values import Part
from coderport.catalog.blueprint import Blueprint
from coderport.commands.cli import app
from coderport.commands.drift import Drifted, DriftOutcome
from coderport.errors import CoderportError, Refusal, SettingsError, UnexpectedChanges
from coderport.kinds.all import BLUEPRINTS, KINDS, blueprints_of, kinds_of
from coderport.provider.schema import OLDEST_SDK
from coderport.report.account import Read
from coderport.report.outcome import Counts, Kinds, Outcome, Result
from coderport.settings import Actions, Limits, Settings
from coderport.why.statement import Topic

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def section(page: str, heading: str) -> str:
    return page.split(heading, 1)[1].split("\n#", 1)[0]


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda each: each.identifier)
def test_the_catalog_page_lists_exactly_the_declared_properties(blueprint: Blueprint) -> None:
    table = section((ROOT / "docs" / "catalog.md").read_text(), f"### `{blueprint.identifier}`")
    listed = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    kinds = {
        **{each.identifier: (each.type, each.title) for each in blueprint.properties},
        **{each.identifier: (each.type, each.title) for each in blueprint.calculations},
        **{each.identifier: ("relation", each.title) for each in blueprint.relations},
    }
    assert {name: (kind.split(",")[0].split()[0], title) for name, kind, title in listed} == kinds


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda each: each.identifier)
def test_the_catalog_page_says_with_which_kind_a_relation_is_there(blueprint: Blueprint) -> None:
    table = section((ROOT / "docs" / "catalog.md").read_text(), f"### `{blueprint.identifier}`")
    told = dict(re.findall(r"^\| `(\w+)` \| relation .*Only with the kind `(\w+)` \|$", table, re.MULTILINE))
    optional = {each.name: each.words[0] for each in KINDS if not each.always}
    relations = [each for each in blueprint.relations if each.with_target and each.target in optional]
    assert told == {each.identifier: optional[each.target] for each in relations}


def test_the_catalog_page_lists_exactly_the_declared_answers() -> None:
    page = section((ROOT / "docs" / "catalog.md").read_text(), "## Answers")
    kinds, cost = [each.identifier for each in BLUEPRINTS], Settings.model_fields["daily_cost"].default
    answers = declared(get_args(Part), {"id": "name"}, cost, kinds, "v2.20.0")
    aggregations = [each for each in answers if each.kind == "aggregations"]
    listed = re.findall(r"^\| `(\w+)` \| ([A-Z][^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert listed == [(key, each["title"], each["description"]) for key, each in aggregations[0].body.items()]
    of_others = dict(re.findall(r"^\| `(\w+)` \| ([a-z][^|]+) \| [^|]+ \|$", page, re.MULTILINE))
    assert set(of_others) == {each.identifier for each in aggregations}
    for each in aggregations:
        assert ("without `workspaces`" in of_others[each.identifier]) == ("workspaces" not in each.body)
    rules = [
        (each.identifier, rule["identifier"], rule["level"], rule["title"])
        for each in reversed(answers)
        if each.kind == "scorecard"
        for rule in each.body["rules"]
    ]
    assert re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\w+) \| ([^|]+) \|$", page, re.MULTILINE) == rules
    assert {each.identifier for each in answers if each.kind == "page"} == {MINE, f"{ORGANIZATION_PREFIX}id"}
    assert f"`{MINE}`" in page
    assert f"`{ORGANIZATION_PREFIX}`" in page


def test_the_readme_lists_exactly_the_commands() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    listed = re.findall(r"^\| `(\w+)[^|]*` \|", section(README, "## Commands"), re.MULTILINE)
    assert set(listed) == commands


def test_the_readme_gives_every_exit_code_its_meaning() -> None:
    line = section(README, "## Commands").split("Exit codes:", 1)[1]
    documented = {int(code): meaning for code, meaning in re.findall(r"\*\*(\d)\*\* ([^,*]+)", line)}
    assert documented[CoderportError.exit_code].startswith("failed")
    assert documented[SettingsError.exit_code].startswith("usage or settings")
    assert documented[Refusal.exit_code].startswith("refused by a guard")
    assert documented[UnexpectedChanges.exit_code].startswith("changes found")
    assert set(documented) == {0, 1, 2, 3, 4}


def test_the_readme_gives_every_field_of_the_summary_and_every_result() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section(README, "### What a run shows"), re.MULTILINE))
    assert set(rows) == {name for name, field in DriftOutcome.model_fields.items() if not field.exclude}
    drifted = set(re.findall(r"`(\w+)`", rows["drift"])) - {*get_args(Drifted.model_fields["drift"].annotation)}
    assert drifted == set(Drifted.model_fields) | {"drift"}
    assert set(re.findall(r"`(\w+)`", rows["result"])) >= {*get_args(Result), "preview"}
    assert set(re.findall(r"`(\w+)`", rows["kinds"])) == {*Counts.model_fields, *Kinds().root}
    assert set(re.findall(r"`(\w+)`", rows["read"])) == set(Read.model_fields)


def test_the_page_of_coming_over_gives_every_field_of_its_report() -> None:
    text = section((ROOT / "docs" / "coming-over.md").read_text(), "## For machines")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(Report.model_fields)
    added = set(AdoptionOutcome.model_fields) - set(Outcome.model_fields)
    assert added == set(re.findall(r"`(\w+)`", text.split("with these lists", 1)[0])) - {"undo"}
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    renamed = set(re.findall(r"`(\w+)`", rows["renamed"]))
    assert renamed <= set(Renamed.model_fields) and "`relations`" in rows["moved"] and "relations" in Moved.model_fields
    assert "`next_up`" in rows["definitions"] and "next_up" in Definition.model_fields


def test_the_page_of_actions_names_every_key_of_their_settings_with_its_default() -> None:
    table = section((ROOT / "docs" / "actions.md").read_text(), "## Settings")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert set(rows) == {field.alias or name for name, field in Actions.model_fields.items()}
    for name, field in Actions.model_fields.items():
        default = field.default if isinstance(field.default, (str, bool)) else None
        if default is not None:
            shown = str(default).lower() if isinstance(default, bool) else default
            assert rows[field.alias or name].strip() == f"`{shown}`"


def test_the_page_of_settings_gives_every_limit_of_the_guard_with_its_default() -> None:
    (row,) = re.findall(r"^\| `guard` \|.*$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    defaults = {field.alias or name: field.default for name, field in Limits.model_fields.items()}
    assert {name: int(number) for name, number in re.findall(r"`(\w+)` \((\d+)\)", row)} == defaults


def test_the_versions_of_the_sdk_are_those_that_are_pinned_and_tested() -> None:
    (pinned,) = re.findall(r"^port-pulumi==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    text = section((ROOT / "docs" / "engine.md").read_text(), "## The SDK")
    assert re.findall(r"\d+\.\d+\.\d+", text) == [pinned, OLDEST_SDK]
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    assert "requirements-oldest.txt" in workflow
    assert f"port-pulumi=={OLDEST_SDK} " in (ROOT / "requirements-oldest.txt").read_text()


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page: letters, digits and hyphens, lower case."""
    found = re.findall(r"^#+ (.+?)\s*$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


def test_every_anchor_in_a_link_is_a_heading_there() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
            led = page.parent / target if target else page
            assert anchor in anchors(led.read_text()), f"{page.name} → {target}#{anchor}"


def test_the_page_of_doctor_names_every_check() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    listed = set(re.findall(r"`([\w -]+)`", "\n".join(re.findall(r"^\|[^|]*\| ([^|]+) \|", page, re.MULTILINE))))
    sources = "\n".join(each.read_text() for each in (ROOT / "coderport" / "doctor").glob("*.py"))
    named = set(re.findall(r'(?:name="|_check\("|failed\(SUBJECT, "|failed\("[\w ]+", ")([\w -]+)"', sources)) - {"all"}
    named |= {f"{each.identifier}{more}" for each in blueprints_of(kinds_of("default")) for more in ("", " entities")}
    assert named - listed <= {"memory"} and listed <= named | {"sees", "acts", "feeds", "organizations", "address"}


def test_the_page_of_why_names_every_topic() -> None:
    page = (ROOT / "docs" / "why.md").read_text()
    assert set(re.findall(r"^\| `([\w ]+)` \|", page, re.MULTILINE)) == set(get_args(Topic))
