"""What is wrong with given settings, in words, with the command that corrects each."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from coderport.port.errors import EU_URL, US_URL
from coderport.settings.names import ENVIRONMENT, SECRETS, SOURCES
from coderport.settings.problem import KeysWrong, Problem, path_of, values_in
from coderport.settings.remedies import UNKNOWN, Step, carried_out, commands, placeholder_of, steps_of
from coderport.settings.values import OBJECTS, Settings
from coderport.terminal.placeholder import NO_STACK, placeholder_in, stands_for
from coderport.terminal.wording import OBJECT, told, unknown, value_shown

_EXAMPLES: Mapping[str, str] = {
    "coderApiBaseUrl": "the address of Coder, such as https://coder.example.com",
    "coderSessionToken": "the token that `coder tokens create` prints",
    "coderHeaders": '{"CF-Access-Client-Id": "…", "CF-Access-Client-Secret": "…"} in the environment',
    "portClientId": "the client id under Port's … > Credentials",
    "portClientSecret": "the client secret beside it",
    "portBaseUrl": f"{EU_URL} (EU) or {US_URL} (US)",
}
_OF_PYDANTIC = re.compile(
    r"\[key\]|(?:function-\w+|literal|tuple|list|set|dict|json-or-python|lax-or-strict|nullable|union)\[.*\]", re.DOTALL
)
"""A part that pydantic adds to a place for the type that it tried."""


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each wrong key with what is wrong about it."""
    return [(each.key, each.reason) for each in found_in(error)]


def found_in(error: ValidationError) -> list[Problem]:
    """Each wrong value. What keys demand of each other is said of the key that is missing or wrong."""
    found: list[Problem] = []
    for item in _last_of_each(error):
        place, cause = item["loc"], (item.get("ctx") or {}).get("error")
        if not isinstance(cause, KeysWrong):
            value = None if item["type"] == "missing" else item.get("input")
            found.append(Problem(place, _reason(item), value))
            continue
        given = item.get("input")
        values = given if isinstance(given, Mapping) else {}
        for key, (reason, meant) in cause.wrong.items():
            shown = meant if meant and value_shown(meant) else None
            found.append(Problem((*place, key), reason, values.get(key), shown))
    return found


def placeholders_in(given: Mapping[str, Any]) -> list[Problem]:
    """Where a word of a printed command was left that stands for what a person has to choose."""
    return [
        Problem(place, f"is not a setting: {stands_for(word)}" if is_key else stands_for(word), text)
        for key, value in given.items()
        for place, text, is_key in values_in(_parsed(value), (key,))
        if (word := placeholder_in(text))
    ]


def _parsed(value: Any) -> Any:
    """Pulumi hands lists and objects to a program as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _last_of_each(error: ValidationError) -> list[Any]:
    """The errors by place; of a value that fits none of several types the last one, whose type is the richest.

    pydantic adds the name of such a type to the place (`function-before[…]`, `literal[…]`): that is no part of a key.
    """
    found: dict[tuple[int | str, ...], Any] = {}
    for item in error.errors():
        top, *inner = item["loc"]
        place = (top, *(each for each in inner if isinstance(each, int) or not _OF_PYDANTIC.fullmatch(each)))
        found[place] = {**item, "loc": place}
    # Of a value that is one of several words or a list, what is wrong within the list says more.
    return [each for place, each in found.items() if not any(place == deep[: len(place)] != deep for deep in found)]


def _reason(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        fields = Settings.model_fields if len(item["loc"]) == 1 else OBJECTS[item["loc"][0]].model_fields
        return unknown(str(item["loc"][-1]), {field.alias or name for name, field in fields.items()} - SOURCES)
    return told(item, hidden=item["loc"][0] in SECRETS)


def wrong_types(found: Iterable[tuple[str, str, Any, str]], stack: str) -> str:
    """What to tell where Pulumi says that keys are not of a type of its schema.

    Of each: the key without its namespace, the type, the value as it is, and the namespace.
    """
    words = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "array": "a list"}
    problems: list[Problem] = []
    spaces: dict[str, str] = {}
    for key, kind, value, namespace in found:
        shown = value_shown(value) if key not in SECRETS else ""
        reason = f"must be {words.get(kind, 'an object')}{f' (it is {shown})' if shown else ''}"
        problems.append(Problem((key,), reason, value))
        spaces[key] = namespace
    return report(problems, stack, namespaces=spaces)


def report(
    problems: Sequence[Problem],
    stack: str = NO_STACK,
    from_environment: Mapping[str, Any] | None = None,
    namespaces: Mapping[str, str] | None = None,
) -> str:
    """All of them, each with what corrects it, as the text of one error.

    `from_environment` are the values that come from there, by key; `namespaces` those of keys that are not in ours.
    """
    environment, spaces = from_environment or {}, namespaces or {}
    lines = [
        "Settings of this stack are wrong or missing:" if len(problems) > 1 else "A setting of this stack is wrong:"
    ]
    said: set[tuple[str, str]] = set()
    for problem in problems:
        full = path_of(problem.place, spaces)
        if (full, problem.reason) in said:
            continue
        said.add((full, problem.reason))
        lines.append(f"  {full} {problem.reason}")
        lines += [f"    {each}" for each in _told(problem, stack, environment, spaces)]
    for top in dict.fromkeys(each.top for each in problems if each.top in OBJECTS and each.top in environment):
        lines += _exported(top, environment[top], [each for each in problems if each.top == top])
    lines.append("docs/settings.md lists every setting. Nothing was read or written.")
    return "\n".join(lines)


def _told(problem: Problem, stack: str, environment: Mapping[str, Any], namespaces: Mapping[str, str]) -> list[str]:
    """Where it is corrected, and with which commands."""
    file, top = f"Pulumi.{stack.rpartition('/')[2]}.yaml", problem.top
    within = top in environment and (top in OBJECTS or top == "coderHeaders")
    steps = steps_of(problem)
    if problem.reason.startswith(UNKNOWN):
        lines = [f"take it out of {ENVIRONMENT[top]}" if within else f"take it out of {file}:"]
    elif within:
        lines = [f"correct it in the environment variable {ENVIRONMENT[top]}"]
    else:
        also = f", or with the environment variable {ENVIRONMENT[problem.key]}" if problem.key in ENVIRONMENT else ""
        if top in environment:
            also = f"; what counts now is the environment variable {ENVIRONMENT[top]}"
        lines = [f"set it in {file}{also}:"]
        if len(steps) == 1 and problem.reason.startswith(OBJECT) and top in OBJECTS:
            lines = [f"take it out of {file}, and set its keys one by one:"]
    if not within:
        lines += [f"  {each}" for each in commands(steps, stack, namespaces)]
        lines += _notes(steps)
    if top in _EXAMPLES:
        lines.append(f"it is {_EXAMPLES[top]}")
    return lines


def _notes(steps: Sequence[Step]) -> list[str]:
    words = dict.fromkeys(
        word for each in steps for text in (each.value or "", str(each.place[-1])) if (word := placeholder_in(text))
    )
    return [stands_for(word) for word in words]


def _exported(top: str, given: Any, problems: Sequence[Problem]) -> list[str]:
    """The whole value of the variable with all of it corrected; only said where it may hold a secret."""
    steps = [step for each in problems for step in steps_of(each)]
    corrected = carried_out(steps, _parsed(given))
    corrected = dict(corrected) if isinstance(corrected, Mapping) else {}
    if top == "actions" and "backend" not in corrected:  # without one all actions would be switched off
        corrected = {"backend": placeholder_of("actions.backend"), **corrected}
    value = json.dumps(corrected)
    if isinstance(given, str) and value_shown(given) == "" != given.strip():
        return []
    return [f"  {ENVIRONMENT[top]} is then:", f"    export {ENVIRONMENT[top]}={shlex.quote(value)}", *_indented(steps)]


def _indented(steps: Sequence[Step]) -> list[str]:
    return [f"    {each}" for each in _notes(steps)]
