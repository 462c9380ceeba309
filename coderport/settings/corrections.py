"""Settings that a server does not take: where each stands, and the command that sets another there.

The stack's config counts before the environment, so what is set in the other place has no effect.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from coderport.coder.errors import UnknownOrganization
from coderport.errors import CoderportError
from coderport.port.errors import EU_URL, US_URL
from coderport.settings.names import ENVIRONMENT, SECRETS
from coderport.settings.problem import Place
from coderport.settings.remedies import Step, carried_out, commands, exported, key_of, placeholder_of
from coderport.settings.values import OBJECTS, Settings
from coderport.terminal.text import first_of, short
from coderport.terminal.wording import nearest

_SHOWN = 12
_FAILED = TypeVar("_FAILED", bound=CoderportError)


@asynccontextmanager
async def correcting(settings: Settings) -> AsyncIterator[None]:
    """Has errors say where the settings stand that they are about."""
    try:
        yield
    except CoderportError as error:
        raise corrected(settings, error) from None


def corrected(settings: Settings, error: CoderportError) -> CoderportError:
    """The error with the commands that correct the settings that it is about; as it is where it is about none."""
    if isinstance(error, UnknownOrganization):
        return _of_organizations(settings, error)
    return _ending(error, (line for key in error.keys for line in where(settings, key).splitlines()))


def corrected_in_environment(error: _FAILED) -> _FAILED:
    """The same where the environment alone counts."""
    return _ending(error, (f"  {exported(key)}" for key in error.keys))


def where(settings: Settings, key: str) -> str:
    """Where the setting stands, and the command that sets another there."""
    value = _other_region(settings.port_base_url) if key == "portBaseUrl" else None
    return f"{_stands(settings, (key,))}. To set another:\n  {correction(settings, (key,), value)}"


def _other_region(url: str) -> str:
    return US_URL if url == EU_URL else EU_URL


def _stands(settings: Settings, place: Place) -> str:
    """Where the value of a setting is, as the beginning of a sentence."""
    key = str(place[0])
    path = settings.path(*place)
    if key in settings.from_environment:
        return f"{path} stands in the environment variable {ENVIRONMENT[key]}"
    if key not in {Settings.model_fields[name].alias or name for name in settings.model_fields_set}:
        return f"{path} is not set"
    return f"{path} stands in Pulumi.{settings.of_stack.rpartition('/')[2]}.yaml"


def correction(settings: Settings, place: Place, value: str | None = None) -> str:
    """The command that sets the value where the setting stands; a word stands for it where nobody knows it.

    Of an object that the environment has the whole is set.
    """
    top = str(place[0])
    asked = top in SECRETS
    step = Step(place, None if asked else value or placeholder_of(key_of(place)), asked)
    if top not in settings.from_environment:
        (command,) = commands([step], settings.of_stack, settings.namespaces)
        return command
    if top in OBJECTS:
        given = settings.model_dump(mode="json", by_alias=True, exclude_unset=True)[top]
        return exported(top, json.dumps(carried_out([step], given)))
    return exported(top, step.value)


def _ending(error: _FAILED, lines: Iterable[str]) -> _FAILED:
    """The error with these lines at its end, once: an error may pass several places that know where settings stand."""
    error.args = ("\n".join((str(error), *lines)),)
    error.keys = ()
    return error


def _of_organizations(settings: Settings, error: UnknownOrganization) -> UnknownOrganization:
    """In the words of these settings: key or variable, file, what the token sees, and the command."""
    if not error.unknown:
        return error
    seen = first_of([short(each) for each in error.seen], _SHOWN) or "none"
    names = ", ".join(repr(short(each)) for each in error.unknown)
    told = "\n".join(line for name in error.unknown for line in _named(settings, name, error.seen))
    return UnknownOrganization(
        f"Coder has no organization {names} that this token can see. It sees: {seen}. Nothing was written.\n{told}",
        error.unknown,
        error.seen,
    )


def _named(settings: Settings, name: str, seen: tuple[str, ...]) -> Iterator[str]:
    meant = nearest(name, seen)
    places: list[Place] = [("organizations", at) for at, each in enumerate(settings.organizations) if each == name]
    if settings.coder_organization_id == name:
        places.append(("coderOrganizationId",))
    for place in places:
        yield f"{short(name)}: {_stands(settings, place)}:"
        yield f"  {correction(settings, place, meant)}"
