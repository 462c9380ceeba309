"""The git repository that a project's folder is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 30
_USUAL = ("main", "master")


def top_of(folder: Path) -> Path:
    """The top of the repository, or the folder where it is in none."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def default_branch(top: Path) -> str:
    """The repository's default branch, as far as a clone knows it; no server is asked.

    The remote's, as `git clone` records it; else git's own choice, `main` or `master`, where there is such a branch;
    else the branch that is checked out.
    """
    remotes = _git(top, "remote").split()
    if remotes:
        remote = "origin" if "origin" in remotes else remotes[0]
        if name := _git(top, "symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD"):
            return name.removeprefix(f"{remote}/")
    there = _git(top, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    for name in (_git(top, "config", "init.defaultBranch"), *_USUAL):
        if name in there:
            return name
    return _git(top, "symbolic-ref", "--quiet", "--short", "HEAD") or _USUAL[0]


def _git(top: Path, *arguments: str) -> str:
    """What git says; empty where it fails or there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(top), *arguments], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
