"""The client's side of action runs: reading them, telling what becomes of them, and who started them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
import stamina
from runner_lab import ALICE, BOB, RunnerLab, timed_lab

from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.port.runs import Run, Runs

T = TypeVar("T")
STOP = "coder_stop_workspace"


@pytest.fixture(scope="module")
def lab() -> Iterator[RunnerLab]:
    with stamina.set_testing(True, attempts=2), timed_lab(templates=1) as lab:
        yield lab


def talk(lab: RunnerLab, work: Callable[[Runs], Awaitable[T]]) -> T:
    return lab.talk(lambda _, port: work(Runs(port)))


def answered(answer: Any, work: Callable[[Runs], Awaitable[T]]) -> T:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("access_token"):
            return httpx.Response(200, json={"ok": True, "accessToken": "t", "expiresIn": 3600})
        return httpx.Response(200, json={"ok": True, **answer})

    async def run() -> T:
        async with PortClient("https://port", "id", "secret", transport=httpx.MockTransport(handler)) as client:
            return await work(Runs(client))

    return asyncio.run(run())


def new_run(lab: RunnerLab, name: str, by: str = ALICE) -> tuple[str, str]:
    workspace = lab.workspace(by.partition("@")[0], name)
    return lab.ask(STOP, by=by, entity=workspace), workspace


def test_a_run_is_read_with_its_action_entity_and_inputs(lab: RunnerLab) -> None:
    run_id, workspace = new_run(lab, "read")
    run = talk(lab, lambda runs: runs.run(run_id))
    assert run is not None and run.in_progress
    assert (run.action, run.blueprint, run.entity, run.inputs) == (STOP, "coder_workspace", workspace, {})
    create = lab.ask("coder_create_workspace", template=lab.any_template(), name="x")
    created = talk(lab, lambda runs: runs.run(create))
    assert created is not None and created.entity is None
    assert created.inputs["name"] == "x" and created.inputs["template"] == lab.any_template()


def test_a_run_that_is_not_there_is_none(lab: RunnerLab) -> None:
    assert talk(lab, lambda runs: runs.run("r_nobody")) is None
    assert talk(lab, lambda runs: runs.run("../users")) is None


def test_the_person_is_found_by_the_id_that_port_has_for_them(lab: RunnerLab) -> None:
    run_id, _ = new_run(lab, "who", by=BOB)

    async def asked(runs: Runs) -> str | None:
        run = await runs.run(run_id)
        assert run is not None and run.created_by.startswith("auth0|")
        return await runs.email_of(run)

    assert talk(lab, asked) == BOB


@pytest.mark.parametrize("by", ["", "auth0|stranger", "client@clients"])
def test_nobody_is_the_person_of_a_run_without_one(by: str) -> None:
    users = {"users": [{"id": "auth0|1", "email": ALICE}, {"email": BOB}, {"id": "", "email": "c@x"}, {"id": None}]}
    run = Run("r_1", "IN_PROGRESS", STOP, by)
    assert answered(users, lambda runs: runs.email_of(run)) is None


def test_older_answers_name_the_action_by_its_identifier() -> None:
    row = {"id": "r_1", "status": "IN_PROGRESS", "action": STOP, "entity": None, "properties": None}
    run = answered({"run": row}, lambda runs: runs.run("r_1"))
    assert run is not None and (run.action, run.inputs, run.created_by) == (STOP, {}, "")


@pytest.mark.parametrize("row", [{}, {"id": "r", "status": "x"}, {"id": "r", "status": "x", "action": {}}])
def test_a_run_that_is_none_is_an_error(row: dict[str, Any]) -> None:
    with pytest.raises(PortError):
        answered({"run": row}, lambda runs: runs.run("r"))


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True},
        {"ok": True, "entities": [], "errors": []},
        {"ok": True, "run": {"id": "r", "status": "IN_PROGRESS", "action": STOP}},
    ],
)
def test_an_end_that_port_does_not_confirm_is_an_error_and_a_label_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(PortError):
        answered(answer, lambda runs: runs.patch("r", status="SUCCESS"))
    answered(answer, lambda runs: runs.patch("r", label="Stopping"))
    ended = {"ok": True, "run": {"id": "r", "status": "SUCCESS", "action": STOP}}
    answered(ended, lambda runs: runs.patch("r", status="SUCCESS"))


def test_what_is_told_arrives_and_an_ended_run_is_closed(lab: RunnerLab) -> None:
    run_id, _ = new_run(lab, "told")

    async def work(runs: Runs) -> None:
        await runs.patch(run_id, label="Starting", link="https://coder.example.com/@a/b", external_id="build-1")
        await runs.log(run_id, 'a "line"\n{{ .x }}')
        await runs.patch(run_id, status="SUCCESS", label="Done", summary="It runs.")
        for again in (runs.patch(run_id, label="x"), runs.log(run_id, "x"), runs.patch(run_id, status="FAILURE")):
            with pytest.raises(PortRejected):
                await again

    talk(lab, work)
    run = lab.port.run(run_id)
    assert (run["status"], run["statusLabel"], run["summary"]) == ("SUCCESS", "Done", "It runs.")
    assert run["link"] == ["https://coder.example.com/@a/b"]
    assert [line["message"] for line in lab.port.run_logs(run_id)] == ['a "line"\n{{ .x }}']
    assert [each["id"] for each in lab.port.runs(external_run_id="build-1")] == [run_id]


@pytest.mark.parametrize(
    "approval",
    [
        *(None, {}, "APPROVED", [{"state": "APPROVED"}], {"state": ["APPROVED"]}, {"state": {}}, {"state": True}),
        *({"state": "approved"}, {"state": "DECLINED"}),
    ],
)
def test_only_an_approval_is_one(approval: object) -> None:
    row = {"id": "r_1", "status": "IN_PROGRESS", "action": {"identifier": "coder_delete_workspace"}}
    assert not Run.from_json({**row, "approval": approval}).approved
    assert Run.from_json({**row, "approval": {"state": "APPROVED"}}).approved
