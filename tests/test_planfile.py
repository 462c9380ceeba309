"""A plan as a file: what is in it, and when a run would do something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import Entity
from coderport.commands import consent
from coderport.commands.consent import keep_to
from coderport.errors import SettingsError
from coderport.kinds.all import KINDS
from coderport.kinds.kind import Kind
from coderport.planning.plan import Plan
from coderport.planning.planfile import PlanFile, kept_to, loaded, planned, stamp_of, stamps_of
from coderport.report.change import Change

FILE = Path("looked at.json")
CREATED = Change("created", "workspace", "anna/dev", identifier="w1")
UPDATED = Change("updated", "workspace", "bob/dev", ("name",), "w2", {"name": ("old", "new")})
DELETED = Change("deleted", "workspace", "eve/dev", (), "w3", why="deleted in Coder")
CHANGES = {"entity::w1": CREATED, "entity::w2": UPDATED, "entity::w3": DELETED}
SECRET = "s3cret-of-somebody"


class _Planned(NamedTuple):
    """As much of a plan as stamps are made of."""

    entities: tuple[Entity, ...]
    blueprints: tuple[()] = ()
    actions: tuple[()] = ()
    answers: tuple[()] = ()


def stamps(changes: dict[str, Change], body: object = "body") -> dict[str, str]:
    return {key: stamp_of(each, body) for key, each in changes.items()}


def plan(changes: dict[str, Change], allow_deletions: int = 0) -> PlanFile:
    return PlanFile(
        stack="coderport/prod",
        made_at=datetime(2026, 11, 27, 12, tzinfo=timezone.utc),
        changes=planned(changes, stamps(changes)),
        allow_deletions=allow_deletions,
    )


def test_what_is_as_it_was_is_permitted_also_after_the_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(plan(CHANGES).model_dump_json(), encoding="utf-8")
    assert not kept_to(loaded(file), file, CHANGES, stamps(CHANGES)).refused


@given(st.sampled_from([*CHANGES]), st.sampled_from(["other held", "other wanted", "other end", "not any more", "new"]))
def test_whatever_is_otherwise_is_refused_and_named(key: str, what: str) -> None:
    was, now = {**CHANGES}, {**CHANGES}
    if what == "other held":
        now[key] = replace(now[key], values={"name": ("by hand", "new")})
    elif what == "other end":
        now[key] = replace(now[key], operation="released")
    elif what == "not any more":
        del now[key]
    elif what == "new":
        del was[key]
    withstamp_ofs = {**stamps(now), **({key: stamp_of(now[key], "other")} if what == "other wanted" else {})}
    verdict = kept_to(plan(was), FILE, now, withstamp_ofs)
    assert verdict.refused and CHANGES[key].title in verdict.text()


VOLATILE = [(kind, key) for kind in KINDS for key in sorted(kind.volatile)]


def test_there_are_properties_that_change_by_themselves() -> None:
    assert {kind.name for kind, _ in VOLATILE} >= {"coder_workspace", "coder_template", "coder_user"}


@pytest.mark.parametrize(("kind", "key"), VOLATILE, ids=lambda each: getattr(each, "name", each))
def test_what_changes_by_itself_is_no_part_of_a_plan(kind: Kind[Any], key: str) -> None:
    """Of what is created or updated it counts for nothing, and alone it is no change of the plan."""

    def seen(moved: str, name: str = "new", *, turn: bool) -> tuple[dict[str, Change], dict[str, str]]:
        mine = Entity(kind.name, "created", "mine", {"name": name, key: moved}, {})
        yours = Entity(kind.name, "updated", "yours", {"name": name, key: moved}, {})
        values = {"name": ("old", name), key: ("0", moved)}
        changes = {
            f"{ENTITY}::{kind.name}-created": Change("created", kind.words[0], "mine"),
            f"{ENTITY}::{kind.name}-updated": Change("updated", kind.words[0], "yours", (), "updated", values),
        }
        if turn:
            only = Change("updated", kind.words[0], "theirs", (key,), "theirs", {key: ("0", moved)})
            changes[f"{ENTITY}::{kind.name}-theirs"] = only
        return changes, stamps_of(cast("Plan", _Planned(entities=(mine, yours))), changes)

    for before, after in ((False, False), (False, True), (True, False), (True, True)):
        looked_at = seen("1", turn=before)
        its = PlanFile(stack="coderport/prod", made_at=datetime.now(timezone.utc), changes=planned(*looked_at))
        assert not kept_to(its, FILE, *seen("2", turn=after)).refused
        otherwise = kept_to(its, FILE, *seen("2", name="other", turn=after)).text()
        assert "2 changes of the plan with other values:" in otherwise and "theirs" not in otherwise


def test_a_refusal_says_how_to_make_the_plan_anew_with_its_releases() -> None:
    text = kept_to(plan(CHANGES, allow_deletions=12), FILE, {}, {}, stack="acme/prod").text()
    assert "3 changes of the plan, no longer to be made:" in text
    assert text.splitlines()[-1] == (
        "  python -m coderport preview --stack acme/prod --all --out 'looked at.json' --allow-deletions 12"
    )


def test_no_value_and_so_no_secret_is_in_the_file() -> None:
    change = replace(UPDATED, values={"name": (SECRET, SECRET)}, findings=(SECRET,))
    text = plan({"entity::w2": change}).model_dump_json()
    assert SECRET not in text and "bob/dev" in text


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[]", "\x00"])
def test_a_file_that_is_no_plan_is_wrong_usage(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"is no plan that this version of coderport can apply"):
        loaded(file)
    with pytest.raises(SettingsError, match=r"cannot be read: No such file"):
        loaded(tmp_path / "nowhere.json")


def test_a_plan_of_another_stack_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(plan(CHANGES).model_dump_json(), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"a plan for the stack coderport/prod, not for coderport/test"):
        keep_to("test", file)


@pytest.mark.parametrize(("terminal", "ci"), [(False, ""), (True, "true"), (False, "true")])
def test_nobody_is_asked_without_a_terminal_or_in_ci(monkeypatch: pytest.MonkeyPatch, terminal: bool, ci: str) -> None:
    monkeypatch.setattr(consent, "is_terminal", lambda: terminal)
    monkeypatch.setenv("CI", ci)
    assert consent.consented("a stack that nobody opens", Console(quiet=True), {}) is None
