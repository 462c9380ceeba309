"""Through the real engine: no token or secret in the state, the outputs, the logs or any error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, laboratory

from coderport.engine import CliInfo

pytestmark = pytest.mark.in_order

LEAKS = ("environment_variables", "startup_script", "sensitive")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("secrets"), cli, workspaces=6, templates=2) as lab:
        yield lab


def everything_on_disk(lab: Lab) -> str:
    """All that the engine keeps: state, history, config, Pulumi home."""
    kept = [path for path in lab.folder.rglob("*") if path.is_file() and path.name != "Pulumi.lab.yaml"]
    return "\n".join(path.read_text(errors="replace") for path in kept)


def secrets(lab: Lab) -> tuple[str, ...]:
    return (lab.coder.token, lab.port.client_secret)


def test_credentials_of_an_encrypted_config_are_nowhere_in_clear(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    for key, value in (("coderSessionToken", lab.coder.token), ("portClientSecret", lab.port.client_secret)):
        lab.stack.configure_secret(key, value)
    lines: list[str] = []
    outcome, _ = lab.stack.up(on_line=lines.append, debug=True)
    assert outcome.exit_code == 0, outcome.message
    printed = capfd.readouterr()
    seen = [
        everything_on_disk(lab),
        (lab.folder / "Pulumi.lab.yaml").read_text(),
        "\n".join(lines),
        printed.out + printed.err,
        json.dumps(lab.stack.outputs()),
        outcome.model_dump_json(),
    ]
    assert len("".join(lines)) > 1000, "the log at debug level was not there to be searched"
    for text in seen:
        for secret in secrets(lab):
            assert secret not in text
    assert "ciphertext" in everything_on_disk(lab)


def test_credentials_of_the_environment_never_enter_the_state(
    tmp_path: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with laboratory(tmp_path, cli, workspaces=3, templates=1) as lab:
        lab.stack.configure(dict.fromkeys(("coderSessionToken", "portClientId", "portClientSecret"), ""))
        monkeypatch.setenv("CODER_SESSION_TOKEN", lab.coder.token)
        monkeypatch.setenv("PORT_CLIENT_ID", lab.port.client_id)
        monkeypatch.setenv("PORT_CLIENT_SECRET", lab.port.client_secret)
        lab.up()
        state = json.dumps(lab.stack.state())
        assert "ciphertext" not in state
        for secret in secrets(lab):
            assert secret not in everything_on_disk(lab) + (lab.folder / "Pulumi.lab.yaml").read_text()
        assert lab.port.client_id not in state.replace(f'"createdBy": "{lab.port.client_id}"', "").replace(
            f'"updatedBy": "{lab.port.client_id}"', ""
        )


def test_what_agents_hold_is_mirrored_nowhere(lab: Lab) -> None:
    lab.up()
    held = everything_on_disk(lab) + json.dumps([lab.workspace(identifier) for identifier in lab.ids()])
    for word in LEAKS:
        assert word not in held


@pytest.mark.parametrize("path", ["/api/v2/users/me", "/api/v2/workspaces"])
@pytest.mark.parametrize("kind", ["status", "html", "cut", "redirect"])
def test_no_error_shows_a_token(lab: Lab, kind: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODERPORT_PATIENCE", "2")  # what is repeated until it is given up says the same after 3 minutes
    token = lab.coder.token
    headers = {"location": f"https://elsewhere.example.com/?token={token}"} if kind == "redirect" else {}
    lab.coder.faults.add(kind=kind, path=path, status=401, body={"message": "No.", "detail": token}, headers=headers)
    outcome, tally = lab.stack.up()
    lab.coder.faults.clear()
    assert outcome.exit_code == 1
    assert token not in outcome.message + "".join(tally.errors) + "".join(tally.warnings)
