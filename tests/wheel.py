"""coderport as a person installs it: a wheel of this tree, in a virtual environment that knows no checkout."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

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


class Installed:
    """The wheel in a fresh virtual environment. Packages that it needs are those of the tests, so none is fetched."""

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
        (site / "of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
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
