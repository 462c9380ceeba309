"""Finding the Pulumi CLI, and getting it where there is none.

Looked for in this order: `pulumi` on PATH, `~/.pulumi/versions/` (where the official installer and the
Automation API put it), and what an earlier run built. Where none of them fits one is built from source, of modules
that are pinned by hash. The official installer is a script from outside that nothing here can check: it runs only where
it was asked for.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coderport.engine import kept, versions
from coderport.engine.build import build_cli
from coderport.engine.errors import CliUnavailable
from coderport.engine.official import install_officially
from coderport.engine.outside import outside_environment
from coderport.engine.versions import PINNED, Version

Progress = Callable[[str], None]
Installer = Callable[[Path, Mapping[str, str], Progress], None]

OFFICIAL = "CODERPORT_OFFICIAL_INSTALLER"
"""The variable that asks for the official installer, where no command line can."""

_ANSWER_SECONDS = 60.0
"""How long `pulumi version` may take: it answers in half a second, but machines that build are slow."""


@dataclass(frozen=True)
class CliInfo:
    """A Pulumi CLI that fits: an absolute path, its version without a `v`, and where it came from."""

    path: Path
    version: str
    origin: str


def obtain_cli(
    progress: Progress,
    *,
    environment: Mapping[str, str] | None = None,
    official: bool = False,
    installer: Installer = install_officially,
) -> CliInfo:
    """A fit Pulumi CLI: found, or else built from source; with `official` (or `OFFICIAL` set to 1) rather installed.

    `progress` is given whole lines for a person; nothing is said where a CLI is at hand. Two runs at once
    wait for each other, and the second uses what the first one got.

    Raises `CliUnavailable`, which names the remedies, where no way leads to a CLI.
    """
    environment = os.environ if environment is None else environment
    found = find_cli(environment, progress)
    if found:
        return found
    with _alone(_kept(environment).parent / f"{PINNED}.lock", progress):
        found = find_cli(environment)
        if found:
            return found
        progress(f"There is no Pulumi CLI {PINNED} or later yet: getting version {PINNED} (once).")
        if official or environment.get(OFFICIAL) == "1":
            installer(_versions_folder(environment) / str(PINNED), outside_environment(environment), progress)
            found = find_cli(environment)
            if found:
                progress(f"Pulumi CLI {found.version}: {found.path}")
                return found
        target = _kept(environment) / "bin" / "pulumi"
        build_cli(target, outside_environment(environment), progress)
        built = find_cli(environment)
        if built is None:
            raise CliUnavailable(f"The Pulumi CLI was built at {target}, but does not run there.")
        progress(f"Pulumi CLI {built.version}: {built.path}")
        return built


def find_cli(environment: Mapping[str, str], progress: Progress | None = None) -> CliInfo | None:
    """The first fit Pulumi CLI of those on this machine, or None; `progress` hears why one is passed over."""
    for path, origin in _candidates(environment):
        version = _version_of(path, environment)
        if version is not None and versions.is_fit(version):
            return CliInfo(path, str(version), origin)
        if progress:
            answer = f"is version {version}" if version else "does not tell its version"
            progress(f"{path} is not used: it {answer}; {PINNED} <= version < {versions.FIRST_UNFIT} is.")
    return None


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    on_path = shutil.which("pulumi", path=environment.get("PATH", ""))
    if on_path:
        yield Path(on_path).absolute(), "PATH"
    folder = _versions_folder(environment)
    named = ((versions.parsed(each.name), each) for each in (folder.iterdir() if folder.is_dir() else ()))
    fit = sorted((version, each) for version, each in named if version and versions.is_fit(version))
    for _, each in reversed(fit):
        if os.access(each / "bin" / "pulumi", os.X_OK):
            yield each / "bin" / "pulumi", "~/.pulumi/versions"
    built = _kept(environment) / "bin" / "pulumi"
    if os.access(built, os.X_OK):
        yield built, "built from source"


def _version_of(path: Path, environment: Mapping[str, str]) -> Version | None:
    ask = partial(_told_by, path, environment)
    try:
        folder = cache(environment)
    except RuntimeError:  # a user without a home
        return ask()
    return kept.version(path, folder, ask)


def _told_by(path: Path, environment: Mapping[str, str]) -> Version | None:
    try:
        answer = subprocess.run(
            [path, "version"],
            env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_ANSWER_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return versions.parsed(answer.stdout)


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment["HOME"]) if environment.get("HOME") else Path.home()


def _versions_folder(environment: Mapping[str, str]) -> Path:
    return _home(environment) / ".pulumi" / "versions"


def _kept(environment: Mapping[str, str]) -> Path:
    """Where a CLI built from source is kept: in the user's cache, so that a second clone need not build."""
    return cache(environment) / "pulumi" / str(PINNED)


def cache(environment: Mapping[str, str]) -> Path:
    """What coderport keeps for the user beside any project: below `XDG_CACHE_HOME`, or `~/.cache`."""
    named = environment.get("XDG_CACHE_HOME", "")
    root = Path(named) if os.path.isabs(named) else _home(environment) / ".cache"
    return root / "coderport"


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Holds a lock that the system releases when this process ends, however it ends."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("w", encoding="utf-8")
    except OSError as error:
        raise CliUnavailable(
            f"The Pulumi CLI is kept in {lock.parent}, which cannot be written: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder that can, or install the CLI: https://www.pulumi.com/docs/install/"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Another run is getting the Pulumi CLI: waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
