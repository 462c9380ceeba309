"""A value that Port does not take: found by Port's words or by asking, and the entity is written without it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from echoing_port import EchoingPort, Sent
from provider_driver import ENTITY, Aborted, Driver, Resource, entity

from coderport.catalog.digest import digest
from coderport.catalog.values import Entity
from coderport.kinds.refused import Refused, definition_of, withheld
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.memory import Memory, recalled
from coderport.port.models import PortEntity

NAMES = ("status", "url", "owner_email", "name", "managed_by", "ttl_ms")
Json = dict[str, Any]


class Strict(EchoingPort):
    """A Port that refuses some values: `refuses` by property. It says which (`words`), in details, or nothing."""

    def __init__(self, refuses: dict[str, Any], words: str) -> None:
        super().__init__()
        self.refuses, self.words = refuses, words
        self.add_blueprint("workspace")
        self.answers.append(self._strict)
        self.checked = 0

    def _strict(self, sent: Sent) -> httpx.Response | None:
        if sent.path.endswith("/entities/bulk"):
            done: list[Json] = []
            errors: list[Json] = []
            validating = sent.query.get("validation_only") == "true"
            self.checked += validating
            for at, row in enumerate(sent.body["entities"]):
                wrong = [
                    key for key, value in row["properties"].items() if value is not None and self._is_wrong(key, value)
                ]
                if wrong:
                    errors.append({"index": at, "identifier": row["identifier"], **self._error(wrong)})
                    continue
                created = row["identifier"] not in self.entities["workspace"]
                if not validating:
                    held = self.entities["workspace"].get(row["identifier"]) or self.add_entity(
                        "workspace", row["identifier"]
                    )
                    held["properties"] |= row["properties"]
                done.append({"index": at, "identifier": row["identifier"], "created": created})
            return httpx.Response(207 if errors else 200, json={"ok": not errors, "entities": done, "errors": errors})
        return None

    def _is_wrong(self, key: str, value: Any) -> bool:
        return key in self.refuses and (self.refuses[key] is None or self.refuses[key] == value)

    def _error(self, wrong: list[str]) -> Json:
        error: Json = {"statusCode": 422, "error": "blueprint_schema_mismatch", "message": "The entity is not valid"}
        if self.words == "details":
            error["details"] = {"invalidProperties": wrong[:1]}
        if self.words == "message":
            error["message"] = f'body.properties.{wrong[0]} must match format "url"'
        return error


def wish(identifier: str = "w1", **strings: str) -> Json:
    values = {"status": "running", "url": "http://coder/@a/b", "managed_by": "coderport/dev", "name": identifier}
    return entity(identifier, properties={"stringProps": {**values, **strings}})


def driver_of(port: Strict) -> Driver:
    return Driver(port, properties={"workspace": NAMES}, relations={"workspace": ()})


@pytest.mark.parametrize("words", ["details", "message", "nothing"])
@pytest.mark.parametrize("refuses", [["url"], ["url", "owner_email"], ["url", "owner_email", "status"]], ids=len)
def test_the_entity_arrives_without_what_port_refuses(words: str, refuses: list[str]) -> None:
    port = Strict(dict.fromkeys(refuses), words)
    driver = driver_of(port)
    made = driver.create(ENTITY, wish(owner_email="a@b"))
    held = port.entities["workspace"]["w1"]["properties"]
    assert set(held) == {"status", "url", "managed_by", "name", "owner_email"} - set(refuses)
    assert set(made.outputs["properties"]["stringProps"]) == set(held)
    driver.close()


@pytest.mark.parametrize("words", ["details", "message", "nothing"])
def test_what_was_refused_is_no_difference_to_an_entity_that_is_declared_without_it(words: str) -> None:
    port = Strict({"url": None}, words)
    driver = driver_of(port)
    made = driver.create(ENTITY, wish())
    declared = wish()
    del declared["properties"]["stringProps"]["url"]
    later = driver_of(port)
    assert later.diff(made, declared) == set()
    # As declared before, each run asks Port once more, and writes nothing.
    assert later.diff(made, wish()) == {"properties.stringProps.url"}
    before = dict(port.entities["workspace"]["w1"])
    later.update(made, wish())
    assert port.entities["workspace"]["w1"] == before


def test_an_older_value_that_port_holds_is_cleared_rather_than_left_to_be_wrong() -> None:
    port = Strict({"url": "http://coder/@a/new"}, "nothing")
    driver = driver_of(port)
    made = driver.create(ENTITY, wish())
    driver.update(made, wish(url="http://coder/@a/new"))
    assert port.entities["workspace"]["w1"]["properties"]["url"] is None


def test_only_the_value_that_is_refused_is_left_out_of_many_entities() -> None:
    port = Strict({"owner_email": "bad"}, "nothing")
    driver = driver_of(port)
    answers = driver.together(
        *(
            driver.creating(ENTITY, wish(f"w{at}", owner_email="bad" if at % 4 == 0 else f"a{at}@b.example"))
            for at in range(40)
        )
    )
    assert not [each for each in answers if isinstance(each, Exception)]
    rows = port.entities["workspace"]
    assert len(rows) == 40
    without = {name for name, row in rows.items() if row["properties"].get("owner_email") is None}
    assert without == {f"w{at}" for at in range(0, 40, 4)}
    assert all(row["properties"]["url"] for row in rows.values())
    assert port.checked <= 12  # by far not one search for each


@pytest.mark.parametrize("words", ["details", "message", "nothing"])
def test_the_mark_that_says_whose_it_is_is_never_left_out(words: str) -> None:
    port = Strict({"managed_by": None}, words)
    driver = driver_of(port)
    (answer,) = driver.together(driver.creating(ENTITY, wish()))
    assert isinstance(answer, Aborted) and "422" in answer.text
    assert port.entities["workspace"] == {}


def test_a_refusal_for_another_reason_stays_one() -> None:
    port = Strict({}, "nothing")
    port.answers.insert(
        0,
        lambda sent: (
            httpx.Response(
                207,
                json={
                    "ok": False,
                    "entities": [],
                    "errors": [
                        {"index": at, "identifier": "w", "statusCode": 422, "error": "invalid_request", "message": "no"}
                        for at in range(len(sent.body["entities"]))
                    ],
                },
            )
            if sent.path.endswith("/entities/bulk")
            else None
        ),
    )
    driver = driver_of(port)
    unmarked = entity("w1", properties={"stringProps": {"status": "running", "name": "n"}})
    (answer,) = driver.together(driver.creating(ENTITY, unmarked))
    assert isinstance(answer, Aborted) and "Port refused entity workspace:w1" in answer.text
    assert len(port.writes) == 2  # the write, and one call that asks


def test_of_blueprints_that_are_not_the_catalogs_nothing_is_left_out() -> None:
    port = Strict({"url": None}, "details")
    driver = Driver(port)
    (answer,) = driver.together(driver.creating(ENTITY, wish()))
    assert isinstance(answer, Aborted) and "invalidProperties: url" in answer.text


# --- what a later run declares


ID = "4ac0b5fe-9a7d-4a5b-8bd5-2f4a3b1c0d9e"
LIVE = {WORKSPACE.identifier: {"schema": {"properties": {"url": {"type": "string", "format": "url"}}}}}
PLACE = (WORKSPACE.identifier, "url")


def desired(url: str = "http://coder/x") -> Entity:
    return Entity(WORKSPACE.identifier, ID, "a/b", {"url": url, "name": "b"}, {})


def known(url: str = "http://coder/x") -> dict[tuple[str, str], Refused]:
    return {PLACE: Refused("no.", definition_of(LIVE[WORKSPACE.identifier], "url"), {ID: digest(url)})}


def test_a_value_that_was_refused_is_not_declared_again() -> None:
    shown, still = withheld([desired()], known(), LIVE, {})
    assert dict(shown[0].properties) == {"name": "b"} and still == known()


def test_it_is_tried_again_when_it_or_the_property_in_port_changes() -> None:
    assert withheld([desired("http://coder/y")], known(), LIVE, {}) == ([desired("http://coder/y")], {})
    changed = {WORKSPACE.identifier: {"schema": {"properties": {"url": {"type": "string"}}}}}
    assert withheld([desired()], known(), changed, {}) == ([desired()], {})


def test_a_value_that_port_holds_by_now_is_declared_and_not_deleted() -> None:
    def held(url: str | None) -> dict[str, dict[str, PortEntity]]:
        return {WORKSPACE.identifier: {ID: PortEntity(ID, WORKSPACE.identifier, title="b", properties={"url": url})}}

    assert withheld([desired()], known(), LIVE, held("http://coder/x")) == ([desired()], {})
    for other in (None, "http://coder/y"):
        assert withheld([desired()], known(), LIVE, held(other))[1] == known()


def test_the_stack_remembers_it() -> None:
    memory = Memory(deployment="d", port_organization="o", declared={}, refused=known())
    assert recalled(memory.outputs()).refused == known()
    assert "refused" not in Memory(deployment="d", port_organization="o").outputs()["coderport"]


def test_resources_of_a_state_without_outputs_are_read_as_before() -> None:
    port = Strict({}, "nothing")
    port.add_entity("workspace", "w1", properties={"status": "x"})
    seen = driver_of(port).read(Resource(ENTITY, "workspace:w1", {}, {}))
    assert seen is not None and seen.inputs["properties"]["stringProps"] == {"status": "x"}
