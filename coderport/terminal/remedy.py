"""How texts that name a remedy call the commands, so that what is printed can be pasted.

The texts have one form, for whoever reads them elsewhere (a log, a comment, JSON). Where they are shown to a person at
the machine, they name what runs here: the installed `coderport`, or the Python of the checkout, because few systems
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

_common: list[str] = []
_variables: dict[str, str] = {}


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
    return _CALL.sub(lambda found: _call(found[1]), text) if "python -m " in text else text


def _call(module: str) -> str:
    if module != "coderport":
        return f"{_python()} -m {module}"
    variables = (f"{name}={shlex.quote(value)}" for name, value in _variables.items())
    return " ".join([*variables, _installed() or f"{_python()} -m coderport", *map(shlex.quote, _common)])


def _installed() -> str:
    """The console script that this process was started by, as a shell finds it; empty where it was none."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) != "coderport":
        return ""
    on_path = shutil.which("coderport")
    return "coderport" if on_path and os.path.samefile(on_path, script) else shlex.quote(script)


def _python() -> str:
    on_path = shutil.which("python")
    if on_path is not None and os.path.abspath(on_path) == os.path.abspath(sys.executable):
        return "python"
    here = Path(sys.executable)
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))
