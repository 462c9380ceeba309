"""The guard over deletions: refusals, their texts, and each release."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from catalog_samples import CONTEXT, MARK, held, holding, numbered, template, workspace
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.values import LeftOut, Ref
from coderport.guard.allowance import UNTOLD
from coderport.guard.deletions import ACTION, Evidence, deletions_verdict
from coderport.guard.ownership import Mark, Owner, Whose
from coderport.kinds.template import template_entity
from coderport.kinds.workspace import workspace_entity
from coderport.port.models import PortEntity
from coderport.settings import Limits

TEMPLATES, WORKSPACES = "coder_template", "coder_workspace"
PortHolds = Mapping[str, Mapping[str, PortEntity]]


def ids(numbers: Collection[int]) -> frozenset[str]:
    return frozenset(numbered(number) for number in numbers)


def refs(numbers: Collection[int]) -> frozenset[Ref]:
    """Both of these numbers, a template and a workspace."""
    return frozenset(Ref(kind, each) for kind in (TEMPLATES, WORKSPACES) for each in ids(numbers))


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
    record: Mapping[str, frozenset[str]] | None = None,
    remembers: bool = True,
    **fields: Any,
) -> Evidence:
    """Workspaces only: `before` were declared and are in Port, `now` are desired."""
    out = {each: reason for number, reason in (left_out or {}).items() for each in refs([number])}
    values: dict[str, Any] = {
        "desired": {TEMPLATES: frozenset(), WORKSPACES: ids(now)},
        "owner": Owner(
            MARK, {WORKSPACES: ids(before)} if record is None else record, remembers=remembers, called="acme/dev"
        ),
        "held": in_port(*before) if port is None else port,
        "gone": refs(gone),
        "left_out": out,
        "seen": {TEMPLATES: 0, WORKSPACES: len(now) + len(left_out or {})},
        **fields,
    }
    return Evidence(**values)


def renamed(entity: PortEntity, identifier: str) -> PortEntity:
    return replace(entity, identifier=identifier)


def test_nothing_disappears_nothing_is_said() -> None:
    verdict = deletions_verdict(situation(before=range(5), now=range(8)))
    assert not verdict.refused
    assert verdict.text() == ""
    assert verdict.ids(WORKSPACES) == frozenset()


@pytest.mark.parametrize(
    ("known", "gone", "refused"), [(12, 10, False), (12, 11, True), (100, 20, False), (100, 21, True)]
)
def test_up_to_ten_or_a_fifth_may_go_if_proven(known: int, gone: int, refused: bool) -> None:
    verdict = deletions_verdict(situation(before=range(known), now=range(gone, known), gone=range(gone)))
    assert verdict.refused is refused
    assert verdict.ids(WORKSPACES) == (frozenset() if refused else ids(range(gone)))


@pytest.mark.parametrize(
    ("known", "out", "refused"), [(12, 3, False), (12, 4, True), (100, 5, False), (100, 6, True), (4, 3, False)]
)
def test_of_what_lives_in_coder_three_or_a_twentieth_may_go(known: int, out: int, refused: bool) -> None:
    left_out = dict.fromkeys(range(out), LeftOut.TEMPLATE)
    assert (
        deletions_verdict(situation(before=range(known), now=range(out, known), left_out=left_out)).refused is refused
    )


def test_what_is_gone_and_what_is_left_out_are_judged_apart_and_released_together() -> None:
    out = dict.fromkeys(range(3), LeftOut.TEMPLATE)
    assert not deletions_verdict(
        situation(before=range(30), now=range(13, 30), gone=range(3, 13), left_out=out)
    ).refused
    evidence = situation(before=range(30), now=range(14, 30), gone=range(4, 14), left_out={**out, 3: LeftOut.PREBUILD})
    assert deletions_verdict(evidence, allow_deletions=13).refused
    assert not deletions_verdict(evidence, allow_deletions=14).refused


@pytest.mark.parametrize("number", [1, 2, 3])
def test_never_all_of_a_kind_while_some_of_them_live(number: int) -> None:
    out = dict.fromkeys(range(number), LeftOut.TEMPLATE)
    evidence = situation(before=range(number), left_out=out)
    assert "and never all of them" in deletions_verdict(evidence).text()
    assert not deletions_verdict(evidence, allow_deletions=number).refused


def test_what_is_new_does_not_count_for_what_stays() -> None:
    out = dict.fromkeys(range(3), LeftOut.TEMPLATE)
    assert "and never all of them" in deletions_verdict(situation(before=range(3), now=[3, 4], left_out=out)).text()
    assert not deletions_verdict(situation(before=range(4), now=[3], left_out=out)).refused
    actions = {Ref(ACTION, "old"): LeftOut.ACTIONS}
    evidence = replace(situation(), desired={ACTION: frozenset({"new"})}, actions=frozenset({"old"}), left_out=actions)
    assert "actions: 1 of 1 would go" in deletions_verdict(evidence).text()


def test_what_port_has_no_longer_is_no_deletion_but_leaves_the_state() -> None:
    out = {**dict.fromkeys(range(8), LeftOut.KIND), 8: LeftOut.UNREAD}
    verdict = deletions_verdict(situation(before=range(9), left_out=out, port={}))
    assert (verdict.refused, verdict.spent()) == (False, {})
    assert verdict.ids(WORKSPACES) == ids(range(9))
    evidence = situation(before=range(9), left_out=out, port=in_port(0, 1))
    refusal = deletions_verdict(evidence)
    assert "workspaces: 2 of 9 would go" in refusal.text()
    assert not deletions_verdict(evidence, allow_deletions=2).refused


@pytest.mark.parametrize("whose", ["bob/laptop", "", "acme/prod#9c1f00aa"])
def test_what_entities_of_others_point_at_is_not_left_out_without_a_release(whose: str) -> None:
    """Attack 15, H22: Port empties the relations of whatever pointed at an entity that is deleted."""
    port = in_port(0, 1, templates=range(1, 5))
    ours, theirs = sorted(port[WORKSPACES].values(), key=lambda each: each.identifier)
    foreign = replace(
        theirs, relations={"template_id": numbered(1)}, properties={**theirs.properties, "managed_by": whose}
    )
    own = replace(ours, relations={"template_id": numbered(1)})
    record = {TEMPLATES: ids(range(1, 5)), WORKSPACES: ids([0])}
    evidence = situation(
        now=[0],
        left_out={1: LeftOut.TEMPLATE},
        port={TEMPLATES: port[TEMPLATES], WORKSPACES: {own.identifier: own}},
        record=record,
        desired={TEMPLATES: ids(range(2, 5)), WORKSPACES: ids([0])},
    )
    assert not deletions_verdict(evidence).refused, "our own rows are written by the same run"
    beside = replace(evidence, held={**evidence.held, WORKSPACES: {**evidence.held[WORKSPACES], "theirs": foreign}})
    verdict = deletions_verdict(beside)
    assert "1 of these are what entities of others point at, whose relations Port would empty: t001" in verdict.text()
    assert not deletions_verdict(beside, allow_deletions=1).refused


def test_what_went_in_the_last_day_is_taken_off_what_may_go_now() -> None:
    out = dict.fromkeys(range(2), LeftOut.TEMPLATE)
    evidence = situation(before=range(30), now=range(2, 30), left_out=out)
    assert not deletions_verdict(replace(evidence, spent={WORKSPACES: 1})).refused
    refusal = deletions_verdict(replace(evidence, spent={WORKSPACES: 2}))
    assert "(1 alive in Coder may without a release, after 2 in the last day)" in refusal.text()
    assert not deletions_verdict(replace(evidence, spent={TEMPLATES: 2})).refused
    assert not deletions_verdict(
        situation(before=range(30), now=range(10, 30), gone=range(10), spent={WORKSPACES: 99})
    ).refused


def test_where_nobody_knows_what_went_in_the_last_day_nothing_that_lives_may_go() -> None:
    evidence = situation(before=range(30), now=range(1, 30), left_out={0: LeftOut.TEMPLATE}, spent={UNTOLD: 1})
    verdict = deletions_verdict(evidence)
    assert verdict.refused and not deletions_verdict(evidence, allow_deletions=1).refused
    reason = "because this state lost its outputs, and with them what went in the day before"
    assert f"(0 alive in Coder may without a release, {reason})" in verdict.text()
    assert not deletions_verdict(situation(before=range(30), now=range(1, 30), gone=[0], spent={UNTOLD: 1})).refused


def test_only_what_lives_in_coder_and_went_without_a_release_is_counted_for_the_day() -> None:
    out = dict.fromkeys(range(2), LeftOut.TEMPLATE)
    assert deletions_verdict(situation(before=range(30), now=range(9, 30), gone=range(2, 9), left_out=out)).spent() == {
        WORKSPACES: 2
    }
    all_of_them = situation(before=range(2), left_out=out)
    assert deletions_verdict(all_of_them).spent() == {}
    assert deletions_verdict(all_of_them, allow_deletions=2).spent() == {}


def test_the_limits_are_those_of_the_settings() -> None:
    evidence = situation(before=range(30), now=range(6, 30), gone=range(6))
    tight = Limits.model_validate({"deleted": 2, "deletedPercent": 10, "leftOut": 0, "leftOutPercent": 0})
    assert not deletions_verdict(evidence).refused
    assert deletions_verdict(replace(evidence, limits=tight)).refused
    assert not deletions_verdict(replace(evidence, limits=tight.model_copy(update={"deleted_percent": 20}))).refused
    one_out = situation(before=range(30), now=range(1, 30), left_out={0: LeftOut.TEMPLATE})
    assert deletions_verdict(replace(one_out, limits=tight)).refused
    assert not deletions_verdict(replace(one_out, limits=tight.model_copy(update={"left_out_percent": 4}))).refused


def test_the_environment_variable_that_narrows_the_scope_is_named() -> None:
    out = dict.fromkeys(range(9), LeftOut.ORGANIZATION)
    evidence = situation(before=range(30), now=range(9, 30), left_out=out)
    told = replace(evidence, narrowed_by={LeftOut.ORGANIZATION: " (the environment has X=y)"})
    assert (
        "9 alive in Coder, outside of the organizations in scope (the environment has X=y): "
        in deletions_verdict(told).text()
    )


@pytest.mark.parametrize("identifier", ["my-copy", "1", numbered(171).upper(), f"{{{numbered(7)}}}", numbered(7)[:-1]])
def test_a_copy_under_an_impossible_identifier_stays_and_stops_nobody(identifier: str) -> None:
    copied = {each.identifier: each for each in [renamed(in_port(7)[WORKSPACES][numbered(7)], identifier)]}
    verdict = deletions_verdict(situation(before=[1], now=[1], port={WORKSPACES: copied}))
    assert not verdict.refused
    assert verdict.ids(WORKSPACES) == frozenset()
    assert verdict.kinds[WORKSPACES].kept == {identifier: Whose.COPY}


def test_a_copy_under_an_id_of_another_kind_stays_too() -> None:
    record = {TEMPLATES: ids([5]), WORKSPACES: ids([1])}
    evidence = situation(
        now=[1], record=record, desired={TEMPLATES: ids([5]), WORKSPACES: ids([1])}, port=in_port(1, 5)
    )
    verdict = deletions_verdict(replace(evidence, gone=refs([5])))
    assert verdict.ids(WORKSPACES) == frozenset()
    assert verdict.kinds[WORKSPACES].kept == {numbered(5): Whose.COPY}


def test_what_no_record_has_goes_only_with_proof() -> None:
    unknown = situation(before=[1], now=[1], port=in_port(1, 7))
    assert deletions_verdict(unknown).kinds[WORKSPACES].kept == {numbered(7): Whose.OURS}
    assert not deletions_verdict(unknown).refused
    assert deletions_verdict(replace(unknown, gone=refs([7]))).ids(WORKSPACES) == ids([7])
    assert deletions_verdict(situation(before=[1], now=[1], left_out={7: LeftOut.TEMPLATE}, port=in_port(1, 7))).ids(
        WORKSPACES
    ) == ids([7])


def test_an_older_mark_without_a_record_goes_only_if_coder_says_so() -> None:
    port = in_port(1, 7, managed_by=MARK.stack)
    alive = situation(before=[1], now=[1], left_out={7: LeftOut.TEMPLATE}, port=port)
    assert deletions_verdict(alive).kinds[WORKSPACES].kept == {numbered(7): Whose.OURS_BY_NAME}
    assert deletions_verdict(situation(before=[1], now=[1], gone=[7], port=port)).ids(WORKSPACES) == ids([7])


def test_what_is_of_another_coder_deployment_never_goes_and_no_release_is_offered() -> None:
    port = in_port(1, 7, coder_deployment="another")
    owner = Owner(MARK, {WORKSPACES: ids([1])}, deployment=CONTEXT.deployment_id)
    kept = deletions_verdict(situation(now=[1], owner=owner, gone=[7], port=port))
    assert kept.ids(WORKSPACES) == frozenset()
    assert kept.kinds[WORKSPACES].kept == {numbered(7): Whose.ELSEWHERE}
    recorded = deletions_verdict(situation(owner=owner, port=port), allow_deletions=9, forget_unproven=9)
    assert recorded.refused
    assert "--" not in recorded.text() and "another Coder deployment" in recorded.text()


def test_a_state_that_lost_its_memory_deletes_nothing_that_lives_in_coder() -> None:
    out = {1: LeftOut.TEMPLATE}
    assert deletions_verdict(situation(before=[1, 2], now=[2], left_out=out, remembers=False)).refused
    orphan = situation(before=[2], now=[2], left_out=out, port=in_port(1, 2), remembers=False)
    assert not deletions_verdict(orphan).refused
    assert deletions_verdict(orphan).ids(WORKSPACES) == frozenset()


def test_another_state_of_the_same_name_is_somebody_else() -> None:
    theirs = in_port(1, 2, managed_by=str(replace(MARK, state="ffffffff")))
    verdict = deletions_verdict(situation(before=[1], gone=[1, 2], port=theirs))
    assert not verdict.refused
    assert verdict.kinds[WORKSPACES].handed_over == ids([1])
    assert verdict.ids(WORKSPACES) == frozenset()


@pytest.mark.parametrize(
    "mark",
    [
        Mark("coderport/renamed", MARK.state),
        Mark("another/project", MARK.state.upper()),
        Mark(MARK.stack),
        Mark("Coderport/DEV"),
        Mark("coderport/before"),
    ],
)
def test_a_rename_hides_nothing_that_the_state_has(mark: Mark) -> None:
    owner = Owner(MARK, {WORKSPACES: ids(range(40))}, names=frozenset({"coderport/before"}))
    evidence = situation(owner=owner, port=in_port(*range(40), managed_by=str(mark)))
    refusal = deletions_verdict(evidence)
    assert "40 of 40 would go" in refusal.text()
    assert not refusal.kinds[WORKSPACES].handed_over


def actions(**fields: Any) -> Evidence:
    """Forms f0 to f19; `desired` holds those that stay."""
    every = frozenset(f"f{number}" for number in range(20))
    return situation(actions=every, **fields)


def test_actions_pass_the_guard_like_everything_else() -> None:
    stay = frozenset(f"f{number}" for number in range(9, 20))
    unread = actions(desired={ACTION: stay})
    assert "9 whose form Coder did not show" in deletions_verdict(unread).text()
    assert deletions_verdict(unread, allow_deletions=99).refused
    assert not deletions_verdict(unread, forget_unproven=9).refused
    gone = replace(unread, gone=frozenset(Ref(ACTION, f"f{number}") for number in range(9)))
    assert not deletions_verdict(gone).refused
    lost = actions(left_out={}, desired={ACTION: frozenset()})
    lost = replace(lost, left_out={Ref(ACTION, each): LeftOut.ACTIONS for each in lost.actions})
    assert "The settings ask for no actions." in deletions_verdict(lost).text()
    assert not deletions_verdict(lost, allow_deletions=20).refused


def test_the_limit_counts_templates_and_workspaces_apart_and_the_release_all_together() -> None:
    evidence = situation(
        before=range(40),
        now=range(12, 40),
        gone=[*range(12), *range(100, 103)],
        record={WORKSPACES: ids(range(40)), TEMPLATES: ids(range(100, 110))},
        desired={WORKSPACES: ids(range(12, 40)), TEMPLATES: ids(range(103, 110))},
        seen={TEMPLATES: 7, WORKSPACES: 28},
    )
    assert deletions_verdict(evidence, allow_deletions=14).refused
    verdict = deletions_verdict(evidence, allow_deletions=15)
    assert not verdict.refused
    assert verdict.ids(TEMPLATES) == ids(range(100, 103))


def test_one_unproven_is_refused_and_released_by_its_own_number_only() -> None:
    evidence = situation(before=range(100), now=range(1, 100))
    assert deletions_verdict(evidence).refused
    assert deletions_verdict(evidence, allow_deletions=1000).refused
    verdict = deletions_verdict(evidence, forget_unproven=1)
    assert not verdict.refused
    assert verdict.ids(WORKSPACES) == ids([0])


def test_a_release_for_the_unproven_releases_no_proven_ones() -> None:
    evidence = situation(before=range(30), now=range(12, 30), gone=range(11))
    assert deletions_verdict(evidence, forget_unproven=1000).refused
    assert deletions_verdict(evidence, allow_deletions=11).refused
    assert not deletions_verdict(evidence, allow_deletions=11, forget_unproven=1).refused


def test_the_text_of_a_refusal() -> None:
    out = {**dict.fromkeys(range(3, 5), LeftOut.ORGANIZATION), 5: LeftOut.PREBUILD, 6: LeftOut.TEMPLATE}
    evidence = situation(
        before=range(30),
        now=range(16, 30),
        gone=range(7, 16),
        left_out=out,
        port=in_port(*range(1, 30), templates=[200]),
        record={WORKSPACES: ids(range(30)), TEMPLATES: ids([200])},
        weakness="The token may not open dormant workspaces.",
        seen={TEMPLATES: 0, WORKSPACES: 18},
    )
    assert deletions_verdict(evidence).text().splitlines() == [
        "This run would delete more than a run may by itself, and entities whose objects may still exist.",
        "templates: 1 of 1 would go (none of these may without a release)",
        "  Coder showed no templates at all.",
        "  1 not shown by Coder, which does not say either that they were deleted: t200",
        "workspaces: 16 of 30 would go (10 deleted in Coder may without a release; 3 alive in Coder may without a "
        "release)",
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
        "  python -m coderport up --stack acme/dev --allow-deletions 13 --forget-unproven 4",
    ]


def test_a_pattern_that_names_nothing_is_said_before_the_release_and_only_where_something_is_refused() -> None:
    idle = ("coderport:templates names templates that Coder does not have: pyhton.",)
    text = deletions_verdict(
        situation(before=range(9), left_out=dict.fromkeys(range(9), LeftOut.TEMPLATE), idle=idle)
    ).text()
    assert text.splitlines()[-5:-2] == [
        *idle,
        "Look at that first: a mistyped pattern leaves out what it was to name.",
        "If that is right, allow it for one run:",
    ]
    assert not deletions_verdict(situation(before=range(9), now=range(9), idle=idle)).refused


def test_a_weak_token_is_not_blamed_for_what_is_proven() -> None:
    evidence = situation(before=range(20), now=range(11, 20), gone=range(11), weakness="The token is weak.")
    assert "weak" not in deletions_verdict(evidence).text()


def test_an_empty_read_deletes_only_what_coder_says_was_deleted() -> None:
    assert not deletions_verdict(situation(before=range(3), gone=range(3))).refused
    refusal = deletions_verdict(situation(before=range(3), gone=range(2)))
    assert refusal.refused
    assert "Coder showed no workspaces at all." in refusal.text()


def test_what_only_the_state_knows_counts() -> None:
    assert deletions_verdict(situation(before=[1], port={})).refused


def test_what_others_hold_in_port_is_never_a_candidate() -> None:
    others = in_port(1, managed_by="coderport/prod")
    assert deletions_verdict(situation(port=others)).ids(WORKSPACES) == frozenset()
    unmarked = in_port(1, managed_by=None)
    assert deletions_verdict(situation(port=unmarked)).ids(WORKSPACES) == frozenset()


def test_what_another_stack_took_over_is_left_to_it() -> None:
    verdict = deletions_verdict(situation(before=[1, 2], gone=[1, 2], port=in_port(1, managed_by="coderport/prod")))
    assert not verdict.refused
    assert verdict.ids(WORKSPACES) == ids([2])
    assert verdict.kinds[WORKSPACES].handed_over == ids([1])


def test_an_emptied_mark_does_not_hide_a_disappearance() -> None:
    evidence = situation(before=[1], port=in_port(1, managed_by=None))
    assert deletions_verdict(evidence).refused
    assert deletions_verdict(replace(evidence, gone=refs([1]))).ids(WORKSPACES) == ids([1])


@dataclass(frozen=True)
class Fleet:
    """What is really so in Coder, and what a run knows and was told of it, for any number of objects."""

    evidence: Evidence
    exists_unseen: frozenset[Ref]


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
            owner = "other/stack" if state == "foreign" else str(MARK)
            chosen = {"templates": [number]} if kind == TEMPLATES else {}
            numbers = [] if kind == TEMPLATES else [number]
            ports[kind] |= in_port(*numbers, managed_by=owner, **chosen)[kind]

    def these(state: str) -> frozenset[Ref]:
        return frozenset(Ref(kind, each) for kind, numbers in by_state.get(state, {}).items() for each in ids(numbers))

    evidence = Evidence(
        desired={kind: ids(by_state.get("desired", {}).get(kind, ())) for kind in (TEMPLATES, WORKSPACES)},
        owner=Owner(MARK, before),
        held=ports,
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


def permitted(verdict: Any) -> frozenset[Ref]:
    return frozenset(Ref(kind, each) for kind in (TEMPLATES, WORKSPACES) for each in verdict.ids(kind))


@given(fleets(), releases)
def test_nothing_unproven_goes_without_its_release(fleet: Fleet, allowed: int) -> None:
    verdict = deletions_verdict(fleet.evidence, allow_deletions=allowed)
    accounted = fleet.evidence.gone | fleet.evidence.left_out.keys()
    assert permitted(verdict) <= accounted
    assert not permitted(verdict) & fleet.exists_unseen


@given(fleets(), releases, releases)
def test_only_what_this_stack_had_and_does_not_want_may_go(fleet: Fleet, allowed: int, forgotten: int) -> None:
    verdict = deletions_verdict(fleet.evidence, allow_deletions=allowed, forget_unproven=forgotten)
    for kind in (TEMPLATES, WORKSPACES):
        port = fleet.evidence.held[kind]
        mine = {key for key, each in port.items() if each.properties["managed_by"] == str(MARK)}
        had = fleet.evidence.owner.record[kind] | mine
        assert verdict.ids(kind) <= had - fleet.evidence.desired[kind] - (port.keys() - mine)


@given(fleets())
def test_more_than_the_limit_goes_only_with_the_release(fleet: Fleet) -> None:
    verdict = deletions_verdict(fleet.evidence, forget_unproven=1000)

    def is_over(kind: str) -> bool:
        port, its = fleet.evidence.held[kind], verdict.kinds[kind]
        mine = {key for key, each in port.items() if each.properties["managed_by"] == str(MARK)}
        gone, alive = its.gone & port.keys(), its.left_out.keys() & port.keys()
        stays = mine & fleet.evidence.desired[kind]
        return len(gone) > max(10, its.ours // 5) or len(alive) > max(3, its.ours // 20) or bool(alive and not stays)

    assert verdict.refused is any(map(is_over, (TEMPLATES, WORKSPACES)))


@given(fleets())
def test_the_number_printed_is_exactly_sufficient(fleet: Fleet) -> None:
    refusal = deletions_verdict(fleet.evidence)
    printed = {name: int(number) for name, number in re.findall(r"--(\S+) (\d+)", refusal.text())}
    given_numbers = {
        "allow_deletions": printed.get("allow-deletions", 0),
        "forget_unproven": printed.get("forget-unproven", 0),
    }
    assert refusal.refused is any(given_numbers.values())
    assert not deletions_verdict(fleet.evidence, **given_numbers).refused
    for name, number in given_numbers.items():
        if number:
            assert deletions_verdict(fleet.evidence, **{**given_numbers, name: number - 1}).refused
            assert not deletions_verdict(fleet.evidence, **{**given_numbers, name: number + 7}).refused


@given(fleets(), st.randoms(use_true_random=False))
def test_the_verdict_does_not_depend_on_the_order_of_anything(fleet: Fleet, shuffler: random.Random) -> None:
    def shuffled(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        items = list(mapping.items())
        shuffler.shuffle(items)
        return dict(items)

    evidence = fleet.evidence
    again = replace(
        evidence,
        desired=shuffled(evidence.desired),
        owner=replace(evidence.owner, record=shuffled(evidence.owner.record)),
        held=shuffled({kind: shuffled(port) for kind, port in evidence.held.items()}),
        left_out=shuffled(evidence.left_out),
        seen=shuffled(evidence.seen),
    )
    assert deletions_verdict(again) == deletions_verdict(evidence)
    assert deletions_verdict(again).text() == deletions_verdict(evidence).text()
