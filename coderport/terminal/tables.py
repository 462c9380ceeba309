"""Tables for people: side by side where the screen is wide enough, else a block for each row."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_BETWEEN = 2
"""Columns of the screen between two of the table."""


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str | int]], console: Console) -> None:
    """Shows the rows; a whole number stands at the right, with its thousands separated.

    Where a line would not fit, the cells of a row stand below its first one, each with its heading.
    """
    texts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headings, *texts, strict=True)]
    if sum(widths) + _BETWEEN * (len(widths) - 1) > console.width:
        for row in texts:
            console.print(row[0])
            for heading, cell in zip(headings[1:], row[1:], strict=True):
                console.print(f"  {heading}: {cell}")
        return
    table = Table(box=None, pad_edge=False)
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="right" if all(isinstance(row[at], int) for row in rows) else "left")
    for row in texts:
        table.add_row(*row)
    console.print(table)


def show_list(headings: Sequence[str], rows: Sequence[Sequence[str | int]], console: Console) -> None:
    """The same for many rows: where no terminal shows them a row is one line, however long, so that tools can cut it.

    Numbers are then without separators.
    """
    if console.is_terminal:
        show_table(headings, rows, console)
        return
    texts = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = (f"{cell}{' ' * (width - cell_len(cell))}" for cell, width in zip(row, widths, strict=True))
        console.print((" " * _BETWEEN).join(padded).rstrip())
