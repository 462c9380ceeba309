"""Coder in Port, as code: a Pulumi program that makes Port's catalog match a live Coder deployment."""

import logging
import os
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

# Repeated requests are counted and told in our own words; without a handler Python prints bare event names for each.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_HERE = Path(__file__).resolve().parents[1]
_NAMED = Path(__file__).with_name("VERSION")
"""Written into the image by its Dockerfile, from a build argument."""
_SECONDS = 5.0
_UNTAGGED = "0.1.0"
_UNKNOWN = f"{_UNTAGGED}+checkout"


def version_of(described: str) -> str:
    """The version that `git describe` tells: of its tag `v1.2.0`, with `+COMMITS.gHASH` where commits came after it."""
    if re.fullmatch("[0-9a-f]{7,40}", described):
        return f"{_UNTAGGED}+g{described}"
    found = re.fullmatch(r"v?(\d[\w.]*)(?:-(\d+)-(g[0-9a-f]+))?", described)
    if found is None:
        return _UNKNOWN
    tag, commits, commit = found.groups()
    return f"{tag}+{commits}.{commit}" if commits and commits != "0" else tag


def checked_out(folder: Path) -> str:
    """The version of a checkout in the folder, as far as git can tell."""
    if not (folder / ".git").exists():  # git would ask the folders above
        return _UNKNOWN
    git = ["git", "-C", str(folder), "describe", "--tags", "--always", "--match", "v[0-9]*"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        said = subprocess.run(git, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return _UNKNOWN
    return version_of(said.strip())


def _released() -> str:
    """That of the package which this code is installed as (hatch-vcs takes it from the tag), or of its image."""
    for each in distributions(name="coderport", path=[str(_HERE)]):
        return each.version
    return version_of(_NAMED.read_text(encoding="utf-8").strip()) if _NAMED.is_file() else ""


def release_of(version: str) -> str:
    """What counts as the same version where a stack remembers its last run: that of the tag."""
    return _UNKNOWN if version.startswith(f"{_UNTAGGED}+") else version.partition("+")[0]


_RELEASED = _released()
__version__ = _RELEASED or checked_out(_HERE)

# A checkout counts as one version, whatever its commit: each would ask for a full run, and a clone without tags (of a
# CI) would count as another.
RELEASE = release_of(_RELEASED or _UNKNOWN)
