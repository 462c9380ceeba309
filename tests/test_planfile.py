"""A plan as a file: what is in it, and when a run would do something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from coderport.commands import consent
from coderport.commands.consent import keep_to
from coderport.errors import SettingsError
from coderport.planning.planfile import PlanFile, kept_to, loaded, planned, stamp_of
from coderport.report.change import Change

FILE = Path("looked at.json")
CREATED = Change("created", "workspace", "anna/dev", identifier="w1")
UPDATED = Change("updated", "workspace", "bob/dev", ("name",), "w2", {"name": ("old", "new")})
DELETED = Change("deleted", "workspace", "eve/dev", (), "w3", why="deleted in Coder")
CHANGES = {"entity::w1": CREATED, "entity::w2": UPDATED, "entity::w3": DELETED}
SECRET = "s3cret-of-somebody"


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


def test_a_refusal_says_how_to_make_the_plan_anew_with_its_releases() -> None:
    text = kept_to(plan(CHANGES, allow_deletions=12), FILE, {}, {}).text()
    assert "3 changes of the plan that are not to be made any more:" in text
    assert text.splitlines()[-1] == (
        "  python -m coderport preview --stack prod --all --out 'looked at.json' --allow-deletions 12"
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
