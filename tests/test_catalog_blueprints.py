"""The two blueprints: faithful to the original integration, and compared with a live one by meaning."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from coderport.catalog.agreement import Agreement, agreement, differences
from coderport.catalog.blueprint import Blueprint, Calculation, Property, Relation, to_port
from coderport.catalog.values import Entity
from coderport.guard.definitions import demands_verdict
from coderport.kinds.all import BLUEPRINTS, blueprints_of, kinds_of
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.models import PortEntity

ORIGINAL = {
    "coder_template": {
        "owner_name": ("string", "Owner Name", None, None),
        "owner_id": ("string", "Owner ID", None, None),
        "organization_id": ("string", "Organization ID", None, None),
        "organization_name": ("string", "Organization Name", None, None),
        "active_version_id": ("string", "Active Version Id", None, None),
        "active_user_count": ("string", "Active User Count", None, None),
        "created_at": ("string", "Created At", "date-time", None),
        "created_by_id": ("string", "Created By Id", None, None),
        "created_by_name": ("string", "Created By Name", None, None),
        "default_ttl_ms": ("number", "Default TTL", None, "Default TTL in ms"),
        "deprecated": ("boolean", "Deprecated", None, None),
        "deprecation_message": ("string", "Deprecation Message", None, None),
        "description": ("string", "Description", None, None),
    },
    "coder_workspace": {
        "owner_name": ("string", "Owner Name", None, None),
        "ttl_ms": ("number", "TTL", None, "The time to live in milliseconds"),
        "daily_cost": ("number", "Daily Cost", None, "The daily cost for the workspace's latest build"),
        "owner_id": ("string", "Owner ID", None, None),
        "automatic_updates": ("string", "Automatic Updates", None, None),
        "autostart_schedule": ("string", "Autostart Schedule", None, None),
        "created_at": ("string", "Created At", "date-time", None),
        "deleting_at": ("string", "Deleting At", "date-time", None),
        "dormant_at": ("string", "Dormant At", "date-time", None),
        "updated_at": ("string", "Updated At", "date-time", None),
        "last_used_at": ("string", "Last Used At", "date-time", None),
        "next_start_at": ("string", "Next Start At", "date-time", None),
        "organization_id": ("string", "Organization ID", None, None),
        "organization_name": ("string", "Organization Name", None, None),
        "latest_build_number": ("number", "Latest Build Number", None, None),
        "healthy": ("boolean", "Healthy", None, None),
    },
}


def described(blueprint: Blueprint) -> dict[str, tuple[str, str, str | None, str | None]]:
    return {each.identifier: (each.type, each.title, each.format, each.description) for each in blueprint.properties}


def texts(blueprint: Blueprint, live: dict[str, Any]) -> list[str]:
    return [str(each) for each in differences(blueprint, live)]


@pytest.fixture
def live() -> dict[str, Any]:
    """What Port holds after it was sent the workspace blueprint."""
    return {
        **json.loads(json.dumps(to_port(WORKSPACE))),
        "createdAt": "2026-11-01T00:00:00.000Z",
        "createdBy": "x",
    }


@pytest.mark.parametrize("blueprint", (TEMPLATE, WORKSPACE), ids=lambda each: each.identifier)
def test_every_original_property_is_kept_as_it_was(blueprint: Blueprint) -> None:
    ours = described(blueprint)
    assert {key: ours.get(key) for key in ORIGINAL[blueprint.identifier]} == ORIGINAL[blueprint.identifier]


def test_the_original_documents_agree_but_for_what_is_missing() -> None:
    source = Path(__file__).resolve().parents[1].parent / "shared" / "source" / "coder-integration.md"
    if not source.exists():
        pytest.skip("recordings are not part of a clone")
    documents = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", source.read_text(), re.DOTALL)]
    assert [each["identifier"] for each in documents] == ["coder_template", "coder_workspace"]
    for blueprint, document in zip(blueprints_of(kinds_of("default")), documents, strict=True):
        found = differences(blueprint, document)
        assert {each.text for each in found} == {"missing in Port"}
        assert agreement(found) is Agreement.EXTENDABLE
        assert set(document["schema"]["properties"]) == set(ORIGINAL[blueprint.identifier])


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda each: each.identifier)
def test_every_addition_has_a_title_and_a_description_that_port_takes(blueprint: Blueprint) -> None:
    added: list[Property | Calculation | Relation] = [
        each for each in blueprint.properties if each.identifier not in ORIGINAL.get(blueprint.identifier, {})
    ]
    assert added
    for each in (*added, *blueprint.calculations, *blueprint.relations):
        assert 0 < len(each.title) <= 100
        assert each.description
        assert re.fullmatch(r"[A-Za-z0-9@_=\-]{1,100}", each.identifier)
    all_of_them: list[Property | Calculation | Relation] = [
        *blueprint.properties,
        *blueprint.calculations,
        *blueprint.relations,
    ]
    assert len({each.identifier for each in all_of_them}) == len(all_of_them)
    assert len({each.title for each in blueprint.properties}) == len(blueprint.properties)


def test_a_workspace_relates_to_its_template_as_in_the_original() -> None:
    (_, alone) = blueprints_of(kinds_of("default"))
    assert to_port(alone)["relations"] == {
        "template_id": {
            "title": "Template",
            "description": "The template for the workspace",
            "target": "coder_template",
            "required": False,
            "many": False,
        }
    }


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs the jq command")
@pytest.mark.parametrize(("count", "number"), [("3", 3), ("0", 0), (None, None), ("", None), ("many", None)])
def test_the_calculated_number_of_users_survives_any_text(count: str | None, number: int | None) -> None:
    entity = json.dumps({"properties": {"active_user_count": count}})
    done = subprocess.run(
        ["jq", "-c", TEMPLATE.calculations[0].jq], input=entity, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == number


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda each: each.identifier)
def test_a_blueprint_agrees_with_itself(blueprint: Blueprint) -> None:
    assert agreement(differences(blueprint, to_port(blueprint))) is Agreement.SAME


def test_what_others_added_is_no_difference(live: dict[str, Any]) -> None:
    live["schema"]["properties"]["team_notes"] = {"type": "string", "title": "Notes"}
    added = {"icon": "Health", "enum": ["running"], "enumColors": {"running": "green"}}
    live["schema"]["properties"]["status"].update(added)
    live["schema"]["properties"]["owner_name"].update(description="Login", format="user", pattern="^a", default="me")
    live["schema"]["properties"]["ttl_ms"].update(minimum=1, maximum=2, exclusiveMinimum=0)
    live["schema"]["properties"]["failing_agents"].update(minItems=1, uniqueItems=True)
    live["schema"]["properties"]["failing_agents"]["items"].update(enum=["main"], format="user")
    live["relations"]["template_id"].update(icon="Template", type="dependency")
    live["relations"]["service"] = {"title": "Service", "target": "service", "required": False, "many": False}
    live["mirrorProperties"]["template_icon"] = {"title": "Icon", "path": "template_id.icon_url"}
    live["aggregationProperties"] = {"builds": {}}
    live["ownership"] = {"type": "Direct"}
    assert differences(WORKSPACE, live) == []


def test_absent_null_and_empty_texts_are_the_same(live: dict[str, Any]) -> None:
    live["schema"]["properties"]["healthy"].update(description="", format=None)
    del live["schema"]["required"]
    del live["mirrorProperties"]
    assert differences(WORKSPACE, live) == []


def test_differences_name_what_differs(live: dict[str, Any]) -> None:
    properties = live["schema"]["properties"]
    del properties["status"]
    properties["ttl_ms"]["title"] = "Time to live"
    live["schema"]["required"] = ["healthy"]
    live["icon"] = "Cloud"
    live["relations"]["template_id"]["required"] = True
    found = differences(WORKSPACE, live)
    assert [str(each) for each in found] == [
        'coder_workspace: icon "Cloud" in Port, "Box" here',
        'coder_workspace.ttl_ms: title "Time to live" in Port, "TTL" here',
        "coder_workspace.healthy: required in Port, optional here",
        "coder_workspace.status: missing in Port",
        "coder_workspace.template_id: required relation in Port, optional here",
    ]
    assert agreement(found) is Agreement.EXTENDABLE


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda live: live["schema"]["properties"]["daily_cost"].update(type="string"),
            "coder_workspace.daily_cost: type string in Port, number here",
        ),
        (
            lambda live: live["schema"]["properties"]["last_used_at"].pop("format"),
            "coder_workspace.last_used_at: format none in Port, date-time here",
        ),
        (
            lambda live: live["schema"]["properties"]["url"].update(format="email"),
            "coder_workspace.url: format email in Port, url here",
        ),
        (
            lambda live: live["schema"]["properties"]["failing_agents"].update(items={"type": "number"}),
            "coder_workspace.failing_agents: items of type number in Port, string here",
        ),
        (
            lambda live: live["relations"]["template_id"].update(target="service"),
            "coder_workspace.template_id: relation to service in Port, to coder_template here",
        ),
        (
            lambda live: live["relations"]["template_id"].update(many=True),
            "coder_workspace.template_id: relation to many in Port, to one here",
        ),
        (
            lambda live: live["mirrorProperties"].update(status=live["schema"]["properties"].pop("status")),
            "coder_workspace.status: mirror property in Port, an ordinary one here",
        ),
    ],
)
def test_what_port_cannot_change_is_a_conflict(live: dict[str, Any], change: Any, text: str) -> None:
    change(live)
    found = differences(WORKSPACE, live)
    assert [str(each) for each in found] == [text]
    assert agreement(found) is Agreement.CONFLICT


def test_a_calculation_is_compared_too() -> None:
    live = copy.deepcopy(to_port(TEMPLATE))
    live["calculationProperties"]["active_users"]["calculation"] = "1"
    assert texts(TEMPLATE, live) == [
        'coder_template.active_users: calculation "1" in Port, '
        '"(.properties.active_user_count | tonumber?) // null" here'
    ]
    live["schema"]["properties"]["active_users"] = live["calculationProperties"].pop("active_users")
    assert texts(TEMPLATE, live) == ["coder_template.active_users: ordinary property in Port, a calculated one here"]


def test_an_unusable_live_blueprint_is_all_missing() -> None:
    live = {
        "identifier": WORKSPACE.identifier,
        "title": WORKSPACE.title,
        "icon": WORKSPACE.icon,
        "description": WORKSPACE.description,
        "schema": None,
    }
    assert len(differences(WORKSPACE, live)) == len(WORKSPACE.properties) + len(WORKSPACE.relations)


@pytest.mark.parametrize(("is_held", "words"), [(False, ""), (True, "a default is for new ones")])
def test_a_mandatory_property_with_a_default_is_no_demand_on_new_entities_alone(is_held: bool, words: str) -> None:
    live = to_port(WORKSPACE)
    live["schema"]["properties"]["cost_center"] = {"type": "string", "default": "x"}
    live["schema"]["required"] = ["cost_center"]
    wanted = Entity(WORKSPACE.identifier, "id", "anna/dev", {"name": "dev"}, {})
    there = {"id": PortEntity("id", WORKSPACE.identifier, title="anna/dev", properties={"name": "old"})}
    held: dict[str, dict[str, PortEntity]] = {WORKSPACE.identifier: there if is_held else {}}
    verdict = demands_verdict([WORKSPACE], {WORKSPACE.identifier: live}, [wanted], held)
    assert bool(verdict.reasons) == is_held
    assert words in "".join(verdict.reasons)
