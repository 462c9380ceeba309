"""What of others keeps a blueprint or its entities, where a kind is switched off; and that what is ours does not."""

from __future__ import annotations

from typing import Any

import pytest

from coderport.catalog.answers.aggregations import AGGREGATIONS
from coderport.catalog.blueprint import to_port
from coderport.guard.dependents import Surroundings, dependents, requirers, requiring
from coderport.kinds.all import BLUEPRINTS, BY_IDENTIFIER

Json = dict[str, Any]
USER, WORKSPACE = "coder_user", "coder_workspace"
SITS = {"title": "Sits", "target": USER, "many": False, "required": True}


def found(*blueprints: Json, **around: Any) -> tuple[str, ...]:
    """Beside all of our own blueprints, as a run leaves them in Port."""
    named = {each["identifier"] for each in blueprints}
    ours = (to_port(each) for each in BLUEPRINTS if each.identifier not in named)
    surroundings = Surroundings((*ours, *blueprints), **around)
    return dependents(USER, surroundings, {"coder_create_workspace"}, {f"aggregations/{USER}", "scorecard/ours"})


def with_more(name: str, **more: Json) -> Json:
    body = to_port(BY_IDENTIFIER[name])
    return {**body, **{key: {**body.get(key, {}), **value} for key, value in more.items()}}


def test_what_is_ours_keeps_nothing() -> None:
    aggregated = with_more(USER, aggregationProperties=dict(AGGREGATIONS[USER].body))
    assert found() == ()
    action = {"trigger": {"userInputs": {"properties": {"owner": {"blueprint": USER}}}}}
    assert found(aggregated, actions={"coder_create_workspace": action}, scorecards={USER: ["ours"]}) == ()


@pytest.mark.parametrize(
    ("blueprint", "words"),
    [
        ({"identifier": "desk", "relations": {"sits": SITS}}, "relation sits of blueprint desk"),
        (with_more(WORKSPACE, relations={"boss": SITS}), f"relation boss of blueprint {WORKSPACE}"),
        (with_more(USER, relations={"boss": SITS}), f"relation boss of blueprint {USER}"),
        (
            {"identifier": "desk", "aggregationProperties": {"people": {"target": USER}}},
            "aggregation people of blueprint desk",
        ),
        (with_more(USER, schema={"properties": {"desk": {"type": "string"}}}), "property desk"),
        (with_more(USER, mirrorProperties={"desk": {"path": "a.b"}}), "mirror property desk of its own"),
        (with_more(USER, aggregationProperties={"desks": {"target": "desk"}}), "aggregation desks of its own"),
    ],
)
def test_what_others_refer_with_or_have_added_keeps_it(blueprint: Json, words: str) -> None:
    assert words in found(blueprint)


def test_actions_and_scorecards_of_others_keep_it() -> None:
    on_it = {"trigger": {"blueprintIdentifier": USER}}
    asks = {"trigger": {"userInputs": {"properties": {"who": {"anyOf": [{"blueprint": USER}]}}}}}
    other = {"trigger": {"blueprintIdentifier": WORKSPACE}, "title": "coder_users"}
    actions = {"on_it": on_it, "asks": asks, "other": other}
    assert found(actions=actions, scorecards={USER: ["theirs"]}) == ("action asks", "action on_it", "scorecard theirs")


def test_only_a_required_relation_of_a_blueprint_with_entities_keeps_the_entities() -> None:
    desk = {"identifier": "desk", "relations": {"sits": SITS, "near": {**SITS, "required": False}}}
    assert requiring(USER, [desk]) == {"desk"}
    assert requirers(USER, Surroundings((desk,), populated=frozenset({"desk"}))) == ("relation sits of blueprint desk",)
    assert requirers(USER, Surroundings((desk,))) == ()
