"""Whose an entity is: what another stack or writer holds is refused, what this stack wrote stays its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from catalog_samples import CONTEXT, MARK, held, holding, numbered, workspace

from coderport.catalog.values import Entity, named_id
from coderport.guard.ownership import Owner, Whose
from coderport.guard.verdict import Verdict, ownership_verdict
from coderport.kinds.all import KINDS
from coderport.kinds.kind import Kind
from coderport.kinds.workspace import workspace_entity
from coderport.planning.notes import notes_on_taking_over
from coderport.port.models import PortEntity

CALLED = "acme/coderport/dev"
"""The stack's name where Pulumi Cloud keeps it; entities have project and stack alone."""


def named(number: int) -> Entity:
    return workspace_entity(workspace(id=numbered(number), name=f"ws{number:02}"), CONTEXT, ())


def verdict(
    desired: list[Entity],
    port: Mapping[str, Mapping[str, PortEntity]],
    *,
    before: Mapping[str, frozenset[str]] | None = None,
    take_over: bool = False,
) -> Verdict:
    return ownership_verdict(desired, port, owner=Owner(MARK, before or {}, called=CALLED), take_over=take_over)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_an_id_that_coder_gave_to_another_kind_is_a_copy_s_but_where_kinds_share_ids(kind: Kind[Any]) -> None:
    """The group of everybody has the id of its organization: each of the two may be there beside the other."""
    identifier = named_id(numbered(7), "x") if kind.is_identifier(named_id(numbered(7), "x")) else numbered(7)
    there = PortEntity(identifier, kind.name, properties={"managed_by": str(MARK)})
    for other in KINDS:
        owner = Owner(MARK, {other.name: frozenset({identifier})})
        expected = Whose.OURS if other is kind or "coder_group" in (kind.name, other.name) else Whose.COPY
        assert owner.whose(there) is expected, other.name
    assert Owner(MARK).whose(replace(there, identifier=f"{identifier}0")) is Whose.COPY


def test_free_identifiers_and_our_own_are_ours_to_write() -> None:
    assert not verdict([named(1), named(2)], holding(held(named(1)))).refused


def test_somebody_elses_entity_that_we_do_not_want_is_nobodys_business() -> None:
    assert not verdict([named(1)], holding(held(named(2), managed_by="other/prod"))).refused


def test_what_another_stack_or_writer_holds_is_refused_by_name() -> None:
    port = holding(held(named(1), managed_by="coderport/prod"), held(named(2), managed_by=None), held(named(3)))
    refusal = verdict([named(3), named(2), named(1)], port)
    assert refusal.refused
    assert refusal.text().splitlines() == [
        "Port already holds 2 entities that coderport/dev would write, and they are not its own:",
        f"  coder_workspace alice/ws01 ({numbered(1)}): managed by coderport/prod",
        f"  coder_workspace alice/ws02 ({numbered(2)}): managed by no stack, created by port-client",
        "If coderport/prod should keep its own: leave coder out of this stack's coderport:organizations.",
        "If this stack should manage them from now on (what others added to them stays as it is):",
        f"  python -m coderport pulumi -- config set coderport:takeOver true --stack {CALLED}",
    ]


def test_a_long_list_of_holders_is_cut() -> None:
    entities = [named(number) for number in range(12)]
    text = verdict(entities, holding(*(held(each, managed_by="x/y") for each in entities))).text()
    assert "12 entities" in text
    assert "  and 7 more" in text
    assert "ws04" in text and "ws05" not in text


def test_taking_over_permits_it() -> None:
    port = holding(held(named(1), managed_by="coderport/prod"))
    assert not verdict([named(1)], port, take_over=True).refused


def test_an_emptied_mark_on_what_this_stack_declared_before_is_a_hand_edit_to_put_right() -> None:
    port = holding(held(named(1), managed_by=None))
    before = {"coder_workspace": frozenset({numbered(1)})}
    assert not verdict([named(1)], port, before=before).refused
    assert verdict([named(1)], port, before={"coder_workspace": frozenset()}).refused


def test_another_stacks_mark_on_what_this_stack_declared_before_is_refused() -> None:
    port = holding(held(named(1), managed_by="coderport/prod"))
    before = {"coder_workspace": frozenset({numbered(1)})}
    assert verdict([named(1)], port, before=before).refused


def test_as_long_as_taking_over_is_on_a_run_says_for_what_and_how_to_end_it() -> None:
    port = holding(held(named(1), managed_by="coderport/prod"), held(named(2)))
    for desired, what in (([named(1), named(2)], "1 entity of others is"), ([named(2)], "no entity is left that it")):
        (note,) = notes_on_taking_over(desired, port, Owner(MARK, {}, called=CALLED), "acme:takeOver")
        assert f"acme:takeOver is still true: {what}" in note
        last = "  python -m coderport pulumi -- config rm acme:takeOver --stack acme/coderport/dev"
        assert note.splitlines()[-1] == last
