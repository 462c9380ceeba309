"""The provider as the engine meets it: settings, the plugin's process, its statistics, and what it never tells."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from echoing_port import EchoingPort, refused
from google.protobuf import empty_pb2
from provider_driver import ACTION, BLUEPRINT, ENTITY, ENVIRON, PERMISSIONS, Aborted, Driver, entity, urn
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

from coderport.provider.aggregations import TOKEN as AGGREGATIONS
from coderport.provider.blueprint_permissions import TOKEN as BLUEPRINT_PERMISSIONS
from coderport.provider.definition import PAGE_TOKEN, SCORECARD_TOKEN
from coderport.provider.schema import VERSION
from coderport.provider.stats import VARIABLE

LAUNCHER = Path(__file__).resolve().parents[1] / "plugins" / "port" / "pulumi-resource-port"
QUIET = {"PATH": os.environ["PATH"]}


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("workspace")
    return port


def started(environ: dict[str, str] | None = None, *arguments: str) -> subprocess.Popen[str]:
    """The plugin as the engine starts it, with this Python's environment active."""
    return subprocess.Popen(
        [str(LAUNCHER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**QUIET, "VIRTUAL_ENV": sys.prefix, **(environ or {})},
    )


@pytest.fixture
def plugin() -> Iterator[subprocess.Popen[str]]:
    process = started({}, "127.0.0.1:1")
    yield process
    process.kill()
    process.communicate()


def test_the_plugin_prints_its_port_and_answers(plugin: subprocess.Popen[str]) -> None:
    assert plugin.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(plugin.stdout.readline())}") as channel:
        info = provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty())
    assert info.version == VERSION


def test_the_plugin_reports_the_version_of_the_sdk() -> None:
    assert importlib.metadata.version("port-pulumi") == VERSION


def test_the_plugin_ends_on_sigterm(plugin: subprocess.Popen[str]) -> None:
    assert plugin.stdout is not None
    plugin.stdout.readline()
    plugin.terminate()
    assert plugin.wait(timeout=300) == 0


def test_the_plugin_ends_with_the_engine_that_started_it() -> None:
    program = f"import subprocess, time; subprocess.Popen([{str(LAUNCHER)!r}]); time.sleep(600)"
    engine = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**QUIET, "VIRTUAL_ENV": sys.prefix},
    )
    assert engine.stdout is not None
    assert int(engine.stdout.readline())
    engine.kill()
    # The plugin holds the other end of the pipe: it is empty when the plugin is gone.
    assert engine.stdout.read() == ""
    engine.wait()


def test_a_machine_without_the_environment_gets_one_clear_error(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins" / "port"
    plugins.mkdir(parents=True)
    (plugins / LAUNCHER.name).write_text(LAUNCHER.read_text())
    process = subprocess.run(
        ["/bin/sh", str(plugins / LAUNCHER.name)], capture_output=True, text=True, env=QUIET, check=False
    )
    assert process.returncode == 1
    assert process.stdout == ""
    assert f"{tmp_path.resolve()}/.venv" in process.stderr


def test_an_environment_without_the_requirements_gets_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    bare = {"VIRTUAL_ENV": str(tmp_path), "PYTHONNOUSERSITE": "1"}
    process = started(bare)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "coderport's requirements" in errors


# --- settings -----------------------------------------------------------------------------------------------------


def configured(port: EchoingPort, environ: dict[str, str], config: dict[str, Any]) -> Driver:
    driver = Driver(port, environ=environ, config=config)
    driver.create(ENTITY, entity())
    return driver


def test_settings_come_from_the_environment(port: EchoingPort) -> None:
    configured(port, ENVIRON, {}).close()
    assert port.sent[0].headers["host"] == "port.test"


def test_the_providers_own_inputs_win_and_secrets_are_unwrapped(port: EchoingPort) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "wrapped"}
    config = {"baseUrl": "https://other.test", "clientId": "me", "secret": secret, "version": VERSION}
    seen: list[Any] = []
    port.answers.append(lambda sent: seen.append(sent.body) if "auth" in sent.path else None)
    driver = configured(port, ENVIRON, config)
    assert port.sent[0].headers["host"] == "other.test"
    assert seen == [{"clientId": "me", "clientSecret": "wrapped"}]
    driver.close()


def test_a_token_needs_no_secret(port: EchoingPort) -> None:
    configured(port, {}, {"token": "given"}).close()
    assert port.tokens == 0
    assert port.sent[0].headers["authorization"] == "Bearer given"


def test_missing_settings_are_named(port: EchoingPort) -> None:
    with pytest.raises(Aborted, match=r"no clientId \(PORT_CLIENT_ID\) and no secret \(PORT_CLIENT_SECRET\)"):
        configured(port, {}, {})


def test_an_address_without_its_scheme_is_named(port: EchoingPort) -> None:
    with pytest.raises(Aborted, match="PORT_BASE_URL"):
        configured(port, {**ENVIRON, "PORT_BASE_URL": "api.port.io"}, {})


def test_settings_are_checked_and_echoed(port: EchoingPort) -> None:
    driver = Driver(port)
    answer = driver.run(driver.call("CheckConfig", urn=urn("pulumi:providers:port"), news={"version": VERSION}))
    assert answer == {"inputs": {"version": VERSION}}
    answer = driver.run(driver.call("CheckConfig", news={"baseUrl": "api.port.io"}))
    assert [each["property"] for each in answer["failures"]] == ["baseUrl"]
    driver.close()


def test_other_credentials_replace_nothing(port: EchoingPort) -> None:
    driver = Driver(port)
    changed = driver.call("DiffConfig", olds={"clientId": "a"}, old_inputs={"clientId": "a"}, news={"clientId": "b"})
    assert driver.run(changed) == {}
    driver.close()


# --- what the provider says ---------------------------------------------------------------------------------------


def test_functions_are_refused_with_a_clear_error(port: EchoingPort) -> None:
    driver = Driver(port)
    with pytest.raises(Aborted, match="getSearch") as caught:
        driver.run(driver.call("Invoke", tok="port:index/getSearch:getSearch"))
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED
    driver.close()


def test_the_schema_names_what_is_served(port: EchoingPort) -> None:
    driver = Driver(port)
    schema = json.loads(driver.run(driver.call("GetSchema"))["schema"])
    assert (schema["name"], schema["version"]) == ("port", VERSION)
    answers = {SCORECARD_TOKEN, PAGE_TOKEN, AGGREGATIONS, BLUEPRINT_PERMISSIONS}
    assert set(schema["resources"]) == {BLUEPRINT, ENTITY, ACTION, PERMISSIONS, *answers}
    driver.close()


def test_an_entity_that_stays_is_said_beside_its_resource(port: EchoingPort) -> None:
    said: list[Any] = []

    class Engine(engine_pb2_grpc.EngineServicer):
        async def Log(self, request: Any, context: Any) -> Any:
            said.append(request)
            return empty_pb2.Empty()

    async def listening() -> tuple[Any, int]:
        server = grpc.aio.server()
        engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
        number = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, number

    driver = Driver(port)
    server, number = driver.run(listening())
    driver.run(driver.call("Handshake", engine_address=f"127.0.0.1:{number}"))
    made = driver.create(ENTITY, entity(properties={"stringProps": {"managed_by": "project/dev"}}))
    port.entities["workspace"]["w1"]["properties"]["managed_by"] = "project/prod"
    later = Driver(port)
    later.loop, own = driver.loop, later.loop
    later.run(later.call("Handshake", engine_address=f"127.0.0.1:{number}"))
    later.delete(made)
    own.close()
    driver.run(server.stop(None))
    assert [(each.urn, "project/prod" in each.message) for each in said] == [(urn(ENTITY), True)]
    driver.close()


@pytest.mark.parametrize("status", [401, 403, 422])
def test_no_secret_in_any_error(port: EchoingPort, status: int) -> None:
    port.answers.append(lambda _: refused(status, "no"))
    driver = Driver(port)
    with pytest.raises(Aborted) as caught:
        driver.create(ENTITY, entity())
    assert ENVIRON["PORT_CLIENT_SECRET"] not in caught.value.text
    assert "token-" not in caught.value.text
    driver.close()


def test_the_statistics_are_left_for_the_command(port: EchoingPort, tmp_path: Path) -> None:
    driver = Driver(port, environ={**ENVIRON, VARIABLE: str(tmp_path / "provider")})
    driver.create(ENTITY, entity())
    (path,) = tmp_path.iterdir()
    assert path.name == f"provider.{os.getpid()}"
    # A token, a sweep, a count, a bulk call.
    assert json.loads(path.read_text()) == {"requests": 4, "writes": 1, "retries": 0, "waited": 0.0}
    driver.close()


def test_cancelling_before_anything_was_sent_sends_nothing(port: EchoingPort) -> None:
    driver = Driver(port)
    driver.create(ENTITY, entity("w0"))
    driver.run(driver.call("Cancel"))
    with pytest.raises(Aborted) as caught:
        driver.create(ENTITY, entity("w1"))
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert list(port.entities["workspace"]) == ["w0"]
    driver.close()
