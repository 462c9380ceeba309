"""What a project and a stack may be called: the rules of the Pulumi CLI, which tells them only once files are written.

Source: ValidateProjectName and ParseStackName in sdk/go/common/tokens of pulumi/pulumi (3.250).
"""

from __future__ import annotations

import re

_LONGEST = 100
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LETTERS = "letters (a-z), digits, hyphens, underscores and dots"


def wrong_project_name(name: str) -> str:
    """Why a project cannot have the name, as a sentence; empty where it can."""
    return _wrong("project", name)


def wrong_stack_name(name: str) -> str:
    """Why a stack cannot have the name, as a sentence; empty where it can.

    Organization and project may stand before it: `dev`, `acme/dev`, `acme/catalog/dev`.
    """
    parts = name.split("/")
    if len(parts) > 3:
        return f"{name!r} is no name of a stack: at most an organization and a project stand before it."
    return next(filter(None, (_wrong("stack", each) for each in parts)), "")


def _wrong(what: str, name: str) -> str:
    if len(name) > _LONGEST:
        return f"The name of a {what} has at most {_LONGEST} characters, and this has {len(name)}."
    return "" if _NAME.fullmatch(name) else f"{name!r} is no name of a {what}: it has {_LETTERS} only."
