"""What a project and a stack may be called: the rules of the Pulumi CLI, which tells them only once files are written.

Source: ValidateProjectName and ParseStackName in sdk/go/common/tokens of pulumi/pulumi (3.250).
"""

from __future__ import annotations

import re

from coderport.errors import SettingsError
from coderport.terminal.remedy import CLI

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
    if name.startswith("-"):  # the CLI takes it for an option
        return f"{name!r} is no name of a stack: it may not begin with a hyphen."
    if any(each and not each.strip(".") for each in parts):  # they are parts of the path of a file
        return f"{name!r} is no name of a stack: it needs a letter or a digit."
    return next(filter(None, (_wrong("stack", each) for each in parts)), "")


def wrong_stack_of(name: str, project: str) -> str:
    """Why the project cannot have a stack of the name, as a sentence; empty where it can."""
    *_, of_project, bare = ("", "", *name.split("/"))
    if not (wrong := wrong_stack_name(name)) and name.count("/") == 2 and of_project != project:
        return (
            f"{name!r} is no name of a stack here: the project is {project}, and not {of_project}. "
            f"The stack alone is enough: --stack {bare}."
        )
    return wrong


def stack_named(name: str, project: str) -> str:
    """The name of a stack of the project. SettingsError where it can be none, or is of another project."""
    if wrong := wrong_stack_of(name, project):
        raise SettingsError(
            f"That cannot be a stack. {wrong} Nothing was read.\nTo see the stacks that there are:\n  {CLI} stack ls"
        )
    return name


def _wrong(what: str, name: str) -> str:
    if len(name) > _LONGEST:
        return f"The name of a {what} has at most {_LONGEST} characters, and this has {len(name)}."
    return "" if _NAME.fullmatch(name) else f"{name!r} is no name of a {what}: it has {_LETTERS} only."
