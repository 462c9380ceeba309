"""What is wrong with variables of the environment, in our words, with the command that corrects each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from coderport.errors import SettingsError
from coderport.terminal.wording import number_wanted, value_shown

Model = TypeVar("Model", bound=BaseModel)


def from_variables(
    model: type[Model],
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    *,
    otherwise: str,
    examples: Mapping[str, str],
) -> Model:
    """The model with what the environment has in `variables`, which are names by field; a blank one is not set.

    SettingsError, which begins with `otherwise`, tells all mistakes, and of each what is there and what is allowed. Its
    commands set the text that `examples` have for the field, which a shell takes as it stands, or else the default; an
    empty text takes the variable away.
    """
    given = {field: text for field, name in variables.items() if (text := environment.get(name, "").strip())}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = [line for item in error.errors() for line in _told(item, model, variables, examples)]
    raise SettingsError("\n".join((otherwise, *wrong, "Nothing was read or written.")))


def _told(
    item: Any, model: type[BaseModel], variables: Mapping[str, str], examples: Mapping[str, str]
) -> Iterator[str]:
    field = str(item["loc"][0])
    name, info = variables[field], model.model_fields[field]
    if item["type"] == "missing":
        yield f"  {name}: is missing; it must be {_wanted(info)}:"
    else:
        yield f"  {name}: must be {_wanted(info)}{_there(info, item.get('input'))}:"
    value = examples.get(field, "" if info.default is None else shlex.quote(_text(info.default)))
    yield f"    export {name}={value}" if value else f"    unset {name}"


def _wanted(info: FieldInfo) -> str:
    kinds, limits = _kinds(info), _limits(info)
    number = next((each for each in (int, float) if each in kinds), None)
    if number is not None:
        return number_wanted(number, limits.get("ge"), limits.get("le"))
    if Path in kinds:
        return "the name of a file"
    least = limits.get("min_length", 0)
    return f"a text of {least} characters or more" if least > 1 else "a text that is not empty"


def _there(info: FieldInfo, value: object) -> str:
    """What stands there; of a secret only how long it is."""
    if SecretStr in _kinds(info):
        return f" (it has {len(str(value))})"
    shown = value_shown(value)
    return f" (it is {shown})" if shown else ""


def _kinds(info: FieldInfo) -> tuple[Any, ...]:
    return get_args(info.annotation) or (info.annotation,)


def _limits(info: FieldInfo) -> dict[str, Any]:
    return {
        name: getattr(each, name)
        for each in info.metadata
        for name in ("ge", "le", "min_length")
        if getattr(each, name, None) is not None
    }


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
