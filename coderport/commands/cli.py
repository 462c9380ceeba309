"""`coderport COMMAND`, or `python -m coderport COMMAND`. The commands are in `runs`, `surroundings` and `views`.

Each imports what it does when it is called: what all of them need together takes a second to import.
"""

from __future__ import annotations

import os
import sys

from coderport.commands import runs, surroundings, views
from coderport.commands.app import app
from coderport.errors import CoderportError
from coderport.terminal.outlets import open_outlets
from coderport.transport.loopback import spare
from coderport.transport.resolver import hurry

__all__ = ["app", "main", "runs", "surroundings", "views"]
"""The three modules bring their commands into `app`."""


def main() -> None:
    """Runs the command line; a known failure is one plain message and its exit code, never a traceback."""
    spare(os.environ)
    hurry(os.environ)
    open_outlets()
    try:
        app(standalone_mode=True)
    except CoderportError as error:
        from coderport.commands.consoles import people

        people(stderr=True).print(str(error), style="red")
        sys.exit(error.exit_code)
