"""What is wrong with given settings, in words, with the command that corrects each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from coderport.port.errors import EU_URL, US_URL
from coderport.settings.names import ENVIRONMENT, NAMESPACE, NO_STACK, SECRETS, SOURCES
from coderport.settings.values import OBJECTS, Settings
from coderport.terminal.remedy import CLI
from coderport.terminal.wording import LIST, OBJECT, reason_of, unknown, value_shown

_EXAMPLES: Mapping[str, str] = {
    "coderApiBaseUrl": "https://coder.example.com",
    "coderSessionToken": "the token that `coder tokens create` prints",
    "coderHeaders": '{"CF-Access-Client-Id": "…", "CF-Access-Client-Secret": "…"} in the environment',
    "portClientId": "the client id under Port's … > Credentials",
    "portClientSecret": "the client secret beside it",
    "portBaseUrl": f"{EU_URL} (EU) or {US_URL} (US)",
    "blueprints": "manage",
    "volatileRefresh": "24h",
    "kinds": "all",
}


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each wrong key with what is wrong about it."""
    return [(_path(item["loc"]), _reason(item)) for item in _last_of_each(error)]


def _last_of_each(error: ValidationError) -> list[Any]:
    """The errors by place; of a value that fits none of several types the last one, whose type is the richest.

    pydantic adds the name of such a type to the place (`function-before[…]`, `literal[…]`): that is no part of a key.
    """
    found: dict[tuple[int | str, ...], Any] = {}
    for item in error.errors():
        place = tuple(each for each in item["loc"] if isinstance(each, int) or "[" not in each)
        found[place] = {**item, "loc": place}
    # Of a value that is one of several words or a list, what is wrong within the list says more.
    return [each for place, each in found.items() if not any(place == deep[: len(place)] != deep for deep in found)]


def _path(place: tuple[int | str, ...]) -> str:
    """The way to a value in the config, as `pulumi config set --path` takes it."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")


def _reason(item: Any) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "extra_forbidden":
        fields = Settings.model_fields if len(item["loc"]) == 1 else OBJECTS[item["loc"][0]].model_fields
        return unknown(str(item["loc"][-1]), {field.alias or name for name, field in fields.items()} - SOURCES)
    shown = "" if item["loc"][:1] and item["loc"][0] in SECRETS else value_shown(item.get("input"))
    return f"{reason_of(item)}{f' (it is {shown})' if shown and item['type'] != 'missing' else ''}"


def _set(key: str, reason: str) -> str:
    """The options and the key with which `pulumi config set` sets it; an object or a list by a part of it.

    Without a reason those of `pulumi config rm`, which has to come first where a list stands in an object's place or
    the other way round: Pulumi sets no part of the wrong one.
    """
    inside = {OBJECT: ".KEY", LIST: "[0]"}
    part = next((each for words, each in inside.items() if reason.startswith(words)), "")
    part = ".NAME" if key == "coderHeaders" and reason else part
    options = ["--secret"] * (key in SECRETS and bool(reason)) + ["--path"] * (bool(part) or "." in key or "[" in key)
    return " ".join((*options, shlex.quote(f"{_full(key)}{part}")))


def _full(key: str) -> str:
    """The key with its namespace; one of another namespace has it already."""
    return key if ":" in key else f"{NAMESPACE}:{key}"


def wrong_type(key: str, kind: str, stack: str) -> str:
    """What to tell where Pulumi says that a key is not of a type of its schema."""
    words = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "array": "a list"}
    return report([(key.removeprefix(f"{NAMESPACE}:"), f"must be {words.get(kind, 'an object')}")], stack)


def report(
    problems: list[tuple[str, str]], stack: str = NO_STACK, from_environment: frozenset[str] = frozenset()
) -> str:
    """All of them, each a key with what is wrong about it, as the text of one error."""
    file = f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    lines = [
        "The settings of this stack are not complete:" if len(problems) > 1 else "A setting of this stack is wrong:"
    ]
    for key, reason in dict.fromkeys(problems):
        lines.append(f"  {_full(key)} {reason}")
        top = re.split(r"[.[]", key)[0]
        if "is not a setting" in reason:
            command = f":\n      {CLI} config rm --stack {stack} {_set(key, '')}"
            lines.append(f"    take it out of {ENVIRONMENT[top] if top in from_environment else file + command}")
        else:
            also = f", or with the environment variable {ENVIRONMENT[key]}" if key in ENVIRONMENT else ""
            if top in from_environment:
                also = f"; what counts now is the environment variable {ENVIRONMENT[top]}"
            lines.append(f"    set it in {file}{also}:")
            if reason.startswith((OBJECT, LIST)) and top not in from_environment:
                lines.append(f"      {CLI} config rm --stack {stack} {_set(key, '')}")
            # The value of a secret is asked for, so that it stands in no shell's history.
            example = _EXAMPLES.get(key, "VALUE")
            value = "" if key in SECRETS else f" {'VALUE' if ' ' in example else example}"
            lines.append(f"      {CLI} config set --stack {stack} {_set(key, reason)}{value}")
        if " " in _EXAMPLES.get(key, ""):
            lines.append(f"    it is {_EXAMPLES[key]}")
    lines.append("docs/settings.md lists every setting. Nothing was read or written.")
    return "\n".join(lines)
