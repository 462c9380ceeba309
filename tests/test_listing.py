"""`ls`: what the catalog would have of a kind, by conditions and columns, and where the list is not whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lab import Lab, laboratory
from typer.testing import CliRunner, Result

from coderport.commands import views
from coderport.commands.cli import app
from coderport.commands.ls import cell
from coderport.engine import CliInfo
from coderport.errors import CoderportError, Refusal, SettingsError
from coderport.kinds.all import KIND_OF, KINDS, kinds_of
from coderport.listing.query import Query, names_of
from coderport.listing.reading import Catalog, catalog_of, kind_named
from coderport.terminal.screen import Screen
from coderport.terminal.tables import show_list

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from write_schema import LISTING, schema, text  # noqa: E402

TEMPLATE, WORKSPACE, USER, GROUP = (KIND_OF[f"coder_{each}"] for each in ("template", "workspace", "user", "group"))
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
EVIL = "a\x1b[31mred\n::error::no"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    """A stack that has never run, with all kinds; what the Pulumi CLI says of it is asked for once."""
    sizes = {"workspaces": 6, "templates": 2, "users": 4, "organizations": 2, "prebuilds": 1}
    with laboratory(tmp_path_factory.mktemp("listing"), cli, flavour="newest", **sizes) as lab:
        coder = lab.coder
        coder.create_template("left-out")
        coder.create_workspace(template="left-out", name="hidden")
        coder.fail(min(coder.workspace_ids()))
        coder.set_user(coder.create_user("evil", roles=("auditor", "user-admin")), name=EVIL)
        coder.create_user("weak")
        lab.stack.configure({"kinds": "all", "excludeTemplates": ["left-out"]})
        settings, memory = lab.stack.settings(), lab.stack.memory()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lab.stack, "settings", lambda: settings)
            patch.setattr(lab.stack, "memory", lambda: memory)
            patch.setattr(views, "existing", lambda name: lab.stack)
            yield lab


@pytest.fixture(scope="module")
def catalog(lab: Lab) -> Catalog:
    return catalog_of(lab.stack, None)


def ls(lab: Lab, *words: str) -> Result:
    return CliRunner().invoke(app, ["ls", *words, "--stack", "lab"])


def titles(catalog: Catalog, kind: Any, *where: str, older: tuple[str, ...] = ()) -> list[str]:
    tests = Query(where, older).tests(kind, catalog.blueprint(kind), catalog.titles, NOW)
    return [each.title for each in catalog.entities[kind.name] if all(fits(each) for fits in tests)]


def test_it_lists_what_a_run_would_write_and_asks_port_for_nothing(lab: Lab) -> None:
    before = lab.port.log.total
    found = json.loads(ls(lab, "workspace", "--json").stdout)
    assert lab.port.log.total == before
    hidden = {each for each in lab.coder.workspace_ids() if lab.coder.workspace(each).name == "hidden"}
    assert {each["identifier"] for each in found["entities"]} == lab.coder.workspace_ids() - hidden
    for entity in found["entities"]:
        row = lab.coder.workspace(entity["identifier"])
        assert entity["title"] == f"{lab.coder.user(row.owner_id).username}/{row.name}"
        assert entity["relations"]["template_id"] == row.template_id
        assert entity["properties"]["managed_by"] == lab.mark()
    # those of the left-out template and the prebuilt one
    assert (found["of"], found["left_out"]) == (len(found["entities"]), 2)


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.words[0])
def test_each_kind_is_listed_with_columns_that_it_has(lab: Lab, catalog: Catalog, kind: Any) -> None:
    assert set(kind.columns) <= set(names_of(kind.blueprint)) and kind.columns
    shown = ls(lab, kind.words[1]).stdout.splitlines()
    assert shown[0].split() == ["title", *kind.columns]
    assert len(shown) == 1 + len(catalog.entities[kind.name]) > 1
    assert [each.startswith(one.title) for each, one in zip(shown[1:], catalog.entities[kind.name], strict=True)]


def test_without_a_kind_it_counts_those_that_are_on(lab: Lab, catalog: Catalog) -> None:
    found = json.loads(ls(lab, "--json").stdout)
    assert {each["blueprint"]: each["count"] for each in found["kinds"]} == {
        name: len(entities) for name, entities in catalog.entities.items()
    }
    assert found["off"] == [] and found["whole"] is True
    rows = {each.split()[0]: each.split()[2:] for each in ls(lab).stdout.splitlines()[1:]}
    assert rows["workspace"] == [str(len(catalog.entities[WORKSPACE.name])), "2"]


def test_what_it_says_for_machines_is_as_the_schema_says(lab: Lab) -> None:
    assert LISTING.read_text(encoding="utf-8") == text(LISTING), "run scripts/write_schema.py"
    for words in (["user", "--json"], ["--json"]):
        told = json.loads(ls(lab, *words).stdout)
        jsonschema.validate(told, schema(LISTING), jsonschema.Draft202012Validator)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**told, "format": 2}, schema(LISTING), jsonschema.Draft202012Validator)


def test_conditions_choose_by_the_values_of_any_property(catalog: Catalog) -> None:
    every = titles(catalog, WORKSPACE)
    failed = titles(catalog, WORKSPACE, "status=failed")
    assert len(failed) == 1 and sorted([*failed, *titles(catalog, WORKSPACE, "status!=failed")]) == sorted(every)
    assert titles(catalog, WORKSPACE, "status=failed", "status=running") == []
    outdated = titles(catalog, WORKSPACE, "outdated=true")
    assert sorted([*outdated, *titles(catalog, WORKSPACE, "outdated=false")]) == sorted(every)
    assert titles(catalog, WORKSPACE, "latest_build_number=3.0") == titles(catalog, WORKSPACE, "latest_build_number=3")
    assert (
        titles(catalog, WORKSPACE, f"title={every[0]}")
        == [every[0]]
        == titles(catalog, WORKSPACE, f"title~={every[0].upper()}")
    )
    assert titles(catalog, USER, "roles=auditor") == ["evil"] == titles(catalog, USER, "roles=user-admin")
    assert "evil" in titles(catalog, USER, "roles!=owner") and "admin" not in titles(catalog, USER, "roles!=owner")
    assert titles(catalog, USER, "name~==") == []  # a value may begin with a sign


def test_a_value_that_is_empty_asks_for_what_has_none(catalog: Catalog) -> None:
    nobody = titles(catalog, USER, "roles=")
    assert nobody and sorted([*nobody, *titles(catalog, USER, "roles!=")]) == sorted(titles(catalog, USER))


def test_a_relation_is_chosen_by_the_title_or_the_identifier_of_what_it_leads_to(catalog: Catalog) -> None:
    template = catalog.entities[TEMPLATE.name][0]
    assert titles(catalog, WORKSPACE, f"template_id={template.title}") == titles(
        catalog, WORKSPACE, f"template_id={template.identifier}"
    )
    assert titles(catalog, GROUP, "users=evil") == ["Everyone"]  # one of several


def test_a_time_is_older_than_a_span_and_no_time_is_not(catalog: Catalog) -> None:
    every = titles(catalog, WORKSPACE)
    assert titles(catalog, WORKSPACE, older=("last_used_at=3650d",)) == []
    old = titles(catalog, WORKSPACE, older=("last_used_at=30d",))
    assert set(old) < set(every) and old  # the seeded ones, and not the one that was built a moment ago
    assert titles(catalog, WORKSPACE, "dormant_at=", older=("dormant_at=0",)) == []


def test_a_time_is_chosen_as_lists_show_it_or_exactly(catalog: Catalog) -> None:
    entity = min(catalog.entities[WORKSPACE.name], key=lambda each: str(each.properties["last_used_at"]))
    exact = str(entity.properties["last_used_at"])
    shown = str(cell(exact))
    assert entity.title in titles(catalog, WORKSPACE, f"last_used_at={shown}")
    assert entity.title in titles(catalog, WORKSPACE, f"last_used_at={exact}")
    assert entity.title in titles(catalog, WORKSPACE, f"last_used_at={shown[:10]}")
    assert entity.title in titles(catalog, WORKSPACE, f"last_used_at~={shown[5:13]}")
    assert entity.title not in titles(catalog, WORKSPACE, f"last_used_at!={shown}")
    assert entity.title not in titles(catalog, WORKSPACE, "last_used_at=2001-01-01 00:00")
    assert titles(catalog, WORKSPACE, "dormant_at=") == titles(catalog, WORKSPACE)


def test_blanks_around_a_name_and_a_value_do_not_count(catalog: Catalog) -> None:
    assert titles(catalog, WORKSPACE, " status = failed ") == titles(catalog, WORKSPACE, "status=failed") != []
    assert titles(catalog, WORKSPACE, " last_used_at != 2001-01-01 ") == titles(catalog, WORKSPACE)
    assert titles(catalog, USER, "name ~= red ") == titles(catalog, USER, "name~=red") != []


def test_a_kind_is_called_by_one_or_several_of_it_or_as_port_calls_it_everywhere() -> None:
    for kind in KINDS:
        for word in (*kind.words, kind.name, f" {kind.name.upper()} "):
            assert kind_named(word) is kind
            assert kind in kinds_of([word])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "A name that is empty is no kind of objects (known: agents"),
        (["workspace", "--where", "last_used_at=soon"], "--where last_used_at: soon is no time, such as 2026-11-27"),
        (["workspace", "--where", "last_used_at!=2025-13-01"], "--where last_used_at: 2025-13-01 is no time"),
        (["workspace", "--where", "last_used_at=2025-9-1"], "--where last_used_at: 2025-9-1 is no time"),
        (["workspace", "--where", "ttl_ms=nan"], "--where ttl_ms: nan is no number"),
        (["workspace", "--where", "ttl_ms=Infinity"], "--where ttl_ms: Infinity is no number"),
        (["workspace", "--where", "ttl_ms=1_000"], "--where ttl_ms: 1_000 is no number"),
        (["usr"], "usr is no kind of objects (known: agents, failures, groups, "),
        (["usr"], "did you mean users?"),
        (["user", "--where", "staus=active"], "staus is no property of a user (known: "),
        (["user", "--where", "staus=active"], "did you mean status?"),
        (["user", "--where", "status"], "--where status is no condition: PROPERTY=VALUE"),
        (["user", "--where", "=x"], "A name that is empty is no property of a user"),
        (["user", "--columns", "title,emial"], "emial is no property of a user"),
        (["workspace", "--where", "outdated=yes"], "--where outdated: yes is neither true nor false"),
        (["workspace", "--where", "daily_cost=much"], "--where daily_cost: much is no number"),
        (["workspace", "--older", "status=3d"], "status is no time of a workspace"),
        (["workspace", "--older", "last_used_at=soon"], "--older last_used_at: soon is no span of time"),
        (["template", "--where", "active_users=3"], "active_users is no property of a template"),  # Port computes it
    ],
)
def test_what_cannot_be_asked_is_told_before_coder_is(lab: Lab, words: list[str], said: str) -> None:
    before = lab.coder.log.total
    result = ls(lab, *words)
    assert isinstance(result.exception, SettingsError) and result.exception.exit_code == 2
    assert said in str(result.exception)
    assert lab.coder.log.total == before


@pytest.mark.parametrize(
    "words", [["--where", "a=b"], ["--columns", "title"], ["user", "--columns", "title", "--json"]]
)
def test_options_that_do_not_go_together_are_a_usage_error(lab: Lab, words: list[str]) -> None:
    assert ls(lab, *words).exit_code == 2


def test_a_kind_that_is_off_is_told_with_what_brings_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = lab.stack.settings().model_copy(update={"kinds": "default"})
    monkeypatch.setattr(lab.stack, "settings", lambda: settings)
    error = ls(lab, "user").exception
    assert isinstance(error, SettingsError) and "config set --stack lab coderport:kinds all" in str(error)
    found = ls(lab)
    assert [each.split()[0] for each in found.stdout.splitlines()] == ["kind", "template", "workspace"]
    assert "Not asked for by coderport:kinds: organization, " in found.stderr
    assert "owner" not in json.loads(ls(lab, "workspace", "--json").stdout)["entities"][0]["relations"]


def test_a_kind_that_coder_does_not_show_is_a_failure_and_no_empty_list(lab: Lab) -> None:
    lab.coder.set_licensed(False)
    try:
        error = ls(lab, "group").exception
        assert isinstance(error, CoderportError) and error.exit_code == 1
        assert str(error) == "Groups were not read: Coder says: Template RBAC is a Premium feature. Contact sales."
        result = ls(lab, "--json")
        (group,) = (each for each in json.loads(result.stdout)["kinds"] if each["kind"] == "group")
        assert (group["count"], result.exit_code) == (None, 0) and "Premium" in group["skipped"]
        assert str(error) in result.stderr
    finally:
        lab.coder.set_licensed(True)


def test_what_coder_fails_at_is_no_answer_to_rely_on(lab: Lab) -> None:
    lab.coder.faults.add(kind="status", path="/licenses", status=400, body={"message": "boom"})
    try:
        result = ls(lab, "--json")
        told = json.loads(result.stdout)
        (licence,) = (each for each in told["kinds"] if each["kind"] == "licence")
        assert (result.exit_code, told["whole"], licence["count"]) == (1, False, None)
        assert "Licences were not read: Coder at " in result.stderr and "400: boom" in result.stderr
        assert all(each["count"] is not None for each in told["kinds"] if each is not licence)
        error = ls(lab, "licence").exception
        assert isinstance(error, CoderportError) and "400: boom" in str(error)
        assert ls(lab, "workspace").exit_code == 0, "it does not lead there"
    finally:
        lab.coder.faults.clear()


def test_a_list_that_lacks_something_says_so_and_fails(lab: Lab) -> None:
    lab.coder.set_count_off(2)
    try:
        result = ls(lab, "workspace", "--json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["whole"]) == (1, False)
        assert "The read was not whole: Coder counts " in result.stderr
        assert told["warnings"] and told["entities"]
    finally:
        lab.coder.clear_list_faults()
    assert ls(lab, "workspace").exit_code == 0


def test_a_weak_token_is_the_error_of_a_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    token = type(lab.stack.settings().coder_session_token)(lab.coder.create_token(user="weak"))
    settings = lab.stack.settings().model_copy(update={"coder_session_token": token})
    monkeypatch.setattr(lab.stack, "settings", lambda: settings)
    error = ls(lab, "workspace").exception
    assert isinstance(error, CoderportError) and error.exit_code == 1 and "does not see all" in str(error)


def test_another_coder_is_refused_as_by_a_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = replace(lab.stack.memory(), deployment="another")
    monkeypatch.setattr(lab.stack, "memory", lambda: memory)
    error = ls(lab, "workspace").exception
    assert isinstance(error, Refusal) and "belongs to another" in str(error)


def test_what_coder_says_cannot_move_the_terminal(lab: Lab) -> None:
    shown = ls(lab, "user", "--where", "title=evil", "--columns", "name,title").stdout
    assert shown.splitlines()[1:] == ["a\\x1b[31mred\\n::error::no  evil"]
    told = ls(lab, "user", "--where", "title=evil", "--json").stdout
    assert "\x1b" not in told and json.loads(told)["entities"][0]["properties"]["name"] == EVIL


def test_a_cell_is_short_and_in_one_line() -> None:
    assert [cell(None), cell([]), cell(True), cell(1234), cell(["b", "a"])] == ["-", "-", "true", 1234, "b, a"]
    assert cell("2026-11-27T09:30:12.5Z") == "2026-11-27 09:30"
    assert cell("x" * 3000) == f"{'x' * 119}…" and cell("two\nlines") == "two\\nlines"


def test_a_row_is_one_line_where_no_terminal_folds_it() -> None:
    out = StringIO()
    show_list(("title", "n"), [("é" * 200, 12345), ("b", 6)], Screen(file=out, width=40))
    assert out.getvalue().splitlines() == [f"{'title':<200}  n", f"{'é' * 200}  12345", f"{'b':<200}  6"]
    out = StringIO()
    show_list(("title", "n"), [("é" * 50, 12345)], Screen(file=out, width=40, force_terminal=True))
    assert "n: 12,345" in out.getvalue()


def test_the_shell_completes_kinds() -> None:
    assert views._complete_kind("pro") == ["proxy", "provisioner"]
    assert all(kind_named(each) for each in views._complete_kind(""))
