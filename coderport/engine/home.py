"""A home for the Pulumi CLI with all that is in the person's own, but no place for the CLI's log.

The CLI writes down, compressed and encrypted below its home, all that it does, with every property of every resource,
and has no switch for that. Measured with 1,000 resources (CLI 3.250.0): 5.1 s of CPU for a first run of which 2.9 s
are the log, 7.4 s for a run without changes of which 4.8 s are the log. Where it cannot write one it goes on without.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LOGS = "logs"
_WHY = "A file in the place of the folder for logs: the CLI goes on without one, twice as fast.\n"

# What the CLI would make new in its home and find again the next time.
_KEPT = ("plugins", "workspaces")


@contextmanager
def without_log(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which the CLI finds its home as in the given one, and writes no log.

    As given where that cannot be had (a home that cannot be written to, a system without symbolic links).
    """
    home = Path(environment["PULUMI_HOME"]) if environment.get("PULUMI_HOME") else Path.home() / ".pulumi"
    folder = Path(tempfile.mkdtemp(prefix="coderport-home-"))
    try:
        yield {**environment, **_variables(home, folder, environment)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # it takes away the links and nothing that they lead to


def _variables(home: Path, folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    try:
        for name in _KEPT:
            (home / name).mkdir(parents=True, exist_ok=True)
        for entry in home.iterdir():
            if entry.name != _LOGS:
                (folder / entry.name).symlink_to(entry.absolute())
        (folder / _LOGS).write_text(_WHY, encoding="utf-8")
    except OSError:
        return {}
    # A login that is renewed is written by renaming a file, which would put it in the place of its link.
    credentials = environment.get("PULUMI_CREDENTIALS_PATH") or str(home.absolute())
    return {"PULUMI_HOME": str(folder), "PULUMI_CREDENTIALS_PATH": credentials}
