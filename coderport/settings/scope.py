"""Organizations of the settings that Coder does not show: where each is named, and the command that corrects it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from coderport.coder.errors import UnknownOrganization
from coderport.settings.names import ENVIRONMENT, NAMESPACE
from coderport.settings.values import Settings
from coderport.terminal.remedy import CLI, set_text, valued
from coderport.terminal.text import first_of, short
from coderport.terminal.wording import nearest

_SHOWN = 12


def named_in(settings: Settings, error: UnknownOrganization) -> UnknownOrganization:
    """The same error in the words of these settings: key or variable, file, what the token sees, and the command."""
    if not error.unknown:
        return error
    seen = first_of([short(each) for each in error.seen], _SHOWN) or "none"
    names = ", ".join(repr(short(each)) for each in error.unknown)
    commands = "\n".join(line for name in error.unknown for line in _corrections(settings, name, error.seen))
    return UnknownOrganization(
        f"Coder has no organization {names} that this token can see. It sees: {seen}. Nothing was written.\n{commands}",
        error.unknown,
        error.seen,
    )


def _corrections(settings: Settings, name: str, seen: tuple[str, ...]) -> Iterator[str]:
    meant = nearest(name, seen) or "CHOOSE-ORGANIZATION"
    file = f"Pulumi.{settings.of_stack.rpartition('/')[2]}.yaml"
    stack = settings.of_stack
    for number, each in enumerate(settings.organizations):
        if each == name:
            key = f"{NAMESPACE}:organizations[{number}]"
            yield f"{short(name)} stands in {file}, {key}:"
            yield f"  {set_text(stack, key, meant)}"
    if settings.coder_organization_id == name:
        variable = ENVIRONMENT["coderOrganizationId"]
        if "coderOrganizationId" in settings.from_environment:
            yield f"{short(name)} stands in the environment variable {variable}:"
            yield f"  export {variable}={shlex.quote(meant)}"
        else:
            yield f"{short(name)} stands in {file}, {NAMESPACE}:coderOrganizationId:"
            yield f"  {CLI} config set --stack {stack} {NAMESPACE}:coderOrganizationId {' '.join(valued(meant))}"
