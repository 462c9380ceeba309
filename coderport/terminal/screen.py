"""Consoles on standard output and error: where a command shows what it has to say.

What is shown is made safe here and in `outlets`, and nowhere else (see `text`).
"""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.text import Text

from coderport.terminal.remedy import runnable_here
from coderport.terminal.text import lines


class Screen(Console):
    """A console for text that is shown as it is: no markup in names that users chose, no lines broken in URLs.

    With `wrong_only` it shows what is in the colours of an error or a warning, and nothing else.
    """

    def __init__(self, *, wrong_only: bool = False, **options: Any) -> None:
        # A width of 0, as some terminals leave it in COLUMNS, would show nothing at all.
        environ = {key: value for key, value in os.environ.items() if key != "COLUMNS" or value.strip("0")}
        fixed = {"highlight": False, "markup": False, "emoji": False, "soft_wrap": True, "_environ": environ}
        super().__init__(**{**fixed, **options})
        self.wrong_only = wrong_only

    def print(self, *objects: Any, style: str | Style | None = None, **options: Any) -> None:
        """As every console, unless it is none of what is wrong and only that is to be shown."""
        if not self.wrong_only or style in ("red", "yellow"):
            super().print(*objects, style=style, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Whatever is printed as a string, on its own or in a table, comes through here."""
        return super().render_str(runnable_here(lines(text)), **options)
