"""The project that the commands work on: a folder with a `Pulumi.yaml`, and the files that coderport itself brings.

From a checkout that is the checkout, as ever. An installed `coderport` works on the project in the current folder or
the nearest one above it (`init` makes one); `--cwd` names another. The files that both need (the Go module
of the CLI, the provider's launcher, a `Pulumi.yaml`) lie in the checkout, or in the installed package in `_project`.
"""

from __future__ import annotations

from pathlib import Path

from coderport.errors import SettingsError
from coderport.terminal.remedy import COMMAND, called_with

_PACKAGE = Path(__file__).resolve().parent
_PROGRAM = "coderport.program"

CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / "engine" / "go.mod").is_file() else None
"""The checkout that this code runs from; None for an installed package."""

_BROUGHT = CHECKOUT or _PACKAGE / "_project"
_named: list[Path] = []


def brought(name: str) -> Path:
    """A file or folder of coderport's own, by its path in the checkout, such as `plugins/port`."""
    return _BROUGHT / name


def work_in(folder: Path) -> None:
    """Makes the folder the one of this process, as `--cwd` asks for."""
    _named[:] = [folder.absolute()]
    called_with("--cwd", str(folder))


def folder_in_use() -> Path:
    """Where a new project would be written: the folder of `--cwd`, or the current one."""
    return _named[-1] if _named else Path.cwd()


def project_folder() -> Path:
    """The folder of the project. SettingsError where there is none, or one that is not coderport's."""
    if CHECKOUT is not None and not _named:
        return CHECKOUT
    start = folder_in_use()
    above = () if _named else start.parents
    found = next((each for each in (start, *above) if (each / "Pulumi.yaml").is_file()), None)
    if found is None:
        where = f"{start}" if _named else f"{start} or a folder above it"
        raise SettingsError(
            f"There is no project in {where}. To make one there:\n  {COMMAND} init\n"
            f"To work on one elsewhere:\n  {COMMAND} --cwd FOLDER preview --stack NAME"
        )
    if not is_ours(found):
        raise SettingsError(
            f"The Pulumi project in {found} is not one of coderport: its __main__.py does not run {_PROGRAM}.\n"
            f"To make one, in a folder of its own:\n  {COMMAND} --cwd FOLDER init"
        )
    return found


def is_ours(folder: Path) -> bool:
    """Whether the project in the folder runs coderport's program. One without a program of its own does."""
    try:
        return _PROGRAM in (folder / "__main__.py").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return True


def program_of(folder: Path) -> Path:
    """The program of the project: its own `__main__.py`, or the one that coderport brings."""
    own = folder / "__main__.py"
    return own if own.is_file() else brought("__main__.py")
