"""The resource Page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echoing_port import EchoingPort
from provider_driver import Driver

from coderport.provider.definition import PAGE_TOKEN as PAGE

Json = dict[str, Any]
ROOT = {"id": "root", "type": "dashboard-widget", "layout": [], "widgets": [{"id": "a", "type": "markdown"}]}


@pytest.fixture
def port() -> EchoingPort:
    return EchoingPort()


def page(**members: Any) -> Json:
    return {"identifier": "p", "title": "P", "type": "dashboard", "widgets": [json.dumps(ROOT)], **members}


def test_its_widgets_are_json_and_its_times_are_read_back(driver: Driver) -> None:
    made = driver.create(PAGE, page())
    assert driver.port.pages["p"]["widgets"] == [ROOT]
    assert made.id == made.outputs["identifier"] == "p"
    assert made.outputs["createdBy"] == "client"


def test_the_same_widgets_in_another_text_do_not_differ_also_after_a_refresh(driver: Driver) -> None:
    made = driver.create(PAGE, page())
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs == made.inputs
    assert later.diff(seen, page(widgets=[json.dumps(ROOT, indent=1, sort_keys=True)])) == set()


def test_a_widget_that_was_moved_by_hand_comes_back_and_the_place_in_the_menu_stays(driver: Driver) -> None:
    made = driver.create(PAGE, page())
    driver.port.pages["p"].update(parent="folder", locked=True, widgets=[{**ROOT, "layout": [{"height": 500}]}])
    later = Driver(driver.port)
    assert later.diff(made) == {"widgets"}
    seen = later.read(made)
    assert seen is not None
    assert json.loads(seen.inputs["widgets"][0])["layout"] == [{"height": 500}]
    assert "parent" not in seen.inputs
    later.update(made, made.inputs)
    written = driver.port.pages["p"]
    assert (written["widgets"], written["parent"], written["locked"]) == ([ROOT], "folder", True)


def test_what_the_program_no_longer_states_goes(driver: Driver) -> None:
    made = driver.create(PAGE, page(description="d"))
    driver.update(made, page())
    assert "description" not in driver.port.pages["p"]


def test_it_is_deleted_and_one_that_is_gone_is_fine(driver: Driver) -> None:
    made = driver.create(PAGE, page())
    driver.delete(made)
    assert driver.port.pages == {}
    driver.delete(made)


def test_what_port_itself_sets_or_leaves_empty_is_not_sent_back(driver: Driver) -> None:
    made = driver.create(PAGE, page())
    theirs = {"showInSidebar": False, "visibility": "org"}
    driver.port.pages["p"].update(theirs, id="x", protected=True, sidebar=None, requiredQueryParams=[])
    driver.update(made, page(title="Q"))
    assert driver.port.writes[-1].body == {**page(title="Q", widgets=[ROOT]), **theirs}
