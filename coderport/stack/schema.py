"""The types that the project's `Pulumi.yaml` declares for its config, held against what a stack has.

The engine checks them before a program runs (`ValidateConfigValue` of the Pulumi CLI, sdk/go/common/workspace), and a
command without the engine would go on where `up` fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Printed = Mapping[str, Mapping[str, Any]]
"""What `pulumi config --json` prints: by key with namespace `value`, and `objectValue` where that is no text."""

_FITS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "string": lambda printed: "objectValue" not in printed,
    "boolean": lambda printed: printed.get("value") in ("true", "false"),
    "integer": lambda printed: re.fullmatch(r"[+-]?[0-9]+", str(printed.get("value"))) is not None,
    "array": lambda printed: isinstance(printed.get("objectValue"), list),
    "object": lambda printed: isinstance(printed.get("objectValue"), dict),
}


def mistyped(description: Mapping[str, Any], printed: Printed) -> tuple[tuple[str, str], ...]:
    """The keys (with namespace) whose values the engine would not take, each with the type that is declared for it.

    Only keys of the project's own namespace have types: Pulumi allows no others.
    """
    declared, found = description.get("config"), list[tuple[str, str]]()
    for name, entry in declared.items() if isinstance(declared, Mapping) else ():
        key = name if ":" in name else f"{description['name']}:{name}"
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        fits = _FITS.get(str(kind))
        if fits is not None and key in printed and not fits(printed[key]):
            found.append((key, str(kind)))
    return tuple(found)


def values_of(printed: Printed) -> dict[str, tuple[str, bool]]:
    """The values as texts, a list or an object as JSON, and whether each is a secret."""
    return {key: (str(each.get("value", "")), bool(each.get("secret"))) for key, each in printed.items()}
