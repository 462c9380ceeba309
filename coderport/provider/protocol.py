"""Pulumi's wire values as plain Python and back, and its answers to a difference.

The engine sends properties as a protobuf Struct: numbers are doubles, a value that is not known before
the update is a fixed text, a secret is an object with a signature. We tell the engine that we take no
secrets, so it unwraps them before and marks them in our answers again; one that comes wrapped all the
same (provider settings do) is unwrapped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2

from coderport.terminal.placeholder import NO_STACK

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_EXACT = 2**53

Properties = Mapping[str, Any]


def properties_of(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as plain values.

    Whole numbers as int, secrets and outputs unwrapped, unknown ones as UNKNOWN.
    """
    return {key: _plain(value) for key, value in struct.fields.items()}


def struct_of(properties: Properties) -> struct_pb2.Struct:
    """Plain values as a Struct."""
    struct = struct_pb2.Struct()
    struct.update(dict(properties))
    return struct


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < _EXACT else number
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else None
        if signature in (_SECRET, _OUTPUT):
            return _plain(fields["value"]) if "value" in fields else UNKNOWN
        return {key: _plain(item) for key, item in fields.items()}
    return None


class Kind(Enum):
    """What happens to the value at a path."""

    ADD = provider_pb2.PropertyDiff.ADD
    UPDATE = provider_pb2.PropertyDiff.UPDATE
    DELETE = provider_pb2.PropertyDiff.DELETE


def diff_response(changes: Mapping[str, Kind]) -> provider_pb2.DiffResponse:
    """The answer to Diff for changes by property path (`properties.stringProps.status`).

    Never a replacement.
    """
    if not changes:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME,
        diffs=sorted({path.partition(".")[0] for path in changes}),
        detailedDiff={path: provider_pb2.PropertyDiff(kind=kind.value) for path, kind in changes.items()},
        hasDetailedDiff=True,
    )


@dataclass(frozen=True)
class Recorded:
    """What the state says about a resource: the inputs it was made from and what we answered then.

    `urn` is there where the resource is deleted.
    """

    id: str
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    urn: str = ""

    @property
    def stack(self) -> str:
        """The name of its stack, as the urn has it."""
        return self.urn.removeprefix("urn:pulumi:").partition("::")[0] or NO_STACK


@dataclass(frozen=True)
class Found:
    """What Read found: the resource's id, the inputs that would make it, and its outputs."""

    id: str
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True)
class Problem:
    """An input that cannot be accepted, and why."""

    property: str
    reason: str
