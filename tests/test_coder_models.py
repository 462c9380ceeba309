"""Coder's objects as values: tolerant of versions, strict on ids and structure, silent about secrets."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from coderport.coder.errors import CoderAnswerError
from coderport.coder.models import PREBUILDS_OWNER_ID, Template, User, Workspace, read_as

RECORDING = Path(__file__).parent / "recordings" / "coder-2.20.0.jsonl"
ONE = "7490175d-891a-4c6d-b57e-aceef29ab19b"
TWO = "29cae1c8-23e8-48d9-91f5-33f23b9eee71"
SECRET = "hunter2-hunter2"


def workspace(**changes: Any) -> dict[str, Any]:
    """The least that every version sends."""
    row: dict[str, Any] = {
        "id": ONE,
        "name": "dev",
        "owner_id": TWO,
        "organization_id": TWO,
        "template_id": TWO,
        "latest_build": {"id": TWO, "build_number": 3},
    }
    return row | changes


def template(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"id": ONE, "name": "docker", "organization_id": TWO}
    return row | changes


def test_a_workspace_with_only_its_ids_has_defaults() -> None:
    read = read_as(Workspace, workspace())
    assert (read.ttl_ms, read.autostart_schedule, read.health, read.dormant_at) == (None, None, None, None)
    assert (read.outdated, read.is_prebuild, read.latest_build.daily_cost) == (False, False, 0)


def test_null_is_the_same_as_absent_everywhere() -> None:
    nulls = {name: None for name in Workspace.model_fields if name not in workspace()}
    build = {"id": TWO, "build_number": 3, "job": None, "daily_cost": None, "resources": None}
    assert read_as(Workspace, workspace(**nulls, latest_build=build)) == read_as(Workspace, workspace())
    nulls = {name: None for name in Template.model_fields if name not in template()}
    assert read_as(Template, template(**nulls)) == read_as(Template, template())


def test_null_lists_are_empty() -> None:
    health = {"healthy": False, "failing_agents": None}
    assert read_as(Workspace, workspace(health=health)).health is not None


def test_unknown_fields_and_unknown_states_of_newer_versions_are_accepted() -> None:
    build = {"id": TWO, "build_number": 1, "status": "hibernating", "transition": "hop", "on_success": {"x": 1}}
    read = read_as(Workspace, workspace(latest_build=build, quantum_state=["both"]))
    assert (read.latest_build.status, read.latest_build.transition) == ("hibernating", "hop")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-11-21T00:19:36Z", datetime(2026, 11, 21, 0, 19, 36, tzinfo=timezone.utc)),
        ("2026-11-21T00:19:36.5Z", datetime(2026, 11, 21, 0, 19, 36, 500_000, tzinfo=timezone.utc)),
        ("2026-11-21T00:19:36.123456789Z", datetime(2026, 11, 21, 0, 19, 36, 123456, tzinfo=timezone.utc)),
        ("2026-11-21T02:19:36+02:00", datetime(2026, 11, 21, 0, 19, 36, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        (None, None),
    ],
)
def test_times_are_utc_and_gos_zero_time_is_none(sent: str | None, read: datetime | None) -> None:
    assert read_as(Workspace, workspace(last_used_at=sent)).last_used_at == read


@pytest.mark.parametrize("sent", ["yesterday", "2026-11-21", "2026-13-41T00:00:00Z", "9999-12-31T23:59:59-05:00", 7])
def test_a_time_that_is_none_names_the_field(sent: object) -> None:
    with pytest.raises(CoderAnswerError, match=f"workspace {ONE}: field last_used_at: "):
        read_as(Workspace, workspace(last_used_at=sent))


def test_ids_are_lower_case_so_that_they_compare() -> None:
    assert read_as(Template, template(id=ONE.upper())).id == ONE


@pytest.mark.parametrize("field", ["id", "owner_id", "organization_id", "template_id"])
@pytest.mark.parametrize("value", ["", "nope", None, 7, ONE[:-1], ONE + "0", ONE.replace("-", ""), ["x"]])
def test_an_id_that_is_none_fails_the_read(field: str, value: object) -> None:
    with pytest.raises(CoderAnswerError, match=rf"workspace .*: field {field}: "):
        read_as(Workspace, workspace(**{field: value}))


def test_the_error_names_object_and_field_and_shows_no_value_of_the_row() -> None:
    agent = {"id": TWO, "name": "main", "environment_variables": {"PASSWORD": SECRET}}
    build = {"id": TWO, "build_number": SECRET, "resources": [{"agents": [agent]}]}
    with pytest.raises(CoderAnswerError) as caught:
        read_as(Workspace, workspace(latest_build=build))
    assert f"workspace {ONE}: field latest_build.build_number: " in str(caught.value)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert SECRET not in shown


@pytest.mark.parametrize("row", [None, [], "text", 3])
def test_a_row_that_is_no_object_is_named(row: object) -> None:
    with pytest.raises(CoderAnswerError, match="user that is no object"):
        read_as(User, row)


@pytest.mark.parametrize("build", [None, [], "running", {}, {"id": TWO}, {"build_number": 1}])
def test_a_workspace_without_a_latest_build_is_malformed(build: object) -> None:
    with pytest.raises(CoderAnswerError, match="latest_build"):
        read_as(Workspace, workspace(latest_build=build))


def test_secrets_of_agents_are_not_kept() -> None:
    agent = {
        "id": TWO,
        "name": "main",
        "environment_variables": {"PASSWORD": SECRET},
        "scripts": [{"script": SECRET}],
        "apps": [{"command": SECRET}],
    }
    resource = {"name": "dev", "agents": [agent], "metadata": [{"key": "k", "value": SECRET, "sensitive": True}]}
    read = read_as(Workspace, workspace(latest_build={"id": TWO, "build_number": 1, "resources": [resource]}))
    assert SECRET not in repr(read) + read.model_dump_json()


def test_failing_agents_have_names_where_the_build_names_them() -> None:
    resources = [
        {"agents": None},
        {"agents": [{"id": ONE, "name": "main"}, {"id": "x", "name": ""}]},
        "odd",
        {"agents": 3},
    ]
    read = read_as(
        Workspace,
        workspace(
            health={"healthy": False, "failing_agents": [TWO, ONE]},
            latest_build={"id": TWO, "build_number": 1, "resources": resources},
        ),
    )
    assert read.failing_agent_names == (TWO, "main")


def test_prebuilt_is_what_the_server_says_and_on_older_servers_what_the_owner_says() -> None:
    unclaimed = workspace(owner_id=PREBUILDS_OWNER_ID.upper())
    assert read_as(Workspace, unclaimed).is_prebuild
    assert not read_as(Workspace, unclaimed | {"is_prebuild": False}).is_prebuild
    assert read_as(Workspace, workspace(is_prebuild=True)).is_prebuild


def test_models_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_as(Workspace, workspace()).name = "other"


def test_every_recorded_object_of_a_real_server_is_read() -> None:
    rows = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    read: dict[str, int] = {"template": 0, "workspace": 0}
    for row in rows:
        response, route = row.get("response"), row["path"].removeprefix("/api/v2").split("/")
        if row["status"] != 200:
            continue
        if route[-1] == "templates" and isinstance(response, list):
            for one in response:
                found = read_as(Template, one)
                assert (found.id, found.active_user_count) == (one["id"], one["active_user_count"])
                read["template"] += 1
        elif route[-1] == "workspaces" and isinstance(response, dict):
            for one in response["workspaces"]:
                seen = read_as(Workspace, one)
                assert seen.latest_build.status == one["latest_build"]["status"]
                assert seen.ttl_ms == one.get("ttl_ms")
                assert seen.health is not None and seen.health.healthy
                read["workspace"] += 1
    assert min(read.values()) >= 10
