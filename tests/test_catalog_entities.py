"""Coder's objects as entities of Port, and which of them belong into the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import (
    CONTEXT,
    ELSEWHERE,
    MARK,
    ORGANIZATION,
    OWNER,
    TEMPLATE_ID,
    VERSION,
    WORKSPACE_ID,
    held,
    numbered,
    snapshot,
    template,
    workspace,
)
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.meaning import instant, same_value, time_text
from coderport.catalog.values import Entity, LeftOut, Ref
from coderport.coder.models import PREBUILDS_OWNER_ID, Template, Workspace
from coderport.coder.reading.snapshot import Snapshot
from coderport.kinds.all import BLUEPRINTS, DECLARED_PROPERTIES, DECLARED_RELATIONS, difference
from coderport.kinds.desired import Desired, desired
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import inventory_of
from coderport.kinds.mapping import _OF_THE_ENGINE, LONGEST_TEXT, workspaces_of
from coderport.kinds.template import template_entity
from coderport.kinds.unread import notes
from coderport.kinds.workspace import workspace_entity

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def of_template(**fields: Any) -> Entity:
    return template_entity(template(**fields), CONTEXT)


def of_workspace(**fields: Any) -> Entity:
    return workspace_entity(workspace(**fields), CONTEXT, {Ref("coder_template", TEMPLATE_ID)})


def everything(read: Snapshot, filters: Filters = Filters()) -> Desired:  # noqa: B008
    return desired(inventory_of(read), filters, CONTEXT, {}, NOW, timedelta(hours=24))


def test_a_template_with_all_its_values() -> None:
    assert of_template() == Entity(
        blueprint="coder_template",
        identifier=TEMPLATE_ID,
        title="Docker",
        properties={
            "owner_name": "admin",
            "owner_id": OWNER,
            "organization_id": ORGANIZATION,
            "organization_name": "coder",
            "organization_display_name": "Coder",
            "active_version_id": VERSION,
            "active_user_count": "3",
            "created_at": "2026-11-01T08:00:00.410677Z",
            "updated_at": "2026-11-02T09:30:00Z",
            "created_by_id": OWNER,
            "created_by_name": "admin",
            "default_ttl_ms": 28800000,
            "activity_bump_ms": 3600000,
            "failure_ttl_ms": 0,
            "time_til_dormant_ms": 0,
            "time_til_dormant_autodelete_ms": 0,
            "require_active_version": False,
            "deprecated": False,
            "description": "Docker containers",
            "name": "docker",
            "display_name": "Docker",
            "url": "https://coder.example.com/templates/coder/docker",
            "icon_url": "https://coder.example.com/icon/docker.png",
            "coder_deployment": CONTEXT.deployment_id,
            "managed_by": str(MARK),
        },
        relations={},
    )


def test_a_workspace_with_all_its_values() -> None:
    assert of_workspace() == Entity(
        blueprint="coder_workspace",
        identifier=WORKSPACE_ID,
        title="alice/dev",
        properties={
            "owner_name": "alice",
            "owner_id": OWNER,
            "owner_email": "alice@example.com",
            "ttl_ms": 28800000,
            "daily_cost": 4,
            "automatic_updates": "never",
            "autostart_schedule": "CRON_TZ=Europe/Berlin 30 9 * * 1-5",
            "created_at": "2026-11-03T10:00:00.1Z",
            "updated_at": "2026-11-03T10:00:00.1Z",
            "last_used_at": "2026-11-20T11:58:00Z",
            "next_start_at": "2026-11-21T08:30:00Z",
            "organization_id": ORGANIZATION,
            "organization_name": "coder",
            "organization_display_name": "Coder",
            "latest_build_number": 8,
            "healthy": True,
            "name": "dev",
            "status": "running",
            "build_transition": "start",
            "build_reason": "initiator",
            "build_initiator": "alice",
            "latest_build_at": "2026-11-20T08:00:00Z",
            "template_version": "v12",
            "outdated": False,
            "is_prebuild": False,
            "url": "https://coder.example.com/@alice/dev",
            "deadline": "2026-11-20T16:00:00Z",
            "coder_deployment": CONTEXT.deployment_id,
            "managed_by": str(MARK),
        },
        relations={"template_id": TEMPLATE_ID},
    )


def test_a_template_without_a_display_name_is_called_by_its_name() -> None:
    entity = of_template(display_name="")
    assert entity.title == "docker"
    assert "display_name" not in entity.properties


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({"ttl_ms": None}, "ttl_ms"),
        ({"autostart_schedule": ""}, "autostart_schedule"),
        ({"next_start_at": None}, "next_start_at"),
        ({"last_used_at": "0001-01-01T00:00:00Z"}, "last_used_at"),
        ({"build": {"deadline": "0001-01-01T00:00:00Z"}}, "deadline"),
        ({"health": None}, "healthy"),
        ({"build": {"template_version_name": ""}}, "template_version"),
        ({"owner_id": numbered(7)}, "owner_email"),
    ],
)
def test_what_is_cleared_in_coder_has_no_value(fields: dict[str, Any], absent: str) -> None:
    assert absent not in of_workspace(**fields).properties


@pytest.mark.parametrize("word", sorted(_OF_THE_ENGINE))
def test_a_text_that_the_engine_takes_for_an_unknown_value_is_none(word: str) -> None:
    found = of_template(description=word, display_name=word)
    assert "description" not in found.properties and found.title == TEMPLATE_ID
    assert of_template(description=f"{word} ").properties["description"] == f"{word} "


def test_a_text_without_end_is_told_up_to_a_length() -> None:
    assert of_template(description="x" * 1_048_000).properties["description"] == "x" * LONGEST_TEXT


def test_zero_and_false_are_values() -> None:
    entity = of_workspace(health={"healthy": False}, build={"daily_cost": 0})
    assert entity.properties["healthy"] is False
    assert entity.properties["daily_cost"] == 0


def test_times_are_in_utc_in_one_form() -> None:
    entity = of_workspace(created_at="2026-11-03T11:30:00.250000000+01:30", dormant_at="2026-11-04T00:00:00.000Z")
    assert entity.properties["created_at"] == "2026-11-03T10:00:00.25Z"
    assert entity.properties["dormant_at"] == "2026-11-04T00:00:00Z"


def test_failing_agents_are_named_in_order() -> None:
    entity = of_workspace(health={"healthy": False, "failing_agents": [numbered(1), numbered(2)]})
    assert entity.properties["failing_agents"] == ["gpu", "main"]


def test_nothing_of_an_agent_but_its_name_is_kept() -> None:
    agent = {
        "id": numbered(1),
        "name": "main",
        "environment_variables": {"API_KEY": "hunter2"},
        "scripts": [{"script": "echo hunter2"}],
        "apps": [{"url": "http://u:hunter2@localhost", "command": "run hunter2"}],
    }
    resources = [{"metadata": [{"key": "password", "value": "hunter2"}], "agents": [agent]}]
    entity = of_workspace(
        health={"healthy": False, "failing_agents": [numbered(1)]},
        build={"resources": resources, "job": {"error": "login with hunter2 failed"}},
    )
    assert "hunter2" not in str(entity)
    assert entity.properties["failing_agents"] == ["main"]


@pytest.mark.parametrize("email", ["anna@corp", '"a b"@example.com', "jürgen@exämple.de", "a..b@example.com", "a"])
def test_whether_an_address_is_one_is_for_port_to_judge(email: str) -> None:
    """A run leaves out what Port refuses, and says so."""
    context = replace(CONTEXT, emails={OWNER: email})
    assert workspace_entity(workspace(), context, ()).properties["owner_email"] == email


def test_without_the_right_to_read_users_there_are_no_addresses() -> None:
    context = replace(CONTEXT, emails={})
    assert "owner_email" not in workspace_entity(workspace(), context, ()).properties


def kept(read: Snapshot, before: Entity, **context: Any) -> tuple[Entity, Mapping[str, int]]:
    """What is desired of one workspace that Port holds as it was before."""
    by_id = {before.blueprint: {before.identifier: held(before)}}
    found = desired(inventory_of(read), Filters(), replace(CONTEXT, **context), by_id, NOW, timedelta(0))
    return next(each for each in found.entities if each.identifier == before.identifier), found.kept


def test_an_owner_whom_coder_does_not_show_keeps_the_address_that_port_holds() -> None:
    read, before = snapshot(template(), workspace()), of_workspace()
    for emails in ({}, {numbered(9): "x@example.com"}):
        entity, number = kept(read, before, emails=emails)
        assert entity == before and number == {"owner_email": 1}
        assert "their owner_email stays" in next(notes(number)).lower()
    shown, number = kept(read, before, emails={OWNER: "new@example.com"})
    assert shown.properties["owner_email"] == "new@example.com" and number == {}
    without, number = kept(read, before, emails={OWNER: ""})
    assert "owner_email" not in without.properties and number == {}


def test_an_address_is_not_kept_for_another_owner() -> None:
    read = snapshot(template(), workspace(owner_id=numbered(4), owner_name="bob"))
    entity, number = kept(read, of_workspace(), emails={})
    assert "owner_email" not in entity.properties and number == {}


def test_an_organization_that_coder_does_not_show_keeps_its_names() -> None:
    read, before = snapshot(template(), workspace(organization_name="")), of_workspace()
    entity, number = kept(read, before, organizations={})
    assert entity.properties["organization_display_name"] == "Coder"
    assert entity.properties["organization_name"] == "coder"
    assert number["organization_display_name"] == 1 and len(list(notes(number))) == 2


def test_a_name_that_a_row_comes_without_stays_as_long_as_it_is_of_the_same_thing() -> None:
    before = of_workspace()
    nameless = {"template_version_name": "", "initiator_name": ""}
    same, number = kept(snapshot(template(), workspace(build=nameless)), before)
    assert same == before and number == {"template_version": 1, "build_initiator": 1}
    other, number = kept(snapshot(template(), workspace(build={**nameless, "build_number": 99})), before)
    assert "template_version" not in other.properties and number == {}


@pytest.mark.parametrize(
    "icon",
    [
        "https://user:pass@icons.corp/docker.png",
        "https://token@icons.corp/docker.png",
        "//user:pass@icons.corp/docker.png",
        "https://bucket.s3.amazonaws.com/i.png?X-Amz-Credential=A&X-Amz-Signature=abc&X-Amz-Expires=60",
        "https://storage.googleapis.com/b/i.png?X-Goog-Signature=abc",
        "https://account.blob.core.windows.net/c/i.png?sv=2022&sp=r&sig=abc%3D",
        "https://cdn.corp/i.png?Policy=eyJ&Signature=abc&Key-Pair-Id=K1",
        "https://gitlab.corp/-/raw/i.png?private_token=glpat-1",
        "https://icons.corp/i.png?access_token=1",
        "https://icons.corp/i.png?apiKey=1",
        "https://icons.corp/i.png?key=1",
        "https://icons.corp/i.png?size=2&PASSWORD=x",
        "https://icons.corp/i.png#token=1",
        "/icon/i.png?token=1",
    ],
)
def test_a_picture_whose_address_carries_credentials_is_not_copied(icon: str) -> None:
    assert "icon_url" not in of_template(icon=icon).properties


def test_credentials_in_the_address_of_the_dashboard_are_in_no_link() -> None:
    context = replace(CONTEXT, dashboard_url="https://user:pass@coder.corp:8443/base/")
    shown = template_entity(template(icon="/icon/docker.png"), context).properties
    assert shown["icon_url"] == "https://coder.corp:8443/base/icon/docker.png"
    assert str(shown["url"]).startswith("https://coder.corp:8443/base/templates/")


@pytest.mark.parametrize(
    ("icon", "url"),
    [
        ("https://www.gravatar.com/avatar/0?s=80&d=identicon", "https://www.gravatar.com/avatar/0?s=80&d=identicon"),
        ("https://cdn.corp/i.png?v=3#top", "https://cdn.corp/i.png?v=3#top"),
        ("/emojis/1f4bb.png", "https://coder.example.com/emojis/1f4bb.png"),
        ("https://img.example.com/a%20b.svg?x=1", "https://img.example.com/a%20b.svg?x=1"),
        ("https://img.example.com/100%/ü x.png", "https://img.example.com/100%25/%C3%BC%20x.png"),
        ("", None),
        ("docker", None),
        ("https://", None),
        ("data:image/png;base64,AAAA", None),
    ],
)
def test_a_picture_is_a_url_or_nothing(icon: str, url: str | None) -> None:
    assert of_template(icon=icon).properties.get("icon_url") == url


def test_a_user_has_the_list_of_their_workspaces_because_the_dashboard_has_no_page_of_a_user() -> None:
    assert workspaces_of(CONTEXT, "anna") == "https://coder.example.com/workspaces?filter=owner:anna"
    assert workspaces_of(CONTEXT, "a&b#c") == "https://coder.example.com/workspaces?filter=owner:a%26b%23c"
    assert workspaces_of(CONTEXT, "") is None


def test_links_survive_any_name_and_need_a_dashboard() -> None:
    assert of_workspace(owner_name="a b/ü", name="dev").properties["url"] == (
        "https://coder.example.com/@a%20b%2F%C3%BC/dev"
    )
    nowhere = replace(CONTEXT, dashboard_url="")
    assert not {"url", "icon_url"} & template_entity(template(), nowhere).properties.keys()


def test_an_old_server_that_names_no_organization_in_its_rows() -> None:
    properties = of_workspace(organization_name=None).properties
    assert properties["organization_name"] == "coder"
    assert properties["organization_display_name"] == "Coder"


def test_a_count_that_coder_is_still_loading_is_no_value() -> None:
    assert "active_user_count" not in of_template(active_user_count=-1).properties


def test_a_workspace_of_a_template_outside_the_catalog_has_no_relation() -> None:
    assert workspace_entity(workspace(), CONTEXT, {Ref("coder_template", numbered(5))}).relations == {}


def test_claiming_a_prebuilt_workspace_keeps_the_entity() -> None:
    before = of_workspace(owner_id=PREBUILDS_OWNER_ID, owner_name="prebuilds", name="prebuild-x", is_prebuild=True)
    after = of_workspace(is_prebuild=False)
    assert (before.identifier, before.title) == (after.identifier, "prebuilds/prebuild-x")
    assert after.title == "alice/dev"


@given(
    st.builds(
        template,
        display_name=st.text(),
        description=st.text(),
        icon=st.text(),
        active_user_count=st.integers(-1, 10**6),
        deprecation_message=st.text(),
        updated_at=st.none() | st.datetimes(timezones=st.just(timezone.utc)).map(lambda each: each.isoformat()),
    )
)
def test_every_template_satisfies_its_blueprint(row: Template) -> None:
    assert_valid(template_entity(row, CONTEXT))


@given(
    st.builds(
        workspace,
        owner_name=st.text(min_size=1),
        ttl_ms=st.none() | st.integers(0, 2**53),
        autostart_schedule=st.none() | st.text(),
        automatic_updates=st.text(),
        last_used_at=st.datetimes(timezones=st.just(timezone.utc)).map(lambda each: each.isoformat()),
        health=st.none() | st.fixed_dictionaries({"healthy": st.booleans(), "failing_agents": st.lists(st.text())}),
        build=st.fixed_dictionaries({"status": st.text(), "template_version_name": st.text()}),
    )
)
def test_every_workspace_satisfies_its_blueprint(row: Workspace) -> None:
    assert_valid(workspace_entity(row, CONTEXT, {Ref("coder_template", TEMPLATE_ID)}))


def assert_valid(entity: Entity) -> None:
    types: dict[str, Any] = {"string": str, "number": (int, float), "boolean": bool, "array": list}
    blueprint = next(each for each in BLUEPRINTS if each.identifier == entity.blueprint)
    assert entity.title
    assert entity.relations.keys() <= DECLARED_RELATIONS[entity.blueprint]
    for key, value in entity.properties.items():
        declared = blueprint.property(key)
        assert isinstance(value, types[declared.type])
        assert (declared.type == "boolean") == isinstance(value, bool)
        if declared.format == "date-time":
            moment = instant(value)
            assert moment is not None and time_text(moment) == value
        if declared.format == "url":
            assert str(value).isascii() and str(value).startswith("https://") and " " not in str(value)


def test_the_recorded_objects_of_a_real_coder_become_valid_entities() -> None:
    recording = Path(__file__).parent / "recordings" / "coder-2.20.0.jsonl"
    entities: list[Entity] = []
    for line in recording.read_text().splitlines():
        entry = json.loads(line)
        answer = entry["response"]
        if entry["status"] != 200 or entry["method"] != "GET":
            continue
        if entry["path"] == "/api/v2/workspaces":
            entities += (workspace_entity(Workspace.model_validate(row), CONTEXT, ()) for row in answer["workspaces"])
        elif entry["path"] == "/api/v2/templates":
            entities += (template_entity(Template.model_validate(row), CONTEXT) for row in answer)
    assert {entity.blueprint for entity in entities} == {"coder_template", "coder_workspace"}
    for entity in entities:
        assert_valid(entity)


def test_all_that_was_seen_is_desired_but_unclaimed_prebuilds() -> None:
    prebuilt = workspace(id=numbered(9), name="prebuild-x", owner_id=PREBUILDS_OWNER_ID, is_prebuild=True)
    read = snapshot(prebuilt, workspace(), template(), template(id=numbered(3), name="old", deprecated=True))
    found = everything(read)
    assert found.ids() == {
        "coder_template": {TEMPLATE_ID, numbered(3)},
        "coder_workspace": {WORKSPACE_ID},
    }
    assert found.left_out == {Ref("coder_workspace", numbered(9)): LeftOut.PREBUILD}
    assert numbered(9) in everything(read, Filters(include_prebuilds=True)).ids()["coder_workspace"]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(), {"docker", "gpu", "labs/docker"}),
        (Filters(templates=("DOCK*",)), {"docker", "labs/docker"}),
        (Filters(templates=("coder/docker", "gpu")), {"docker", "gpu"}),
        (Filters(exclude_templates=("labs/*",)), {"docker", "gpu"}),
        (Filters(exclude_templates=("g?u",)), {"docker", "labs/docker"}),
        (Filters(templates=("docker",), exclude_templates=("labs/docker",)), {"docker"}),
        (Filters(templates=("nothing",)), set()),
    ],
)
def test_a_template_that_is_left_out_takes_its_workspaces_along(filters: Filters, kept: set[str]) -> None:
    rows = {
        "docker": template(),
        "gpu": template(id=numbered(2), name="gpu"),
        "labs/docker": template(id=numbered(3), organization_id=ELSEWHERE, organization_name="labs"),
    }
    used = {
        name: workspace(
            id=numbered(100 + position),
            template_id=row.id,
            template_name="renamed since",
            organization_id=row.organization_id,
            organization_name=row.organization_name,
        )
        for position, (name, row) in enumerate(rows.items())
    }
    found = everything(snapshot(*rows.values(), *used.values()), filters)
    assert found.ids()["coder_template"] == {rows[name].id for name in kept}
    assert found.ids()["coder_workspace"] == {used[name].id for name in kept}
    left = rows.keys() - kept
    assert found.left_out == {
        **{Ref("coder_template", rows[name].id): LeftOut.TEMPLATE for name in left},
        **{Ref("coder_workspace", used[name].id): LeftOut.TEMPLATE for name in left},
    }


def test_a_template_that_the_read_did_not_see_is_judged_by_the_workspaces_row() -> None:
    read = snapshot(workspace(template_id=numbered(4), template_name="gpu"))
    out = everything(read, Filters(exclude_templates=("gpu",))).left_out
    assert out == {Ref("coder_workspace", WORKSPACE_ID): LeftOut.TEMPLATE}
    kept = everything(read, Filters(templates=("gpu",)))
    assert kept.entities[0].relations == {}


def test_what_is_alive_outside_of_the_scope_is_named_apart() -> None:
    outside = workspace(id=numbered(8), organization_id=ELSEWHERE)
    read = snapshot(workspace(), template(), outside_workspaces={outside.id: outside})
    found = everything(read, Filters(exclude_templates=("docker",)))
    assert found.left_out == {
        Ref("coder_workspace", numbered(8)): LeftOut.ORGANIZATION,
        Ref("coder_workspace", WORKSPACE_ID): LeftOut.TEMPLATE,
        Ref("coder_template", TEMPLATE_ID): LeftOut.TEMPLATE,
    }
    assert found.entities == ()


@given(st.permutations(range(6)))
def test_the_order_of_a_read_does_not_matter(order: list[int]) -> None:
    rows: list[Template | Workspace] = [template(id=numbered(each), name=f"t{each}") for each in range(3)]
    rows += [workspace(id=numbered(10 + each), template_id=numbered(each)) for each in range(3)]
    assert everything(snapshot(*(rows[each] for each in order))) == everything(snapshot(*rows))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, None, True),
        (None, [], True),
        (None, "", False),
        (None, 0, False),
        (8, 8.0, True),
        (1, True, False),
        (False, None, False),
        ("8", 8, False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["a"], ("a",), True),
        ({"a": 1, "b": None}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 2}, False),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000Z", False),
    ],
)
def test_values_are_compared_by_meaning(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000Z", True),
        ("2026-11-20T12:00:00Z", "2026-11-20T13:00:00+01:00", True),
        ("2026-11-20T12:00:00Z", "2026-11-20T07:00:00.0-0500", True),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z", False),
        ("soon", "soon", True),
        ("soon", "later", False),
        ("2026-13-20T12:00:00Z", "2026-14-20T12:00:00Z", False),
    ],
)
def test_times_are_compared_as_moments(one: str, other: str, same: bool) -> None:
    assert same_value(one, other, times=True) is same


@pytest.mark.parametrize(
    "text", ["", "2026-11-20", "2026-11-20T12:00:00", "2026-02-30T12:00:00Z", 5, None, "0000-01-01T00:00:00Z"]
)
def test_what_names_no_moment_is_none(text: object) -> None:
    assert instant(text) is None


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_a_moment_survives_its_text(moment: datetime) -> None:
    assert instant(time_text(moment)) == moment


def test_only_what_is_declared_and_differs_is_a_difference() -> None:
    entity = of_workspace()
    stored = held(entity, status="stopped", notes="a colleague's", ttl_ms=28800000.0, max_deadline=None)
    stored = replace(stored, title="alice/old", relations={"template_id": None, "service": "x"})
    assert difference(entity, stored) == {
        "$title": ("alice/old", "alice/dev"),
        "status": ("stopped", "running"),
        "template_id": (None, TEMPLATE_ID),
    }
    assert DECLARED_PROPERTIES["coder_workspace"] >= entity.properties.keys()


def test_a_value_cleared_in_coder_differs_from_the_one_that_port_holds() -> None:
    entity = of_workspace(ttl_ms=None)
    assert difference(entity, held(entity, ttl_ms=5)) == {"ttl_ms": (5, None)}


def test_what_was_not_read_is_counted_over_entities_of_every_kind() -> None:
    """A group and a version have an organization's name as well, and are neither templates nor workspaces."""
    told = [*notes({"organization_display_name": 1, "organization_name": 2000})]
    assert told == [
        "The organizations of 1 entity were not among those that Coder showed. Their names stay as Port has them.",
        "Coder did not show organization_name of 2,000 entities, which stays as Port has it.",
    ]
