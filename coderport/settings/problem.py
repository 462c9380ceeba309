"""One wrong setting, and the word that stands in a command for what a person has to choose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coderport.settings.names import NAMESPACE

Place = tuple[int | str, ...]
"""The way to a value in the config: the key of a setting, then keys of objects and numbers of list items."""

_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


@dataclass(frozen=True)
class Problem:
    """`value` is what stands there; it may be a secret. `meant` is the right text, where its finder knows that."""

    place: Place
    reason: str
    value: Any = None
    meant: str | None = None

    @property
    def top(self) -> str:
        """The key of the setting."""
        return str(self.place[0])

    @property
    def key(self) -> str:
        """The way to it, as `pulumi config set --path` takes it."""
        return path_of(self.place)


def path_of(place: Place, namespaces: Mapping[str, str] | None = None) -> str:
    """The place as a path of Pulumi's; with namespaces by key (or ours) in front, unless the key has one itself."""
    top = str(place[0])
    full = top if namespaces is None or ":" in top else f"{namespaces.get(top, NAMESPACE)}:{top}"
    return "".join((full, *map(_part, place[1:])))


def _part(part: int | str) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _NAME.fullmatch(part) else f"[{json.dumps(part)}]"


class KeysWrong(ValueError):
    """What is wrong about keys of an object because of others of its keys: of each the reason, and what is meant."""

    def __init__(self, wrong: Mapping[str, tuple[str, str | None]]) -> None:
        super().__init__("; ".join(f"{key} {reason}" for key, (reason, _) in wrong.items()))
        self.wrong = wrong


def values_in(value: Any, place: Place) -> Sequence[tuple[Place, str, bool]]:
    """Each text of a value, keys included: where it stands, the text, and whether it is a key."""
    if isinstance(value, str):
        return [(place, value, False)]
    found: list[tuple[Place, str, bool]] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            found.append(((*place, str(key)), str(key), True))
            found += values_in(inner, (*place, str(key)))
    elif isinstance(value, Sequence):
        for number, inner in enumerate(value):
            found += values_in(inner, (*place, number))
    return found
