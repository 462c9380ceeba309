"""`init`: from an empty folder to a stack that a run would accept, at a terminal and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from at_terminal import Terminal

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.setup.files import files_of, project_name_for, requirement, workflow_of
from coderport.setup.values import coder_login, found_values, region_url

ROOT = Path(__file__).resolve().parents[1]


class Newcomer:
    """Somebody with an empty folder, a backend, and Coder and Port on this machine."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        self.pair, self.home = pair, folder / "home"
        self.folder = folder / "our catalog"
        for each in (self.home, self.folder, folder / "state"):
            each.mkdir()
        self.environ = {
            "PATH": f"{cli.path.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "theirs",
            "TERM": "dumb",
        }
        self.values = {
            "CODER_URL": pair.coder_url,
            "CODER_SESSION_TOKEN": pair.coder.token,
            "PORT_CLIENT_ID": pair.port.client_id,
            "PORT_CLIENT_SECRET": pair.port.client_secret,
            "PORT_BASE_URL": pair.port_url,
        }
        self.command = [sys.executable, "-m", "coderport", "--cwd", str(self.folder)]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments], cwd=ROOT, env={**self.environ, **environ}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip

    def config(self, stack: str) -> dict[str, object]:
        read: dict[str, dict[str, object]] = yaml.safe_load((self.folder / f"Pulumi.{stack}.yaml").read_text())
        return {key.removeprefix("coderport:"): value for key, value in read["config"].items()}

    def secrets_in_clear(self) -> list[Path]:
        secrets = (self.pair.coder.token, self.pair.port.client_secret)
        files = [
            each for each in self.folder.parent.rglob("*") if each.is_file() and not each.is_relative_to(self.home)
        ]
        return [each for each in files if any(secret.encode() in each.read_bytes() for secret in secrets)]


@pytest.fixture
def newcomer(tmp_path: Path, cli: CliInfo) -> Iterator[Newcomer]:
    with Pair(seed=4, workspaces=4, templates=2) as pair:
        yield Newcomer(tmp_path, cli, pair)


def test_without_a_terminal_it_takes_what_the_environment_has_and_ends_with_a_preview(newcomer: Newcomer) -> None:
    done = newcomer.run("init", "--stack", "prod", "--workflow", "--preview", **newcomer.values)
    assert done.returncode == 0, done.stdout + done.stderr
    written = {str(each.relative_to(newcomer.folder)) for each in newcomer.folder.rglob("*") if each.is_file()}
    assert written == {
        "Pulumi.yaml", "__main__.py", "plugins/port/pulumi-resource-port", "requirements.txt", ".gitignore",
        "Pulumi.prod.yaml", ".github/workflows/coderport.yml",
    }  # fmt: skip
    assert yaml.safe_load((newcomer.folder / "Pulumi.yaml").read_text())["name"] == "our-catalog"
    config = newcomer.config("prod")
    assert config["coderApiBaseUrl"] == newcomer.pair.coder_url and config["portBaseUrl"] == newcomer.pair.port_url
    assert all(set(config[key]) == {"secure"} for key in ("coderSessionToken", "portClientSecret"))  # type: ignore[call-overload]
    assert newcomer.secrets_in_clear() == []
    assert newcomer.pair.coder.token not in done.stdout + done.stderr
    assert "All is well." in done.stdout and "changes in " in done.stdout
    assert newcomer.pair.port.writes == 0

    up = newcomer.run("up", "--stack", "prod")  # the config alone has all that it needs
    assert up.returncode == 0, up.stdout + up.stderr
    assert len(newcomer.pair.port.entities("coder_workspace")) == 4

    before = {each: each.read_bytes() for each in newcomer.folder.rglob("*") if each.is_file()}
    again = newcomer.run("init", "--stack", "prod", "--workflow", **newcomer.values)
    assert again.returncode == 0 and "written" not in again.stdout and "set  " not in again.stdout
    assert {each: each.read_bytes() for each in newcomer.folder.rglob("*") if each.is_file()} == before


def test_what_a_repository_has_stays_and_what_the_project_needs_is_added(newcomer: Newcomer) -> None:
    (newcomer.folder / "requirements.txt").write_text("ours==1")
    (newcomer.folder / ".gitignore").write_text("/.venv\nsecret.txt\n")
    done = newcomer.run("init", "--stack", "dev", **newcomer.values)
    assert done.returncode == 0 and "All is well." in done.stdout, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert f"requirements.txt: {requirement()}" in told and ".gitignore: .coderport/, __pycache__/" in told
    assert "which no CI can install" in told, "it names the checkout"
    assert (newcomer.folder / "requirements.txt").read_text() == f"ours==1\n{requirement()}\n"
    assert (newcomer.folder / ".gitignore").read_text() == "/.venv\nsecret.txt\n.coderport/\n__pycache__/\n"
    other = newcomer.run("init", "--stack", "dev", **{**newcomer.values, "CODER_SESSION_TOKEN": "another-token-here"})
    assert "kept     coderport:coderSessionToken" in other.stdout and "added" not in other.stdout
    (newcomer.folder / "requirements.txt").write_text("ours==1\ncoderport==0.0.1\n")
    file = newcomer.folder / "Pulumi.dev.yaml"
    before = file.read_text()
    replaced = newcomer.run(
        "init", "--stack", "dev", "--overwrite", **{**newcomer.values, "CODER_SESSION_TOKEN": "another-token-here"}
    )
    assert replaced.returncode == 1 and "FAIL  Coder: token" in replaced.stdout, "doctor says what the new one is worth"
    assert file.read_text() != before
    assert (newcomer.folder / "requirements.txt").read_text() == f"ours==1\n{requirement()}\n"


def test_without_a_terminal_what_is_missing_is_named_and_nothing_is_written(newcomer: Newcomer) -> None:
    done = newcomer.run("init", "--stack", "dev", "--coder-url", newcomer.pair.coder_url)
    assert done.returncode == 2
    for said in ("--coder-token, or CODER_SESSION_TOKEN", "--port-client-id, or ", "--port-client-secret, or "):
        assert said in done.stderr
    assert list(newcomer.folder.iterdir()) == []
    named = newcomer.run("init", "--name", "our portal", "--stack", "x: y", **newcomer.values)
    assert named.returncode == 2 and "'our portal' is no name of a project" in named.stderr
    assert "'x: y' is no name of a stack" in named.stderr
    assert list(newcomer.folder.iterdir()) == []
    for stack, why in (("organization/other/dev", "and not other"), ("acme/dev", "stacks have no organization")):
        other = newcomer.run("init", "--stack", stack, "--name", "shop", **newcomer.values)
        assert other.returncode == 2 and why in other.stderr and "Nothing was written." in other.stderr
        assert list(newcomer.folder.iterdir()) == []
    wrong = newcomer.run("init", "--coder-url", "coder", **{**newcomer.values, "CODER_URL": ""})
    assert wrong.returncode == 2 and "--coder-url must be" in wrong.stderr
    assert list(newcomer.folder.iterdir()) == []


def test_somebody_elses_project_is_left_alone(newcomer: Newcomer) -> None:
    (newcomer.folder / "Pulumi.yaml").write_text("name: theirs\nruntime: python\n")
    (newcomer.folder / "__main__.py").write_text("print('theirs')\n")
    done = newcomer.run("init", "--stack", "dev", "--overwrite", **newcomer.values)
    assert done.returncode == 2 and "not one of coderport" in done.stderr
    assert sorted(each.name for each in newcomer.folder.iterdir()) == ["Pulumi.yaml", "__main__.py"]


def test_at_a_terminal_it_asks_for_what_it_does_not_find(newcomer: Newcomer) -> None:
    login = newcomer.home / ".config" / "coderv2"
    login.mkdir(parents=True)
    (login / "url").write_text(f"{newcomer.pair.coder_url}/\n")
    (login / "session").write_text(newcomer.pair.coder.token)
    environ = {name: value for name, value in newcomer.environ.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
    left = Terminal([*newcomer.command, "init", "--port-client-id", "theirs"], ROOT, environ)
    left.says("Port's client secret: ")
    left.types("\x04")
    left.says("\r\nEnded by Ctrl-D. Nothing was written")
    assert left.ended() == 130 and "Abort" not in left.shown and list(newcomer.folder.iterdir()) == []

    terminal = Terminal([*newcomer.command, "init"], ROOT, environ)
    terminal.says("from the login of Coder's command line")
    terminal.says("A Coder token: it, from the login")
    terminal.says("Port's client id (in Port: … > Credentials): ")
    terminal.answers(newcomer.pair.port.client_id)
    terminal.says("Port's client secret: ")
    terminal.answers(newcomer.pair.port.client_secret)
    terminal.says("Port's region (eu, us, or an address) [eu]: ")
    terminal.answers(newcomer.pair.port_url)
    terminal.says("The project's name [our-catalog]: ")
    terminal.answers("our portal")
    terminal.says("no name of a project")
    assert list(newcomer.folder.iterdir()) == []
    terminal.says("The project's name [our-catalog]: ")
    terminal.answers("ours")
    terminal.says("The stack's name [dev]: ")
    terminal.answers("the first")
    terminal.says("no name of a stack")
    terminal.says("The stack's name [dev]: ")
    terminal.answers("first")
    terminal.says("A passphrase for the stack's secrets (keep it): ")
    terminal.answers("a phrase of theirs")
    terminal.says("Write a workflow for GitHub Actions? [Y/n]: ")
    terminal.answers("n")
    terminal.says("All is well.")
    terminal.says("Preview what a run would do now? It writes nothing. [y/N]: ")
    terminal.answers("y")
    terminal.says("changes in ")
    terminal.says("up --stack first")
    assert terminal.ended() == 0
    for secret in (newcomer.pair.coder.token, newcomer.pair.port.client_secret, "a phrase of theirs"):
        assert secret not in terminal.shown
    assert newcomer.secrets_in_clear() == []
    assert not (newcomer.folder / ".github").exists() and newcomer.pair.port.writes == 0
    assert newcomer.config("first")["portClientId"] == newcomer.pair.port.client_id

    lines = [each.strip() for each in terminal.shown.splitlines()]
    asks = next(each for each in lines if each.endswith("export PULUMI_CONFIG_PASSPHRASE"))
    up = next(each for each in lines if each.endswith("up --stack first"))
    shell = Terminal(["/bin/sh"], ROOT, {**environ, "PS1": "here> "})
    shell.says("here> ")
    shell.answers(asks)
    shell.says("\n")
    shell.answers("a phrase of theirs")
    shell.says("here> ")
    shell.answers(up)
    shell.says("Do this now? [y/N]: ")
    shell.types("\x04")
    shell.says("\r\nEnded by Ctrl-D. Nothing was written to Port.")
    shell.says("here> ")
    shell.answers("exit $?")
    assert shell.ended() == 130 and newcomer.pair.port.writes == 0


def test_the_login_of_another_deployment_lends_no_token(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://one.example.com\n")
    (tmp_path / "session").write_text("token-of-one")
    environ = {"CODER_CONFIG_DIR": str(tmp_path)}
    assert coder_login(environ) == ("https://one.example.com", "token-of-one")
    assert found_values(environ, {})["coderSessionToken"].value == "token-of-one"
    same = found_values({**environ, "CODER_API_BASE_URL": "https://One.example.com/api/v2/"}, {})
    assert same["coderSessionToken"].value == "token-of-one"
    assert "coderSessionToken" not in found_values({**environ, "CODER_URL": "https://two.example.com"}, {})
    assert "coderSessionToken" not in found_values(environ, {"coderApiBaseUrl": "https://two.example.com"})


def test_the_command_line_counts_before_the_environment() -> None:
    found = found_values({"PORT_CLIENT_ID": "of the environment"}, {"portClientId": "given"})
    assert (found["portClientId"].value, found["portClientId"].where) == ("given", "the command line")


@pytest.mark.parametrize(
    ("said", "url"),
    [("eu", "https://api.port.io"), ("US", "https://api.us.port.io"), ("https://port.corp", "https://port.corp")],
)
def test_a_region_is_named_in_short(said: str, url: str) -> None:
    assert region_url(said) == url


@pytest.mark.parametrize(("folder", "name"), [("our catalog", "our-catalog"), ("Ünï", "n"), ("日本", "coderport")])
def test_a_project_is_called_like_its_folder(folder: str, name: str) -> None:
    assert project_name_for(Path("/x") / folder) == name


def test_the_workflow_lies_at_the_top_of_the_repository_and_is_sound(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "catalogs" / "coder"
    file = workflow_of(folder, "prod")
    assert (
        file.path == tmp_path / ".github" / "workflows" / "coderport.yml"
        and "@" not in file.text.replace("@v", "").split("jobs:")[0]
    )
    file.write()
    read = yaml.safe_load(file.path.read_text())
    steps = read["jobs"]["coderport"]["steps"]
    inside = {each["name"]: each.get("working-directory") for each in steps if "run" in each}
    assert inside.pop("Succeed or fail as the preview did") is None
    assert inside == dict.fromkeys(("Set up", "Run", "Write the comment"), "catalogs/coder")
    assert [each["with"]["path"] for each in steps if "upload-artifact" in each.get("uses", "")] == [
        "catalogs/coder/coderport-prod.html",
        "catalogs/coder/comment.md",
    ]
    comment = read["jobs"]["comment"]
    assert comment["permissions"] == {"pull-requests": "write"} and "secrets." not in str(comment)
    assert not [each for each in comment["steps"] if "checkout" in each.get("uses", "")]
    [python] = [each["with"] for each in steps if "setup-python" in each.get("uses", "")]
    assert (python["cache"], python["cache-dependency-path"]) == ("pip", "catalogs/coder/requirements.txt")
    with_secrets = [each["name"] for each in steps if "secrets." in str(each)]
    assert with_secrets == ["Run"], "the step that fetches packages gets none"
    zizmor = Path(sys.executable).parent / "zizmor"
    options = ["--offline", "--quiet", "--persona", "auditor"]
    done = subprocess.run([zizmor, *options, file.path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_actions_of_the_workflow_are_those_that_ours_pin(tmp_path: Path) -> None:
    ours = "\n".join(each.read_text() for each in (ROOT / ".github" / "workflows").glob("*.yml"))
    uses = [line.strip().removeprefix("- ") for line in workflow_of(tmp_path, "x").text.splitlines() if "uses:" in line]
    assert len(uses) == 5 and all(each in ours for each in uses)


def test_a_pull_request_gets_the_preview_as_a_comment_that_leads_to_the_page(tmp_path: Path) -> None:
    """The scripts of the workflow as the runner has them, with a command that stands for coderport."""
    file = workflow_of(tmp_path, "prod")
    steps = {each["name"]: each for each in yaml.safe_load(file.text)["jobs"]["coderport"]["steps"] if "run" in each}
    kinds = {"workspace": {"created": 1, "updated": 0, "deleted": 0, "unchanged": 2}}
    answer = json.dumps({"result": "changes", "kinds": kinds, "message": ""})
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "coderport").write_text(f"#!/bin/sh\necho \"$@\" >>calls\necho '{answer}'\necho said >&2\nexit 3\n")
    (commands / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for each in commands.iterdir():
        each.chmod(0o755)

    def run(name: str, **environment: str) -> int:
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", steps[name]["run"]],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "GITHUB_OUTPUT": "output",
                "GITHUB_STEP_SUMMARY": "page",
                **environment,
            },
            timeout=300,
        ).returncode

    assert run("Run", COMMAND="preview") == 0 and (tmp_path / "output").read_text() == "code=3\n"
    address = "https://github.com/acme/portal/actions/runs/7/artifacts/9"
    assert run("Write the comment", CODE="3", REPORT=address) == 0
    comment = (tmp_path / "comment.md").read_text()
    assert "`prod`: changes" in comment and f"[All of it as a page]({address})" in comment and "said" in comment
    assert run("Succeed or fail as the preview did", CODE="3") == 3
    assert run("Run", COMMAND="sync") == 3, "any other command is the step itself"
    assert (tmp_path / "calls").read_text().splitlines() == [
        "preview --stack prod --json --html coderport-prod.html",
        "sync --stack prod",
    ]


def test_the_files_make_a_project_that_is_ours(tmp_path: Path) -> None:
    for file in files_of(tmp_path, "catalog"):
        assert not file.differs and not file.is_there
        file.write()
        assert file.is_there
    assert os.access(tmp_path / "plugins" / "port" / "pulumi-resource-port", os.X_OK)
