"""What a run changed, one by one: in which order, in which words, as JSON and as a page for a browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from coderport.catalog.values import Entity
from coderport.commands.acts import offer, show, write_page
from coderport.commands.drift import Drifted, DriftOutcome
from coderport.commands.drift import rows_of as rows_of_drift
from coderport.errors import CoderportError
from coderport.guard.ownership import MANAGED_BY
from coderport.kinds.all import KIND_OF, KINDS
from coderport.planning.changes import outlook
from coderport.planning.plan import Plan
from coderport.planning.planfile import loaded
from coderport.port.errors import catalog_of
from coderport.report.account import Account, Failure, Read
from coderport.report.change import PERMISSIONS_OF, Change, Operation, ordered, spelled_out, summed_up
from coderport.report.comment import comment
from coderport.report.outcome import Outcome, Tally, failed
from coderport.report.page import page, rows_of
from coderport.settings import Releases
from coderport.stack.result import outcome_of
from coderport.terminal.text import counted

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from write_schema import FILE, schema  # noqa: E402
from write_schema import text as schema_text  # noqa: E402

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
RENAMED = Change(
    "updated",
    "workspace",
    "anna/new",
    ("name", "title"),
    "w1",
    {"$title": ("anna/old", "anna/new"), "name": ("old", "new"), "deadline": (None, 7)},
)
GONE = Change("deleted", "workspace", "bob/dev", (), "w2", why="deleted in Coder")
FORM = Change("updated", "action", "Schedule", ("inputs.ttl",), "schedule", findings=("schedule.inputs.ttl: 1 here",))
HOSTILE = "</article><script>alert(1)</script>\n::error::\x1b[2J\u202e`@all` [x](javascript:1)"


def outcome(*changes: Change, failure: Failure | None = None, held_back: tuple[Change, ...] = ()) -> Outcome:
    tally = Tally(preview=True)
    for each in changes:
        tally.count(each)
    account = Account(read=Read(coder_templates=1, coder_workspaces=2), failure=failure)
    account.changes = {str(number): each for number, each in enumerate(held_back)}
    return outcome_of(tally, account, None, "changes")


def shown(found: Outcome, *, whole: bool) -> str:
    screen, tally = io.StringIO(), Tally(preview=True)
    for each in found.changes:
        tally.count(each)
    show(found, tally, Console(file=screen, width=60, soft_wrap=True), whole=whole)
    return screen.getvalue()


operations: tuple[Operation, ...] = ("created", "adopted", "updated", "deleted", "released")
kinds = ("blueprint", "action", PERMISSIONS_OF, "scorecard", "page", "template", "workspace", "user")
CHANGES = st.lists(
    st.builds(Change, st.sampled_from(operations), st.sampled_from(kinds), st.text(), st.just(()), st.uuids().map(str))
)


@given(CHANGES, st.randoms())
def test_the_same_changes_are_shown_in_the_same_order_whatever_order_they_were_made_in(
    changes: list[Change], chance: object
) -> None:
    again = [*changes]
    chance.shuffle(again)  # type: ignore[attr-defined]
    identifiers = [each.identifier for each in ordered(changes)]
    assert [each.identifier for each in ordered(again)] == identifiers
    assert [*summed_up(again)] == [*summed_up(changes)]
    assert [*spelled_out(again)] == [*spelled_out(changes)]


@given(CHANGES)
def test_every_change_is_spelled_out_once_and_none_breaks_a_line(changes: list[Change]) -> None:
    lines = [*spelled_out(changes)]
    assert sum(operation is not None for operation, _ in lines) == len(changes)
    assert not any("\n" in text or "\x1b" in text for _, text in lines)


def test_many_that_are_changed_alike_are_a_line_and_few_are_one_each() -> None:
    actions = [Change("created", "action", f"A{number:02}") for number in range(14)]
    both = [Change("updated", "workspace", name, ("status",)) for name in ("a", "b")]
    alike = [Change("updated", "workspace", f"w{number}", ("outdated",)) for number in range(2000)]
    assert [text for _, text in summed_up([*alike, *actions, *both])] == [
        "+ 14 actions: A00, A01, A02 and 11 more",
        "~ 2,000 workspaces (outdated): w0, w1, w10 and 1,997 more",
        "~ workspace a (status)",
        "~ workspace b (status)",
    ]


def made_of(**parts: Any) -> Plan:
    """A plan of which Port holds nothing."""
    held = SimpleNamespace(entities={}, blueprints={}, actions={}, answers={})
    empty: dict[str, Any] = dict.fromkeys(("entities", "blueprints", "actions", "answers", "released"), ())
    return cast("Plan", SimpleNamespace(**{**empty, "held": held, "disappearing": {}, **parts}))


def test_what_a_preview_would_create_comes_with_all_that_port_gets() -> None:
    kind = KIND_OF["coder_workspace"]
    properties: dict[str, Any] = {
        "name": "dev",
        "status": "running",
        "ttl_ms": 0,
        "outdated": False,
        "deadline": None,
        MANAGED_BY: "x",
    }
    entity = Entity(kind.name, "w1", "anna/dev", properties, {"template": "t1", "owner_groups": ()})
    plan = made_of(entities=(entity,), blueprints=(kind.blueprint,))
    found_by_kind = {each.kind: each for each in outlook(plan, whole=True).changes.values()}
    workspace, blueprint = found_by_kind["workspace"], found_by_kind["blueprint"]
    assert (workspace.operation, blueprint.operation) == ("created", "created")
    assert workspace.values == {
        "name": (None, "dev"), "status": (None, "running"), "ttl_ms": (None, 0), "outdated": (None, False),
        "template": (None, "t1"),
    }  # fmt: skip
    assert "schema" in blueprint.values and "relations" in blueprint.values
    found = outcome(workspace)
    said = shown(found, whole=True)
    assert "    + anna/dev\n        name: dev\n        status: running\n" in said and "→" not in said
    assert "running" not in shown(found, whole=False)
    assert json.loads(found.model_dump_json())["changes"][0]["values"]["name"] == [None, "dev"]
    assert '<td>status</td><td class="old">-</td><td>running</td>' in page(
        found, rows_of(found.changes), command="preview", stack="dev", now=datetime.now(timezone.utc)
    )
    assert not any(each.values for each in outlook(plan).changes.values()), "another run has no use for them"


def test_one_of_a_kind_is_called_as_one() -> None:
    for kind in KINDS:
        assert counted(1, kind.words[1]) == f"1 {kind.words[0]}" and counted(2000, kind.words[1]).startswith("2,000 ")
    assert counted(1, "entities") == "1 entity"


def test_a_comment_says_what_is_created_without_all_that_it_gets() -> None:
    new = Change("created", "workspace", "anna/dev", (), "w1", {"status": (None, "running")})
    said = comment("prod", 0, outcome(new, RENAMED).model_dump_json(), "")
    assert "+ anna/dev" in said and "running" not in said and "name: old → new" in said


def test_all_shows_old_and_new_and_why_something_goes_below_headings() -> None:
    said = shown(outcome(RENAMED, GONE, FORM), whole=True).splitlines()
    assert said[:11] == [
        "  1 action updated",
        "    ~ Schedule",
        "        schedule.inputs.ttl: 1 here",
        "  1 workspace deleted",
        "    - bob/dev (deleted in Coder)",
        "  1 workspace updated",
        "    ~ anna/new",
        "        title: anna/old → anna/new",
        "        name: old → new",
        "        deadline: - → 7",
        said[10],
    ]


def test_what_was_adopted_is_told_apart_from_what_was_created() -> None:
    found = outcome(Change("adopted", "workspace", "a"), Change("created", "workspace", "b"))
    assert "= workspace a" in shown(found, whole=False) and "+ workspace b" in shown(found, whole=False)
    assert (found.kinds.workspace.adopted, found.kinds.workspace.created) == (1, 1)
    assert "1 workspace adopted" in shown(found, whole=True)


def test_numbers_have_their_thousands_separated() -> None:
    many = outcome(*(Change("created", "workspace", f"w{number}") for number in range(1234)))
    assert "1,234" in shown(many, whole=False).split("workspace ")[-1].splitlines()[0]


def test_a_refusal_tells_apart_what_it_holds_back() -> None:
    found = outcome(failure=Failure(exit_code=3, message="Refused: --allow-deletions 1"), held_back=(GONE, RENAMED))
    assert found.result == "refused" and found.changes == () and found.withheld == (GONE, RENAMED)
    assert "The guard does not permit these" in shown(found, whole=True)
    assert outcome(failure=Failure(exit_code=1, message="x"), held_back=(GONE,)).withheld == ()


def test_the_schema_in_the_docs_is_that_of_the_code_and_of_its_format() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run scripts/write_schema.py"
    assert FILE.name == f"outcome.v{outcome().format}.schema.json"
    assert FILE.name in (ROOT / "README.md").read_text(encoding="utf-8")


DRIFTED = Drifted(drift="changed", kind="workspace", identifier="w1", title="a", values={"name": ("x", None)})


@pytest.mark.parametrize(
    "found",
    [
        outcome(RENAMED, GONE, FORM),
        outcome(failure=Failure(exit_code=3, message="no"), held_back=(GONE,)),
        failed(CoderportError("not there")),
        DriftOutcome(**outcome().model_dump(), exit_code=4, drift=(DRIFTED,)),
    ],
    ids=["changes", "refused", "failed", "drifted"],
)
def test_what_is_written_is_as_the_schema_says(found: Outcome) -> None:
    told = json.loads(found.model_dump_json())
    jsonschema.validate(told, schema(), jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**told, "format": 2}, schema(), jsonschema.Draft202012Validator)


def test_the_changes_in_the_json_have_identifier_old_new_and_reason() -> None:
    told = json.loads(outcome(RENAMED, GONE).model_dump_json())["changes"]
    assert [each["identifier"] for each in told] == ["w2", "w1"]
    assert told[0]["why"] == "deleted in Coder"
    assert told[1]["values"] == {"$title": ["anna/old", "anna/new"], "name": ["old", "new"], "deadline": [None, 7]}


class Seen(HTMLParser):
    """The elements and the texts of a page, as a browser's parser finds them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(*changes: Change, message: str = "") -> str:
    found = outcome(*changes).model_copy(update={"message": message, "warnings": (message,)})
    return page(found, rows_of(found.changes), command="preview", stack="prod", now=NOW)


def test_a_page_has_counts_verdict_and_every_change_old_and_new() -> None:
    seen = Seen(page_of(RENAMED, GONE, FORM))
    texts = [text for several in seen.texts.values() for text in several]
    for text in ("The guard permits these changes.", "anna/old", "anna/new", "deadline", ": deleted in Coder"):
        assert text in texts, text
    assert "schedule.inputs.ttl: 1 here" in texts
    assert [each["data-what"] for each in seen.every("article")] == ["updated", "deleted", "updated"]


def test_a_refused_page_says_so_and_shows_what_is_held_back(tmp_path: Path) -> None:
    found = outcome(failure=Failure(exit_code=3, message="Release: --allow-deletions 1"), held_back=(GONE,))
    write_page(found, "preview", "prod", tmp_path / "a page.html")
    source = (tmp_path / "a page.html").read_text(encoding="utf-8")
    assert "The guard refuses this run" in source and "--allow-deletions 1" in source and "bob/dev" in source


def test_a_page_of_drift_shows_its_rows(tmp_path: Path) -> None:
    found = DriftOutcome(**{**outcome().model_dump(), "result": "drifted"}, exit_code=4, drift=(DRIFTED,))
    write_page(found, "drift", "prod", tmp_path / "drift.html", rows_of_drift(found))
    seen = Seen((tmp_path / "drift.html").read_text(encoding="utf-8"))
    assert [each["data-what"] for each in seen.every("article")] == ["changed"]


def test_no_name_becomes_markup_on_a_page() -> None:
    change = Change("updated", "workspace", HOSTILE, (), HOSTILE, {HOSTILE: (HOSTILE, [HOSTILE])}, (HOSTILE,), HOSTILE)
    plain, hostile = Seen(page_of(RENAMED, GONE, message="x")), Seen(page_of(change, message=HOSTILE))
    assert {tag for tag, _ in hostile.tags} <= {tag for tag, _ in plain.tags}
    assert len(hostile.every("script")) == 1
    assert not set(page_of(change, message=HOSTILE)) & set("\x1b\u202e")
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)


def test_a_page_asks_for_nothing_and_lets_only_its_own_script_and_style_run() -> None:
    source = page_of(RENAMED)
    seen = Seen(source)
    assert not re.search(r"https?:|//\w", source)
    assert all("src" not in attributes and "href" not in attributes for _, attributes in seen.tags)
    assert not any("style" in attributes for _, attributes in seen.tags)
    (policy,) = [str(each["content"]) for each in seen.every("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        (inline,) = re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_without_its_script_a_page_hides_nothing_but_the_filters() -> None:
    hidden = [tag for tag, attributes in Seen(page_of(RENAMED, GONE)).tags if "hidden" in attributes]
    assert hidden == ["form", "input"]


def test_the_comment_has_the_changes_and_leads_to_the_page() -> None:
    found = outcome(RENAMED, GONE).model_dump_json()
    address = "https://github.com/acme/coderport/actions/runs/1/artifacts/2"
    said = comment("prod", 0, found, "", address)
    assert "- workspace bob/dev" in said and "name: old → new" in said and f"]({address})" in said
    assert "page](" not in comment("prod", 0, found, "", "javascript:alert(1)")
    assert "page](" not in comment("prod", 0, found, "", "")


def test_the_comment_has_what_a_refusal_holds_back() -> None:
    found = outcome(failure=Failure(exit_code=3, message="no"), held_back=(GONE,)).model_dump_json()
    said = comment("prod", 3, found, "")
    assert "What the guard holds back" in said and "bob/dev (deleted in Coder)" in said


def test_a_comment_of_very_many_changes_leaves_room_for_others() -> None:
    many = [
        Change("updated", "workspace", f"w{number}", (), str(number), {"name": ("a" * 90, "b")})
        for number in range(3000)
    ]
    said = comment("prod", 0, outcome(*many).model_dump_json(), "")
    assert len(said) < 25_000 and "characters more" in said


def test_a_run_ends_with_the_address_of_ports_catalog() -> None:
    done = outcome().model_copy(update={"result": "converged", "catalog": catalog_of("https://api.us.port.io/v1")})
    assert shown(done, whole=False).splitlines()[-1] == "To see it in Port: https://app.us.port.io/organization/catalog"
    assert catalog_of("https://api.port.io") == "https://app.port.io/organization/catalog"
    assert catalog_of("http://127.0.0.1:9/v1") == ""
    assert "To see it" not in shown(outcome(), whole=False)


def test_a_preview_ends_with_the_command_that_does_it(tmp_path: Path) -> None:
    releases = Releases(allow_deletions=12)
    screen = io.StringIO()
    console = Console(file=screen, width=200)
    offer(outcome(GONE), Account(), "prod", None, console, releases)
    offer(outcome(GONE), Account(), "prod", tmp_path / "a plan.json", console, releases)
    refused = outcome(failure=Failure(exit_code=3, message="no"))
    offer(refused, Account(), "prod", tmp_path / "none.json", console, releases)
    said = screen.getvalue()
    assert "  python -m coderport up --stack prod --allow-deletions 12\n" in said
    assert f"  python -m coderport up --stack prod --plan '{tmp_path}/a plan.json'\n" in said
    assert loaded(tmp_path / "a plan.json").allow_deletions == 12
    assert "No plan was written" in said and not (tmp_path / "none.json").exists()


def test_on_a_narrow_screen_the_counts_stand_below_each_other() -> None:
    screen = io.StringIO()
    show(outcome(RENAMED, GONE), Tally(preview=True), Console(file=screen, width=40, soft_wrap=True))
    assert "workspace\n  created: 0\n  updated: 1\n  deleted: 1\n  unchanged: 0\n" in screen.getvalue()
    assert "…" not in screen.getvalue()
