"""Which input of a resource is which member of Port's JSON, told once and read in both directions.

A codec turns one input's value into Port's (`to_port`), Port's into the input's (`to_input`), and Port's into
what the two are compared by (`seen`). A value that is not known before the update passes through as it is.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from coderport.catalog.meaning import same_value
from coderport.provider.protocol import UNKNOWN, Kind

Json = dict[str, Any]


@dataclass(frozen=True)
class Trail:
    """Where in the inputs a translation is; what it cannot take is complained of here, as (path, reason)."""

    path: str = ""
    complaints: list[tuple[str, str]] = field(default_factory=list)

    def at(self, step: str) -> Trail:
        """The trail one step further in."""
        return Trail(f"{self.path}.{step}" if self.path else step, self.complaints)

    def complain(self, reason: str) -> None:
        """The value here cannot be accepted."""
        self.complaints.append((self.path, reason))


@dataclass(frozen=True)
class Parsed:
    """The value of a JSON text, equal to another by meaning and not by its text."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parsed) and same_value(self.value, other.value)


class Codec(Protocol):
    """A value's two forms; None from `to_input` and `seen` says that Port's value is of another kind."""

    def to_port(self, given: Any, trail: Trail) -> Any: ...

    def to_input(self, live: Any) -> Any: ...

    def seen(self, live: Any) -> Any: ...


class _Plain:
    """The same value on both sides, without nulls."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        return _without_nulls(given)

    def to_input(self, live: Any) -> Any:
        return _without_nulls(live)

    def seen(self, live: Any) -> Any:
        return _without_nulls(live)


class _Jq:
    """An input's text is a jq query: `{"jqQuery": text}` at Port."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        return {"jqQuery": given}

    def to_input(self, live: Any) -> Any:
        return live["jqQuery"] if isinstance(live, Mapping) and "jqQuery" in live else None

    def seen(self, live: Any) -> Any:
        return self.to_input(live)


class _Text:
    """An input's text is JSON, the value itself at Port."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        try:
            return json.loads(given)
        except (TypeError, ValueError):
            trail.complain("is not JSON text")
            return None

    def to_input(self, live: Any) -> Any:
        return json_text(live)

    def seen(self, live: Any) -> Any:
        return Parsed(live)


PLAIN, JQ, TEXT = _Plain(), _Jq(), _Text()


def json_text(value: Any) -> str:
    """JSON as the stock provider writes it: compact, keys in order."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class Field:
    """An input and the member that it becomes; a member that is `idle` means what one that is absent means."""

    input: str
    member: str
    codec: Codec = PLAIN
    idle: Any = None


def same(*names: str) -> tuple[Field, ...]:
    """Inputs whose value and name are Port's."""
    return tuple(Field(name, name) for name in names)


@dataclass(frozen=True)
class Shape:
    """An object of inputs. Of several fields with one member the first that takes Port's value has it."""

    fields: tuple[Field, ...]

    def to_port(self, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping):
            return given
        by_input = {each.input: each for each in self.fields}
        result: Json = {}
        sources: dict[str, str] = {}
        for key, value in sorted(given.items()):
            if value is None:
                continue
            here, known = trail.at(key), by_input.get(key)
            if known is None:
                here.complain("is not an input that coderport's Port provider serves")
                continue
            if known.member in sources:
                here.complain(f"excludes {sources[known.member]}")
            sources[known.member] = key
            ported = value if value == UNKNOWN else known.codec.to_port(value, here)
            if not _nothing(known.codec, ported):
                result[known.member] = ported
        return result

    def to_input(self, live: Any) -> Any:
        return self._read(live, seen=False)

    def seen(self, live: Any) -> Any:
        return self._read(live, seen=True)

    def _read(self, live: Any, *, seen: bool) -> Any:
        if not isinstance(live, Mapping):
            return live if live == UNKNOWN else None
        result: Json = {}
        taken: set[str] = set()
        for each in self.fields:
            value = live.get(each.member)
            if _nothing(each.codec, value) or each.member in taken or (seen and _same_kind(value, each.idle)):
                continue
            read = each.codec.seen(value) if seen else each.codec.to_input(value)
            if value == UNKNOWN or read is not None:
                result[each.input] = UNKNOWN if value == UNKNOWN else read
                taken.add(each.member)
        return result


@dataclass(frozen=True)
class Tagged:
    """An object that says at Port what it is: `{"type": kind, ...}`."""

    kind: str
    codec: Codec = Shape(())

    def to_port(self, given: Any, trail: Trail) -> Any:
        inner = self.codec.to_port(given, trail)
        return {"type": self.kind, **inner} if isinstance(inner, Mapping) else inner

    def to_input(self, live: Any) -> Any:
        return self.codec.to_input(live) if self._fits(live) else None

    def seen(self, live: Any) -> Any:
        return self.codec.seen(live) if self._fits(live) else None

    def _fits(self, live: Any) -> bool:
        return isinstance(live, Mapping) and live.get("type") == self.kind


@dataclass(frozen=True)
class Each:
    """Every value of a mapping, or every item of a list, with one codec."""

    codec: Codec

    def to_port(self, given: Any, trail: Trail) -> Any:
        if isinstance(given, Mapping):
            return {
                key: value if value == UNKNOWN else self.codec.to_port(value, trail.at(key))
                for key, value in given.items()
                if value is not None
            }
        if not isinstance(given, list):
            return given
        return [self.codec.to_port(value, trail.at(str(index))) for index, value in enumerate(given)]

    def to_input(self, live: Any) -> Any:
        if isinstance(live, Mapping):
            return {key: self.codec.to_input(value) for key, value in live.items()}
        return [self.codec.to_input(value) for value in live] if isinstance(live, list) else None

    def seen(self, live: Any) -> Any:
        if isinstance(live, Mapping):
            return {key: self.codec.seen(value) for key, value in live.items()}
        return [self.codec.seen(value) for value in live] if isinstance(live, list) else None


def compared(have: Any, want: Any, path: str = "") -> dict[str, Kind]:
    """Where two seen values differ, by property path of the inputs."""
    if isinstance(have, Mapping) and isinstance(want, Mapping):
        found: dict[str, Kind] = {}
        for key in sorted(have.keys() | want.keys()):
            found |= compared(have.get(key), want.get(key), f"{path}.{key}" if path else key)
        return found
    if _equal(have, want):
        return {}
    return {path: Kind.ADD if have is None else Kind.DELETE if want is None else Kind.UPDATE}


def _equal(have: Any, want: Any) -> bool:
    if isinstance(have, Parsed) or isinstance(want, Parsed):
        return bool(have == want)
    if isinstance(have, list) and isinstance(want, list):
        return len(have) == len(want) and all(map(_equal, have, want))
    if isinstance(have, Mapping) and isinstance(want, Mapping):
        return all(_equal(have.get(key), want.get(key)) for key in have.keys() | want.keys())
    return same_value(have, want)


def _nothing(codec: Codec, value: Any) -> bool:
    """Whether Port means the same without the value; an empty JSON object may be a value of its own, such as a body."""
    return value is None or (codec is not TEXT and value in ([], {}))


def _same_kind(value: Any, idle: Any) -> bool:
    return idle is not None and type(value) is type(idle) and value == idle


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return copy.copy(value)
