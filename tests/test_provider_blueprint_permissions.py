"""The resource BlueprintPermissions: who may write the entities of a blueprint."""

from __future__ import annotations

from typing import Any

import pytest
from echoing_port import EchoingPort
from provider_driver import Driver

from coderport.provider.blueprint_permissions import TOKEN as PERMISSIONS

Json = dict[str, Any]


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("service")
    return port


def right(*roles: str, **members: Any) -> Json:
    return {"roles": list(roles), "users": [], "teams": [], "ownedByTeam": False, **members}


def permissions(**members: Any) -> Json:
    own = {name: right("Admin") for name in ("icon", "identifier", "team", "title")}
    needed = {name: right("Admin") for name in ("register", "unregister", "update")}
    entities = {**needed, "updateMetadataProperties": own, **members}
    return {"blueprintIdentifier": "service", "entities": entities}


def test_ports_own_properties_have_a_dollar_there(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions(updateProperties={"tier": right("Member")}))
    sent = driver.port.writes[-1]
    assert sent.route == "PATCH /v1/blueprints/service/permissions"
    assert sent.body["entities"]["updateProperties"].keys() == {"$icon", "$identifier", "$team", "$title", "tier"}
    assert made.id == "service"
    seen = Driver(driver.port).read(made)
    assert seen is not None
    assert seen.inputs == made.inputs


def test_the_order_of_a_list_means_nothing(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions(update=right("Admin", "Member")))
    driver.port.grants["service"]["entities"]["update"]["roles"].reverse()
    assert Driver(driver.port).diff(made) == set()


def test_what_the_program_does_not_name_is_left_to_others(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    entities = driver.port.grants["service"]["entities"]
    entities["read"] = right("Somebody")
    entities["updateProperties"]["theirs"] = right("Somebody")
    assert Driver(driver.port).diff(made) == set()


def test_a_hand_edit_differs_is_read_and_is_corrected(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    driver.port.grants["service"]["entities"]["update"] = right("Everybody")
    later = Driver(driver.port)
    assert later.diff(made) == {"entities.update.roles"}
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs["entities"]["update"]["roles"] == ["Everybody"]
    later.update(made, made.inputs)
    assert driver.port.grants["service"]["entities"]["update"] == right("Admin")


def test_deleting_them_leaves_them_and_they_go_with_the_blueprint(driver: Driver) -> None:
    made = driver.create(PERMISSIONS, permissions())
    sent = len(driver.port.writes)
    driver.delete(made)
    assert len(driver.port.writes) == sent
    del driver.port.blueprints["service"]
    assert Driver(driver.port).read(made) is None


def test_a_part_that_is_missing_is_a_problem(driver: Driver) -> None:
    given = permissions()
    del given["entities"]["register"]
    (failure,) = driver.check(PERMISSIONS, given)["failures"]
    assert failure["reason"] == "permissions need the part register"
