"""What a person is told of patterns in the settings that name nothing."""

from __future__ import annotations

from typing import Any

import pytest
from catalog_samples import TEMPLATE_ID, numbered, snapshot, template
from settings_samples import SERVERS

from coderport.planning.notes import notes_on_idle
from coderport.settings import load_settings

THERE = {TEMPLATE_ID: template(), numbered(7): template(id=numbered(7), name="python", organization_name="labs")}
NONE_IN_CODER = "names templates that Coder does not have: {}. It has docker, python."
NONE_IN_CATALOG = "coderport:actions.templates names templates that the catalog does not have: {}. It has {}."


def notes(*siblings: str, actions: Any = None, declares: Any = True, **settings: Any) -> list[str]:
    backend = {"backend": "webhook", "url": "https://runner.example.com/runs"}
    given = {**SERVERS, **settings, "actions": {**backend, **(actions or {})}}
    theirs = [template(id=numbered(90 + number), name=name) for number, name in enumerate(siblings)]
    return [*notes_on_idle(load_settings(given, {}), snapshot(templates=THERE), theirs if declares else None)]


@pytest.mark.parametrize("pattern", ["docker", "DOCK*", "coder/docker", "labs/*", "pytho?"])
@pytest.mark.parametrize("key", ["templates", "excludeTemplates"])
def test_a_pattern_that_names_a_template_is_no_matter_for_a_note(key: str, pattern: str) -> None:
    assert notes(**{key: [pattern]}) == []


@pytest.mark.parametrize("key", ["templates", "excludeTemplates"])
def test_those_of_a_setting_that_name_nothing_are_told_together(key: str) -> None:
    given = {key: ["pyhton", "docker", "labs/docker"]}
    assert notes(**given) == [f"coderport:{key} " + NONE_IN_CODER.format("pyhton, labs/docker")]


def test_a_form_is_for_a_template_of_the_catalog_or_of_a_sibling_stack() -> None:
    assert notes(actions={"templates": ["docker", "lab*/python"]}) == []
    assert notes(actions={"templates": ["nosuch-*"]}) == [NONE_IN_CATALOG.format("nosuch-*", "docker, python")]
    left_out = notes(actions={"templates": ["python"]}, excludeTemplates=["python"])
    assert left_out == [NONE_IN_CATALOG.format("python", "docker")]
    assert notes("theirs", actions={"templates": ["theirs"]}) == []


@pytest.mark.parametrize("chosen", ["all", "none"])
def test_words_for_all_and_none_are_no_patterns(chosen: str) -> None:
    assert notes(actions={"templates": chosen}) == []


def test_a_stack_that_declares_no_actions_is_told_nothing_of_their_forms() -> None:
    assert notes(actions={"templates": ["nosuch-*"]}, declares=False) == []
