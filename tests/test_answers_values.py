"""The declared aggregations, scorecards and pages: they are about what the catalog has, and Port takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from coderport.catalog.answers.agreement import differences, live_of
from coderport.catalog.answers.declared import declared
from coderport.catalog.answers.pages import ORGANIZATION_PREFIX
from coderport.catalog.answers.values import PART_OF, TYPES, Answer, Part, split
from coderport.catalog.values import LeftOut
from coderport.guard.leaving import leaving_answers
from coderport.kinds.all import BY_IDENTIFIER
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

Json = dict[str, Any]
PARTS: tuple[Part, ...] = get_args(Part)
SCORECARDS: tuple[Part, ...] = ("scorecards",)
OF_PAGES: tuple[Part, ...] = ("pages",)
ALL = declared(PARTS, {"1": "one", "2": "two"}, 10)
BY_KEY = {each.key: each for each in ALL}
(AGGREGATIONS,) = (each for each in ALL if each.kind == "aggregations")
PAGES = [each for each in ALL if each.kind == "page"]


def rules(value: Any) -> Iterator[Json]:
    """The rules and conditions anywhere in a body."""
    if isinstance(value, dict):
        if "operator" in value:
            yield value
        for each in value.values():
            yield from rules(each)
    elif isinstance(value, list):
        for each in value:
            yield from rules(each)


def known(blueprint: str) -> set[str]:
    its = BY_IDENTIFIER[blueprint]
    own = {each.identifier for each in its.properties} | {each.identifier for each in its.calculations}
    return own | (set(AGGREGATIONS.body) if blueprint == TEMPLATE.identifier else set())


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_there_by_itself(part: Part) -> None:
    found = declared((part,), {"1": "one"}, 10)
    assert found
    assert {PART_OF[each.kind] for each in found} == {part}
    assert declared((), {"1": "one"}, 10) == ()


def test_keys_are_unique_and_name_kind_and_identifier() -> None:
    assert len(BY_KEY) == len(ALL)
    for answer in ALL:
        assert split(answer.key) == (answer.kind, answer.identifier)
    for wrong in ("", "page", "page/", "guess/x"):
        with pytest.raises(ValueError, match="names no aggregations"):
            split(wrong)
    assert set(TYPES) == set(PART_OF)


def test_aggregations_are_of_properties_that_workspaces_have() -> None:
    own = {each.identifier for each in TEMPLATE.properties}
    assert not own & AGGREGATIONS.body.keys()
    for body in AGGREGATIONS.body.values():
        assert body["target"] == WORKSPACE.identifier
        asked = {each["property"] for each in rules(body)} | {body["calculationSpec"].get("property", "status")}
        assert asked <= known(WORKSPACE.identifier)


def test_scorecards_look_at_properties_that_are_there() -> None:
    for answer in ALL:
        if answer.kind == "scorecard":
            assert {each["property"] for each in rules(answer.body)} <= known(answer.blueprint)
            levels = [each["title"] for each in answer.body["levels"]]
            assert all(each["level"] in levels[1:] for each in answer.body["rules"])


def test_rules_about_the_workspaces_of_a_template_need_the_aggregations() -> None:
    alone = declared(SCORECARDS, {}, 10)
    asked = {each["property"] for answer in alone for each in rules(answer.body)}
    assert not asked & AGGREGATIONS.body.keys()


def test_the_limit_of_the_cost_is_a_setting() -> None:
    (health,) = (each for each in declared(SCORECARDS, {}, 7) if each.blueprint == WORKSPACE.identifier)
    assert {"property": "daily_cost", "operator": "<=", "value": 7} in list(rules(health.body))


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.identifier)
def test_widgets_show_properties_that_are_there_in_rows_of_twelve(page: Answer) -> None:
    (root,) = page.body["widgets"]
    own = known(WORKSPACE.identifier) | {each.identifier for each in WORKSPACE.relations} | {"$title", "$blueprint"}
    ids = [each["id"] for each in root["widgets"]]
    assert len(set(ids)) == len(ids)
    assert [column["id"] for row in root["layout"] for column in row["columns"]] == ids
    assert {sum(column["size"] for column in row["columns"]) for row in root["layout"]} == {12}
    assert {each["property"] for each in rules(root)} <= own
    for widget in root["widgets"]:
        assert widget.get("property", "status").split("#")[-1] in own
        config = widget.get("blueprintConfig", {}).get(WORKSPACE.identifier, {}).get("propertiesSettings", {})
        assert set(config.get("shown", ())) <= own


def test_the_dashboard_of_an_organization_shows_only_its_own() -> None:
    (one,) = (each for each in PAGES if each.identifier == f"{ORGANIZATION_PREFIX}1")
    datasets = [each["dataset"] for each in one.body["widgets"][0]["widgets"] if "dataset" in each]
    assert datasets
    for dataset in datasets:
        assert {"property": "organization_id", "operator": "=", "value": "1"} in dataset["rules"]


@pytest.mark.parametrize("answer", ALL, ids=lambda each: each.key)
def test_what_port_holds_as_declared_does_not_differ_and_stamps_do_not_count(answer: Answer) -> None:
    assert differences(answer, answer.body) == []
    if answer.kind == "page":
        (root,) = answer.body["widgets"]
        stamped = {**root, "updatedAt": "t", "widgets": [{**each, "createdBy": "x"} for each in root["widgets"]]}
        assert differences(answer, {**answer.body, "widgets": [stamped], "parent": "folder"}) == []
    for key in answer.body:
        assert [each.text for each in differences(answer, {**answer.body, key: None})] == ["missing in Port"]


def test_an_aggregation_of_ours_is_ours_as_a_whole_and_those_of_others_are_theirs() -> None:
    live = {**AGGREGATIONS.body, "theirs": {"title": "T"}}
    assert differences(AGGREGATIONS, live) == []
    live["workspaces"] = {**live["workspaces"], "query": {"combinator": "and", "rules": []}}
    assert [str(each) for each in differences(AGGREGATIONS, live)] == [
        "coder_template.workspaces: another query in Port"
    ]
    assert live_of(AGGREGATIONS, {"coder_template": {"aggregationProperties": {"theirs": {}}}}, {}) is None


def test_a_filter_on_a_scorecard_differs() -> None:
    card = BY_KEY["scorecard/coder_workspace_health"]
    live = {**card.body, "filter": {"combinator": "and", "conditions": []}}
    assert [str(each) for each in differences(card, live)] == ["coder_workspace_health.filter: one in Port, none here"]


def test_a_part_that_is_not_asked_for_is_a_reason_and_an_organization_that_was_not_read_is_none() -> None:
    page, mine, card = f"page/{ORGANIZATION_PREFIX}9", "page/coder_my_workspaces", "scorecard/x"
    assert leaving_answers([page, mine, card], (), None) == dict.fromkeys((page, mine, card), LeftOut.ANSWERS)
    assert leaving_answers([page], OF_PAGES, None) == {}
    assert leaving_answers([page], OF_PAGES, {"1"}) == {page: LeftOut.ORGANIZATION}
