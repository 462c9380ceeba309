"""Getting the Pulumi CLI and starting the engine. `pulumi` and `go` are scripts: nothing is downloaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from coderport.engine import (
    CliInfo,
    CliUnavailable,
    drop_real_life,
    engine_environment,
    obtain_cli,
)
from coderport.engine.build import build_cli
from coderport.engine.cli import Progress
from coderport.engine.start import EngineCommand
from coderport.engine.versions import PINNED, Version, is_fit, parsed

ROOT = Path(__file__).resolve().parents[1]


class Machine:
    """An empty home, an empty PATH, and what a person would see."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.bin.mkdir()
        self.home.mkdir()
        self.environment = {"PATH": str(self.bin), "HOME": str(self.home)}
        self.said: list[str] = []
        self.go_calls = folder / "go-calls"
        self.built = self.home / ".cache" / "coderport" / "pulumi" / str(PINNED) / "bin" / "pulumi"

    def script(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def pulumi(self, path: Path, version: str) -> Path:
        return self.script(path, f"echo v{version}")

    def go(self, during_build: str = "") -> None:
        """A Go that lists three packages and builds a CLI of the version it is told, after `during_build`."""
        self.script(
            self.bin / "go",
            f"""echo "$1" >>"{self.go_calls}"
if [ "$1" = list ]; then
    echo "go: downloading example.com/one v1.0.0" >&2
    printf 'one\\ntwo\\nthree\\n'
    exit
fi
while [ $# -gt 0 ]; do
    case $1 in
        -o) out=$2 ;;
        -ldflags) version=${{2##*Version=}} ;;
    esac
    shift
done
printf 'one\\ntwo\\n' >&2
{during_build}
printf '#!/bin/sh\\necho %s\\n' "$version" >"$out"
/bin/chmod +x "$out" """,
        )

    def obtain(self) -> CliInfo:
        return obtain_cli(self.said.append, environment=self.environment, installer=self.not_asked_for)

    @staticmethod
    def not_asked_for(root: Path, environment: Mapping[str, str], progress: Progress) -> None:
        raise AssertionError("an installer from outside runs without having been asked for")


SECRETS = dict.fromkeys(
    [
        "CODER_SESSION_TOKEN",
        "PORT_CLIENT_SECRET",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_ACCESS_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_CREDENTIALS",
        "GITHUB_TOKEN",
        "OF_A_NAME_THAT_NOBODY_KNOWS",
    ],
    "secret",
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_fit_cli_on_path_is_used_without_a_word(machine: Machine) -> None:
    path = machine.pulumi(machine.bin / "pulumi", "3.272.0")
    assert machine.obtain() == CliInfo(path, "3.272.0", "PATH")
    assert machine.said == []


@pytest.mark.parametrize("version", ["3.249.9", "4.0.0"])
def test_an_unfit_cli_on_path_is_passed_over_for_the_newest_fit_one_of_the_home(machine: Machine, version: str) -> None:
    machine.pulumi(machine.bin / "pulumi", version)
    folder = machine.home / ".pulumi" / "versions"
    for each in ("3.100.0", "3.250.0", "3.260.0", "3.9.0", "5.0.0"):
        machine.pulumi(folder / each / "bin" / "pulumi", each)
    found = machine.obtain()
    assert found == CliInfo(folder / "3.260.0" / "bin" / "pulumi", "3.260.0", "~/.pulumi/versions")
    assert machine.said == [
        f"{machine.bin / 'pulumi'} is not used: it is version {version}; 3.250.0 <= version < 4.0.0 is."
    ]


def test_a_cli_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.script(machine.bin / "pulumi", "echo broken; exit 1")
    machine.go()
    assert machine.obtain().path == machine.built
    assert "does not tell its version" in machine.said[0]


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_official_installer_comes_before_a_build_where_it_is_asked_for(machine: Machine, how: str) -> None:
    machine.go()
    given: dict[str, str] = {}

    def install(root: Path, environment: Mapping[str, str], progress: Progress) -> None:
        given.update(environment)
        machine.pulumi(root / "bin" / "pulumi", root.name)

    machine.environment.update(SECRETS)
    if how == "variable":
        machine.environment["CODERPORT_OFFICIAL_INSTALLER"] = "1"
    asked, official = machine.said.append, how == "option"
    found = obtain_cli(asked, environment=machine.environment, official=official, installer=install)
    assert found.path == machine.home / ".pulumi" / "versions" / str(PINNED) / "bin" / "pulumi"
    assert not machine.go_calls.exists()
    assert given and not SECRETS.keys() & given.keys()


def test_where_the_official_installer_fails_the_cli_is_built(machine: Machine) -> None:
    machine.go()

    def fail(root: Path, environment: Mapping[str, str], progress: Progress) -> None:
        progress("get.pulumi.com cannot be reached")

    found = obtain_cli(machine.said.append, environment=machine.environment, official=True, installer=fail)
    assert found.path == machine.built


def test_a_build_has_no_secrets_in_its_environment(machine: Machine, tmp_path: Path) -> None:
    machine.go(during_build=f"/usr/bin/env >{tmp_path / 'environment'}")
    machine.environment.update(SECRETS)
    machine.obtain()
    given = (tmp_path / "environment").read_text()
    assert "CGO_ENABLED=0" in given and not [name for name in SECRETS if f"{name}=" in given]


def test_a_cli_is_built_once_and_kept_for_every_clone(machine: Machine) -> None:
    machine.go()
    assert machine.obtain() == CliInfo(machine.built, str(PINNED), "built from source")
    assert "4 to 8 minutes" in "\n".join(machine.said)
    machine.said.clear()
    assert machine.obtain().path == machine.built
    assert machine.said == []
    assert machine.go_calls.read_text().split() == ["list", "build"]
    assert [each.name for each in machine.built.parent.iterdir()] == ["pulumi"]


def test_the_cache_folder_of_the_user_is_honoured(machine: Machine, tmp_path: Path) -> None:
    machine.go()
    machine.environment["XDG_CACHE_HOME"] = str(tmp_path / "elsewhere")
    assert machine.obtain().path.is_relative_to(tmp_path / "elsewhere")


def test_a_build_tells_how_far_it_is(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    machine.go(during_build=f'read -r _ <"{gate}"')
    opened: list[str] = []

    def hear(line: str) -> None:
        if not opened and line.startswith("  compiling: 2 of 3 packages (0:0"):
            opened.append(line)
            gate.write_text("on\n")

    build_cli(machine.built, machine.environment, hear, tell_every=0.01)
    assert opened
    assert machine.built.exists()


def test_two_runs_at_once_build_once(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    building = threading.Event()
    machine.go(during_build=f'read -r _ <"{gate}"')
    got: list[CliInfo] = []

    def first_hears(line: str) -> None:
        if line.startswith("Building"):
            building.set()

    def second_hears(line: str) -> None:
        if line.startswith("Another run is getting the Pulumi CLI"):
            gate.write_text("on\n")

    def run(hear: Progress) -> None:
        got.append(obtain_cli(hear, environment=machine.environment, installer=machine.not_asked_for))

    first = threading.Thread(target=run, args=(first_hears,), daemon=True)
    first.start()
    building.wait()
    run(second_hears)
    first.join()
    assert [each.path for each in got] == [machine.built] * 2
    assert machine.go_calls.read_text().split() == ["list", "build"]


def test_a_failed_build_leaves_nothing_and_shows_what_go_said(machine: Machine) -> None:
    machine.go(during_build="echo 'no space left on device' >&2; exit 1")
    with pytest.raises(CliUnavailable, match=r"go build` ended with 1(?s:.)*no space left on device"):
        machine.obtain()
    assert list(machine.built.parent.iterdir()) == []


def test_without_any_way_the_message_names_the_remedies(machine: Machine) -> None:
    with pytest.raises(CliUnavailable) as caught:
        machine.obtain()
    assert "https://www.pulumi.com/docs/install/" in str(caught.value)
    assert "https://go.dev/dl/" in str(caught.value)


def test_a_cache_that_cannot_be_written_is_named(machine: Machine) -> None:
    (machine.home / ".cache").write_text("a file where a folder should be")
    with pytest.raises(CliUnavailable, match="XDG_CACHE_HOME"):
        machine.obtain()


def test_versions_are_read_as_pulumi_prints_them() -> None:
    assert parsed("v3.250.0\n") == Version(3, 250, 0)
    assert parsed("3.251.0-alpha.x8f1+dirty") == Version(3, 251, 0)
    assert parsed("pulumi 3") is None
    assert is_fit(PINNED) and is_fit(Version(3, 999, 0)) and not is_fit(Version(3, 249, 9))


def test_the_pinned_version_is_the_one_that_the_go_module_builds() -> None:
    required = re.search(r"pulumi/pkg/v3 v([\d.]+)$", (ROOT / "engine" / "go.mod").read_text(), re.MULTILINE)
    assert required is not None and parsed(required[1]) == PINNED


def test_the_command_is_the_cli_that_was_found_and_is_not_asked_again(tmp_path: Path) -> None:
    command = EngineCommand(CliInfo(tmp_path / "pulumi", "3.250.0", "PATH"))
    assert command.command == str(tmp_path / "pulumi")
    assert str(command.version) == "3.250.0"


REAL = {
    "PATH": "/usr/bin",
    "LANG": "C",
    "PORT_CLIENT_SECRET": "real-port",
    "CODER_SESSION_TOKEN": "real-coder",
    "PULUMI_ACCESS_TOKEN": "real-pulumi",
    "PULUMI_BACKEND_URL": "s3://real",
    "CODERPORT_ALLOW_DELETIONS": "9",
}


def test_a_local_engine_knows_nothing_of_real_accounts(tmp_path: Path) -> None:
    folder = tmp_path / "100% of #1"
    environment = engine_environment(REAL, cli=Path("/opt/pulumi/bin/pulumi"), local_state=folder)
    assert not [value for value in environment.values() if "real" in value]
    assert "CODERPORT_ALLOW_DELETIONS" not in environment
    assert environment["PATH"] == f"/opt/pulumi/bin{os.pathsep}/usr/bin"
    assert environment["LANG"] == "C"
    backend = urlsplit(environment["PULUMI_BACKEND_URL"])
    assert (backend.scheme, Path(unquote(backend.path))) == ("file", folder / "state")
    assert (folder / "state").is_dir()
    assert Path(environment["PULUMI_HOME"]).is_relative_to(folder)
    assert environment["PULUMI_CONFIG_PASSPHRASE"]


def test_an_ordinary_engine_keeps_the_users_environment() -> None:
    environment = engine_environment(REAL, cli=Path("/opt/pulumi/bin/pulumi"), local_state=None)
    assert REAL.items() - {("PATH", "/usr/bin")} <= environment.items()
    assert environment["PULUMI_SKIP_UPDATE_CHECK"] == "true"


def test_plugins_run_in_the_virtual_environment_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/project/.venv")
    base = {"VIRTUAL_ENV": "/of/another/project"}
    environment = engine_environment(base, cli=Path("/opt/pulumi/bin/pulumi"), local_state=None)
    assert environment["VIRTUAL_ENV"] == "/project/.venv"


def test_real_life_can_be_dropped_in_place() -> None:
    environment = dict(REAL)
    drop_real_life(environment)
    assert environment == {"PATH": "/usr/bin", "LANG": "C"}


class Clone:
    """A folder with the set-up script and requirements of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        (folder / "scripts" / "setup").write_bytes((ROOT / "scripts" / "setup").read_bytes())
        (folder / "requirements.txt").write_text("one==1\n")
        (folder / "requirements-dev.txt").write_text("two==2\n")

    def setup(self, wanted: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", self.folder / "scripts" / "setup", wanted],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def virtual_environment(self) -> Path:
        """A .venv whose Python notes what it is asked to do."""
        asked = self.folder / "asked"
        python = self.folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\necho "$*" >>"{asked}"\n')
        python.chmod(0o755)
        return asked


def test_setup_installs_when_the_pins_change_and_only_then(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    asked = clone.virtual_environment()

    def installs() -> int:
        text = asked.read_text() if asked.exists() else ""
        asked.write_text("")
        return text.count("--requirement requirements")

    assert clone.setup("requirements-dev.txt").returncode == 0
    assert installs() == 1
    assert clone.setup("requirements-dev.txt").stdout == ""
    assert clone.setup("requirements.txt").stdout == ""
    assert installs() == 0
    (tmp_path / "requirements.txt").write_text("one==1.1\n")
    clone.setup("requirements.txt")
    clone.setup("requirements-dev.txt")
    assert installs() == 2


def test_setup_never_installs_with_a_python_that_is_not_of_its_folder(tmp_path: Path) -> None:
    """A .venv without its `pyvenv.cfg` is the system's Python under another name."""
    clone = Clone(tmp_path)
    lost = tmp_path / ".venv" / "bin" / "python"
    lost.parent.mkdir(parents=True)
    lost.symlink_to(Path(sys.executable).resolve())
    none = tmp_path / "none"
    none.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    none.chmod(0o755)
    done = clone.setup("requirements.txt", PYTHON=str(none))
    assert done.returncode == 1 and "Installing" not in done.stdout, "it is made anew, here with no Python to make it"


def test_setup_without_a_fit_python_says_so(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = Clone(tmp_path).setup("requirements.txt", PYTHON=str(old))
    assert done.returncode == 1
    assert "Python 3.10 or later is needed" in done.stderr
    assert not (tmp_path / ".venv").exists()
