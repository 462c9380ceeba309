"""What is missing where nobody can be asked for it, and what was given and cannot be used."""

from __future__ import annotations

from collections.abc import Iterable

from coderport.errors import SettingsError
from coderport.setup.values import Wanted


def missing(wanted: Iterable[Wanted]) -> SettingsError:
    """The error for values that nobody gave and nobody can be asked for."""
    lines = [f"  {each.flag}, or {' or '.join(each.variables)} in the environment: {each.question}" for each in wanted]
    return SettingsError(
        "\n".join(["These are needed, and there is no terminal to ask at:", *lines, "Nothing was written."])
    )


def unusable(wrong: Iterable[str]) -> SettingsError:
    """The error for what was given, a line for each: the option and the reason."""
    lines = [f"  {each}" for each in wrong]
    return SettingsError("\n".join(["What was given cannot be used:", *lines, "Nothing was written."]))
