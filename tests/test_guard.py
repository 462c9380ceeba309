"""The guard over deletions and identity: refusals, their texts, and each release."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from catalog_samples import CONTEXT, STACK, held, holding, numbered, template, unhurried, workspace
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.entities import template_entity, workspace_entity
from coderport.catalog.values import LeftOut
from coderport.guard import Evidence, Verdict, deletions, identity, together
from coderport.port.models import PortEntity

TEMPLATES, WORKSPACES = "coder_template", "coder_workspace"
PortHolds = Mapping[str, Mapping[str, PortEntity]]


def ids(numbers: Collection[int]) -> frozenset[str]:
    return frozenset(numbered(number) for number in numbers)


def in_port(*workspaces: int, templates: Collection[int] = (), **properties: Any) -> PortHolds:
    """What Port holds of this stack: workspaces alice/ws<n> and templates t<n>."""
    entities = [workspace_entity(workspace(id=numbered(n), name=f"ws{n:03}"), CONTEXT, ()) for n in workspaces]
    entities += [
        template_entity(template(id=numbered(n), name=f"t{n:03}", display_name=""), CONTEXT) for n in templates
    ]
    return holding(*(held(entity, **properties) for entity in entities))


def situation(
    *,
    before: Collection[int] = (),
    now: Collection[int] = (),
    gone: Collection[int] = (),
    left_out: Mapping[int, LeftOut] | None = None,
    port: PortHolds | None = None,
    **fields: Any,
) -> Evidence:
    """Workspaces only: `before` were declared and are in Port, `now` are desired."""
    out = {numbered(number): reason for number, reason in (left_out or {}).items()}
    values: dict[str, Any] = {
        "desired": {TEMPLATES: frozenset(), WORKSPACES: ids(now)},
        "declared_before": {WORKSPACES: ids(before)},
        "first_run": False,
        "held": in_port(*before) if port is None else port,
        "managed_by": STACK,
        "gone": ids(gone),
        "left_out": out,
        "seen": {TEMPLATES: 0, WORKSPACES: len(now) + len(out)},
        **fields,
    }
    return Evidence(**values)


def test_nothing_disappears_nothing_is_said() -> None:
    verdict = deletions(situation(before=range(5), now=range(8)))
    assert not verdict.refused
    assert verdict.text() == ""
    assert verdict.ids(WORKSPACES) == frozenset()


@pytest.mark.parametrize(
    ("known", "gone", "refused"), [(12, 10, False), (12, 11, True), (100, 20, False), (100, 21, True)]
)
def test_up_to_ten_or_a_fifth_may_go_if_proven(known: int, gone: int, refused: bool) -> None:
    verdict = deletions(situation(before=range(known), now=range(gone, known), gone=range(gone)))
    assert verdict.refused is refused
    assert verdict.ids(WORKSPACES) == (frozenset() if refused else ids(range(gone)))


def test_what_the_settings_leave_out_counts_like_what_is_gone() -> None:
    out = dict.fromkeys(range(6), LeftOut.TEMPLATE)
    assert not deletions(situation(before=range(16), now=range(10, 16), gone=range(6, 10), left_out=out)).refused
    assert deletions(situation(before=range(16), now=range(11, 16), gone=range(6, 11), left_out=out)).refused


def test_the_limit_counts_templates_and_workspaces_apart_and_the_release_all_together() -> None:
    evidence = situation(
        before=range(40),
        now=range(12, 40),
        gone=[*range(12), *range(100, 103)],
        declared_before={WORKSPACES: ids(range(40)), TEMPLATES: ids(range(100, 110))},
        desired={WORKSPACES: ids(range(12, 40)), TEMPLATES: ids(range(103, 110))},
        seen={TEMPLATES: 7, WORKSPACES: 28},
    )
    assert deletions(evidence, allow_deletions=14).refused
    verdict = deletions(evidence, allow_deletions=15)
    assert not verdict.refused
    assert verdict.ids(TEMPLATES) == ids(range(100, 103))


def test_one_unproven_is_refused_and_released_by_its_own_number_only() -> None:
    evidence = situation(before=range(100), now=range(1, 100))
    assert deletions(evidence).refused
    assert deletions(evidence, allow_deletions=1000).refused
    verdict = deletions(evidence, forget_unproven=1)
    assert not verdict.refused
    assert verdict.ids(WORKSPACES) == ids([0])


def test_a_release_for_the_unproven_releases_no_proven_ones() -> None:
    evidence = situation(before=range(30), now=range(12, 30), gone=range(11))
    assert deletions(evidence, forget_unproven=1000).refused
    assert deletions(evidence, allow_deletions=11).refused
    assert not deletions(evidence, allow_deletions=11, forget_unproven=1).refused


def test_the_text_of_a_refusal() -> None:
    out = {**dict.fromkeys(range(3, 5), LeftOut.ORGANIZATION), 5: LeftOut.PREBUILD, 6: LeftOut.TEMPLATE}
    evidence = situation(
        before=range(30),
        now=range(16, 30),
        gone=range(7, 16),
        left_out=out,
        port=in_port(*range(1, 30), templates=[200]),
        weakness="The token may not open dormant workspaces.",
        seen={TEMPLATES: 0, WORKSPACES: 18},
    )
    assert deletions(evidence).text().splitlines() == [
        "This run would delete more than a run may by itself, and entities whose objects may still exist.",
        "templates: 1 of 1 would go (10 may without a release)",
        "  Coder showed no templates at all.",
        "  1 not shown by Coder, which does not say either that they were deleted: t200",
        "workspaces: 16 of 30 would go (10 may without a release)",
        "  9 deleted in Coder: alice/ws007, alice/ws008, alice/ws009, alice/ws010, alice/ws011 and 4 more",
        "  2 alive in Coder, outside of the organizations in scope: alice/ws003, alice/ws004",
        "  1 alive in Coder, left out by the template settings: alice/ws006",
        "  1 alive in Coder, an unclaimed prebuilt workspace: alice/ws005",
        "  3 not shown by Coder, which does not say either that they were deleted: "
        f"{numbered(0)}, alice/ws001, alice/ws002",
        "The token may not open dormant workspaces.",
        "If that is right, allow it for one run:",
        "  --allow-deletions 13   (or CODERPORT_ALLOW_DELETIONS=13)",
        "  --forget-unproven 4   (or CODERPORT_FORGET_UNPROVEN=4)",
    ]


def test_a_weak_token_is_not_blamed_for_what_is_proven() -> None:
    evidence = situation(before=range(20), now=range(11, 20), gone=range(11), weakness="The token is weak.")
    assert "weak" not in deletions(evidence).text()


def test_an_empty_read_deletes_only_what_coder_says_was_deleted() -> None:
    assert not deletions(situation(before=range(3), gone=range(3))).refused
    refusal = deletions(situation(before=range(3), gone=range(2)))
    assert refusal.refused
    assert "Coder showed no workspaces at all." in refusal.text()


def test_without_memory_of_the_last_run_everything_is_refused_but_a_first_run() -> None:
    evidence = situation(before=range(3), now=range(3), declared_before=None)
    refusal = deletions(evidence, allow_deletions=99, forget_unproven=99)
    assert refusal.refused
    assert refusal.ids(WORKSPACES) == frozenset()
    assert "cannot be read" in refusal.text()
    assert not deletions(replace(evidence, first_run=True)).refused


def test_what_only_the_state_knows_counts() -> None:
    assert deletions(situation(before=[1], port={})).refused


def test_what_only_port_knows_of_this_stack_counts() -> None:
    lost_state = situation(port=in_port(1), declared_before=None, first_run=True)
    assert deletions(lost_state).refused
    assert deletions(replace(lost_state, gone=ids([1]))).ids(WORKSPACES) == ids([1])


def test_what_others_hold_in_port_is_never_a_candidate() -> None:
    others = in_port(1, managed_by="coderport/prod")
    assert deletions(situation(port=others)).ids(WORKSPACES) == frozenset()
    unmarked = in_port(1, managed_by=None)
    assert deletions(situation(port=unmarked)).ids(WORKSPACES) == frozenset()


def test_what_another_stack_took_over_is_left_to_it() -> None:
    verdict = deletions(situation(before=[1, 2], gone=[1, 2], port=in_port(1, managed_by="coderport/prod")))
    assert not verdict.refused
    assert verdict.ids(WORKSPACES) == ids([2])
    assert verdict.kinds is not None
    assert verdict.kinds[WORKSPACES].handed_over == ids([1])


def test_an_emptied_mark_does_not_hide_a_disappearance() -> None:
    evidence = situation(before=[1], port=in_port(1, managed_by=None))
    assert deletions(evidence).refused
    assert deletions(replace(evidence, gone=ids([1]))).ids(WORKSPACES) == ids([1])


@dataclass(frozen=True)
class Fleet:
    """What is really so in Coder, and what a run knows and was told of it, for any number of objects."""

    evidence: Evidence
    exists_unseen: frozenset[str]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Each object is in some of state, Port, and the read; Coder says `gone` only of what was deleted."""
    size = draw(st.integers(0, 40))
    states = draw(
        st.lists(
            st.sampled_from(["desired", "gone", "template", "organization", "unseen", "hidden", "foreign"]),
            min_size=size,
            max_size=size,
        )
    )
    known = draw(st.lists(st.sampled_from(["state", "port", "both"]), min_size=size, max_size=size))
    kinds = draw(st.lists(st.sampled_from([TEMPLATES, WORKSPACES]), min_size=size, max_size=size))
    by_state: dict[str, dict[str, set[int]]] = {}
    before: dict[str, frozenset[str]] = {TEMPLATES: frozenset(), WORKSPACES: frozenset()}
    ports: dict[str, dict[str, PortEntity]] = {TEMPLATES: {}, WORKSPACES: {}}
    for number, (state, where, kind) in enumerate(zip(states, known, kinds, strict=True)):
        by_state.setdefault(state, {}).setdefault(kind, set()).add(number)
        if where != "port":
            before[kind] |= ids([number])
        if where != "state" or state == "foreign":
            owner = "other/stack" if state == "foreign" else STACK
            chosen = {"templates": [number]} if kind == TEMPLATES else {}
            numbers = [] if kind == TEMPLATES else [number]
            ports[kind] |= in_port(*numbers, managed_by=owner, **chosen)[kind]

    def these(state: str) -> frozenset[str]:
        return ids([number for numbers in by_state.get(state, {}).values() for number in numbers])

    evidence = Evidence(
        desired={kind: ids(by_state.get("desired", {}).get(kind, ())) for kind in (TEMPLATES, WORKSPACES)},
        declared_before=before,
        first_run=False,
        held=ports,
        managed_by=STACK,
        gone=these("gone"),
        left_out={
            **dict.fromkeys(these("template"), LeftOut.TEMPLATE),
            **dict.fromkeys(these("organization"), LeftOut.ORGANIZATION),
        },
        seen={
            kind: sum(len(by_state.get(state, {}).get(kind, ())) for state in ("desired", "template", "organization"))
            for kind in (TEMPLATES, WORKSPACES)
        },
    )
    return Fleet(evidence, these("unseen") | these("hidden"))


releases = st.integers(0, 50)


def permitted(verdict: Any) -> frozenset[str]:
    return frozenset(verdict.ids(TEMPLATES) | verdict.ids(WORKSPACES))


@unhurried
@given(fleets(), releases)
def test_nothing_unproven_goes_without_its_release(fleet: Fleet, allowed: int) -> None:
    verdict = deletions(fleet.evidence, allow_deletions=allowed)
    accounted = fleet.evidence.gone | fleet.evidence.left_out.keys()
    assert permitted(verdict) <= accounted
    assert not permitted(verdict) & fleet.exists_unseen


@unhurried
@given(fleets(), releases, releases)
def test_only_what_this_stack_had_and_does_not_want_may_go(fleet: Fleet, allowed: int, forgotten: int) -> None:
    verdict = deletions(fleet.evidence, allow_deletions=allowed, forget_unproven=forgotten)
    assert fleet.evidence.declared_before is not None
    for kind in (TEMPLATES, WORKSPACES):
        port = fleet.evidence.held[kind]
        mine = {key for key, each in port.items() if each.properties["managed_by"] == STACK}
        had = fleet.evidence.declared_before[kind] | mine
        assert verdict.ids(kind) <= had - fleet.evidence.desired[kind] - (port.keys() - mine)


@unhurried
@given(fleets())
def test_more_than_the_limit_goes_only_with_the_release(fleet: Fleet) -> None:
    verdict = deletions(fleet.evidence, forget_unproven=1000)
    assert verdict.kinds is not None
    over = [kind for kind in verdict.kinds.values() if kind.accounted > max(10, 0.2 * kind.ours)]
    assert verdict.refused is bool(over)


@unhurried
@given(fleets())
def test_the_number_printed_is_exactly_sufficient(fleet: Fleet) -> None:
    refusal = deletions(fleet.evidence)
    printed = {name: int(number) for name, number in re.findall(r"--(\S+) (\d+)", refusal.text())}
    given_numbers = {
        "allow_deletions": printed.get("allow-deletions", 0),
        "forget_unproven": printed.get("forget-unproven", 0),
    }
    assert refusal.refused is any(given_numbers.values())
    assert not deletions(fleet.evidence, **given_numbers).refused
    for name, number in given_numbers.items():
        if number:
            assert deletions(fleet.evidence, **{**given_numbers, name: number - 1}).refused
            assert not deletions(fleet.evidence, **{**given_numbers, name: number + 7}).refused


@unhurried
@given(fleets(), st.randoms(use_true_random=False))
def test_the_verdict_does_not_depend_on_the_order_of_anything(fleet: Fleet, shuffler: random.Random) -> None:
    def shuffled(mapping: Mapping[str, Any]) -> dict[str, Any]:
        items = list(mapping.items())
        shuffler.shuffle(items)
        return dict(items)

    evidence = fleet.evidence
    again = replace(
        evidence,
        desired=shuffled(evidence.desired),
        declared_before=shuffled(evidence.declared_before or {}),
        held=shuffled({kind: shuffled(port) for kind, port in evidence.held.items()}),
        left_out=shuffled(evidence.left_out),
        seen=shuffled(evidence.seen),
    )
    assert deletions(again) == deletions(evidence)
    assert deletions(again).text() == deletions(evidence).text()


def test_a_stack_stays_with_its_coder_and_its_port() -> None:
    assert not identity("a", "p", deployment_before=None, port_organization_before=None).refused
    assert not identity("a", "p", deployment_before="a", port_organization_before="p").refused


@pytest.mark.parametrize(
    ("now", "what", "key"),
    [
        (("b", "p"), "another Coder deployment", "coderport:coderApiBaseUrl"),
        (("a", "q"), "another Port organization", "coderport:portClientId"),
    ],
)
def test_another_coder_or_port_is_refused_with_both_named(now: tuple[str, str], what: str, key: str) -> None:
    verdict = identity(*now, deployment_before="a", port_organization_before="p")
    assert verdict.refused
    assert len(verdict.reasons) == 1
    assert what in verdict.text() and key in verdict.text()
    assert re.search(r"until now  [ap]\n  this run   [bq]\n", verdict.text())


def test_both_at_once_are_both_named() -> None:
    assert len(identity("b", "q", deployment_before="a", port_organization_before="p").reasons) == 2


def test_verdicts_add_up() -> None:
    assert not together(Verdict(), Verdict()).refused
    both = together(Verdict(("one",)), Verdict(), Verdict(("two",)))
    assert both.text() == "one\n\ntwo"
