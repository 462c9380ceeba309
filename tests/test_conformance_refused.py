"""`conformance` on a service that refuses a list, its version or the token, and `emulate --as` on what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from port_talk import Clock, emulator_of
from typer.testing import CliRunner, Result

from coderport.commands.cli import app
from coderport.conformance.coder_bench import new_name
from coderport.conformance.command import ask_coder
from coderport.conformance.port_bench import PortBench, PortCredentials, new_prefix
from coderport.conformance.port_probes import PORT_PROBES
from coderport.conformance.recording import behaviours, read_recording
from coderport.conformance.talk import ConformanceError, Talk
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.port import PortEmulator
from coderport.errors import CoderportError
from coderport.settings import CoderAccess, PortAccess, load_access
from coderport.terminal.screen import Screen

ODD: dict[str, dict[str, Any]] = {
    "403": {"kind": "status", "status": 403, "body": {"ok": False, "error": "forbidden", "message": "no"}},
    "500": {"kind": "status", "status": 500},
    "an HTML page": {"kind": "html"},
    "no list": {"kind": "status", "status": 200, "body": {"ok": True, "pages": None, "actions": {}, "blueprints": 1}},
    "rows that are none": {"kind": "status", "status": 200, "body": {"pages": [1], "actions": [1], "blueprints": [1]}},
    "no answer": {"kind": "drop_connection"},
    "401": {"kind": "status", "status": 401},
}
"""Answers that are no list of Port's."""


def port_environ(port: PortEmulator) -> dict[str, str]:
    secret = port.client_secret
    return {"PORT_CLIENT_ID": port.client_id, "PORT_CLIENT_SECRET": secret, "PORT_BASE_URL": port.url or ""}


def port_access(port: PortEmulator) -> PortAccess:
    return load_access(PortAccess, port_environ(port))


def port_command(port: PortEmulator, *options: str) -> Result:
    return CliRunner().invoke(app, ["conformance", "--port", *options], env=port_environ(port))


def coder_command(coder: CoderEmulator, *options: str, token: str | None = None) -> Result:
    environ = {"CODER_API_BASE_URL": coder.url, "CODER_SESSION_TOKEN": token or coder.token}
    return CliRunner().invoke(app, ["conformance", "--coder", *options], env=environ)


def ended_in_order(result: Result) -> bool:
    """With an exit code of its own, or with an error that is a message; a traceback is neither."""
    return isinstance(result.exception, SystemExit | CoderportError | None)


def leftovers(port: PortEmulator) -> None:
    """One object of each kind, as a killed run leaves them."""
    talk = Talk(port.url or "", PortCredentials(port_access(port)), budget=3)
    bench = PortBench(talk, new_prefix())
    bench.blueprint("b")
    page = {"identifier": bench.name("p"), "title": "T", "type": "dashboard", "widgets": []}
    bench.ask("POST", "/pages", page).expect(200, 201)
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}}}
    method = {"type": "WEBHOOK", "url": "https://example.com", "agent": True}
    action = {"identifier": bench.name("a"), "trigger": trigger, "invocationMethod": method}
    bench.ask("POST", "/actions", action).expect(200, 201)
    talk.close()


def kept(port: PortEmulator) -> set[str]:
    return {kind for kind, held in port.objects().items() if held}


# ---------------------------------------------------------------- Port


@pytest.mark.parametrize("answer", ODD)
@pytest.mark.parametrize("kind", ["actions", "pages", "blueprints"])
def test_a_list_that_port_refuses_keeps_no_other_from_being_removed(kind: str, answer: str) -> None:
    port = PortEmulator()
    with port.serve():
        leftovers(port)
        port.faults.add({**ODD[answer], "path": rf"/v1/{kind}$", "method": "GET"})
        result = port_command(port, "--clean-up")
        assert result.exit_code == 1 and ended_in_order(result), result.exception
        assert f"left behind: perhaps {kind} named coderport_probe_… (" in result.output
        assert "2 throwaway objects removed, 1 left" in result.output
        assert kept(port) == {kind}
        port.faults.clear()
        assert port_command(port, "--clean-up").exit_code == 0 and kept(port) == set()


@pytest.mark.parametrize(("kind", "answer"), [("pages", "403"), ("blueprints", "500")])
def test_a_run_in_which_port_refuses_a_list_keeps_its_report_and_its_recording(
    clock: Clock, tmp_path: Path, kind: str, answer: str
) -> None:
    port, out = emulator_of(clock), tmp_path / "port.json"
    with port.serve():
        port.faults.add({**ODD[answer], "path": rf"/v1/{kind}$", "method": "GET"})
        result = port_command(port, "--out", str(out))
    assert result.exit_code == 1 and ended_in_order(result), result.exception
    found = read_recording(out)
    assert len(found["probes"]) == len(PORT_PROBES)
    assert [each.partition(" named ")[0] for each in found["left"]] == [f"perhaps {kind}"]
    assert kept(port) <= {kind}
    assert "as expected" in result.output and "conformance --port --clean-up" in result.output


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 200, "body": []},
        {"kind": "status", "status": 200, "body": {"ok": True}},
        {"kind": "status", "status": 200, "body": "no object"},
        {"kind": "status", "status": 429},
    ],
)
@pytest.mark.parametrize("options", [(), ("--clean-up",)])
def test_a_port_that_gives_no_token_is_not_said_to_refuse_the_credentials(
    fault: dict[str, Any], options: tuple[str, ...]
) -> None:
    port = PortEmulator()
    with port.serve():
        port.faults.add({**fault, "path": "access_token"})
        result = port_command(port, *options)
    told = f"{result.output} {result.exception}"
    assert result.exit_code == 1 and ended_in_order(result), result.exception
    assert "without a token" in told and "does not accept" not in told


# ---------------------------------------------------------------- Coder


@pytest.fixture
def coder() -> Iterator[CoderEmulator]:
    emulator = CoderEmulator(0, workspaces=3, templates=2)
    with emulator.serve():
        yield emulator


@pytest.mark.parametrize("options", [(), ("--writes",), ("--clean-up",)])
def test_a_wrong_token_is_one_message_and_no_difference(coder: CoderEmulator, options: tuple[str, ...]) -> None:
    result = coder_command(coder, *options, token="wrong")
    assert isinstance(result.exception, ConformanceError) and result.exception.exit_code == 1
    assert "does not accept the token (CODER_SESSION_TOKEN" in str(result.exception)
    assert coder.log.writes == 0 and "different" not in result.output


def test_a_token_that_is_revoked_on_the_way_ends_the_run_with_its_report(coder: CoderEmulator) -> None:
    coder.faults.add(kind="status", status=401, path="/api/v2/", after=9)
    screen = io.StringIO()
    report = ask_coder(access(coder), Screen(file=screen), writes=False)
    assert [report.count(result) > 0 for result in ("failed", "not asked")] == [True, True]
    assert report.count("failed") == 1 and report.count("different") == 0 and report.exit_code == 1


def access(coder: CoderEmulator) -> CoderAccess:
    where = {"CODER_API_BASE_URL": coder.url or "", "CODER_SESSION_TOKEN": coder.token}
    return load_access(CoderAccess, where)


def test_what_is_no_coder_is_one_message(coder: CoderEmulator) -> None:
    coder.faults.add(kind="html", path="/api/v2/")
    result = coder_command(coder)
    assert isinstance(result.exception, ConformanceError)
    assert "Is CODER_API_BASE_URL the address of Coder" in str(result.exception)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html"},
        {"kind": "status", "status": 200, "body": {"version": "devel"}},
        {"kind": "status", "status": 200, "body": {"version": "v0.0.0-devel+abc"}},
    ],
)
def test_a_version_that_coder_does_not_say_is_one_difference_and_what_depends_on_it_is_not_asked(
    coder: CoderEmulator, tmp_path: Path, fault: dict[str, Any]
) -> None:
    coder.faults.add({**fault, "path": "/buildinfo$"})
    out = tmp_path / "coder.json"
    result = coder_command(coder, "--out", str(out))
    assert result.exit_code == 4 and ended_in_order(result), result.exception
    found = read_recording(out)
    by_version = [each for each in found["probes"] if "the version of Coder is not known" in str(each["seen"])]
    assert len(by_version) > 5 and {each["result"] for each in by_version} == {"not asked"}
    differing = {each["name"] for each in found["probes"] if each["result"] == "different"}
    assert "deployment.version" in differing
    assert differing <= {"deployment.version", "answer.version", "proxies.server"}, differing
    assert len([line for each in found["probes"] for line in each["requests"] if "/buildinfo" in line]) <= 3
    with pytest.raises(CoderportError, match="does not say of which version Coder was"):
        behaviours([out])
    out.write_text(out.read_text().replace('"version": ""', '"version": "2.37"'))  # as the message says
    assert behaviours([out])[1]["flavour"] == "2.37"


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 500},
        {"kind": "html"},
        {"kind": "status", "status": 200, "body": {"workspaces": None}},
        {"kind": "status", "status": 200, "body": {"workspaces": [1]}},
        {"kind": "status", "status": 200, "body": []},
    ],
)
def test_workspaces_that_coder_does_not_list_are_said_to_be_not_listed(
    coder: CoderEmulator, answer: dict[str, Any]
) -> None:
    coder.create_workspace("admin", next(iter(coder.template_ids())), new_name())
    coder.faults.add({**answer, "path": "name(:|%3A)coderport-probe-"})
    result = coder_command(coder, "--clean-up")
    assert isinstance(result.exception, ConformanceError)
    assert "does not list the throwaway workspaces: " in str(result.exception)
    coder.faults.clear()
    assert coder_command(coder, "--clean-up").exit_code == 0


# ---------------------------------------------------------------- recordings


@pytest.mark.parametrize("version", ["", "devel", "2", "v", None, 2.34, "2.x", "٢.٣"])
def test_a_recording_of_a_coder_without_a_version_is_refused_with_a_remedy(tmp_path: Path, version: Any) -> None:
    out = tmp_path / "coder.json"
    out.write_text(json.dumps({"format": 1, "service": "coder", "version": version, "probes": []}))
    with pytest.raises(CoderportError, match="Write one that is near into its `version`"):
        behaviours([out])


@pytest.mark.parametrize(
    "recording",
    [
        {"format": 1, "probes": []},
        {"format": 1, "service": "gitlab", "probes": []},
        {"format": 1, "service": "port", "probes": [1]},
        {"format": 1, "service": "coder", "version": "2.34", "probes": [{"behaviour": "limit_required"}]},
        {"format": 1, "service": "coder", "version": "2.34", "probes": [{"seen": True}]},
    ],
)
def test_a_recording_that_lacks_a_part_is_none(tmp_path: Path, recording: dict[str, Any]) -> None:
    out = tmp_path / "odd.json"
    out.write_text(json.dumps(recording))
    with pytest.raises(CoderportError, match="is not a recording"):
        behaviours([out])
