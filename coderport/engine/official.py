"""The official installer of the Pulumi CLI, as the Automation API starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from coderport.engine.versions import PINNED

_REACH_SECONDS = 10.0
_INSTALL_SECONDS = 600.0

# In processes of their own: neither looking up a name nor the installer's download has a time limit.
_REACH = "from urllib.request import urlopen; urlopen('https://get.pulumi.com/install.sh', timeout=8).close()"
_INSTALL = (
    "import sys; from semver import VersionInfo; from pulumi.automation import PulumiCommand; "
    "PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))"
)


def install_officially(root: Path, environment: Mapping[str, str], progress: Callable[[str], None]) -> None:
    """Installs the pinned CLI as `root`/bin/pulumi, by the script of get.pulumi.com.

    Where that cannot be reached, or fails, it says so and returns: the caller looks for what came of it.
    """
    if not _succeeds([sys.executable, "-c", _REACH], environment, _REACH_SECONDS):
        progress("The official installer cannot be had: get.pulumi.com cannot be reached from here.")
        return
    progress(f"Downloading it with the official installer to {root} (at most {_INSTALL_SECONDS / 60:.0f} minutes).")
    command = [sys.executable, "-c", _INSTALL, str(root), str(PINNED)]
    if not _succeeds(command, environment, _INSTALL_SECONDS):
        progress("The official installer did not succeed.")


def _succeeds(command: list[str], environment: Mapping[str, str], seconds: float) -> bool:
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
