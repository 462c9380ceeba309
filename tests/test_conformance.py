"""`conformance`: what a probe finds on a live service, what it leaves behind (nothing), and how that is told."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from port_talk import Clock, emulator_of
from pydantic import SecretStr
from rich.console import Console
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typer.testing import CliRunner

from coderport.commands.cli import app
from coderport.conformance.command import ask_port, clean_up_port, finish
from coderport.conformance.documented import PAGE, documented
from coderport.conformance.port_bench import BUDGET, PortBench, PortCredentials, is_throwaway, new_prefix
from coderport.conformance.port_probes import PORT_PROBES
from coderport.conformance.probe import Finding, NotAsked, Probe
from coderport.conformance.recording import as_json, behaviours, read_recording
from coderport.conformance.running import Report, findings
from coderport.conformance.talk import BudgetSpent, Talk
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import serve
from coderport.emulators.port import PortEmulator
from coderport.emulators.port.behaviour import Behaviour
from coderport.settings import PortAccess, load_access


@pytest.fixture
def port() -> Iterator[PortEmulator]:
    emulator = PortEmulator()
    with emulator.serve():
        yield emulator


def access(emulator: PortEmulator) -> PortAccess:
    return load_access(PortAccess, environ(emulator))


def environ(emulator: PortEmulator) -> dict[str, str]:
    return {
        "PORT_CLIENT_ID": emulator.client_id,
        "PORT_CLIENT_SECRET": emulator.client_secret,
        "PORT_BASE_URL": emulator.url or "",
    }


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False, markup=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _probe(name: str, expected: Any, ask: Any, **more: Any) -> Probe[PortBench]:
    return Probe(name, f"{name}?", "a test", expected, ask, **more)


# ---------------------------------------------------------------- on the emulators


def test_the_emulated_port_is_as_expected_and_keeps_nothing(clock: Clock, figure: Callable[[str], None]) -> None:
    emulator = emulator_of(clock)
    for name in ("one", "two"):
        emulator.add_user(f"{name}@example.com", roles=("Admin",), teams=("people",))
    with emulator.serve():
        _somebody_views_as_another(emulator)
        report = ask_port(access(emulator), quiet())
    assert [finding for finding in report.findings if finding.result != "same"] == []
    assert report.exit_code == 0 and len(report.findings) == len(PORT_PROBES)
    assert report.requests <= BUDGET
    figure(f"conformance: {len(PORT_PROBES)} probes of Port, {report.requests} requests")
    assert emulator.objects() == {"blueprints": {}, "actions": ["theirs"], "pages": []}


def _somebody_views_as_another(emulator: PortEmulator) -> None:
    talk = Talk(emulator.url or "", PortCredentials(access(emulator)), budget=2)
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}}}
    method = {"type": "WEBHOOK", "url": "https://example.com", "agent": True}
    body = {"identifier": "theirs", "trigger": trigger, "invocationMethod": method}
    talk.ask("POST", "/v1/actions", body).expect(201)
    talk.close()
    emulator.run_action("theirs", by="one@example.com", view_as="two@example.com")


OPEN = {
    "a: what becomes of a run whose webhook fails": {"run.refused-webhook"},
    "b: permissions that name nobody": {"permissions.name-unknown", "action.permissions-name-unknown"},
    "c: an upsert without a change": {"entity.no-op-moves-updated-at"},
    "d: inside one bulk call": {"bulk.sees-earlier-items", "bulk.sees-later-items", "bulk.order"},
    "e: how soon a search finds": {"search.delay"},
    "f: the budget of a single write": {"rates.single-write"},
    "g: who made an impersonated run": {"run.created-by-under-view-as"},
    "h: relations that change": {"blueprint.target-change", "blueprint.many-change"},
    "i: the log of a run": {"run.log-order", "run.log-page"},
}


def test_the_nine_open_questions_are_asked() -> None:
    assert len(OPEN) == 9
    assert set().union(*OPEN.values()) <= {probe.name for probe in PORT_PROBES if probe.is_open}


def _open_runs(port: PortEmulator) -> list[str]:
    return port.look(
        lambda store: [run.action["identifier"] for run in store.runs.values() if run.status == "IN_PROGRESS"]
    )


@pytest.mark.parametrize("late", [8.0, 600.0])
def test_a_port_that_is_late_is_asked_everything(clock: Clock, late: float) -> None:
    behaviour = Behaviour(permissions_delay=late, search_delay=late, calculations_delay=late)
    emulator = emulator_of(clock, behaviour=behaviour)
    with emulator.serve():
        report = ask_port(access(emulator), quiet())
    spent = [finding.name for finding in report.findings if finding.seen == "there were no requests left"]
    assert spent == [] and report.left == () and report.requests <= BUDGET
    assert _open_runs(emulator) == []


def test_the_open_questions_come_first() -> None:
    are_open = [probe.is_open for probe in PORT_PROBES]
    assert are_open == sorted(are_open, reverse=True)


def test_names_of_probes_are_unique_and_each_says_where_its_assumption_comes_from() -> None:
    assert len({probe.name for probe in PORT_PROBES}) == len(PORT_PROBES)
    assert all(probe.question.endswith("?") and probe.source for probe in PORT_PROBES)


# ---------------------------------------------------------------- what a probe can come to


def test_each_end_of_a_probe_is_told_apart(port: PortEmulator) -> None:
    def cannot(bench: PortBench) -> None:
        raise NotAsked("this role may not")

    probes = (
        _probe("same", 1, lambda bench: 1),
        _probe("different", 1, lambda bench: 2),
        _probe("unexpected", 1, lambda bench: bench.ask("GET", "/nowhere").expect(200)),
        _probe("not-asked", 1, cannot),
        _probe("by-version", lambda bench: "of " + bench.prefix[:5], lambda bench: "of coder"),
    )
    console = quiet()
    report = ask_port(access(port), console, probes)
    assert [(each.name, each.result, each.seen) for each in report.findings] == [
        ("same", "same", 1),
        ("different", "different", 2),
        ("unexpected", "different", "GET /v1/nowhere answered 404 not_found"),
        ("not-asked", "not asked", "this role may not"),
        ("by-version", "same", "of coder"),
    ]
    assert report.exit_code == 4
    assert finish(report, None, console) == 4
    text = shown(console)
    assert "unexpected: unexpected?" in text and "expected: 1 (a test)" in text
    assert "2 as expected, 2 different, 1 not asked, 0 failed" in text


def test_a_service_that_stops_answering_fails_the_run_and_names_what_may_be_left(port: PortEmulator) -> None:
    def lost(bench: PortBench) -> str:
        bench.blueprint("left")
        page = {"identifier": bench.name("page"), "title": "T", "type": "dashboard", "widgets": []}
        bench.ask("POST", "/pages", page).expect(201)
        port.faults.add(kind="drop_connection")
        return bench.ask("GET", "/blueprints").verdict

    report = ask_port(access(port), quiet(), (_probe("lost", "200", lost), _probe("after", 1, lambda bench: 1)))
    assert [each.result for each in report.findings] == ["failed", "not asked"]
    assert report.exit_code == 1 and report.prefix in report.left[0]
    port.faults.clear()
    assert list(port.objects()["blueprints"]) == [f"{report.prefix}left"]
    assert port.objects()["pages"] == [f"{report.prefix}page"]
    assert clean_up_port(access(port), quiet()) == 0
    assert port.objects() == {"blueprints": {}, "actions": [], "pages": []}


def test_a_run_asks_no_more_than_its_budget_and_keeps_enough_of_it_to_remove_its_objects(port: PortEmulator) -> None:
    def greedy(bench: PortBench) -> None:
        while True:
            bench.blueprint(f"b{bench.talk.requests}")
            for _ in range(19):
                bench.ask("GET", "/blueprints")

    report = ask_port(access(port), quiet(), (_probe("greedy", 1, greedy),))
    assert report.findings[0].result == "not asked" and not report.left
    assert report.requests <= BUDGET and port.log.total == report.requests + 1  # the token
    assert port.objects()["blueprints"] == {}


# ---------------------------------------------------------------- the emulator takes it over


def test_the_emulator_behaves_as_a_recording_saw_port(clock: Clock, tmp_path: Path) -> None:
    odd = Behaviour(
        unset_property="absent",
        max_bulk_upserts=9,
        log_order="newest first",
        moves_updated_at=False,
        permissions_name_unknown=frozenset({"teams", "users"}),
    )
    out = tmp_path / "port.json"
    emulator = emulator_of(clock, behaviour=odd)
    with emulator.serve():
        assert finish(ask_port(access(emulator), quiet()), out, quiet()) == 4
    taken, _ = behaviours([out])
    assert taken == odd
    again = emulator_of(clock, behaviour=taken)
    with again.serve():
        seen = [finding.seen for finding in ask_port(access(again), quiet()).findings]
    assert seen == [probe["seen"] for probe in read_recording(out)["probes"]]


def test_a_recording_of_coder_says_version_and_flags(tmp_path: Path) -> None:
    out = tmp_path / "coder.json"
    probes = [
        {"behaviour": "limit_required", "result": "different", "seen": True},
        {"behaviour": "builds_chain", "result": "not asked", "seen": "it needs a throwaway workspace: --writes"},
        {"behaviour": None, "result": "same", "seen": True},
    ]
    for version, known in (("2.20", "2.20"), ("2.99", "2.37"), ("1.0", "2.13")):
        out.write_text(json.dumps({"format": 1, "service": "coder", "version": version, "probes": probes}))
        assert behaviours([out]) == (None, {"flavour": known, "behaviour": {"limit_required": True}})
        CoderEmulator(workspaces=1, templates=1, **behaviours([out])[1])
    assert behaviours([]) == (None, {})


def test_emulate_takes_a_recording(tmp_path: Path) -> None:
    out = tmp_path / "port.json"
    seen = {"behaviour": "unset_property", "result": "different", "seen": "absent"}
    out.write_text(json.dumps({"format": 1, "service": "port", "version": "", "probes": [seen]}))
    command = [sys.executable, "-m", "coderport", "emulate", "--free-ports", "--workspaces", "1", "--as", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as emulating:
        assert emulating.stdout is not None
        control = json.loads(emulating.stdout.readline())["control_url"]
        assert httpx.get(f"{control}/port/behaviour", trust_env=False, timeout=300).json()["unset_property"] == "absent"
        emulating.terminate()


# ---------------------------------------------------------------- removing


def test_stopped_at_every_tenth_request_nothing_is_left_after_a_clean_up(clock: Clock) -> None:
    port = emulator_of(clock)
    with port.serve():
        _stopped_at_every_tenth_request(port)


def _stopped_at_every_tenth_request(port: PortEmulator) -> None:
    whole = ask_port(access(port), quiet()).requests
    assert whole > 100
    others = port.put_blueprint({"identifier": "theirs", "title": "T", "schema": {"properties": {}}, "relations": {}})
    for last in range(0, whole, 10):
        talk = Talk(port.url or "", PortCredentials(access(port)), budget=last)
        for _ in findings(PORT_PROBES, PortBench(talk, new_prefix()), talk):
            pass  # ends at the budget as a kill would: nothing is removed
        talk.close()
        assert clean_up_port(access(port), quiet()) == 0
        assert port.objects() == {"blueprints": {others["identifier"]: 0}, "actions": [], "pages": []}


class _Killer:
    """An application that signals a process at its nth request: once that has been done, before it is answered."""

    def __init__(self, app: ASGIApp, at: int, number: signal.Signals = signal.SIGKILL) -> None:
        self._app, self._left, self._number = app, at, number
        self.victim: subprocess.Popen[bytes] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._left -= 1
        if self._left or self.victim is None:
            await self._app(scope, receive, send)
            return

        answer: list[Message] = []

        async def held(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, held)
        self.victim.send_signal(self._number)
        for message in answer:
            await send(message)


def _killed_at(request: int) -> None:
    port = PortEmulator()
    killer = _Killer(port.app, request)
    with serve(killer) as served:
        port.url = served.url
        environment = {**os.environ, **environ(port)}
        command = [sys.executable, "-m", "coderport", "conformance", "--port"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as killer.victim:
            assert killer.victim.wait(600) == -signal.SIGKILL
        assert clean_up_port(access(port), quiet()) == 0
    assert port.objects() == {"blueprints": {}, "actions": [], "pages": []}
    assert _open_runs(port) == []


@pytest.mark.parametrize("request_number", [4, 60, 130])
def test_a_killed_command_leaves_nothing_that_a_clean_up_does_not_find(request_number: int) -> None:
    _killed_at(request_number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_asked_to_end_removes_what_it_made(number: signal.Signals, code: int) -> None:
    port = PortEmulator()
    signalled = _Killer(port.app, 70, number)
    with serve(signalled) as served:
        port.url = served.url
        environment = {**os.environ, **environ(port)}
        command = [sys.executable, "-m", "coderport", "conformance", "--port"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as signalled.victim:
            told = signalled.victim.communicate(timeout=600)[1].decode()
    assert signalled.victim.returncode == code, told
    assert told.endswith("what this run had made is removed.\n") and "Traceback" not in told
    assert port.objects() == {"blueprints": {}, "actions": [], "pages": []}
    assert _open_runs(port) == []


@pytest.mark.long
@pytest.mark.parametrize("request_number", range(2, 162, 10))
def test_killed_at_every_tenth_request_nothing_is_left(request_number: int) -> None:
    _killed_at(request_number)


def test_the_docs_list_every_probe() -> None:
    assert PAGE.read_text() == documented(PAGE.read_text()), "run `python -m coderport.conformance.documented`"


def test_only_names_that_conformance_makes_are_throwaway() -> None:
    assert is_throwaway(new_prefix() + "plain") and new_prefix() != new_prefix()
    for name in ("coderport_probe_", "coderport_probe_zzzzzzzz_a", "coder_workspace", "my_coderport_probe_00000000_a"):
        assert not is_throwaway(name)


# ---------------------------------------------------------------- the command


def _run(port: PortEmulator, *options: str) -> Any:
    return CliRunner().invoke(app, ["conformance", *options], env=environ(port))


def test_the_command_ends_with_0_and_a_recording_without_credentials(clock: Clock, tmp_path: Path) -> None:
    port = emulator_of(clock)
    with port.serve():
        _recorded(port, tmp_path)


def _recorded(port: PortEmulator, tmp_path: Path) -> None:
    out = tmp_path / "seen.json"
    result = _run(port, "--port", "--out", str(out))
    assert result.exit_code == 0, result.output
    found = read_recording(out)
    assert found["service"] == "port" and len(found["probes"]) == len(PORT_PROBES)
    assert port.client_secret not in out.read_text() and "Bearer" not in out.read_text()
    asked = {line for probe in found["probes"] for line in probe["requests"]}
    assert len(asked) > 50 and all(" -> " in line for line in asked)


def test_the_command_takes_the_credentials_of_a_stack(port: PortEmulator, tmp_path: Path) -> None:
    given = {
        "portClientId": port.client_id,
        "portClientSecret": port.client_secret,
        "portBaseUrl": port.url,
        "coderApiBaseUrl": "http://127.0.0.1:9",
        "coderSessionToken": "a-token",
    }
    printed = {f"coderport:{key}": {"value": value, "secret": True} for key, value in given.items()}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(printed))
    options = ["--port", "--clean-up", "--stack", "lab", "--config", str(config)]
    result = CliRunner().invoke(app, ["conformance", *options], env={"PORT_CLIENT_ID": "", "PORT_CLIENT_SECRET": ""})
    assert result.exit_code == 0, (result.output, result.exception)
    assert "0 throwaway objects removed" in result.output and port.log.total > 1
    assert CliRunner().invoke(app, ["conformance", "--port", "--config", str(config)]).exit_code == 2


def test_the_command_says_which_variables_are_missing() -> None:
    result = CliRunner().invoke(app, ["conformance", "--port"], env={"PORT_CLIENT_ID": "", "PORT_CLIENT_SECRET": ""})
    text = str(result.exception)
    assert result.exit_code != 0 and "PORT_CLIENT_ID is missing" in text and "PORT_CLIENT_SECRET is missing" in text


def test_wrong_credentials_are_said_before_anything_is_made(port: PortEmulator) -> None:
    wrong = access(port).model_copy(update={"port_client_secret": SecretStr("wrong")})
    with pytest.raises(
        Exception, match=r"(?s)does not accept the client id .*\n  export PORT_CLIENT_SECRET=CHOOSE-CLIENT-SECRET"
    ):
        ask_port(wrong, quiet())


def test_a_recording_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"format": 99}))
    with pytest.raises(Exception, match="is not a recording"):
        read_recording(other)


def test_what_was_left_behind_is_a_failure_with_its_remedy() -> None:
    finding = Finding("a", "a?", "s", False, None, 1, 1, "same", ())
    report = Report("port", "http://p", "coderport_probe_0_", (finding,), 3, 0.1, ("blueprint x",))
    console = quiet()
    assert finish(report, None, console) == 1
    assert "python -m coderport conformance --port --clean-up" in shown(console)
    assert as_json(report)["left"] == ["blueprint x"]


def test_a_budget_that_is_spent_stops_requests(port: PortEmulator) -> None:
    talk = Talk(port.url or "", PortCredentials(access(port)), budget=1)
    talk.ask("GET", "/v1/blueprints")
    with pytest.raises(BudgetSpent):
        talk.ask("GET", "/v1/blueprints")
    talk.close()
