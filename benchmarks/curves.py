"""The curves of docs/scale.md: seconds and requests against workspaces, as SVG with logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from benchmarks import names
from benchmarks.names import figure
from benchmarks.rows import Figures, Row

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 230, 50, 50
_LINE = 17  # the least distance of two labels

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #d0d7de; stroke-width: 1 }
.curve { fill: none; stroke-width: 2.2 }
.beside { stroke-dasharray: 5 4 }
.c0 { stroke: #0969da } .c1 { stroke: #8250df } .c2 { stroke: #1a7f37 } .c3 { stroke: #bc4c00 }
.c4 { stroke: #bf3989 } .c5 { stroke: #57606a }
.f0 { fill: #0969da } .f1 { fill: #8250df } .f2 { fill: #1a7f37 } .f3 { fill: #bc4c00 }
.f4 { fill: #bf3989 } .f5 { fill: #57606a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .grid { stroke: #3d444d }
.c0 { stroke: #58a6ff } .c1 { stroke: #bc8cff } .c2 { stroke: #3fb950 } .c3 { stroke: #f0883e }
.c4 { stroke: #f778ba } .c5 { stroke: #9198a1 }
.f0 { fill: #58a6ff } .f1 { fill: #bc8cff } .f2 { fill: #3fb950 } .f3 { fill: #f0883e }
.f4 { fill: #f778ba } .f5 { fill: #9198a1 }
}"""


@dataclass(frozen=True)
class Curve:
    """Points (x, y), both above 0, from left to right; `beside` is dashed: not this project."""

    label: str
    points: tuple[tuple[float, float], ...]
    beside: bool = False


def curves(rows: Iterable[Row], what: str) -> list[Curve]:
    """The curves of one kind of figure, such as the wall-clock seconds or the requests to Port."""
    figures = Figures(rows)
    chosen = (
        ("first up", names.FIRST, False),
        ("full up, no change", names.AGAIN, False),
        ("sync, no change", names.SYNC, False),
        ("sync, 1 % changed", names.SYNC_CHANGED, False),
        ("drift", names.DRIFT, False),
        ("one by one", names.ONE_BY_ONE, True),
    )
    found = []
    for label, case, beside in chosen:
        values = {size: figures.number(figure(case, what), size) for size in figures.sizes(figure(case, what))}
        if what == names.WALL:
            name = figure(case, names.EXTRAPOLATED)
            values |= {size: figures.number(name, size) for size in figures.sizes(name)}
        points = tuple((float(size), value) for size, value in sorted(values.items()) if value)
        if points:
            found.append(Curve(label, points, beside))
    return found


def svg(title: str, unit: str, drawn: Sequence[Curve], across: str = "workspaces") -> str:
    """The drawing. Axes are logarithmic with a line at each 1, 2 and 5; each curve has its name at its right end."""
    ticks_x = sorted({x for curve in drawn for x, _ in curve.points})
    ticks_y = _ticks([y for curve in drawn for _, y in curve.points])
    right = _Scale(ticks_x[0], ticks_x[-1], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(ticks_y[0], ticks_y[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    for value in ticks_y:
        y = up.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.10g}</text>')
    for value in ticks_x:
        x = right.at(value)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{value:,.0f}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="{_LEFT - 8}" y="{_TOP - 10}" text-anchor="end">{escape(unit)}</text>')
    places = _apart([up.at(curve.points[-1][1]) for curve in drawn])
    for number, (curve, place) in enumerate(zip(drawn, places, strict=True)):
        colour, dashes = number % 6, " beside" if curve.beside else ""
        points = [(right.at(x), up.at(y)) for x, y in curve.points]
        line = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline class="curve c{colour}{dashes}" points="{line}"/>')
        parts.extend(f'<circle class="f{colour}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in points)
        label = f"{curve.label}: {_shown(curve.points[-1][1])} {unit}"
        parts.append(f'<text class="f{colour}" x="{_WIDTH - _RIGHT + 12}" y="{place + 4:.1f}">{escape(label)}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"


@dataclass(frozen=True)
class _Scale:
    """Where a value is between two edges of the drawing, by its logarithm."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        if self.high == self.low:
            return self.start
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 of each power of ten, from the last below all values to the first above them; tens where many."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= 3 else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    below, above = max(t for t in ticks if t <= min(values)), min(t for t in ticks if t >= max(values))
    if below == above:
        above *= 10
        ticks.append(above)
    return [tick for tick in ticks if below <= tick <= above]


def _apart(places: Sequence[float]) -> list[float]:
    """The places moved down, in their order, as far as labels need to be readable."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda each: places[each])
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + _LINE)
    return moved
