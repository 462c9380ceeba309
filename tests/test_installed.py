"""coderport installed from its wheel: the command, its version, what it brings along, and no checkout anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from at_terminal import Terminal
from packaging.requirements import Requirement
from packaging.version import Version
from typer.main import get_command
from wheel import IMPORTS_ALL, ROOT, TAG, Installed, asked_for

from coderport import checked_out, release_of, version_of
from coderport.commands.cli import app
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.setup.files import TEMPLATE


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def installed(installed_once: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """With a home in which no other test has left anything."""
    return installed_once.at_home(tmp_path_factory.mktemp("home"))


def test_the_version_is_that_of_the_tag(installed: Installed) -> None:
    done = installed.run("--version")
    assert (done.returncode, done.stdout) == (0, f"coderport {TAG}\n"), done.stderr


@pytest.mark.parametrize(
    ("described", "version", "release"),
    [
        ("v1.2.0", "1.2.0", "1.2.0"),
        ("v1.2.0-3-g1a2b3c4", "1.2.0+3.g1a2b3c4", "1.2.0"),
        ("v1.2.0rc1-3-g1a2b3c4", "1.2.0rc1+3.g1a2b3c4", "1.2.0rc1"),
        ("1a2b3c4", "0.1.0+g1a2b3c4", "0.1.0+checkout"),
        ("1234567", "0.1.0+g1234567", "0.1.0+checkout"),
        ("fatal: none", "0.1.0+checkout", "0.1.0+checkout"),
    ],
)
def test_what_git_describes_is_a_version_and_its_tag_is_what_counts(described: str, version: str, release: str) -> None:
    assert version_of(described) == version and str(Version(version)) == version
    assert release_of(version) == release


def test_the_version_of_a_checkout_is_that_of_its_tag_and_of_no_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    (tmp_path / "inside").mkdir()
    assert checked_out(tmp_path) == "0.1.0+checkout"
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-C", str(tmp_path)]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "a"]):
        subprocess.run([*git, *arguments], check=True, timeout=60)
    assert re.fullmatch(r"0\.1\.0\+g[0-9a-f]{7,}", checked_out(tmp_path))
    subprocess.run([*git, "tag", "v1.2.0"], check=True, timeout=60)
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as a hook of another repository has it
    assert checked_out(tmp_path) == "1.2.0"
    assert checked_out(tmp_path / "inside") == "0.1.0+checkout"


def test_nothing_comes_from_the_checkout_and_nothing_is_missing(installed: Installed) -> None:
    code = (
        "import coderport, coderport.project as p, coderport.engine.build as b;"
        "print(coderport.__file__); print(p.CHECKOUT);"
        "print(all((b._MODULE / n).is_file() for n in ('go.mod', 'go.sum', 'tools.go')));"
        "import os; print(os.access(p.brought('plugins/port/pulumi-resource-port'), os.X_OK));"
        "print(p.brought('Pulumi.yaml').is_file(), p.brought('__main__.py').is_file());"
        "template = p.brought('templates/coderport');"
        "print(*sorted(str(each.relative_to(template)) for each in template.rglob('*')"
        " if each.is_file() and each.suffix != '.pyc'));"
        "print(os.access(template / 'plugins/port/pulumi-resource-port', os.X_OK), p.foreign(template) == '')"
    )
    done = subprocess.run(
        [installed.bin / "python", "-c", code],
        cwd=installed.home,
        env=installed.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    file, *rest = done.stdout.splitlines()
    assert Path(file).is_relative_to(installed.bin.parent)
    there = (ROOT / TEMPLATE).rglob("*")
    of_template = (str(each.relative_to(ROOT / TEMPLATE)) for each in there if each.is_file() and each.suffix != ".pyc")
    assert rest == ["None", "True", "True", "True True", " ".join(sorted(of_template)), "True True"]


def test_the_wheel_holds_the_package_and_no_tests(installed: Installed) -> None:
    names = ZipFile(installed.wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"coderport", f"coderport-{TAG}.dist-info"}
    of_the_tree = {str(each.relative_to(ROOT)) for each in (ROOT / "coderport").rglob("*.py")}
    of_the_tree |= {str(each.relative_to(ROOT)) for each in (ROOT / "coderport/emulators/page/bundle").iterdir()}
    assert of_the_tree <= set(names)


def test_every_module_finds_all_that_it_needs_among_what_the_wheel_asks_for(installed: Installed) -> None:
    done = subprocess.run(
        [installed.bin / "python", "-c", IMPORTS_ALL],
        cwd=installed.home,
        env=installed.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    asked = asked_for(installed.wheel)
    assert {"pulumi", "httpx", "jq"} <= asked and not {"pytest", "ruff"} & asked


def test_what_it_asks_for_is_what_the_pins_give() -> None:
    """The pins are what is tested, so the ranges of the package begin where they stand and hold them."""
    text = (ROOT / "pyproject.toml").read_text()
    asked = [Requirement(each) for each in re.findall(r'^    "([\w-]+[><=][^"]+)",$', text, re.MULTILINE)]
    ours = (ROOT / "requirements.txt").read_text().split("# What those need in turn:")[0]
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", ours, re.MULTILINE))
    assert {each.name for each in asked} == set(pins)
    for each in asked:
        assert each.specifier.contains(pins[each.name]), each
        assert each.specifier.contains(version(each.name)), each


def test_h_is_help_for_the_whole_and_for_each_command(installed: Installed) -> None:
    done = installed.run("-h")
    assert done.returncode == 0 and all(name in done.stdout for name in get_command(app).commands)  # type: ignore[attr-defined]
    assert installed.run("up", "-h").stdout == installed.run("up", "--help").stdout != ""


def test_the_shell_completes_its_commands(installed: Installed) -> None:
    done = installed.run(_CODERPORT_COMPLETE="complete_bash", COMP_WORDS="coderport dr", COMP_CWORD="1")
    assert done.stdout.split() == ["drift"]
    # Typer looks for the shell among the processes above, which a test may not have.
    script = installed.run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    assert "_CODERPORT_COMPLETE=complete_bash" in script
    assert not any(installed.home.iterdir()), "a script is shown, and nothing is installed unasked"


@pytest.mark.parametrize(
    "command", [["preview", "--stack", "x"], ["pulumi", "--", "stack", "ls"], ["history", "-s", "x"]]
)
def test_without_a_project_it_says_where_it_looked(installed: Installed, cli: CliInfo, command: list[str]) -> None:
    done = installed.run(*command, PATH=f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}")
    assert done.returncode == 2
    assert "There is no project in" in done.stdout + done.stderr
    assert "\n  coderport init\n" in done.stdout + done.stderr, "the command as a shell here finds it"
    assert "\n  coderport --cwd FOLDER preview --stack NAME\n" in done.stdout + done.stderr, (
        "the command as a shell here finds it"
    )


def test_a_pulumi_project_of_somebody_else_is_left_alone(installed: Installed, cli: CliInfo, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: theirs\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("open('ran', 'w')\n")
    path = f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}"
    for arguments, cwd in ((["--cwd", str(tmp_path)], None), ([], tmp_path)):
        done = installed.run(*arguments, "up", "--stack", "x", cwd=cwd, PATH=path)
        assert done.returncode == 2 and "is not one of coderport" in done.stdout
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Pulumi.yaml", "__main__.py"]


def test_the_demo_plays_whole_at_a_terminal_and_its_commands_run_in_another_shell(
    installed: Installed, cli: CliInfo
) -> None:
    environment = {**installed.environment, "PATH": f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}"}
    command = [str(installed.bin / "coderport"), "demo", "--browser", "--workspaces", "5", "--templates", "2"]
    demo = Terminal(command, installed.home, {**environment, "TERM": "dumb"})
    for asked in (*["Enter goes on."] * 6, "Enter looks for what drifted.", "Enter corrects exactly that."):
        demo.says(asked)
        demo.answers("")
    demo.says("Enter goes on.")
    demo.answers("")
    demo.says("Enter does what the line above does in another shell.")
    shown = demo.shown.replace("\r\n", "\n")
    [repair] = re.findall(r"To correct exactly that:\n  (.+)\n", shown)
    [release] = re.findall(r"\n  (.+ up --stack demo --allow-deletions 15)\n", shown)
    assert repair.replace("drift --stack demo --repair", "") == release.replace(
        "up --stack demo --allow-deletions 15", ""
    )
    other = subprocess.run(
        ["/bin/sh", "-c", release], cwd="/", env=environment, capture_output=True, text=True, timeout=300
    )
    assert other.returncode == 0 and "- 15 workspaces: " in other.stdout, other.stdout + other.stderr
    demo.answers("")
    for asked in ("Enter goes on.", "Enter is the next run."):
        demo.says(asked)
        demo.answers("")
    demo.says("Ctrl-D ends the demo.")
    demo.types("\x04")
    ended, said = demo.ended(), demo.shown.replace("\r\n", "\n")
    assert ended == 0, said
    assert re.findall(r"http://127\.0\.0\.1:\d+/(?!@)", said.split("\n1 · ")[0]) == re.findall(
        r"Watch it in a browser on this machine: (\S+)\n", said
    ), "one address"
    [created] = re.findall(r"Workspace (\S+/from-port) is running", said)
    assert re.search(rf" presses Stop on {created}\n  Port says: \S+ may not run action \"coder_stop_workspace\"", said)
    sixth = said.split("\n6 · ")[1].split("\n7 · ")[0]
    assert sixth.index("title: Edited by hand in Port") < sixth.index("~ workspace "), "reported, then corrected"
    assert [int(each) for each in re.findall(r"^(\d+) · ", said, re.MULTILINE)] == [*range(1, 11)]
    assert re.search(r"\d+ workspaces are created first", said), "each act is played, however few are asked for"
    assert re.search(r"The lock of a run of \S+ that died \(.*\) was cleared.", said)
    assert said.endswith("\n  coderport emulate\n")
    assert [each.name for each in installed.home.iterdir()] == [".cache"]


def test_init_makes_a_project_of_the_installed_version_that_goes_up(
    installed: Installed, cli: CliInfo, tmp_path: Path
) -> None:
    folder = tmp_path / "our catalog"
    folder.mkdir()
    with Pair(seed=3, workspaces=2, templates=1) as pair:
        backend = {
            "PATH": f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}",
            "PULUMI_BACKEND_URL": tmp_path.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        values = {
            "CODER_URL": pair.coder_url,
            "CODER_SESSION_TOKEN": pair.coder.token,
            "PORT_BASE_URL": pair.port_url,
            "PORT_CLIENT_ID": pair.port.client_id,
            "PORT_CLIENT_SECRET": pair.port.client_secret,
        }
        done = installed.run("init", "-s", "dev", "--workflow", cwd=folder, **backend, **values)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "requirements.txt").read_text() == f"coderport=={TAG}\n"
        assert (folder / ".github" / "workflows" / "coderport.yml").is_file()
        assert done.stdout.endswith("\n  coderport up --stack dev\n")
        below = folder / "docs"
        below.mkdir()
        up = installed.run("up", "-s", "dev", cwd=below, **backend)
        assert up.returncode == 0, up.stdout + up.stderr
        assert len(pair.port.entities("coder_workspace")) == 2


def test_the_quick_start_leads_from_an_empty_folder_to_an_up_by_its_own_text(
    installed: Installed, cli: CliInfo, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    [begin] = re.findall(r"^ +(coderport init) +# installed$", text, re.MULTILINE)
    [go] = re.findall(r"`(coderport up --stack NAME)`", text)
    folder = tmp_path / "our catalog"
    folder.mkdir()
    with Pair(seed=3, workspaces=3, templates=2) as pair:
        environment = {
            "PATH": f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}",
            "HOME": str(installed.home),
            "TERM": "dumb",
            "PULUMI_BACKEND_URL": tmp_path.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "theirs",
        }
        terminal = Terminal(["/bin/sh", "-c", begin], folder, environment)
        for asked, answer in {
            "Coder's address": pair.coder_url,
            "A Coder token": pair.coder.token,
            "Port's client id": pair.port.client_id,
            "Port's client secret": pair.port.client_secret,
            "Port's region": pair.port_url,
            "The project's name": "",
            "The stack's name": "trial",
            "Write a workflow": "n",
        }.items():
            terminal.says(asked)
            terminal.says(": ")
            terminal.answers(answer)
        terminal.says("All is well.")
        terminal.says("Preview what a run would do now? It writes nothing. [y/N]: ")
        terminal.answers("y")
        terminal.says("changes in ")
        assert terminal.ended() == 0 and pair.port.writes == 0
        up = subprocess.run(
            ["/bin/sh", "-c", go.replace("NAME", "trial")],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert up.returncode == 0, up.stdout + up.stderr
        assert len(pair.port.entities("coder_workspace")) == 3


def test_quiet_leaves_what_is_wrong_and_verbose_adds_the_requests(
    installed: Installed, cli: CliInfo, tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    with Pair(seed=3, workspaces=2, templates=1) as pair:
        environment = {
            "PATH": f"{installed.environment['PATH']}{os.pathsep}{cli.path.parent}",
            "PULUMI_BACKEND_URL": tmp_path.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "CODER_API_BASE_URL": pair.coder_url,
            "CODER_SESSION_TOKEN": pair.coder.token,
            "PORT_BASE_URL": pair.port_url,
            "PORT_CLIENT_ID": pair.port.client_id,
            "PORT_CLIENT_SECRET": pair.port.client_secret,
        }
        preview = ["preview", "--fast", "-s", "x", "--json"]
        usual = installed.run(*preview, cwd=tmp_path, **environment)
        assert usual.returncode == 0 and "Previewing stack x" in usual.stderr and "reading Coder" in usual.stderr
        first = "The next run is a full one: this stack has declared nothing yet.\n"
        quiet = installed.run("-q", *preview, cwd=tmp_path, **environment)
        assert (quiet.returncode, quiet.stderr) == (0, first) and json.loads(quiet.stdout)["result"] == "changes"
        wrong = installed.run("-q", *preview, cwd=tmp_path, **{**environment, "PORT_CLIENT_SECRET": "another"})
        assert wrong.returncode == 1 and wrong.stderr.strip().endswith(json.loads(wrong.stdout)["message"])
        verbose = installed.run("-v", *preview, cwd=tmp_path, **environment)
        assert f"GET {pair.coder_url}/api/v2/" in verbose.stderr and f"POST {pair.port_url}/v1/" in verbose.stderr
        for secret in (pair.coder.token, pair.port.client_secret, "eyJ"):
            assert secret not in verbose.stderr + verbose.stdout
        assert installed.run("-q", "-v", *preview, cwd=tmp_path, **environment).returncode == 2
