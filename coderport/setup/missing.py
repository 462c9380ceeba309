"""What is missing where nobody can be asked for it."""

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
