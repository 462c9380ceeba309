"""The recordings of the stock provider, replayed on ours: the same ids, inputs and outputs, the same bodies.

Ours differs on purpose in four things, and only these are let pass: nothing differs after a refresh that
changed nothing; the keys that a difference names; the text of a JSON value, which stays as the program wrote it;
an empty bag of relations, which stays in the inputs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from echoing_port import EchoingPort
from provider_driver import ACTION, BLUEPRINT, ENTITY, PERMISSIONS, Driver, Port

from coderport.emulators.port import PortEmulator
from coderport.provider.aggregations import TOKEN as AGGREGATIONS
from coderport.provider.blueprint_permissions import TOKEN as BLUEPRINT_PERMISSIONS
from coderport.provider.definition import PAGE_TOKEN as PAGE
from coderport.provider.definition import SCORECARD_TOKEN as SCORECARD

GOLDEN = Path(__file__).resolve().parents[1].parent / "shared" / "golden"
WIDE = Path(__file__).resolve().parent / "recordings" / "port-wide"
STEPS = ("1-create", "2-noop", "3-refresh", "4-noop-after-refresh", "5-update", "6-delete-one", "7-destroy")
BOB = "7f1c2f7e-0000-4000-8000-000000000003"
FIELDS = {"oldInputs": "old_inputs"}
ANSWERS = (SCORECARD, PAGE, AGGREGATIONS, BLUEPRINT_PERMISSIONS)
OURS = (ACTION, PERMISSIONS, BLUEPRINT, ENTITY, *ANSWERS, "pulumi:providers:port")
JSON_TEXTS = {"condition", "body", "workflowInputs", "query"}
LISTS_OF_TEXTS = {"conditions", "widgets"}
SKIPPED = {"resourceStatusAddress", "resourceStatusToken", "randomSeed", "name", "type"}


class Emulated:
    """The emulator in this process, with the recording's client."""

    def __init__(self) -> None:
        # The first recordings have an action of Port's former GitHub app.
        self.emulator = PortEmulator(client_id="client", client_secret="hidden", serves_github_app=True)

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(app=self.emulator.app)


@pytest.fixture
def golden() -> None:
    if not GOLDEN.exists():
        pytest.skip("these recordings are not part of a clone")


def recorded(folder: Path, step: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(method, request, response) of the calls about the types that ours serves, and the provider's settings."""
    for line in (folder / f"{step}.provider.jsonl").read_text().splitlines():
        call = json.loads(line)
        urn = call["request"].get("urn", "")
        if call["response"] is not None and any(f"::{each}::" in urn for each in OURS):
            yield call["method"], call["request"], call["response"]


def meaning(value: Any) -> Any:
    """The value without what may differ: the text of JSON, empty relations, and the time of a write."""
    if not isinstance(value, dict):
        return [meaning(each) for each in value] if isinstance(value, list) else value
    result = {key: meaning(each) for key, each in value.items() if not (key == "manyRelations" and not each)}
    result |= {key: json.loads(each) for key, each in result.items() if key in JSON_TEXTS and isinstance(each, str)}
    for key in LISTS_OF_TEXTS & result.keys():
        result[key] = [json.loads(each) for each in result[key]]
    if isinstance(result.get("objectProps"), dict):
        result["objectProps"] = {
            key: json.loads(text) if isinstance(text, str) else text for key, text in result["objectProps"].items()
        }
    return {**result, "updatedAt": "then"} if "updatedAt" in result else result


def replay(driver: Driver, step: str, folder: Path = GOLDEN) -> tuple[Counter[tuple[str, str]], list[str]]:
    """How many calls were replayed by type and method, and what differed."""
    replayed: Counter[tuple[str, str]] = Counter()
    differing: list[str] = []
    for method, request, response in recorded(folder, step):
        fields = {FIELDS.get(key, key): value for key, value in request.items() if key not in SKIPPED}
        answer = driver.run(driver.call(method, **fields))
        replayed[request["urn"].split("::")[2], method] += 1
        if method == "Diff":
            # The stock provider changes a scorecard for ever, because the state has other JSON text than the program.
            idle = SCORECARD in request["urn"] and request["news"] == request["oldInputs"]
            quiet = idle or step in ("3-refresh", "4-noop-after-refresh")
            expected = "DIFF_NONE" if quiet else response["changes"]
            same = answer["changes"] == expected
        else:
            same = meaning(stamped(answer)) == meaning(response)
        if not same:
            differing.append(f"{step} {method} {request['urn']}\n  ours:  {answer}\n  stock: {response}")
    return replayed, differing


def stamped(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with the recorded time of creation where ours comes from our clock."""
    properties = answer.get("properties", {})
    if properties.get("createdAt", "").startswith("20"):
        properties["createdAt"] = "2026-01-01 00:00:00 +0000 UTC"
    return answer


def replay_all(port: Port, forget: Callable[[], object], figure: Callable[[str], None]) -> None:
    """Replay every step, each as the engine run of its own that it was; `forget` deletes bob's workspace by hand.

    That deletion, between the steps 5 and 6, is not in the recordings.
    """
    replayed: Counter[tuple[str, str]] = Counter()
    differing: list[str] = []
    for step in STEPS:
        driver = Driver(port)
        calls, differences = replay(driver, step)
        driver.close()
        replayed += calls
        differing += differences
        if step == "5-update":
            forget()
    actions = sum(count for (token, _), count in replayed.items() if token in (ACTION, PERMISSIONS))
    figure(
        f"stock provider: {replayed.total()} recorded calls replayed, {actions} of them about actions and their "
        f"permissions, {len(differing)} differ"
    )
    assert not differing, "\n".join(differing)
    assert replayed.total() >= 80
    assert actions >= 30
    assert {method for token, method in replayed if token == ACTION} == {"Check", "Create", "Diff", "Read", "Delete"}


@pytest.mark.parametrize("echoing", [True, False], ids=["echoing", "emulator"])
def test_every_call_of_the_wide_recording_has_the_same_answer(echoing: bool, figure: Callable[[str], None]) -> None:
    """An integration action, which the stock provider changes after every refresh and ours never, among others."""
    port: Port = EchoingPort() if echoing else Emulated()
    replayed: Counter[tuple[str, str]] = Counter()
    differing: list[str] = []
    for step in STEPS:
        driver = Driver(port)
        calls, differences = replay(driver, step, WIDE)
        driver.close()
        replayed += calls
        differing += differences
    figure(f"stock provider, wide: {replayed.total()} recorded calls replayed, {len(differing)} differ")
    assert not differing, "\n".join(differing)
    assert replayed.total() >= 90
    for kind in (ACTION, *ANSWERS):
        methods = {method for token, method in replayed if token == kind}
        assert methods == {"Check", "Create", "Diff", "Read", "Update", "Delete"}, kind


def test_the_bodies_of_an_integration_action_are_those_that_the_stock_provider_sends() -> None:
    port = EchoingPort()
    driver = Driver(port)
    replay(driver, "1-create", WIDE)
    replay(driver, "5-update", WIDE)
    driver.close()
    ours = [each.body for each in port.writes if each.path.startswith("/v1/actions")]
    stock = []
    for step in ("1-create", "5-update"):
        calls = [json.loads(line) for line in (WIDE / f"{step}.http.jsonl").read_text().splitlines()]
        stock += [each["body"] for each in calls if each["body"] and each["path"].startswith("/v1/actions")]
    assert ours == stock
    assert [each["invocationMethod"]["type"] for each in ours] == ["INTEGRATION_ACTION"] * 2


def test_the_bodies_of_scorecards_pages_aggregations_and_permissions_are_those_that_the_stock_provider_sends() -> None:
    port = EchoingPort()
    driver = Driver(port)
    replay(driver, "1-create", WIDE)
    replay(driver, "5-update", WIDE)
    driver.close()

    def told(method: str, path: str, body: Any) -> str | None:
        if path.startswith("/v1/pages") or path.endswith(("/scorecards", "/permissions")) or "/scorecards/" in path:
            return f"{method} {path} {json.dumps(body, sort_keys=True)}"
        if isinstance(body, dict) and body.get("aggregationProperties"):
            return f"{path} {json.dumps(body['aggregationProperties'], sort_keys=True)}"
        return None

    ours = {told(each.method, each.path, each.body) for each in port.writes}
    stock = set()
    for step in ("1-create", "5-update"):
        for line in (WIDE / f"{step}.http.jsonl").read_text().splitlines():
            call = json.loads(line)
            if call["method"] != "GET" and "/actions/" not in call["path"]:
                stock.add(told(call["method"], call["path"], call["body"]))
    assert stock - {None} == ours - {None}
    assert len(stock - {None}) == 8


@pytest.mark.usefixtures("golden")
def test_every_recorded_call_has_the_same_answer_from_an_echoing_port(figure: Callable[[str], None]) -> None:
    port = EchoingPort()
    replay_all(port, lambda: port.entities["coder_workspace"].pop(BOB), figure)
    assert port.blueprints == {}
    assert not port.actions


@pytest.mark.usefixtures("golden")
def test_every_recorded_call_has_the_same_answer_from_the_emulator(figure: Callable[[str], None]) -> None:
    port = Emulated()
    replay_all(port, lambda: port.emulator.delete_entity("coder_workspace", BOB), figure)
    assert port.emulator.objects()["blueprints"] == {}
    assert not port.emulator.objects()["actions"]


@pytest.mark.usefixtures("golden")
def test_the_bodies_are_those_that_the_stock_provider_sends() -> None:
    port = EchoingPort()
    driver = Driver(port)
    for step in ("1-create", "5-update"):
        replay(driver, step)
    driver.close()
    sent: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in port.writes:
        if each.path.endswith("/entities/bulk"):
            for body in each.body["entities"]:
                sent.setdefault((each.path.removesuffix("/bulk"), body["identifier"]), []).append(body)
        elif each.body:
            sent.setdefault((each.path, each.body.get("identifier", "")), []).append(each.body)
    compared = 0
    for step in ("1-create", "5-update"):
        for line in (GOLDEN / f"{step}.http.jsonl").read_text().splitlines():
            call = json.loads(line)
            body, path = call["body"], call["path"]
            if not body or not path.startswith(("/v1/blueprints", "/v1/actions")) or "scorecards" in path:
                continue
            if "aggregationProperties" in body:
                continue
            if "/entities" in path:
                path = path.partition("/entities")[0] + "/entities"
                del body["blueprint"]
            if call["method"] == "PUT" and path.startswith("/v1/actions"):
                # Sent for JSON in another key order after a refresh, where ours has nothing to send.
                continue
            ours = [normal(each) for each in sent.get((path, body.get("identifier", "")), [])]
            assert normal(body) in ours, f"{call['method']} {call['path']}"
            compared += 1
    assert compared >= 10


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """The body with what is required as a set, and none of it as nothing (a replaced blueprint says so)."""
    result = json.loads(json.dumps(body))
    for holder in (result.get("schema"), result.get("trigger", {}).get("userInputs")):
        if holder and "required" in holder:
            holder["required"] = sorted(holder["required"])
            if not holder["required"]:
                del holder["required"]
    return dict(result)
