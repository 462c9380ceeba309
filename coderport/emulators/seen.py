"""An emulator's behaviour as a recording of `conformance` saw the live service's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from coderport.emulators.kit import EmulatorError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Value = TypeVar("Value", bound=DataclassInstance)


def as_seen(behaviour: Value, probes: Iterable[Mapping[str, Any]]) -> Value:
    """The behaviour, a frozen dataclass, with what the probes of a recording saw in the fields that they name.

    A probe that saw no value of its field changes nothing.
    """
    known = {field.name for field in fields(behaviour)}
    seen: dict[str, Any] = {}
    for probe in probes:
        name = probe.get("behaviour")
        if name is None or probe.get("result") not in ("same", "different"):
            continue
        if name not in known:
            raise EmulatorError(f"the recording names the behaviour {name!r}, which this version does not know")
        if fits(type(behaviour), name, probe["seen"]):
            seen[name] = as_field(type(behaviour), name, probe["seen"])
    return replace(behaviour, **seen)


def as_field(kind: type[Any], name: str, value: Any) -> Any:
    """The JSON value as the field of that dataclass has it: a list of words is a set."""
    return frozenset(value) if get_origin(get_type_hints(kind).get(name)) is frozenset else value


def fits(kind: type[Any], name: str, value: Any) -> bool:
    """Whether the field of that dataclass can have the JSON value."""
    hint = get_type_hints(kind)[name]
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is frozenset:
        (words,) = get_args(hint)
        return isinstance(value, list) and all(each in get_args(words) for each in value)
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)
