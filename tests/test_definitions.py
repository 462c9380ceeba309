"""What a stack that only uses blueprints is told where Port does not have them as it needs them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from coderport.catalog.blueprint import Blueprint, to_port
from coderport.guard.definitions import Claim, blueprints_verdict, lacking_kinds
from coderport.kinds.all import ALWAYS, BLUEPRINTS, KINDS, blueprints_of, kinds_of

VERSION = "Run the stack that manages the blueprints with this version of coderport first."
FIRST = "Run the stack that manages them first."


def told(kinds: Collection[str], managed: Collection[Blueprint], there: Collection[str] = ()) -> str:
    """To a stack `prod-two` of these kinds, on a Port with these blueprints."""
    in_port = {each.identifier: to_port(each) for each in managed}
    claim = Claim((), False, "prod-two")
    return blueprints_verdict(blueprints_of(kinds_of(kinds)), in_port, claim, only_used=True, there=there).text()


@pytest.mark.parametrize("kind", [each for each in KINDS if not each.always], ids=lambda each: each.words[0])
def test_each_kind_that_the_managing_stack_lacks_is_named_with_what_it_has(kind: object) -> None:
    names = [each.words[0] for each in KINDS if not each.always and each is not kind]
    text = told(
        [each.words[0] for each in KINDS], blueprints_of(kinds_of(names)), [each.identifier for each in BLUEPRINTS]
    )
    every = ",".join(each.words[1] for each in KINDS if not each.always)
    assert f"config set --stack NAME --path coderport:kinds {every}\n" in text
    assert VERSION not in text and FIRST not in text
    less = ",".join(each.words[1] for each in KINDS if not each.always and each is not kind)
    assert text.endswith(f"config set --stack prod-two --path coderport:kinds {less}")


def test_a_stack_with_fewer_kinds_or_the_same_is_told_nothing() -> None:
    for kinds in ([], ["group"], ["group", "user"]):
        assert told(kinds, blueprints_of(kinds_of(["group", "user"]))) == ""


def test_a_blueprint_that_was_left_in_port_is_no_kind_of_the_managing_stack() -> None:
    managed = (*blueprints_of(kinds_of(["group"])), *blueprints_of(kinds_of(["user"])))
    in_port = {each.identifier: to_port(each) for each in (*managed, *blueprints_of(kinds_of(["group"])))}
    assert lacking_kinds(blueprints_of(kinds_of(["group", "user"])), in_port) == {"coder_user"}


def test_where_the_managing_stack_has_not_run_or_is_of_another_version_that_is_said() -> None:
    assert told(["group"], ()).count(FIRST) == 3
    unled = [replace(each, relations=()) for each in blueprints_of(kinds_of(["preset"]))]
    assert VERSION in told(["preset"], unled) and "does not name them" not in told(["preset"], unled)
    older = [replace(each, properties=each.properties[1:]) for each in ALWAYS]
    assert VERSION in told([], older)
    assert VERSION in told(["group"], older) and "does not name them" in told(["group"], older)
