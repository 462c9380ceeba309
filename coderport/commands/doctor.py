"""The command `doctor`."""

from __future__ import annotations

import os
from io import StringIO

from coderport.commands.consoles import people
from coderport.doctor.check import is_well
from coderport.doctor.examination import examine
from coderport.doctor.screen import as_json, show
from coderport.terminal.screen import Screen
from coderport.terminal.text import json_line


def doctor(stack: str, *, as_object: bool) -> int:
    """Shows the checks of the stack; the exit code is 1 where one failed, and else 0."""
    checks = show(examine(stack, os.environ), Screen(file=StringIO()) if as_object else people())
    if as_object:
        print(json_line(as_json(checks)))
    return 0 if is_well(checks) else 1
