"""The project that the commands work on: a folder with a `Pulumi.yaml`, and the files that coderport itself brings.

From a checkout that is the checkout, as ever. An installed `coderport` works on the project in the current folder or
the nearest one above it (`init` makes one); `--cwd` names another. The files that both need (the Go module
of the CLI, the provider's launcher, a `Pulumi.yaml`) lie in the checkout, or in the installed package in `_project`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from coderport.errors import SettingsError
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import COMMAND, called_with

_PACKAGE = Path(__file__).resolve().parent
_PROGRAM = "coderport.program"
_FILE = "Pulumi.yaml"
_FILES = (_FILE, "Pulumi.yml", "Pulumi.json")
"""What the Pulumi CLI takes for a project's description. Ours is always the first."""

_OUR_KEYS = frozenset({"coderApiBaseUrl", "coderSessionToken", "portClientId", "portClientSecret"})
"""Declared as `config` by every Pulumi.yaml of ours, with our provider or the stock one."""

CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / "engine" / "go.mod").is_file() else None
"""The checkout that this code runs from; None for an installed package."""

_BROUGHT = CHECKOUT or _PACKAGE / "_project"
_named: list[Path] = []


def brought(name: str) -> Path:
    """A file or folder of coderport's own, by its path in the checkout, such as `plugins/port`."""
    return _BROUGHT / name


def work_in(folder: Path) -> None:
    """Makes the folder the one of this process, as `--cwd` asks for. SettingsError where nobody can say where it is."""
    _named[:] = [folder if folder.is_absolute() else current_folder() / folder]
    called_with("--cwd", str(folder))


def folder_in_use() -> Path:
    """Where a new project would be written: the folder of `--cwd`, or the current one."""
    return _named[-1] if _named else current_folder()


def current_folder() -> Path:
    """The folder that the process is in. SettingsError where it was deleted, as by a change of branch."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError(
            "The current folder is not there any more. Change to one that is, such as the project's, and run again."
        ) from None


def project_folder() -> Path:
    """The folder of the project. SettingsError where there is none, or one that is not coderport's."""
    if CHECKOUT is not None and not _named:
        return CHECKOUT
    start = folder_in_use()
    above = () if _named else start.parents
    found = next((each for each in (start, *above) if has_project(each)), None)
    if found is None:
        where = f"{start}" if _named else f"{start} or a folder above it"
        raise SettingsError(
            f"There is no project in {where}. To make one there:\n  {COMMAND} init\n"
            f"To work on one elsewhere:\n  {COMMAND} --cwd FOLDER preview --stack {NO_STACK}"
        )
    if reason := foreign(found):
        raise ForeignProject(
            f"The Pulumi project in {found} is not one of coderport: {reason}. Nothing was read or written.\n"
            f"To make one, in a folder of its own:\n  {COMMAND} --cwd FOLDER init"
        )
    return found


class ForeignProject(SettingsError):
    """The Pulumi project is somebody else's: no command works on it."""


def has_project(folder: Path) -> bool:
    """Whether the folder is a Pulumi project, whoever's."""
    return any((folder / name).is_file() for name in _FILES)


def description_of(folder: Path) -> Mapping[str, Any]:
    """The project's `Pulumi.yaml`. SettingsError where it cannot be read or gives no name."""
    file = folder / _FILE
    text = text_of(file)
    mapping_in(file, text)
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date or a tag that is none
        raise SettingsError(f"{file} is no YAML: {error}. Nothing was read or written.") from None
    if not isinstance(read, dict) or not read.get("name"):
        raise SettingsError(f"{file} names no project: it needs a line such as `name: coderport`.")
    return read


def text_of(file: Path) -> str:
    """The text of a file of the project. SettingsError where it is none, or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is no YAML: it is no text in UTF-8 (byte {error.start + 1}).") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}.") from None


def mapping_in(file: Path, text: str) -> yaml.MappingNode | None:
    """What the YAML of a file of the project has at its top, with the lines; None where it has nothing.

    SettingsError, which names the file and the line, where the text is no YAML, has no keys, or has one key twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _no_yaml(file, mark, f"{error.problem or error.context or 'it ends too early'}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} is no YAML: {error}. Nothing was read or written.") from None
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode):
        raise _no_yaml(file, root.start_mark, f"keys have to stand here, such as `config:`, and {_kind(root)} does")
    for each in (root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))):
        _each_once(file, each)
    return root


def _each_once(file: Path, mapping: yaml.MappingNode) -> None:
    """SettingsError where a mapping has a key twice: Pulumi does not read the file then."""
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in lines:
            raise _no_yaml(file, key.start_mark, f"the key {key.value} stands in line {lines[key.value]} already")
        lines[key.value] = key.start_mark.line + 1


def _kind(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else "a text"


def _no_yaml(file: Path, mark: yaml.Mark | None, why: str) -> SettingsError:
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return SettingsError(
        f"{file} is no YAML that Pulumi reads: {where}{why}. Nothing was read or written.\n"
        "Correct that line. A text with a colon, a bracket or a quote stands in quotes, and blanks indent, no tabs."
    )


def foreign(folder: Path) -> str:
    """Why the Pulumi project in the folder is not one of coderport, as a clause; empty where it is one.

    A project is taken for ours only by what it has: Python, no program elsewhere, and a `__main__.py` that imports
    ours, or none and a `Pulumi.yaml` that declares our config.
    """
    if not (folder / _FILE).is_file():
        return f"it is described by another file than {_FILE}"
    description = description_of(folder)
    runtime = description.get("runtime")
    language = runtime.get("name") if isinstance(runtime, Mapping) else runtime
    if language != "python":
        return f"its runtime is {language or 'none'}, and not python"
    main = str(description.get("main") or "")
    if (folder / main).resolve() not in {folder.resolve(), (folder / "__main__.py").resolve()}:
        return f"its program is elsewhere (main: {main})"
    if (folder / "__main__.py").is_file():
        return "" if runs_ours(folder) else f"its __main__.py does not run {_PROGRAM}"
    config = description.get("config")
    declared = {str(key).removeprefix("coderport:") for key in config} if isinstance(config, Mapping) else set()
    return "" if declared >= _OUR_KEYS else f"it has no __main__.py, and {_FILE} does not declare coderport's config"


def runs_ours(folder: Path) -> bool:
    """Whether the folder's `__main__.py` imports coderport's program."""
    try:
        read = ast.parse((folder / "__main__.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    names: set[str] = set()
    for node in ast.walk(read):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return any(name == _PROGRAM or name.startswith(f"{_PROGRAM}.") for name in names)


def program_of(folder: Path) -> Path:
    """The program of the project: its own `__main__.py`, or the one that coderport brings."""
    own = folder / "__main__.py"
    return own if own.is_file() else brought("__main__.py")
