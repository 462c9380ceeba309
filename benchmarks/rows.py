"""The rows that a benchmark leaves: raw figures, and the goals that are judged by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RATIO = "ratio · "
"""How the names of ratios begin."""


@dataclass(frozen=True)
class Row:
    """One figure. `workspaces` is None where it belongs to no size; a raw figure has neither `goal` nor `met`.

    A goal is the most that the value may be.
    """

    name: str
    workspaces: int | None
    value: float | str
    unit: str
    goal: float | None = None
    met: bool | None = None


def judged(name: str, workspaces: int | None, value: float, unit: str, at_most: float) -> Row:
    """The row of a goal: met where the value is at most that."""
    return Row(name, workspaces, round(value, 3), unit, round(at_most, 3), value <= at_most)


class Results:
    """The rows of a file, which is written anew with each row, so that an interrupted benchmark keeps what it has.

    `profiles`, in a file beside it, holds for each measured run what its time was made of.
    """

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path, self._profiles_path = path, path.with_suffix(".profiles.json")
        self._rows = {} if fresh else {(row.name, row.workspaces): row for row in read(path)}
        self._profiles: dict[str, Any] = {}
        if not fresh and self._profiles_path.exists():
            self._profiles = json.loads(self._profiles_path.read_text())
        path.parent.mkdir(parents=True, exist_ok=True)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def put(self, rows: Iterable[Row]) -> None:
        """Adds the rows, each in place of the one that had its name and size, and writes the file."""
        for row in rows:
            self._rows.pop((row.name, row.workspaces), None)
            self._rows[row.name, row.workspaces] = row
        lines = ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in self._rows.values())
        _write(self._path, f"[\n{lines}\n]\n")

    def put_judged(self, rows: Iterable[Row]) -> None:
        """Adds goals and ratios in place of all that were judged before, by whatever rules."""
        raw = {key: row for key, row in self._rows.items() if row.goal is None and not row.name.startswith(RATIO)}
        self._rows = raw
        self.put(rows)

    def put_profile(self, name: str, workspaces: int, profile: Mapping[str, Any]) -> None:
        """Keeps what a run's time was made of."""
        self._profiles[f"{name}, {workspaces} workspaces"] = profile
        _write(self._profiles_path, json.dumps(self._profiles, indent=1, ensure_ascii=False) + "\n")

    def figures(self) -> Figures:
        """The rows by name and size."""
        return Figures(self)


class Figures:
    """Numbers by name and size."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._values = {(row.name, row.workspaces): row.value for row in rows if row.goal is None}

    def number(self, name: str, workspaces: int | None) -> float | None:
        """The figure, or None where it was not measured."""
        value = self._values.get((name, workspaces))
        return float(value) if isinstance(value, (int, float)) else None

    def text(self, name: str) -> str | None:
        """A figure that belongs to no size, as text."""
        value = self._values.get((name, None))
        return None if value is None else str(value)

    def sizes(self, name: str) -> list[int]:
        """The sizes at which the figure was measured, ascending."""
        return sorted(size for measured, size in self._values if measured == name and size is not None)


def read(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file yet."""
    if not path.exists():
        return []
    return [Row(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)
