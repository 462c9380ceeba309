"""One way to a stack's settings: what the Pulumi CLI says, for every command; or what it printed on another machine."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from checkout import Checkout, Command

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.errors import SettingsError
from coderport.settings import printed_settings, settings_of
from coderport.stack.stack import Stack

NO_RUN = "Port does not find run r_none yet"


class Project(Checkout):
    """A checkout in which Coder's and Port's credentials are in a stack alone."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        super().__init__(folder, cli, pair)
        self.environment = {
            key: value for key, value in self.environment.items() if not key.startswith(("CODER_", "PORT_"))
        }

    def pulumi(self, *arguments: str) -> str:
        done = self.run("pulumi", "--", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rewrite(self, **changes: object) -> None:
        """Changes the project's file."""
        file = self.folder / "Pulumi.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))

    def stack(self, name: str) -> None:
        """Makes a stack whose config holds all, the secrets encrypted."""
        self.pulumi("stack", "init", name)
        servers = self.pair.describe()
        secret = {"coderSessionToken": servers["coder_token"], "portClientSecret": servers["port_client_secret"]}
        plain = {
            "coderApiBaseUrl": servers["coder_url"],
            "portBaseUrl": servers["port_url"],
            "portClientId": servers["port_client_id"],
        }
        given = [f"--plaintext=coderport:{key}={value}" for key, value in plain.items()]
        given += [f"--secret=coderport:{key}={value}" for key, value in secret.items()]
        self.pulumi("config", "set-all", "--stack", name, *given)

    def work(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`run`, where it cannot begin."""
        return self.run("run", "--run-id", "r_none", *arguments, **environment)

    def reaches_port(self, *arguments: str, **environment: str) -> bool:
        """Whether `run` gets as far as to ask Port for a run, which it waits for until it is ended here."""
        environment = {**self.environment, **environment}
        run = Command(self, "run", "--run-id", "r_none", *arguments, environment=environment)
        run.says(NO_RUN)
        run.tell(signal.SIGTERM)
        return run.ended() == 143


@pytest.fixture
def project(tmp_path: Path, cli: CliInfo) -> Iterator[Project]:
    with Pair(seed=5, workspaces=2, templates=1) as pair:
        yield Project(tmp_path, cli, pair)


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_encrypted_values_are_decrypted_by_whatever_name_the_stack_is_called(project: Project) -> None:
    project.stack("prod")
    for name in ("prod", "organization/coderport/prod"):
        assert project.reaches_port("--stack", name)


def test_a_stack_that_does_not_exist_is_refused_with_what_to_do(project: Project) -> None:
    project.stack("prod")
    done = project.work("--stack", "prd")
    assert done.returncode == 2
    assert "The project coderport has no stack prd in file://" in said(done) and "pulumi -- stack ls" in said(done)
    assert project.pair.port.log.total == 0
    assert "prd" not in project.pulumi("stack", "ls"), "it is not made either"


def test_the_files_of_stacks_may_be_elsewhere(project: Project) -> None:
    project.rewrite(stackConfigDir="stacks")
    project.stack("prod")
    assert (project.folder / "stacks" / "Pulumi.prod.yaml").exists()
    assert project.reaches_port("--stack", "prod")


@pytest.mark.parametrize("folder", ["", "stacks"])
def test_the_remedy_for_a_stack_that_was_made_by_mistake_leaves_a_file_that_was_there(
    project: Project, cli: CliInfo, folder: str
) -> None:
    if folder:
        project.rewrite(stackConfigDir=folder)
    file = project.folder / folder / "Pulumi.typo.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("config: {}\n")
    opened = Stack("typo", cli, directory=project.folder, local_state=project.folder / "local")
    opened.config()
    assert opened.made()[0].endswith("stack rm typo --yes --preserve-config")


def test_a_project_of_another_name_is_the_first_half_of_what_entities_name(project: Project, cli: CliInfo) -> None:
    project.rewrite(name="acme-catalog")
    project.stack("prod")
    assert project.reaches_port("--stack", "organization/acme-catalog/prod")
    opened = Stack("s", cli, directory=project.folder, local_state=project.folder / "local")
    assert (opened.project, opened.managed_by) == ("acme-catalog", "acme-catalog/s")


def test_environments_that_the_backend_does_not_have_are_one_message(project: Project) -> None:
    project.stack("prod")
    file = project.folder / "Pulumi.prod.yaml"
    file.write_text(f"environment: [secrets]\n{file.read_text()}")
    done = project.work("--stack", "prod")
    assert done.returncode == 2 and "Only Pulumi Cloud keeps ESC environments" in said(done)


def test_without_a_cli_what_it_printed_elsewhere_does(project: Project) -> None:
    project.stack("prod")
    nowhere = {"PATH": "/nonexistent"}
    done = project.work("--stack", "prod", **nowhere)
    assert done.returncode == 2 and "--stack prod --config config.json" in said(done)
    printed = project.pulumi("config", "--json", "--show-secrets", "--stack", "prod")
    (project.folder / "config.json").write_text(printed)
    assert project.reaches_port("--stack", "prod", "--config", "config.json", **nowhere)


def test_a_printed_config_without_its_secrets_takes_them_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps(
            {
                "coderport:coderApiBaseUrl": {"value": "https://coder.example.com", "secret": False},
                "coderport:coderSessionToken": {"secret": True},
            }
        )
    )
    environ = {"CODER_SESSION_TOKEN": "token", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": "secret"}
    assert printed_settings(file, "coderport", environ).coder_session_token.get_secret_value() == "token"
    with pytest.raises(SettingsError, match="CODER_SESSION_TOKEN"):
        printed_settings(file, "coderport", {})


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', "\udcff"])
def test_a_file_that_is_no_printed_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=r"config\.json cannot be used"):
        printed_settings(tmp_path / "config.json", "coderport", {})


def test_the_namespace_of_a_project_of_another_name_counts_where_ours_is_silent() -> None:
    config = {
        "acme:coderApiBaseUrl": ("https://theirs.example.com", False),
        "acme:portClientId": ("theirs", False),
        "acme:blueprints": ("manage", False),
        "acme:portClientSecret": ("secret", True),
        "coderport:blueprints": ("use", False),
        "coderport:portClientId": ("", False),
        "coderport:coderApiBaseUrl": ("https://ours.example.com", False),
        "other:takeOver": ("true", False),
    }
    found = settings_of(config, "acme", {"CODER_SESSION_TOKEN": "token"})
    assert found.coder_api_base_url == "https://ours.example.com"
    assert (found.blueprints, found.port_client_id, found.take_over) == ("use", "theirs", False)
