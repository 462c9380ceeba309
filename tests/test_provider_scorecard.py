"""The resource Scorecard."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echoing_port import EchoingPort
from provider_driver import Driver

from coderport.provider.definition import SCORECARD_TOKEN as SCORECARD
from coderport.provider.protocol import UNKNOWN

Json = dict[str, Any]
STATUS = {"property": "status", "operator": "isNotEmpty"}


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("service")
    port.add_blueprint("other")
    return port


def scorecard(**members: Any) -> Json:
    query = {"combinator": "and", "conditions": [json.dumps(STATUS)]}
    rule = {"identifier": "r", "title": "R", "level": "Gold", "query": query}
    return {"blueprint": "service", "identifier": "card", "title": "Card", "rules": [rule], **members}


def test_it_is_made_where_the_blueprint_is(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard())
    assert made.id == "service:card"
    held = driver.port.scorecards["service"]["card"]
    assert held["rules"][0]["query"] == {"combinator": "and", "conditions": [STATUS]}
    assert driver.port.writes[-1].body.keys() == {"identifier", "title", "rules"}


def test_the_same_json_in_another_text_does_not_differ_also_after_a_refresh(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard())
    held = driver.port.scorecards["service"]["card"]
    held["rules"][0]["query"]["conditions"] = [dict(reversed(STATUS.items()))]
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert (seen.inputs, seen.outputs) == (made.inputs, made.outputs)
    assert later.diff(seen, scorecard()) == set()


def test_a_hand_edit_differs_and_is_corrected_and_what_others_set_stays(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard())
    held = driver.port.scorecards["service"]["card"]
    held.update(title="Edited", levels=[{"title": "Basic", "color": "red"}, {"title": "Gold", "color": "gold"}])
    later = Driver(driver.port)
    assert later.diff(made) == {"title"}
    later.update(made, made.inputs)
    written = driver.port.scorecards["service"]["card"]
    assert written["title"] == "Card"
    assert [each["title"] for each in written["levels"]] == ["Basic", "Gold"]


def test_one_that_exists_is_made_ours(driver: Driver) -> None:
    driver.port.scorecards["service"] = {"card": {"identifier": "card", "title": "Old", "rules": []}}
    driver.create(SCORECARD, scorecard())
    assert driver.port.scorecards["service"]["card"]["title"] == "Card"


def test_another_identifier_or_blueprint_leaves_nothing_behind(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard())
    renamed = driver.update(made, scorecard(identifier="renamed"))
    assert driver.port.scorecards["service"].keys() == {"renamed"}
    moved = driver.update(renamed, scorecard(identifier="renamed", blueprint="other"))
    assert driver.port.scorecards["service"] == {}
    assert driver.port.scorecards["other"].keys() == {"renamed"}
    driver.delete(moved)
    assert driver.port.scorecards["other"] == {}


def test_one_that_is_gone_is_made_anew_and_deleted_without_a_complaint(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard())
    driver.port.scorecards["service"].clear()
    later = Driver(driver.port)
    assert later.read(made) is None
    assert later.diff(made) == {"identifier"}
    later.delete(made)
    later.update(made, made.inputs)
    assert "card" in driver.port.scorecards["service"]


@pytest.mark.parametrize(
    ("given", "property"),
    [
        (scorecard(title=None), "title"),
        (scorecard(rules=[]), "rules"),
        (scorecard(level=[]), "level"),
        (scorecard(filter={"combinator": "and", "conditions": ["no json"]}), "filter"),
    ],
)
def test_what_it_lacks_or_does_not_know_is_a_problem(driver: Driver, given: Json, property: str) -> None:
    failures = driver.check(SCORECARD, {key: value for key, value in given.items() if value is not None})["failures"]
    assert {each["property"] for each in failures} == {property}


def test_a_preview_writes_nothing_and_does_not_know_the_times(driver: Driver) -> None:
    made = driver.create(SCORECARD, scorecard(title=UNKNOWN), preview=True)
    assert made.outputs["createdAt"] == UNKNOWN
    assert driver.port.writes == []
