"""Whether answers of ours may replace what Port has, and whether those of this stack may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from test_plan_actions import stack

from coderport.catalog.answers.declared import declared
from coderport.catalog.answers.pages import MINE
from coderport.catalog.answers.values import Part
from coderport.catalog.values import LeftOut, Ref
from coderport.guard.definitions import Claim, answers_verdict
from coderport.guard.deletions import ANSWER, DeletionVerdict, Evidence, deletions_verdict
from coderport.guard.ownership import Mark, Owner
from coderport.guard.verdict import Verdict
from coderport.planning.answers import declared_parts
from coderport.planning.memory import Memory, recalled

Json = dict[str, Any]
ALL = declared(get_args(Part), {"1": "one"}, 10)
KEYS = frozenset(each.key for each in ALL)
T = "coder_template"


def live() -> dict[str, Json]:
    return {each.key: dict(each.body) for each in ALL}


def verdict(there: Mapping[str, Json], memory: Memory | None = None, **more: Any) -> Verdict:
    """On a Port that has these answers by key."""
    blueprints = {T: {"aggregationProperties": there.get(f"aggregations/{T}", {})}}
    claim = Claim((memory or Memory()).answers, stack(**more).take_over, "prod")
    return answers_verdict(ALL, blueprints, there, claim)


def test_what_is_not_there_or_means_the_same_becomes_ours() -> None:
    assert not verdict({}).refused
    assert not verdict(live()).refused


@pytest.mark.parametrize("key", sorted(KEYS))
def test_what_somebody_else_made_has_to_be_taken_over(key: str) -> None:
    there = live()
    member = "workspaces" if key.startswith("aggregations") else "title"
    there[key][member] = {"title": "Theirs"} if key.startswith("aggregations") else "Theirs"
    refused = verdict(there)
    assert refused.refused
    assert key.partition("/")[2] in refused.text()
    assert "coderport:takeOver true" in refused.text()
    assert not verdict(there, takeOver=True).refused
    assert not verdict(there, Memory(answers=frozenset({key}))).refused
    assert verdict(there, Memory(answers=KEYS - {key})).refused


def test_aggregations_of_others_and_missing_ones_are_no_conflict() -> None:
    there = live()
    del there[f"aggregations/{T}"]["workspaces"]
    there[f"aggregations/{T}"]["theirs"] = {"title": "Theirs"}
    assert not verdict(there).refused


def test_a_stack_that_uses_blueprints_declares_none() -> None:
    parts = ["pages", "aggregations", "pages"]
    assert declared_parts(stack(answers=parts)) == ("aggregations", "pages")
    assert declared_parts(stack(answers=parts, blueprints="use")) == ()


def going(leaving: frozenset[str], left_out: Mapping[str, LeftOut], **releases: int) -> DeletionVerdict:
    owner = Owner(Mark("p/s", "0" * 8), {}, frozenset(), True, "")
    evidence = Evidence(
        desired={ANSWER: KEYS - leaving},
        owner=owner,
        held={},
        gone=frozenset(),
        left_out={Ref(ANSWER, key): why for key, why in left_out.items()},
        seen={},
        answers=KEYS,
    )
    return deletions_verdict(evidence, **releases)


def test_a_few_that_are_not_asked_for_may_go_and_all_of_them_need_a_release() -> None:
    two = frozenset(sorted(KEYS)[:2])
    assert not going(two, dict.fromkeys(two, LeftOut.ANSWERS)).refused
    refused = going(KEYS, dict.fromkeys(KEYS, LeftOut.ANSWERS))
    assert refused.refused
    assert f"answers: {len(KEYS)} of {len(KEYS)} would go" in refused.text()
    assert not going(KEYS, dict.fromkeys(KEYS, LeftOut.ANSWERS), allow_deletions=len(KEYS)).refused


def test_one_without_a_reason_needs_a_release_of_its_own() -> None:
    one = frozenset({f"page/{MINE}"})
    refused = going(one, {})
    assert refused.refused
    assert "whose organization Coder did not show" in refused.text()
    assert not going(one, {}, forget_unproven=1).refused


def test_the_memory_of_them_survives_the_outputs_and_is_nothing_where_there_are_none() -> None:
    memory = Memory(
        state="0" * 8, stack="p/s", deployment="d", answers=KEYS, digests={Ref(ANSWER, k): b"abcd" for k in KEYS}
    )
    again = recalled(memory.outputs())
    assert again.answers == KEYS
    assert {again.digests[Ref(ANSWER, key)] for key in KEYS} == {b"abcd"}
    assert "answers" not in Memory(deployment="d").outputs()["coderport"]
