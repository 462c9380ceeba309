"""How texts that name a remedy call the commands, so that what is printed can be pasted.

The texts have one form. Where one becomes an output, on a console, in JSON, on a page (and so in the comment that is
made from them), it names what runs here: the installed `coderport`, or the Python of the checkout, because few systems
have a `python` with our packages on PATH.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

COMMAND = "python -m coderport"
CLI = f"{COMMAND} pulumi --"
"""The Pulumi CLI that the commands use, whether or not a `pulumi` is on PATH."""

LIKE_NO_TEXT = re.compile(r"true|false|-?(0|[1-9]\d*)", re.ASCII)
"""What Pulumi takes for no text where it sets a part of a setting."""

_common: list[str] = []
_variables: dict[str, str] = {}


def set_text(stack: str, path: str, value: str) -> str:
    """The command that sets a part of a setting to a text, whatever a shell or Pulumi would make of it."""
    as_text = ["--type string"] if LIKE_NO_TEXT.fullmatch(value) else []
    words = [CLI, "config set --stack", stack, "--path", shlex.quote(path), *as_text, *valued(value)]
    return " ".join(words)


def valued(value: str) -> tuple[str, ...]:
    """The words for a value: one that begins with a dash is no option."""
    return (*["--"] * value.startswith("-"), shlex.quote(value))


def called_with(*options: str) -> None:
    """Has the commands that are shown carry these options, as this process was called with them."""
    _common[:] = options


@contextmanager
def called_in(variables: Mapping[str, str], *options: str) -> Iterator[None]:
    """Within the block the commands that are shown carry these options, and have these variables before them."""
    before = [*_common], {**_variables}
    called_with(*options)
    _variables.update(variables)
    try:
        yield
    finally:
        called_with(*before[0])
        _variables.clear()
        _variables.update(before[1])


_CALL = re.compile(r"(?<![\w/.-])python -m (coderport|benchmarks)")


def runnable_here(text: str) -> str:
    """The text with the command, or the Python, that runs here in the commands that it names."""
    return _CALL.sub(_call, text) if "python -m " in text else text


def _call(found: re.Match[str]) -> str:
    if found[1] != "coderport":
        return f"{_python()} -m {found[1]}"
    variables = (f"{name}={shlex.quote(value)}" for name, value in _variables.items())
    has_its_own = found.string[found.end() :].startswith(" --cwd ")
    common = () if has_its_own else map(shlex.quote, _common)
    return " ".join([*variables, _installed() or f"{_python()} -m coderport", *common])


def _installed() -> str:
    """The console script that this process was started by, as a shell finds it; empty where it was none."""
    script = _absolute(sys.argv[0])
    if os.path.basename(script) != "coderport":
        return ""
    on_path = shutil.which("coderport")
    return "coderport" if on_path and os.path.samefile(on_path, script) else _from_here(Path(script))


def _python() -> str:
    on_path = shutil.which("python")
    if on_path is not None and _absolute(on_path) == _absolute(sys.executable):
        return "python"
    return _from_here(Path(sys.executable))


def _absolute(path: str) -> str:
    """The path from the root on; as it is where the current folder is not there any more."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        return path


def _from_here(file: Path) -> str:
    """The file as a shell in the current folder takes it; a folder that is not there any more has none below it."""
    try:
        current = Path.cwd()
    except FileNotFoundError:
        return shlex.quote(str(file))
    if not file.is_relative_to(current):
        return shlex.quote(str(file))
    here = str(file.relative_to(current))
    return shlex.quote(here if os.sep in here else f".{os.sep}{here}")
