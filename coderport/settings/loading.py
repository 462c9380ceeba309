"""Reads the settings from where they are given: the stack's config, the environment, a file that Pulumi printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coderport.errors import SettingsError
from coderport.settings.names import ENVIRONMENT, NAMESPACE, RELEASES, SECRETS, SOURCES
from coderport.settings.problem import Problem
from coderport.settings.problems import found_in, placeholders_in, report
from coderport.settings.remedies import UNKNOWN, exported, steps_of
from coderport.settings.values import OBJECTS, Access, Releases, Settings
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import CLI
from coderport.terminal.variables import from_variables
from coderport.transport.address import is_loopback


def load_settings(
    config: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    encrypted: frozenset[str] = frozenset(),
    stack: str = NO_STACK,
    misplaced: Sequence[str] = (),
    namespaces: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from the stack config (keys without namespace, values parsed), the environment where it is silent.

    `encrypted` names the config keys that Pulumi keeps as secrets. `misplaced` are keys with a namespace that is ours
    but for a typing error: they are wrong. `namespaces` are those of keys that stand in the project's own. Empty texts
    and objects count as not set, so that the typed schema can offer a default. Raises one SettingsError that lists
    every wrong key.
    """
    given = _given(config, environ)
    in_config = _given(config, {}).keys()
    from_config = frozenset(key for key in in_config if key in SECRETS | {"portClientId"})
    from_environment = frozenset(given.keys() - in_config)
    sources = {
        "secrets_from_config": from_config,
        "from_environment": from_environment,
        "namespaces": namespaces or {},
        "of_stack": stack,
    }
    problems = [
        Problem((each,), f"{UNKNOWN}; did you mean {NAMESPACE}:{each.partition(':')[2]}?") for each in misplaced
    ]
    left = placeholders_in(given)
    problems += left
    settings: Settings | None = None
    try:
        settings = Settings.model_validate({**given, **sources})
    except ValidationError as error:
        told = {each.place for each in left}
        problems.extend(each for each in found_in(error) if each.place not in told)
    for key in sorted(SECRETS & from_config - encrypted):
        if not _only_emulators(given):
            problems.append(Problem((key,), "is in clear in the stack config", given[key]))
    if problems or settings is None:
        from_there = {key: given[key] for key in from_environment}
        raise SettingsError(report(problems, stack, from_there, namespaces))
    return settings


def load_access(kind: type[Access], environ: Mapping[str, str]) -> Access:
    """Where one of the two servers is and how to get in, from the environment alone; one SettingsError lists it all."""
    keys = {field.alias for field in kind.model_fields.values()}
    given = {key: value for key, value in _given({}, environ).items() if key in keys}
    problems = placeholders_in(given)
    try:
        found = kind.model_validate(given)
    except ValidationError as error:
        left = {each.place for each in problems}
        problems += [each for each in found_in(error) if each.place not in left]
    if problems:
        raise _wrong_access(problems)
    return found


def _wrong_access(problems: Iterable[Problem]) -> SettingsError:
    """The error for variables that are wrong or missing, each with the command that sets it."""
    lines = []
    for problem in problems:
        value = next((each.value for each in steps_of(problem) if each.value and len(each.place) == 1), None)
        lines.append(f"  {ENVIRONMENT[problem.top]} {problem.reason.rstrip('.')}:")
        lines.append(f"    {exported(problem.top, value)}")
    wrong = "\n".join(lines)
    return SettingsError(f"Variables of the environment are wrong or missing:\n{wrong}\nNothing was asked.")


def settings_of(
    config: Mapping[str, tuple[Any, bool]], project: str, environ: Mapping[str, str], *, stack: str = NO_STACK
) -> Settings:
    """Settings from the whole config of a stack: `namespace:key` with its value and whether it is encrypted.

    The namespace is always ours. In a project of another name, whose own namespace Pulumi fills with the defaults of
    `Pulumi.yaml`, what that says counts where ours is silent. Raises SettingsError as `load_settings` does.
    """
    values: dict[str, Any] = {}
    spaces: dict[str, str] = {}
    encrypted: set[str] = set()
    for namespace in dict.fromkeys((project, NAMESPACE)):
        for name, (value, secret) in config.items():
            key = name.removeprefix(f"{namespace}:")
            if key != name and (key not in values or value not in (None, "", "{}", "[]")):
                values[key], spaces[key] = value, namespace
                encrypted = encrypted | {key} if secret else encrypted - {key}
    known = {field.alias or name for name, field in Settings.model_fields.items()} - SOURCES
    misplaced = [
        name
        for name in config
        for namespace, _, key in [name.partition(":")]
        if re.split(r"[.[]", key)[0] in known and get_close_matches(namespace, [NAMESPACE], cutoff=0.8)
        if namespace not in (project, NAMESPACE)
    ]
    return load_settings(
        values, environ, encrypted=frozenset(encrypted), stack=stack, misplaced=misplaced, namespaces=spaces
    )


_NO_CONFIG = "it is no JSON object that has an object with a `value` for each key"


def printed_settings(file: Path, project: str, environ: Mapping[str, str], *, stack: str = NO_STACK) -> Settings:
    """Settings from what `pulumi config --json` printed, with `--show-secrets` or with the secrets in the environment.

    Raises SettingsError where the file is none of that, and as `load_settings` does.
    """
    try:
        printed = json.loads(file.read_text(encoding="utf-8"))
        config = {str(key): (each.get("value"), bool(each.get("secret"))) for key, each in printed.items()}
    except (OSError, ValueError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) else _NO_CONFIG
        raise SettingsError(
            f"{file} cannot be used: {why}.\nIt has to hold what this prints, on a machine with the Pulumi CLI:\n"
            f"  {CLI} config --json --show-secrets --stack {stack}"
        ) from None
    return settings_of(config, project, environ, stack=stack)


def load_releases(environ: Mapping[str, str]) -> Releases:
    """The one-run releases from `CODERPORT_ALLOW_DELETIONS` and `CODERPORT_FORGET_UNPROVEN`."""
    otherwise = "A release in the environment is no number:"
    # A command that sets a number would be a release: these take the variable away.
    return from_variables(Releases, RELEASES, environ, otherwise=otherwise, examples=dict.fromkeys(RELEASES, ""))


def _given(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What is set, by key of the config: there first, else in the environment."""
    objects = {*OBJECTS, "coderHeaders"}
    given = {
        key: value
        for key, value in config.items()
        if value not in (None, "") and not (key in objects and value in ("{}", {}))
    }
    for key, variable in ENVIRONMENT.items():
        if key not in given and environ.get(variable, "").strip():
            given[key] = environ[variable].strip()
    return given


def _only_emulators(given: Mapping[str, Any]) -> bool:
    return all(is_loopback(str(given.get(key, ""))) for key in ("coderApiBaseUrl", "portBaseUrl"))
