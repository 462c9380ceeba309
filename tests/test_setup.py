"""`scripts/setup` installs into its own .venv, whatever the environment, a pip.conf or a broken .venv say."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.dear

ROOT = Path(__file__).resolve().parents[1]


class Clone:
    """A folder with the script, a requirement that needs no network, and a place for whatever goes elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.elsewhere = folder / "a clone", folder / "elsewhere"
        for each in ("scripts", "coderport/transport"):
            (self.folder / each).mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup", self.folder / "scripts")
        shutil.copy(ROOT / "coderport" / "transport" / "loopback.py", self.folder / "coderport" / "transport")
        self.require("1")

    def require(self, version: str) -> None:
        name, about = f"one-{version}-py3-none-any.whl", f"one-{version}.dist-info"
        with zipfile.ZipFile(self.folder / name, "w") as wheel:
            wheel.writestr("one.py", f"version = {version!r}")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: one\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
        digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        (self.folder / "requirements.txt").write_text(f"./{name} --hash=sha256:{digest}\n")

    @property
    def python(self) -> Path:
        return self.folder / ".venv" / "bin" / "python"

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        home = self.elsewhere / "home"
        home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["sh", self.folder / "scripts" / "setup", "requirements.txt"],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHON": sys._base_executable, **environment},  # type: ignore[attr-defined]
            capture_output=True,
            text=True,
            timeout=300,
        )

    def installed(self) -> list[Path]:
        """Where the requirement is, in the clone or elsewhere."""
        return [each for folder in (self.folder, self.elsewhere) for each in folder.rglob("one.py")]

    def assert_set_up(self, **environment: str) -> None:
        done = self.setup(**environment)
        assert done.returncode == 0, done.stdout + done.stderr
        [found] = self.installed()
        assert found.parent.name == "site-packages" and self.folder / ".venv" in found.parents
        check = "import sys, one; sys.exit(sys.prefix == sys.base_prefix)"
        assert subprocess.run([self.python, "-c", check]).returncode == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone that is set up, which takes seconds."""
    clone = Clone(tmp_path_factory.mktemp("setup"))
    clone.assert_set_up()
    return clone


@pytest.fixture
def clone(made: Clone) -> Iterator[Clone]:
    """The same, with the requirement still to be installed."""
    for each in made.installed():
        each.unlink()
    for each in (made.folder / ".venv").rglob("one-1.dist-info"):
        shutil.rmtree(each)
    for each in (made.folder / ".venv").glob("installed-*"):
        each.unlink()
    shutil.rmtree(made.elsewhere, ignore_errors=True)
    yield made


@pytest.mark.parametrize("changed", ["the file", "the pin", "no hash"])
def test_nothing_is_installed_whose_hash_is_another_or_not_there(clone: Clone, changed: str) -> None:
    requirements = clone.folder / "requirements.txt"
    right = requirements.read_text()
    file = clone.folder / right.split()[0]
    whole = file.read_bytes()
    if changed == "the file":
        file.write_bytes(whole + b" ")
    elif changed == "the pin":
        requirements.write_text(right[:-2] + ("0" if right[-2] != "0" else "1") + "\n")
    else:
        requirements.write_text(right.split()[0] + "\n")
    try:
        done = clone.setup()
    finally:
        file.write_bytes(whole)
        requirements.write_text(right)
    assert done.returncode != 0 and "hash" in (done.stdout + done.stderr).lower()
    assert clone.installed() == []


@pytest.mark.parametrize("variable", ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"])
def test_no_variable_of_pip_leads_elsewhere(clone: Clone, variable: str) -> None:
    clone.assert_set_up(**{variable: str(clone.elsewhere / "there")})


@pytest.mark.parametrize("key", ["target", "prefix", "root"])
@pytest.mark.parametrize("section", ["global", "install"])
def test_no_pip_conf_leads_elsewhere(clone: Clone, section: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(f"[{section}]\n{key} = {clone.elsewhere / 'there'}\n")
    clone.assert_set_up(PIP_CONFIG_FILE=str(file))


@pytest.mark.parametrize(
    "environment",
    [
        {"PIP_USER": "1"},
        {"PYTHONHOME": "/nonexistent"},
        {"PYTHONPATH": "/nonexistent"},
        {"PIP_PYTHON": "/usr/bin/python3"},
        {"PIP_DRY_RUN": "1"},
        {"VIRTUAL_ENV": "/nonexistent", "CONDA_PREFIX": "/nonexistent"},
    ],
    ids=lambda each: "+".join(each),
)
def test_no_other_variable_gets_between_setup_and_its_python(clone: Clone, environment: dict[str, str]) -> None:
    clone.assert_set_up(**environment)


def test_a_venv_that_is_a_link_to_one_elsewhere_is_used(clone: Clone, tmp_path: Path) -> None:
    shutil.copytree(clone.folder, tmp_path / "other", symlinks=True)
    other = tmp_path / "other"
    shutil.rmtree(other / ".venv")
    (other / ".venv").symlink_to(clone.folder / ".venv")
    done = subprocess.run(["sh", other / "scripts" / "setup", "requirements.txt"], capture_output=True, text=True)
    assert done.returncode == 0 and "Creating" not in done.stdout, done.stderr
    assert (other / ".venv").is_symlink()
    assert len(clone.installed()) == 1


@pytest.mark.parametrize("broken", ["without its file", "of a Python that is gone", "a link to nowhere", "a file"])
def test_a_broken_venv_is_made_anew(tmp_path: Path, broken: str) -> None:
    clone = Clone(tmp_path)
    venv = clone.folder / ".venv"
    if broken == "a link to nowhere":
        venv.symlink_to(tmp_path / "gone")
    elif broken == "a file":
        venv.write_text("")
    else:
        (venv / "bin").mkdir(parents=True)
        there = Path(sys._base_executable) if broken == "without its file" else tmp_path / "gone"  # type: ignore[attr-defined]
        clone.python.symlink_to(there)
    clone.assert_set_up()


def test_a_newer_pin_takes_the_place_of_the_older(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    for version in ("1", "2"):
        clone.require(version)
        clone.assert_set_up()
    assert [each.name for each in (clone.folder / ".venv").rglob("one-*.dist-info")] == ["one-2.dist-info"]
