"""The search language of `q`: ``key:value`` pairs and bare words, and the value types its keys take."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime

from coderport.emulators.coder.written import read_time


class QueryError(ValueError):
    """The query is not understood. `validations` are (field, detail) pairs, as the 400's body lists them."""

    def __init__(self, validations: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(detail for _, detail in validations))
        self.validations = validations


class Terms:
    """A parsed query: the values of each key in order, lower-cased. Reading a key marks it as known.

    After the last read, `done` refuses what nobody asked for and what did not parse.
    """

    def __init__(self, q: str, bare: Callable[[str], Iterable[tuple[str, str]]]) -> None:
        """`bare` turns a word without a key into key and value pairs (``a/b`` is owner and name, say)."""
        self._values: dict[str, list[str]] = {}
        self._known: set[str] = set()
        self._wrong: list[tuple[str, str]] = []
        for element in _elements(q.lower()):
            parts = _split_outside_quotes(element, ":")
            if len(parts) > 2:
                raise QueryError([("q", f"Query element {element!r} can only contain 1 ':'")])
            if len(parts) == 2 and not (parts[0] and parts[1]):
                raise QueryError([("q", f"Query element {element!r} cannot start or end with ':'")])
            pairs = [(parts[0], _unquoted(parts[1]))] if len(parts) == 2 else bare(_unquoted(element))
            for key, value in pairs:
                self._values.setdefault(key, []).append(value)

    def __contains__(self, key: str) -> bool:
        self._known.add(key)
        return key in self._values

    def all(self, key: str) -> list[str]:
        """Every value of a key that may be repeated."""
        self._known.add(key)
        return self._values.get(key, [])

    def text(self, key: str) -> str | None:
        """The one value of a key; None where it is not asked for."""
        values = self.all(key)
        if len(values) > 1:
            self._wrong.append((key, f"Query param {key!r} provided more than once, found {len(values)} times"))
        return values[0] if values else None

    def flag(self, key: str) -> bool | None:
        """A boolean in any of Go's spellings."""
        value = self.text(key)
        if value is None:
            return None
        if value in ("1", "t", "true"):
            return True
        if value not in ("0", "f", "false"):
            self._wrong.append((key, f'Query param "{key}" must be a valid boolean'))
        return False

    def choice(self, key: str, allowed: tuple[str, ...]) -> str | None:
        """One of the allowed words."""
        value = self.text(key)
        if value is not None and value not in allowed:
            self._wrong.append((key, f'Query param "{key}" has invalid value: {value!r} is not a valid value'))
        return value

    def time(self, key: str) -> datetime | None:
        """An RFC 3339 time."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return read_time(value)
        except ValueError:
            pass
        self._wrong.append((key, f'Query param "{key}" must be a valid date format (RFC 3339)'))
        return None

    def ids(self, key: str) -> list[str] | None:
        """A comma-separated list of UUIDs."""
        values = self.all(key)
        if not values:
            return None
        found = []
        for value in ",".join(values).split(","):
            try:
                found.append(str(uuid.UUID(value.strip())))
            except ValueError:
                self._wrong.append((key, f'Query param "{key}" must be a valid uuid: {value!r}'))
        return found

    def done(self) -> None:
        """`QueryError` for values that did not parse and for keys that nobody has read."""
        unknown = [(key, f'"{key}" is not a valid query param') for key in self._values if key not in self._known]
        if self._wrong or unknown:
            raise QueryError(self._wrong + unknown)


def _elements(q: str) -> list[str]:
    return [element for element in _split_outside_quotes(q, " ") if element]


def _split_outside_quotes(text: str, delimiter: str) -> list[str]:
    parts, quoted = [""], False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter == delimiter and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _unquoted(text: str) -> str:
    return text.strip('"')
