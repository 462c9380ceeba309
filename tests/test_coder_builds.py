"""What is done to workspaces over the API, and who people are: the writing client on the Coder emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest
import stamina

from coderport.coder.builds import Builds, NewWorkspace, WatchedBuild
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderBadRequest, CoderConflict, CoderForbidden, CoderServerError
from coderport.coder.facilities import Facilities
from coderport.coder.people import People
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.seed import SECRET_MARK

T = TypeVar("T")


@pytest.fixture
def coder() -> Iterator[CoderEmulator]:
    with stamina.set_testing(True, attempts=3):
        emulator = CoderEmulator(
            seed=3, workspaces=0, templates=2, pending_seconds=0, running_seconds=0, flavour="2.29"
        )
        emulator.create_user("alice")
        with emulator.serve():
            yield emulator


def talk(coder: CoderEmulator, work: Callable[[CoderClient], Awaitable[T]], token: str | None = None) -> T:
    async def run() -> T:
        assert coder.url is not None
        async with CoderClient(coder.url, token or coder.token) as client:
            return await work(client)

    return asyncio.run(run())


def wanted(coder: CoderEmulator, name: str = "dev", **fields: Any) -> NewWorkspace:
    template = next(each for each in coder.state.templates.values())
    return NewWorkspace(name, template.active_version_id, fields.pop("parameters", {}), **fields)


def alice(coder: CoderEmulator) -> str:
    return coder.user("alice").id


def test_a_new_workspace_has_what_was_asked_for(coder: CoderEmulator) -> None:
    schedule = "CRON_TZ=Europe/Berlin 30 9 * * 1-5"
    asked = wanted(
        coder, parameters={"cpu": "8"}, ttl_ms=7_200_000, autostart_schedule=schedule, automatic_updates="always"
    )
    made = talk(coder, lambda client: Builds(client).create_workspace(alice(coder), asked))
    assert (made.owner_name, made.name, made.ttl_ms) == ("alice", "dev", 7_200_000)
    assert (made.autostart_schedule, made.automatic_updates) == (schedule, "always")
    assert coder.workspace(made.id).build.parameters["cpu"] == "8"


def test_a_preset_is_asked_for_by_its_id(coder: CoderEmulator) -> None:
    template = next(iter(coder.state.templates.values()))
    preset = coder.state.versions[template.active_version_id].presets[0]
    made = talk(coder, lambda client: Builds(client).create_workspace(alice(coder), wanted(coder, preset_id=preset.id)))
    assert dict(coder.workspace(made.id).build.parameters) | dict(preset.parameters) == dict(
        coder.workspace(made.id).build.parameters
    )


def test_a_name_that_is_taken_is_a_conflict(coder: CoderEmulator) -> None:
    async def twice(client: CoderClient) -> None:
        builds = Builds(client)
        await builds.create_workspace(alice(coder), wanted(coder, "Dev"))
        assert (await builds.workspace_by_name(alice(coder), "dev")) is not None
        await builds.create_workspace(alice(coder), wanted(coder, "dev"))

    with pytest.raises(CoderConflict):
        talk(coder, twice)


def test_a_workspace_that_is_not_there_is_none_by_name(coder: CoderEmulator) -> None:
    assert talk(coder, lambda client: Builds(client).workspace_by_name(alice(coder), "new/../$(x)")) is None


def test_a_request_that_makes_something_is_sent_once(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", running=False)
    coder.faults.add({"method": "POST", "path": "/(builds|workspaces)$", "kind": "status", "status": 503})
    coder.log.reset()
    for act in (
        lambda client: Builds(client).post_build(workspace, "start"),
        lambda client: Builds(client).create_workspace(alice(coder), wanted(coder)),
    ):
        with pytest.raises(CoderServerError):
            talk(coder, act)
    assert coder.log.snapshot()["total"] == 2


def test_settings_are_repeated_after_a_lost_answer(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice")
    coder.faults.add({"method": "PUT", "path": "/ttl$", "kind": "status", "status": 502, "applied": True, "times": 1})
    talk(coder, lambda client: Builds(client).put_ttl(workspace, 3_600_000))
    assert coder.workspace(workspace).ttl_ms == 3_600_000


def test_a_build_is_found_read_and_followed_by_its_log(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", running=False)
    coder.set_build_log("one", "two")

    async def work(client: CoderClient) -> None:
        builds = Builds(client)
        queued = await builds.post_build(workspace, "start", parameters={"cpu": "3"})
        assert (queued.workspace_id, queued.transition) == (workspace, "start")
        ended = await builds.build(queued.id)
        assert ended.ended and ended.succeeded and ended.status == "running"
        assert [build.build_number for build in await builds.builds(workspace, limit=2)] == [3, 2]
        assert (await builds.build_parameters(queued.id))["cpu"] == "3"
        lines = await builds.build_logs(queued.id)
        assert [line.output for line in lines if line.output in ("one", "two")] == ["one", "two"]
        assert await builds.build_logs(queued.id, after=lines[1].id) == lines[2:]

    talk(coder, work)


def test_an_update_names_its_version(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", running=False)
    version = coder.promote_version(coder.workspace(workspace).template_id)
    talk(coder, lambda client: Builds(client).post_build(workspace, "start", version_id=version))
    assert coder.workspace(workspace).build.version_id == version


def test_a_second_build_is_a_conflict_and_the_first_can_be_cancelled(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", running=False)
    coder.set_provisioners(0)

    async def work(client: CoderClient) -> None:
        builds = Builds(client)
        queued = await builds.post_build(workspace, "start")
        assert queued.provisioners is not None and queued.provisioners.count == 0
        with pytest.raises(CoderConflict):
            await builds.post_build(workspace, "stop")
        await builds.cancel(queued.id, expect="pending")
        assert (await builds.build(queued.id)).job.status == "canceled"
        with pytest.raises(CoderBadRequest):
            await builds.cancel(queued.id, expect="pending")

    talk(coder, work)


def test_every_setting_arrives(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", ttl_ms=3_600_000)
    coder.stop(workspace)
    coder.start(workspace)
    deadline = datetime.now(timezone.utc) + timedelta(hours=3)

    async def work(client: CoderClient) -> None:
        builds = Builds(client)
        await builds.extend(workspace, deadline)
        await builds.put_autostart(workspace, "30 9 * * 1-5")
        await builds.put_dormant(workspace, True)
        await builds.put_dormant(workspace, True)  # 304

    talk(coder, work)
    held = coder.workspace(workspace)
    assert held.build.deadline == deadline.replace(microsecond=0)
    assert held.autostart_schedule == "30 9 * * 1-5"
    assert held.dormant_at is not None

    async def off(client: CoderClient) -> None:
        await Builds(client).put_autostart(workspace, None)
        await Builds(client).put_ttl(workspace, None)

    talk(coder, off)
    assert (held.autostart_schedule, held.ttl_ms) == ("", None)


def test_extending_a_stopped_workspace_is_a_conflict_in_coders_words(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice", running=False)
    later = datetime.now(timezone.utc) + timedelta(hours=3)
    with pytest.raises(CoderConflict) as refused:
        talk(coder, lambda client: Builds(client).extend(workspace, later))
    assert "must be started" in refused.value.reason


def test_agents_are_kept_without_anything_secret(coder: CoderEmulator) -> None:
    workspace = coder.create_workspace("alice")
    build = talk(coder, lambda client: Builds(client).build(coder.workspace(workspace).build.id))
    assert [(agent.name, agent.lifecycle, agent.status) for agent in build.agents] == [("main", "ready", "connected")]
    assert SECRET_MARK not in repr(build) and SECRET_MARK not in build.model_dump_json()


def test_agents_come_up_by_the_clock_and_may_fail() -> None:
    now = [1_800_000_000.0]
    coder = CoderEmulator(seed=3, workspaces=0, templates=1, pending_seconds=0, running_seconds=0, clock=lambda: now[0])
    coder.set_agents(10, "ready", "start_error", "timeout")
    workspace = coder.create_workspace("admin", running=False)
    with coder.serve():

        async def start(client: CoderClient) -> WatchedBuild:
            return await Builds(client).post_build(workspace, "start")

        def states(build: str) -> list[str]:
            found = []
            for _ in range(3):
                seen = talk(coder, lambda client: Builds(client).build(build))
                found.append(f"{seen.agents[0].lifecycle} {seen.agents[0].status}")
                now[0] += 5
            return found

        assert states(talk(coder, start).id) == ["created connecting", "starting connected", "ready connected"]
        assert states(talk(coder, start).id)[-1] == "start_error connected"
        assert states(talk(coder, start).id)[-1] == "created timeout"


def test_builds_queue_for_the_provisioners_there_are() -> None:
    now = [1_800_000_000.0]
    coder = CoderEmulator(
        seed=3, workspaces=0, templates=1, pending_seconds=1, running_seconds=10, clock=lambda: now[0]
    )
    workspaces = [coder.create_workspace("admin", running=False) for _ in range(3)]
    coder.set_provisioners(1)
    with coder.serve():

        async def all_started(client: CoderClient) -> list[str]:
            return [(await Builds(client).post_build(each, "start")).id for each in workspaces]

        def seen(build: str) -> tuple[str, int, int]:
            found = talk(coder, lambda client: Builds(client).build(build))
            return found.job.status, found.job.queue_position, found.job.queue_size

        builds = talk(coder, all_started)
        now[0] += 2
        assert [seen(build) for build in builds] == [("running", 0, 0), ("pending", 1, 2), ("pending", 2, 2)]
        now[0] += 10
        assert [seen(build) for build in builds] == [("succeeded", 0, 0), ("running", 0, 0), ("pending", 1, 1)]
        now[0] += 30
        assert [seen(build)[0] for build in builds] == ["succeeded"] * 3


# ---------------------------------------------------------------- people


def test_a_person_is_found_by_the_exact_address_whatever_its_case(coder: CoderEmulator) -> None:
    for name in ("ali", "xalice", "alice-2"):
        coder.create_user(name)
    coder.set_user("alice-2", email="alice@example.com.evil.org")

    def found(email: str) -> list[str]:
        return [user.username for user in talk(coder, lambda client: People(client).by_email(email))]

    assert found("Alice@Example.COM") == ["alice"]
    assert found("lice@example.com") == []
    assert found("alice") == []


def test_a_person_beyond_the_first_page_is_found(coder: CoderEmulator) -> None:
    with coder.state.lock:
        for number in range(120):
            coder.create_user(f"a{number:03}")
            coder.set_user(f"a{number:03}", email=f"a{number:03}alice@example.com")
    assert [user.username for user in talk(coder, lambda client: People(client).by_email("alice@example.com"))] == [
        "alice"
    ]


@pytest.mark.parametrize("email", ['a"b@example.com', "status:active@example.com", "a b@example.com", "", "@"])
def test_an_address_that_would_be_a_search_of_its_own_is_nobodys(coder: CoderEmulator, email: str) -> None:
    coder.log.reset()
    assert talk(coder, lambda client: People(client).by_email(email)) == ()
    assert coder.log.snapshot()["total"] == 0


def test_an_unknown_user_is_none_on_every_server(coder: CoderEmulator) -> None:
    assert talk(coder, lambda client: People(client).user("nobody")) is None
    found = talk(coder, lambda client: People(client).user("alice"))
    assert found is not None and found.organization_ids == (next(iter(coder.state.organizations)),)


def test_who_may_use_a_template_is_what_its_access_list_says(coder: CoderEmulator) -> None:
    template = next(iter(coder.state.templates))
    assert alice(coder) in (talk(coder, lambda client: People(client).template_users(template)) or ())
    coder.set_template(template, readers=[coder.user("admin").id])
    assert talk(coder, lambda client: People(client).template_users(template)) == frozenset({coder.user("admin").id})


@pytest.mark.parametrize("body", [{"users": None, "group": None}, {"users": [], "group": None}, {"users": []}, []])
def test_an_access_list_that_is_none_is_nobody_s_word(coder: CoderEmulator, body: object) -> None:
    """Neither everybody nor nobody, for who asks of a person and for who asks of groups: both read it by one rule."""
    template = next(iter(coder.state.templates))
    number = coder.faults.add(kind="status", path="/acl$", status=200, body=body)
    with pytest.raises(CoderAnswerError, match="/acl without the list"):
        talk(coder, lambda client: People(client).template_users(template))
    with pytest.raises(CoderAnswerError, match="/acl without the list"):
        talk(coder, lambda client: Facilities(client).template_groups(template))
    coder.faults.clear(number)


@pytest.mark.parametrize("flavour", ["2.20", "2.29"])
def test_without_a_licence_everybody_may_use_a_template(flavour: str) -> None:
    coder = CoderEmulator(seed=3, workspaces=0, templates=1, licensed=False, flavour=flavour)
    with coder.serve():
        template = next(iter(coder.state.templates))
        assert talk(coder, lambda client: People(client).template_users(template)) is None


def test_a_token_that_may_not_see_the_access_list_is_told_apart(coder: CoderEmulator) -> None:
    template = next(iter(coder.state.templates))
    token = coder.create_token("member")
    with pytest.raises(CoderForbidden):
        talk(coder, lambda client: People(client).template_users(template), token)


def test_new_workspaces_are_asked_for_without_what_was_not_chosen() -> None:
    body = NewWorkspace("dev", "v", {"a": 'x"\n$(y) {{ z }}'}).body()
    assert json.loads(json.dumps(body)) == {
        "name": "dev",
        "template_version_id": "v",
        "rich_parameter_values": [{"name": "a", "value": 'x"\n$(y) {{ z }}'}],
        "automatic_updates": "never",
    }
