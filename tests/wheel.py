"""coderport as a person installs it: a wheel of this tree, in a virtual environment that knows no checkout."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from email.parser import BytesParser
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TAG = "7.8.9"
_LEFT = (".git", ".venv", ".coderport", "__pycache__", ".*_cache", "tests", "results", "recordings", "dist")


def built(folder: Path) -> Path:
    """The wheel of this tree under a tag of its own. Nothing is fetched: what builds it is pinned for tests."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_LEFT))
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    someone = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"], ["tag", f"v{TAG}"]):
        subprocess.run(["git", *someone, *arguments], cwd=source, env=quiet, check=True, timeout=120)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"],
        cwd=source,
        env=quiet,
        check=True,
        capture_output=True,
        timeout=300,
    )
    [wheel] = (folder / "dist").glob("*.whl")
    shutil.rmtree(source)
    return wheel


def asked_for(wheel: Path) -> set[str]:
    """The names of all distributions that the wheel asks for, and of those that these ask for."""
    with ZipFile(wheel) as file:
        [metadata] = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        left = BytesParser().parsebytes(file.read(metadata)).get_all("Requires-Dist") or []
    found: set[str] = set()
    while left:
        wanted = Requirement(left.pop())
        name = canonicalize_name(wanted.name)
        if name in found or not (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        left += distribution(name).requires or []
    return found


def give(names: Iterable[str], site: Path) -> None:
    """Puts these distributions of the tests into another environment, as links."""
    for name in names:
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)


class Installed:
    """The wheel in a fresh virtual environment, with what it asks for and nothing else: a dependency that it forgets
    is missing. Those are the packages of the tests, so none is fetched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheel = built(folder)
        environment = folder / "an environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=300)
        self.bin = environment / "bin"
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.bin / "python",
            "install",
            "--quiet",
            "--no-index",
        ]
        subprocess.run([*pip, "--no-deps", self.wheel], check=True, timeout=300)
        [site] = environment.glob("lib/python3*/site-packages")
        give(asked_for(self.wheel), site)
        self.home = folder / "home"
        self.home.mkdir()

    def at_home(self, home: Path) -> Installed:
        """The same for a person whose home is that folder."""
        other = copy.copy(self)
        other.home = home
        return other

    @property
    def environment(self) -> dict[str, str]:
        """That of a shell of this person's."""
        return {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.home)}

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """`coderport ARGUMENTS`, from an empty folder unless another is named."""
        return subprocess.run(
            [self.bin / "coderport", *arguments],
            cwd=cwd or self.home,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )


IMPORTS_ALL = """
import importlib, pkgutil, coderport
for each in pkgutil.walk_packages(coderport.__path__, "coderport."):
    if not each.name.endswith("__main__"):
        importlib.import_module(each.name)
"""
"""A program that fails where a module needs a package that is not there."""
