"""`python -m coderport …` with every resource registered at once: what the memory goal is held against.

python -m benchmarks.at_once up --stack NAME --json
"""

from __future__ import annotations

import sys
from functools import partial

from coderport.commands.cli import main
from coderport.program import declaration
from coderport.program.registrations import Registrations

if __name__ == "__main__":
    # The window is larger than any number of resources; all else is as it is.
    declaration.Registrations = partial(Registrations, most=sys.maxsize)  # type: ignore[attr-defined,assignment]
    main()
