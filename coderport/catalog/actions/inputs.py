"""The two-way mapping between a template's parameters and the inputs of a form, and what Coder says of a value.

Used by both sides: the program declares a form with it, the runner reads a run's inputs with it. Nothing is
remembered in between: the parameters of the template version alone say which input and which choice is which.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias, TypeVar

from coderport.catalog.actions.patterns import matches
from coderport.coder.parameters import ParameterOption, Preset, RichParameter

PREFIX = "p_"
"""Of the inputs that are parameters; no other input's key begins like this."""

_LONGEST_KEY = 100
"""Port's limit for the keys of properties."""
_KEY = re.compile(r"[A-Za-z0-9@_=-]+", re.ASCII)
_DIGEST = re.compile(r"=[0-9a-f]{64}", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

FormValue: TypeAlias = str | int | float | bool | list[str]

T = TypeVar("T")


# Keys


def input_key(name: str) -> str:
    """The key of the input for the parameter of that name; no two names have the same.

    The name itself behind `p_` where Port allows it in a key, else the hexadecimal of its UTF-8, or of its SHA-256
    behind `=` where that would be too long. A name that looks like such an encoding of another is encoded too.
    """
    return f"{PREFIX}{name if _stands_plain(name) else _encoded(name)}"


def parameter_of(key: str, parameters: Iterable[RichParameter]) -> RichParameter | None:
    """The parameter that the input of that key is for; None where none of these has it."""
    return next((each for each in parameters if input_key(each.name) == key), None)


def _stands_plain(name: str) -> bool:
    if not _KEY.fullmatch(name) or len(PREFIX + name) > _LONGEST_KEY or _DIGEST.fullmatch(name):
        return False
    try:
        other = bytes.fromhex(name).decode()
    except ValueError:
        return True
    return _stands_plain(other) or _encoded(other) != name


def _encoded(name: str) -> str:
    encoded = name.encode().hex()
    if len(PREFIX + encoded) <= _LONGEST_KEY:
        return encoded
    return f"={hashlib.sha256(name.encode()).hexdigest()}"


# Choices


def option_labels(options: Iterable[ParameterOption]) -> dict[str, str]:
    """What the form shows for each option, and the value that it stands for, in the order of the options.

    Port's enums have no titles: what is shown is the value that arrives. So the options' names are the form's
    values, and this mapping leads back. A label belongs to one option only, and is never the value of another one:
    where names repeat or look like another's value, the value is added in brackets.
    """
    return _labelled([(option.name, option.value, option.value) for option in options])


def preset_labels(presets: Iterable[Preset]) -> dict[str, Preset]:
    """What the form shows for each preset, in their order: its name, with its id in brackets where names repeat."""
    return _labelled([(preset.name, preset.id, preset) for preset in presets])


def _labelled(choices: Sequence[tuple[str, str, T]]) -> dict[str, T]:
    """Labels for (name, code, value): codes are what tells two of a name apart."""
    names = [name or code for name, code, _ in choices]
    codes = {code for _, code, _ in choices}
    labels: dict[str, T] = {}
    for name, code, value in choices:
        label = name or code
        if not label or names.count(name) > 1 or (label != code and label in codes):
            label = f"{name} ({code})" if name and code else name or code or "(empty)"
        numbered, count = label, 1
        while numbered in labels or (numbered != code and numbered in codes):
            count += 1
            numbered = f"{label} #{count}"
        labels[numbered] = value
    return labels


def takes_several(parameter: RichParameter) -> bool:
    """Whether the value is a list whose items are chosen or typed one by one.

    A list(string) with options is either a choice of several of them (multi-select) or, as before 2025, of one
    option whose value is a whole list already.
    """
    if parameter.type != "list(string)":
        return False
    if not parameter.options or parameter.form_type in ("multi-select", "tag-select"):
        return True
    return parameter.form_type not in ("radio", "dropdown") and any(
        _texts(option.value) is None for option in parameter.options
    )


# Values


def coder_value(parameter: RichParameter, given: object) -> str:
    """The text that goes to Coder for what the form's input holds, whatever that is.

    Labels become values, true "true", 4.0 "4", a list JSON. Never raises: `problems` says what is wrong with it.
    """
    if given is None:
        return ""
    labels = option_labels(parameter.options)
    if takes_several(parameter) and isinstance(given, (list, tuple)):
        items = [labels.get(item, item) if isinstance(item, str) else item for item in given]
        return _json(items)
    if isinstance(given, str):
        return labels.get(given, given)
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return str(given)
    if isinstance(given, float):
        return _number_text(given)
    return _json(given)


def form_value(parameter: RichParameter, value: str) -> FormValue | None:
    """What the form's input holds for a text of Coder's; None where it can hold nothing that means it.

    `coder_value` leads back to a text that means the same: "4.50" comes back as "4.5".
    """
    if parameter.options and not takes_several(parameter):
        return _label_of(parameter, value)
    if parameter.type == "bool":
        return {"true": True, "false": False}.get(value)
    if parameter.type == "number":
        return _number(value)
    if parameter.type == "list(string)":
        items = _texts(value)
        if items is None or not parameter.options:
            return items
        labels = [_label_of(parameter, item) for item in items]
        return [label for label in labels if label is not None] if None not in labels else None
    return value


def carried_problems(parameter: RichParameter, value: str, *, classic: bool) -> list[str]:
    """What Coder would refuse in a value that a workspace has and its next build takes over, as `problems` says it.

    In the `classic` flow an empty value of an optional parameter stands for the default (codersdk/richparameters.go).
    """
    effective = parameter.default_value if classic and not value and not parameter.required else value
    return problems(parameter, effective, previous=effective)


def problems(parameter: RichParameter, value: str | None, *, previous: str | None = None) -> list[str]:
    """What Coder would refuse in a text for this parameter, as sentences; nothing where it is fine.

    None is no value, for which Coder takes the previous one or the default. "" is a value like any other: an option
    may have it. `previous` is the value of the workspace's last build, None where there is none. A pattern that is not
    understood here is left to Coder, which judges before it builds. No sentence repeats the value: it may be a secret,
    and a run's log is read by many.
    """
    return [f"{parameter.title}: {wrong}" for wrong in _problems(parameter, value, previous)]


def _problems(parameter: RichParameter, value: str | None, previous: str | None) -> list[str]:
    if value is None and previous is None:
        return ["a value is required"] if parameter.required else []
    effective = previous if value is None else value
    if not effective and parameter.required and not _offers_empty(parameter):
        return ["a value is required"]
    if value is None or not (value or parameter.default_value or previous):
        return []  # nothing, where nothing is what Coder would take by itself
    if previous is not None and not parameter.mutable and value != previous:
        return ["it was fixed when the workspace was created and cannot change"]
    if parameter.options:
        return _choice_problems(parameter, value)
    if parameter.type == "bool":
        return [] if value in ("true", "false") else ["must be true or false"]
    if parameter.type == "number":
        return _number_problems(parameter, value, previous)
    if parameter.type == "list(string)":
        return [] if _texts(value) is not None else ["must be a list of texts"]
    if parameter.validation_regex and matches(parameter.validation_regex, value) is False:
        rule = f"must match {parameter.validation_regex}"
        return [_own_words(parameter) or rule]
    return []


def _offers_empty(parameter: RichParameter) -> bool:
    return any(option.value == "" for option in parameter.options)


def _choice_problems(parameter: RichParameter, value: str) -> list[str]:
    values = {option.value for option in parameter.options}
    shown = ", ".join(option_labels(parameter.options))
    if not takes_several(parameter):
        return [] if value in values else [f"must be one of: {shown}"]
    chosen = _texts(value)
    if chosen is None:
        return ["must be a list of texts"]
    return [] if values.issuperset(chosen) else [f"each item must be one of: {shown}"]


def _number_problems(parameter: RichParameter, value: str, previous: str | None) -> list[str]:
    low, high, direction = parameter.validation_min, parameter.validation_max, parameter.validation_monotonic
    if low is None and high is None and not direction:
        return [] if _NUMBER.fullmatch(value) else ["must be a number"]
    # With a rule Coder reads the number as an integer.
    if not _WHOLE_NUMBER.fullmatch(value) or len(value) > 19:
        return ["must be a whole number"]
    number = int(value)
    if low is not None and number < low:
        return [_own_words(parameter) or f"must be {low} or more"]
    if high is not None and number > high:
        return [_own_words(parameter) or f"must be {high} or less"]
    if direction and previous is not None and _WHOLE_NUMBER.fullmatch(previous) and len(previous) <= 19:
        if direction == "increasing" and number < int(previous):
            return ["may only grow"]
        if direction == "decreasing" and number > int(previous):
            return ["may only shrink"]
    return []


def _own_words(parameter: RichParameter) -> str:
    """The template's own message for a wrong value, with its bounds put in, and never the value."""
    bounds: Mapping[str, object] = {
        "{min}": parameter.validation_min,
        "{max}": parameter.validation_max,
        "{value}": "the value",
    }
    text = parameter.validation_error
    for sign, bound in bounds.items():
        text = text.replace(sign, str(bound))
    return text


def _label_of(parameter: RichParameter, value: str) -> str | None:
    labels = option_labels(parameter.options).items()
    return next((label for label, stands_for in labels if stands_for == value), None)


def _number(value: str) -> int | float | None:
    if len(value) > 19 or not _NUMBER.fullmatch(value):
        return None
    if _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None


def _number_text(number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    if number.is_integer():
        return str(int(number))
    return format(Decimal(repr(number)), "f")


def _texts(value: str) -> list[str] | None:
    """A JSON list of strings; None for any other text."""
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
