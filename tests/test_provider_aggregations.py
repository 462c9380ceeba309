"""The resource AggregationProperties: some of a blueprint's aggregations."""

from __future__ import annotations

from typing import Any

import pytest
from echoing_port import EchoingPort
from provider_driver import Aborted, Driver

from coderport.provider.aggregations import TOKEN as AGGREGATIONS

Json = dict[str, Any]
THEIRS = {"title": "T", "target": "part", "calculationSpec": {"calculationBy": "entities", "func": "count"}}


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("part")
    port.add_blueprint("whole", description="of others", aggregationProperties={"theirs": THEIRS})
    return port


def aggregations(**properties: Json) -> Json:
    return {"blueprintIdentifier": "whole", "properties": {"parts": counted(), **properties}}


def counted(**members: Any) -> Json:
    return {"title": "Parts", "targetBlueprintIdentifier": "part", "method": {"countEntities": True}, **members}


def test_they_are_put_beside_those_of_others(driver: Driver) -> None:
    made = driver.create(AGGREGATIONS, aggregations())
    assert made.id == "whole"
    held = driver.port.blueprints["whole"]
    assert held["aggregationProperties"].keys() == {"theirs", "parts"}
    assert held["description"] == "of others"


@pytest.mark.parametrize(
    ("method", "spec"),
    [
        ({"countEntities": True}, {"calculationBy": "entities", "func": "count"}),
        ({"averageEntities": {"averageOf": "day"}},
         {"calculationBy": "entities", "func": "average", "averageOf": "day"}),
        ({"averageByProperty": {"averageOf": "week", "measureTimeBy": "$updatedAt", "property": "cost"}},
         {"calculationBy": "property", "func": "average", "averageOf": "week", "measureTimeBy": "$updatedAt",
          "property": "cost"}),
        ({"aggregateByProperty": {"func": "max", "property": "cost"}},
         {"calculationBy": "property", "func": "max", "property": "cost"}),
    ],
)  # fmt: skip
def test_each_method_is_read_back_as_it_was_written(driver: Driver, method: Json, spec: Json) -> None:
    made = driver.create(AGGREGATIONS, aggregations(parts=counted(method=method)))
    assert driver.port.blueprints["whole"]["aggregationProperties"]["parts"]["calculationSpec"] == spec
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert (seen.inputs, later.diff(seen)) == (made.inputs, set())


def test_a_query_in_another_text_does_not_differ_and_a_hand_edit_does(driver: Driver) -> None:
    query = '{"combinator": "and", "rules": []}'
    made = driver.create(AGGREGATIONS, aggregations(parts=counted(query=query)))
    held = driver.port.blueprints["whole"]["aggregationProperties"]
    held["parts"]["query"] = {"rules": [], "combinator": "and"}
    assert Driver(driver.port).diff(made) == set()
    held["parts"]["title"] = "Edited"
    later = Driver(driver.port)
    assert later.diff(made) == {"properties.parts.title"}
    later.update(made, made.inputs)
    assert driver.port.blueprints["whole"]["aggregationProperties"]["parts"]["title"] == "Parts"


def test_one_that_is_no_longer_stated_goes_and_deletion_leaves_those_of_others(driver: Driver) -> None:
    made = driver.create(AGGREGATIONS, aggregations(more=counted()))
    fewer = driver.update(made, aggregations())
    assert driver.port.blueprints["whole"]["aggregationProperties"].keys() == {"theirs", "parts"}
    driver.delete(fewer)
    assert driver.port.blueprints["whole"]["aggregationProperties"] == {"theirs": THEIRS}
    sent = len(driver.port.writes)
    driver.delete(fewer)
    assert len(driver.port.writes) == sent


def test_those_of_a_blueprint_that_is_gone_are_gone(driver: Driver) -> None:
    made = driver.create(AGGREGATIONS, aggregations())
    del driver.port.blueprints["whole"]
    later = Driver(driver.port)
    assert later.read(made) is None
    later.delete(made)
    with pytest.raises(Aborted, match="whole"):
        later.update(made, made.inputs)


def test_a_method_is_exactly_one(driver: Driver) -> None:
    both = {"countEntities": True, "averageEntities": {"averageOf": "day"}}
    for wrong in (both, {}, {"guess": True}):
        (failure,) = driver.check(AGGREGATIONS, aggregations(parts=counted(method=wrong)))["failures"]
        assert "properties.parts.method needs one of" in failure["reason"]
