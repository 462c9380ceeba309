"""What the Pulumi CLI says where it cannot open a stack: each kind is one message with a remedy, in every command."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from pulumi.automation import CommandResult, LocalWorkspace
from pulumi.automation.errors import CommandError, StackNotFoundError

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo, process
from coderport.engine.errors import EngineError
from coderport.engine.refusals import known_refusal
from coderport.errors import SettingsError
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack

pytestmark = pytest.mark.dear

WITH_ENGINE = ("up", "preview")
WITH_SUMMARY = (*WITH_ENGINE, "sync", "drift", "preview --fast")
COMMANDS = (*WITH_SUMMARY, "run", "serve")

# What CLI 3.250.0 said, each tried; that of the old layout stands for 3.257 and later.
SAID = {
    "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions": "PULUMI_BACKEND_URL",
    "getting secrets: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or …": "There is no passphrase",
    "failed to decrypt: incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE to …": "is not that of the stack dev",
    "unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /x: no such file or directory": "The file that",
    "Legacy DIY state is deprecated, please upgrade your state to project mode": "state upgrade --yes",
    "unknown secrets provider type 'foo' (supported values: default,…)": "none that Pulumi has",
    "a stack name may only contain alphanumeric, hyphens, underscores, or periods: …": "stands alone",
    "could not create stack: user: Current requires cgo or $USER set in environment": "export USER=",
    "configuring environments: backend does not support environments": "ESC",
}
OUT_OF_ORDER = {
    "failed to load checkpoint: unsupported checkpoint version 99": "newer",
    "failed to load checkpoint: this stack's deployment needs support for the following features: x": "newer",
    "this stack's deployment version is too new": "newer",
    "state store unsupported: 'meta.yaml' version (7) is not supported by this version of the Pulumi CLI": "newer",
    "could not create secrets manager for new stack: open keeper hashivault://x: neither …": "provider",
    "could not create secrets manager for new stack: secrets (code=Unknown): operation error KMS: …": "provider",
    "could not create secrets manager for new stack: missing google credentials: unable to find …": "provider",
    "2 errors occurred: 1) operation error KMS: Decrypt, get identity: get credentials: …": "provider",
    'Post "https://x.vault.azure.net/keys/k/decrypt?api-version=7.1": dial tcp: no such host': "provider",
    'write ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): mkdir /x: permission denied': "may not",
    "saving stack config: open /opt/coderport/Pulumi.prod.yaml: read-only file system": "commit the file",
    "unable to open bucket file:///x?no_tmp_dir=true: stat /x: permission denied": "may not be read or written",
    "unable to open bucket file:///x?no_tmp_dir=true: stat /x: no such file or directory": "reached",
    'read ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): operation error S3: …': "reached",
    'performing HTTP request: Get "https://127.0.0.1:9/api/user": dial tcp 127.0.0.1:9: connect: …': "reached",
    "missing google credentials: unable to find gcp credentials: google: could not find default …": "reached",
}


@pytest.mark.parametrize("said", SAID)
def test_what_a_person_set_wrong_is_a_wrong_setting(said: str) -> None:
    refusal = known_refusal("dev", f"code: 255\nstdout: \nstderr: warning: ====\nsomething old\nerror: {said}\n")
    assert isinstance(refusal, SettingsError)
    assert SAID[said] in str(refusal) and "something old" not in str(refusal)


@pytest.mark.parametrize("said", OUT_OF_ORDER)
def test_what_is_out_of_order_is_an_error_of_the_engine(said: str) -> None:
    refusal = known_refusal("dev", f"code: 255\nstdout: \nstderr: error: {said}\n")
    assert isinstance(refusal, EngineError)
    assert OUT_OF_ORDER[said] in str(refusal) and said.split(": ")[-1] in str(refusal)


def test_anything_else_is_told_in_the_words_of_the_cli() -> None:
    assert known_refusal("dev", "stderr: error: something new\n") is None


def test_a_stack_that_is_not_there_in_a_backend_that_names_itself_to_nobody_is_one_message(
    monkeypatch: pytest.MonkeyPatch, cli: CliInfo, tmp_path: Path
) -> None:
    """`serve` began without $USER for a user that the machine does not know, and ended with a traceback."""

    def missing(*_: object, **__: object) -> None:
        raise StackNotFoundError(CommandResult(stdout="", stderr="error: no stack named 'prod' found", code=255))

    def nameless(_: object) -> None:
        raise CommandError(CommandResult(stdout="", stderr="error: user: Current requires cgo or $USER set", code=255))

    monkeypatch.setattr(process, "run", missing)
    monkeypatch.setattr(LocalWorkspace, "who_am_i", nameless)
    with pytest.raises(SettingsError, match="export USER="):
        Stack("prod", cli, directory=project_copy(tmp_path), local_state=tmp_path, create=False).settings()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    """Stacks that have been run: `plain` has its credentials from the environment, `sealed` in its config."""
    with Pair(seed=5, workspaces=3, templates=1) as pair:
        made = Checkout(tmp_path_factory.mktemp("refusals"), cli, pair)
        made.json("up", "--stack", "plain")
        made.json("up", "--stack", "sealed", code=3)  # what `plain` declared is not its own
        secret = pair.port.client_secret
        done = made.run(
            "pulumi", "--", "config", "set", "--secret", "--stack", "sealed", "coderport:portClientSecret", secret
        )
        assert done.returncode == 0, done.stderr
        yield made


def refused(checkout: Checkout, command: str, stack: str, code: int, **environment: str) -> str:
    """The one message of a command that ends at once, which is also the summary's; nothing was written."""
    file = checkout.folder / "summary.json"
    file.unlink(missing_ok=True)
    arguments = [*command.split(), "--stack", stack]
    arguments += ["--summary", str(file)] if command in WITH_SUMMARY else []
    arguments += ["--run-id", "r_1"] if command == "run" else []
    done = checkout.run(*arguments, **environment)
    said = as_written(done.stdout + done.stderr)
    assert done.returncode == code, said
    assert "Traceback" not in said
    if command not in WITH_SUMMARY:
        return done.stderr.strip()
    summary = json.loads(file.read_text())
    assert (summary["result"], summary["port_writes"]) == ("failed", 0)
    message = as_written(str(summary["message"]))
    assert said.count(message) == 1
    return message


def as_written(text: str) -> str:
    """What is shown names the Python that runs here."""
    return text.replace(shlex.quote(sys.executable), "python")


PASSPHRASES = {
    "wrong": ({"PULUMI_CONFIG_PASSPHRASE": "wrong"}, COMMANDS, "is not that of the stack"),
    "missing": ({"PULUMI_CONFIG_PASSPHRASE_FILE": ""}, ("up", "drift", "run"), "There is no passphrase"),
    "no file": ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/nonexistent"}, ("preview", "sync", "serve"), "cannot be read"),
}


@pytest.mark.parametrize("case", PASSPHRASES)
def test_a_passphrase_that_does_not_open_the_stack_is_one_message_in_every_command(
    case: str, checkout: Checkout
) -> None:
    environment, commands, said = PASSPHRASES[case]
    kept = dict(checkout.environment)
    del checkout.environment["PULUMI_CONFIG_PASSPHRASE"]
    try:
        messages = {command: refused(checkout, command, "sealed", 2, **environment) for command in commands}
    finally:
        checkout.environment = kept
    assert len(set(messages.values())) == 1, messages
    assert said in next(iter(messages.values()))


@pytest.mark.parametrize("command", WITH_SUMMARY)
def test_a_wrong_passphrase_is_noticed_where_the_config_has_no_secrets(command: str, checkout: Checkout) -> None:
    message = refused(checkout, command, "plain", 2, PULUMI_CONFIG_PASSPHRASE="wrong")
    assert "is not that of the stack plain" in message


@pytest.mark.parametrize(
    ("backend", "code", "said", "command"),
    [
        *(("", 2, "No place for Pulumi's state is chosen", each) for each in ("up", "sync", "serve")),
        *(("file:///nonexistent/folder", 1, "Pulumi's state cannot be reached", each) for each in ("up", "sync")),
        ("https://127.0.0.1:9", 1, "Pulumi's state cannot be reached", "up"),
    ],
)
def test_a_backend_that_cannot_be_opened_is_one_message(
    backend: str, code: int, said: str, command: str, checkout: Checkout
) -> None:
    environment = {"PULUMI_BACKEND_URL": backend, "PULUMI_ACCESS_TOKEN": "pul-made-up" if "https" in backend else ""}
    message = refused(checkout, command, "plain", code, **environment)
    assert said in message and "pul-made-up" not in message


@pytest.mark.parametrize("command", ["up", "sync"])
def test_a_state_of_a_newer_cli_says_so(command: str, checkout: Checkout, tmp_path: Path) -> None:
    environment = {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    assert checkout.run("pulumi", "--", "stack", "init", "newer", **environment).returncode == 0
    state = tmp_path / ".pulumi" / "stacks" / "coderport" / "newer.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "version": 99}))
    state.with_suffix(".json.attrs").unlink()
    assert "written by a newer Pulumi CLI" in refused(checkout, command, "newer", 1, **environment)


def test_a_folder_in_pulumis_old_layout_works_and_so_does_the_way_out_of_it(checkout: Checkout, tmp_path: Path) -> None:
    """Stacks of before Pulumi 3.61 have no project in their name; `state upgrade` gives them one."""
    environment = {"PULUMI_BACKEND_URL": f"file://{tmp_path}", "PULUMI_DIY_BACKEND_LEGACY_LAYOUT": "true"}
    with Pair(seed=6, workspaces=3, templates=1) as pair:
        environment |= {"CODER_API_BASE_URL": pair.coder_url, "CODER_SESSION_TOKEN": pair.coder.token}
        environment |= {"PORT_BASE_URL": pair.port_url, "PORT_CLIENT_SECRET": pair.port.client_secret}
        environment |= {"PORT_CLIENT_ID": pair.port.client_id}
        assert checkout.json("up", "--stack", "old", code=0, **environment)["result"] == "converged"
        assert (tmp_path / ".pulumi" / "stacks" / "old.json").exists(), "it is the old layout"
        for command in ("up", "sync", "drift"):
            assert checkout.json(command, "--stack", "old", code=0, **environment)["result"] == "unchanged"
        pair.coder.create_workspace(name="late")
        assert checkout.json("sync", "--stack", "old", code=0, **environment)["kinds"]["workspace"]["created"] == 1

        remedy = str(known_refusal("old", "Legacy DIY state")).splitlines()[2].split()
        variable, *command_line = remedy
        assert command_line[:4] == ["python", "-m", "coderport", "pulumi"]
        name, value = variable.split("=")
        assert checkout.run(*command_line[3:], **environment, **{name: value}).returncode == 0
        assert (tmp_path / ".pulumi" / "stacks" / "coderport" / "old.json").exists()
        for command in ("sync", "up"):
            assert checkout.json(command, "--stack", "old", code=0, **environment)["result"] == "unchanged"
