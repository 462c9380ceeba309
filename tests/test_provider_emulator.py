"""The provider against the emulated Port, which checks what it is sent: a life of blueprints and entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stamina
from port_talk import Talk
from provider_driver import BLUEPRINT, ENTITY, Aborted, Driver, Resource, stored

from coderport.emulators.port import PortEmulator
from coderport.provider.definition import PAGE_TOKEN as PAGE

ENVIRON = {
    "PORT_CLIENT_ID": "emulator-client",
    "PORT_CLIENT_SECRET": "emulator-secret",
    "PORT_BASE_URL": "https://port.test",
}

TEMPLATE: dict[str, Any] = {
    "identifier": "template",
    "title": "Template",
    "properties": {"stringProps": {"name": {"title": "Name", "required": True}}},
}
WORKSPACE: dict[str, Any] = {
    "identifier": "workspace",
    "title": "Workspace",
    "properties": {
        "stringProps": {"status": {"title": "Status"}, "since": {"title": "Since", "format": "date-time"}},
        "numberProps": {"ttl": {"title": "TTL"}},
        "booleanProps": {"healthy": {"title": "Healthy"}},
        "objectProps": {"stats": {"title": "Stats"}},
        "arrayProps": {"tags": {"title": "Tags", "stringItems": {}}},
    },
    "relations": {
        "template": {"title": "Template", "target": "template", "required": False, "many": False},
        "peers": {"title": "Peers", "target": "workspace", "required": False, "many": True},
    },
    "calculationProperties": {"days": {"title": "Days", "type": "number", "calculation": ".properties.ttl / 24"}},
}
DECLARED = {"workspace": ("status", "since", "ttl", "healthy", "stats", "tags"), "template": ("name",)}
RELATIONS = {"workspace": ("template", "peers")}


class Emulated:
    """The emulator in this process, without a socket."""

    def __init__(self) -> None:
        self.emulator = PortEmulator()

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(app=self.emulator.app)


@pytest.fixture
def port() -> Emulated:
    return Emulated()


def provider(port: Emulated) -> Driver:
    return Driver(port, environ=ENVIRON, properties=DECLARED, relations=RELATIONS)


@pytest.fixture
def driver(port: Emulated) -> Iterator[Driver]:
    driver = provider(port)
    yield driver
    driver.close()


def workspace(identifier: str, **inputs: Any) -> dict[str, Any]:
    return {"blueprint": "workspace", "identifier": identifier, "title": identifier, **inputs}


FULL = {
    "properties": {
        "stringProps": {"status": "running", "since": "2026-01-01T00:00:00Z"},
        "numberProps": {"ttl": 48},
        "booleanProps": {"healthy": True},
        "objectProps": {"stats": '{"b": 1, "a": null}'},
        "arrayProps": {"stringItems": {"tags": ["x", "y"]}},
    },
    "relations": {"singleRelations": {"template": "t1"}, "manyRelations": {"peers": []}},
}


def made(driver: Driver) -> tuple[list[Resource], list[Resource]]:
    """Both blueprints, a template and a workspace: (blueprints, entities)."""
    blueprints = [driver.create(BLUEPRINT, TEMPLATE), driver.create(BLUEPRINT, WORKSPACE)]
    properties = {"stringProps": {"name": "docker"}}
    template = {"blueprint": "template", "identifier": "t1", "title": "docker", "properties": properties}
    return blueprints, [driver.create(ENTITY, template), driver.create(ENTITY, workspace("w1", **FULL))]


def test_what_was_made_does_not_differ_neither_before_nor_after_a_refresh(port: Emulated, driver: Driver) -> None:
    blueprints, entities = made(driver)
    later = provider(port)
    for each in (*blueprints, *entities):
        assert later.diff(each) == set()
        seen = later.read(each)
        assert seen is not None
        assert seen.inputs == each.inputs
        assert later.diff(seen, each.inputs) == set()
    later.close()


def test_an_icon_is_cleared_without_a_null_and_without_loss(port: Emulated, driver: Driver) -> None:
    """Port takes no null for an icon, so the whole entity is replaced, with what others put into it meanwhile."""
    made(driver)
    dressed = driver.create(ENTITY, workspace("w2", **FULL, icon="Star"))
    port.emulator.put_entity("workspace", {"identifier": "w2", "properties": {"status": "theirs"}, "team": ["a-team"]})
    bare = workspace("w2", **FULL)
    later = Driver(port, environ=ENVIRON)  # of no catalog, whose entities have no icons
    assert later.diff(dressed, bare) == {"icon", "properties.stringProps.status"}
    cleared = later.update(dressed, bare)
    held = port.emulator.entity("workspace", "w2")
    assert held is not None and held.get("icon") is None
    assert (held["team"], held["properties"]["status"]) == (["a-team"], "running")
    assert held["relations"]["template"] == "t1"
    assert later.diff(cleared, bare) == set()
    later.close()


def test_what_was_imported_does_not_differ_from_what_made_it(port: Emulated, driver: Driver) -> None:
    blueprints, entities = made(driver)
    later = provider(port)
    for each in (*blueprints, *entities):
        seen = later.read(stored(each.id, token=each.token))
        assert seen is not None
        assert later.diff(seen, each.inputs) == set()
    later.close()


def test_every_value_can_be_cleared_and_what_others_added_stays(port: Emulated, driver: Driver) -> None:
    _, (_, entity) = made(driver)
    live = port.emulator.blueprint("workspace")
    assert live is not None
    live["schema"]["properties"]["tier"] = {"type": "string", "title": "Tier"}
    port.emulator.put_blueprint(live)
    port.emulator.put_entity("workspace", {"identifier": "w1", "properties": {"tier": "gold"}})
    later = provider(port)
    news = workspace("w1")
    cleared = later.update(entity, news)
    held = port.emulator.entity("workspace", "w1")
    assert held is not None
    assert {key: value for key, value in held["properties"].items() if value is not None} == {"tier": "gold"}
    assert not any(held["relations"].values())
    assert provider(port).diff(cleared) == set()


def test_a_blueprint_can_be_extended_beside_a_colleagues_property(port: Emulated, driver: Driver) -> None:
    (_, blueprint), _ = made(driver)
    live = port.emulator.blueprint("workspace")
    assert live is not None
    live["schema"]["properties"]["tier"] = {"type": "string", "title": "Tier"}
    port.emulator.put_blueprint(live)
    news = {**WORKSPACE, "title": "Renamed", "icon": "Box"}
    later = provider(port)
    assert later.diff(blueprint, news) == {"title", "icon"}
    updated = later.update(blueprint, news)
    now = port.emulator.blueprint("workspace")
    assert now is not None
    assert now["title"] == "Renamed"
    assert "tier" in now["schema"]["properties"]
    assert provider(port).diff(updated) == set()


def page(title: str = "P", **members: Any) -> dict[str, Any]:
    return {"identifier": "p", "title": title, "type": "dashboard", "widgets": [], **members}


def test_a_pages_place_in_the_menu_is_its_colleagues(port: Emulated, driver: Driver) -> None:
    colleague = Talk(port.emulator)
    made = driver.create(PAGE, page())
    for each in ("first", "second"):
        assert colleague("POST", "/pages", page(identifier=each)).status_code == 201
    place: dict[str, Any] = {"showInSidebar": False, "section": "organization", "after": "first", "locked": True}
    assert colleague("PUT", "/pages/p", page(sidebar="catalog", requiredQueryParams=["id"], **place)).status_code == 200
    driver.update(made, page("Renamed"))
    held = colleague("GET", "/pages/p").json()["page"]
    assert held.items() >= {"title": "Renamed", "sidebar": "catalog", "requiredQueryParams": ["id"], **place}.items()


@pytest.mark.parametrize("change", [("DELETE", None), ("PATCH", {"parent": "folder"})], ids=["gone", "moved"])
def test_a_page_is_changed_also_where_the_one_that_a_colleague_put_it_after_is_not_there(
    port: Emulated, driver: Driver, change: tuple[str, Any]
) -> None:
    colleague = Talk(port.emulator)
    made = driver.create(PAGE, page())
    colleague("POST", "/pages", page(identifier="first"))
    assert colleague("PATCH", "/pages/p", {"after": "first", "section": "organization"}).status_code == 200
    assert colleague(change[0], "/pages/first", change[1]).status_code == 200
    driver.update(made, page("Renamed"))
    held = colleague("GET", "/pages/p").json()["page"]
    assert (held["title"], held["section"], "after" in held) == ("Renamed", "organization", False)


def test_a_page_that_the_program_puts_after_one_that_is_not_there_is_ports_error(
    port: Emulated, driver: Driver
) -> None:
    made = driver.create(PAGE, page())
    with pytest.raises(Aborted, match=r'changing page p.*Sidebar item with after "first" was not found'):
        driver.update(made, page("Renamed", after="first"))


def test_a_rename_is_a_rename(port: Emulated, driver: Driver) -> None:
    _, (_, entity) = made(driver)
    renamed = driver.update(entity, workspace("w2", **FULL))
    assert port.emulator.entity("workspace", "w1") is None
    assert provider(port).diff(renamed) == set()


def test_a_relation_to_nothing_is_ports_error(driver: Driver) -> None:
    made(driver)
    with pytest.raises(Aborted, match=r"workspace:w9.*not_found"):
        driver.create(ENTITY, workspace("w9", relations={"singleRelations": {"template": "t9"}}))


def test_everything_can_be_deleted_in_the_engines_order(port: Emulated, driver: Driver) -> None:
    blueprints, entities = made(driver)
    later = provider(port)
    for each in (*reversed(entities), *reversed(blueprints)):
        later.delete(each)
    assert port.emulator.blueprint("workspace") is None
    assert port.emulator.blueprint("template") is None
    for each in (*entities, *blueprints):
        provider(port).delete(each)


def test_faults_of_every_kind_are_survived(port: Emulated) -> None:
    for fault in (
        {"path": "entities/bulk", "kind": "status", "status": 503, "times": 2},
        {"path": "entities/bulk", "kind": "cut", "times": 1},
        {"path": "entities/search", "kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 2},
        {"path": "entities/search", "kind": "drop_connection", "times": 1},
    ):
        port.emulator.faults.add(fault)
    with stamina.set_testing(True, attempts=6):
        driver = provider(port)
        made(driver)
    assert port.emulator.entity("workspace", "w1") is not None
