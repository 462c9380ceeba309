"""The settings that the first run of a stack would have, read by that run's own code, with nothing written.

A run makes its stack and then asks the CLI for the config. Here the same is done with a copy of the project's
description and the stack's file, in a folder and a backend that are thrown away: what stops the run stops this.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coderport.engine import CliInfo
from coderport.engine.backend import is_cloud
from coderport.engine.errors import EngineError
from coderport.errors import CoderportError
from coderport.project import project_folder
from coderport.settings import Settings
from coderport.stack.stack import Stack
from coderport.stack.stack_file import stack_file

_OF_THE_CLOUD = ("secure:", "environment:")
_OWN_KEY = ("encryptionsalt:", "secretsprovider:")


class OnlyCloudKnows(CoderportError):
    """The stack's file has what only Pulumi Cloud can open, and only for a stack that is there."""


def first_settings(name: str, cli: CliInfo, backend: str) -> Settings:
    """The settings of a stack that is not in the backend (its URL) yet, of its file and the environment.

    Raises what a run would end with, and OnlyCloudKnows where that cannot be found out without the stack.
    """
    project = project_folder()
    file = stack_file(project, name)
    text = _text(file)
    cloud = is_cloud(backend)
    own_key = any(each in text for each in _OWN_KEY)
    if cloud and not own_key and any(each in text for each in _OF_THE_CLOUD):
        raise OnlyCloudKnows(f"{file.name} has values that only Pulumi Cloud opens, once the stack {name} is there.")
    with _copied(project, file) as folder:
        state = folder / ".backend"
        state.mkdir()
        environ = {"PULUMI_BACKEND_URL": state.as_uri(), "PULUMI_HOME": str(folder / ".home")}
        if cloud and not own_key:  # Pulumi Cloud keeps the key, and asks for no passphrase
            environ["PULUMI_CONFIG_PASSPHRASE"] = "none"
        # Only Pulumi Cloud has organizations; a folder takes the bare name.
        stack = Stack(name.rpartition("/")[2] if cloud else name, cli, directory=folder, environ=environ)
        try:
            settings = stack.settings()
        except CoderportError as error:
            error.args = (str(error).replace(str(folder), str(project)),)
            raise
        if _text(folder / file.relative_to(project)) != text and not _writable(file):
            raise EngineError(
                f"The file of the stack {name}, Pulumi.NAME.yaml, cannot be written ({file}). Pulumi keeps the salt of "
                "the passphrase there, from the first run on: make that run where the file can be written, and commit "
                "the file."
            )
        return settings.model_copy(update={"of_stack": name})


@contextmanager
def _copied(project: Path, file: Path) -> Iterator[Path]:
    """A folder with copies of both; what is no file that can be read is there as a link, for the CLI to say so."""
    folder = Path(tempfile.mkdtemp(prefix="coderport-doctor-")).resolve()
    try:
        for each in (project / "Pulumi.yaml", file):
            copy = folder / each.relative_to(project)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if each.is_file() and os.access(each, os.R_OK):
                shutil.copyfile(each, copy)
            elif each.exists():
                copy.symlink_to(each)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _text(file: Path) -> str:
    """What is in the file, as far as it is text; empty where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _writable(file: Path) -> bool:
    return os.access(file if file.exists() else file.parent, os.W_OK)
