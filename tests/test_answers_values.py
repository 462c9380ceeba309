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
from coderport.kinds.all import BY_IDENTIFIER, blueprints_of, kinds_of
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
EVERY_KIND = frozenset(BY_IDENTIFIER)
OF_KINDS = declared(PARTS, {"1": "one"}, 10, EVERY_KIND, "v2.20.0")


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


def own(blueprint: str) -> set[str]:
    its = BY_IDENTIFIER[blueprint]
    return {each.identifier for each in its.properties} | {each.identifier for each in its.calculations}


def known(blueprint: str) -> set[str]:
    return own(blueprint) | (set(AGGREGATIONS.body) if blueprint == TEMPLATE.identifier else set())


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


@pytest.mark.parametrize(
    "answer", [each for each in OF_KINDS if each.kind == "aggregations"], ids=lambda each: each.identifier
)
def test_aggregations_are_of_properties_that_workspaces_have(answer: Answer) -> None:
    assert not own(answer.identifier) & answer.body.keys()
    for body in answer.body.values():
        assert body["target"] == WORKSPACE.identifier
        asked = {each["property"] for each in rules(body)} | {body["calculationSpec"].get("property", "status")}
        assert asked <= known(WORKSPACE.identifier)


@pytest.mark.parametrize("kinds", [(), ("organization",), ("user",), ("group",), ("user", "group"), "all"])
def test_workspaces_lead_to_what_counts_them_by_one_way_that_is_named_where_there_are_several(kinds: Any) -> None:
    blueprints = {each.identifier: each for each in blueprints_of(kinds_of(kinds))}
    found = [each for each in declared(PARTS, {}, 10, blueprints.keys()) if each.kind == "aggregations"]
    targets = [each.target for each in blueprints[WORKSPACE.identifier].relations]
    counted = {"()": 1, "organization": 2, "user": 2, "group": 1, "user,group": 3, "all": 4}
    assert len(found) == counted[kinds if kinds == "all" else ",".join(kinds) or "()"]
    for answer in found:
        for body in answer.body.values():
            if "pathFilter" not in body:
                assert targets.count(answer.identifier) == 1
                continue
            ((start, path),) = ((each["fromBlueprint"], each["path"]) for each in body["pathFilter"])
            (step,) = (each for each in blueprints[start].relations if [each.identifier] == path)
            assert (start, step.target) == (WORKSPACE.identifier, answer.identifier)


def test_aggregations_of_a_kind_that_is_asked_for_no_longer_leave_with_it() -> None:
    keys = [each.key for each in OF_KINDS if each.kind != "page"]
    without = EVERY_KIND - {"coder_group", "coder_provisioner_daemon"}
    assert leaving_answers(keys, PARTS, None, EVERY_KIND) == {}
    assert leaving_answers(keys, PARTS, None, without) == {
        "aggregations/coder_group": LeftOut.KIND,
        "scorecard/coder_provisioner_health": LeftOut.KIND,
    }


def test_scorecards_look_at_properties_that_are_there() -> None:
    for answer in OF_KINDS:
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


def test_what_the_rules_of_provisioners_compare_with_is_the_server(kinds: frozenset[str] = EVERY_KIND) -> None:
    (card,) = (each for each in OF_KINDS if each.identifier == "coder_provisioner_health")
    assert {"property": "version", "operator": "=", "value": "v2.20.0"} in list(rules(card.body))
    (silent,) = (each for each in declared(SCORECARDS, {}, 10, kinds) if each.identifier == card.identifier)
    assert [each["identifier"] for each in silent.body["rules"]] == ["online", "jobs_succeed"]


@pytest.mark.parametrize(
    "page", [*PAGES, *(each for each in OF_KINDS if each.kind == "page")], ids=lambda each: each.identifier
)
def test_widgets_show_properties_that_are_there_in_rows_of_twelve(page: Answer) -> None:
    (root,) = page.body["widgets"]

    def own(blueprint: str) -> set[str]:
        relations = {each.identifier for each in BY_IDENTIFIER[blueprint].relations}
        return known(blueprint) | relations | {"$title", "$blueprint"}

    ids = [each["id"] for each in root["widgets"]]
    assert len(set(ids)) == len(ids)
    assert [column["id"] for row in root["layout"] for column in row["columns"]] == ids
    assert {sum(column["size"] for column in row["columns"]) for row in root["layout"]} == {12}
    for widget in root["widgets"]:
        blueprint = widget.get("blueprint", WORKSPACE.identifier)
        assert {each["property"] for each in rules(widget)} <= own(blueprint)
        assert widget.get("property", "status").split("#")[-1] in own(blueprint)
        config = widget.get("blueprintConfig", {}).get(blueprint, {}).get("propertiesSettings", {})
        assert set(config.get("shown", ())) <= own(blueprint)


def test_the_queue_of_provisioners_is_on_the_dashboard_and_what_they_do_where_the_stack_has_them() -> None:
    def titles(answers: tuple[Answer, ...]) -> set[str]:
        (page,) = (each for each in answers if each.identifier == f"{ORGANIZATION_PREFIX}1")
        return {each["title"] for each in page.body["widgets"][0]["widgets"]}

    assert "Waiting for a provisioner" in titles(ALL)
    assert titles(OF_KINDS) - titles(ALL) == {"Provisioners"}


def test_the_dashboard_of_an_organization_shows_only_its_own() -> None:
    (one,) = (each for each in PAGES if each.identifier == f"{ORGANIZATION_PREFIX}1")
    datasets = [each["dataset"] for each in one.body["widgets"][0]["widgets"] if "dataset" in each]
    assert datasets
    for dataset in datasets:
        assert {"property": "organization_id", "operator": "=", "value": "1"} in dataset["rules"]


@pytest.mark.parametrize("answer", [*ALL, *OF_KINDS], ids=lambda each: each.key)
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
    assert leaving_answers([page, mine, card], (), None, EVERY_KIND) == dict.fromkeys(
        (page, mine, card), LeftOut.ANSWERS
    )
    assert leaving_answers([page], OF_PAGES, None, EVERY_KIND) == {}
    assert leaving_answers([page], OF_PAGES, {"1"}, EVERY_KIND) == {page: LeftOut.ORGANIZATION}
