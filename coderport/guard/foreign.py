"""May a run work on this state at all? Not where it holds what another program has made.

The engine deletes whatever the state holds and the program does not declare, whatever its type is. The other verdicts
speak of what is Port's; this one is about everything else.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from coderport.catalog.resource_types import OURS, type_and_name
from coderport.guard.verdict import Verdict, listed
from coderport.terminal.remedy import CLI, COMMAND
from coderport.terminal.text import short


def state_verdict(urns: Iterable[str], stack: str) -> Verdict:
    """Whether each resource of the state is of a type that coderport declares."""
    foreign = sorted((urn for urn in urns if type_and_name(urn)[0] not in OURS), key=_leaves_first)
    if not foreign:
        return Verdict()
    number = f"{len(foreign):,} resource{'' if len(foreign) == 1 else 's'}"
    names = (" ".join(map(short, type_and_name(urn))) for urn in foreign)
    lines = (
        listed(
            f"The stack {stack} holds {number} of types that coderport never declares, and a run deletes what it does "
            "not declare:",
            names,
        ),
        "If another program made this stack, leave it alone, and choose a name that is free:",
        f"  {COMMAND} up --stack NAME",
        "If it is coderport's, take them out of its state, which deletes nothing. For the first of them:",
        f"  {CLI} state delete {shlex.quote(foreign[0])} --yes --force --stack {stack}",
    )
    return Verdict(("\n".join(lines),))


def _leaves_first(urn: str) -> tuple[bool, int, str]:
    """Children before parents, and providers last: Pulumi takes nothing out of a state that others need."""
    kind, _ = type_and_name(urn)
    return kind.startswith("pulumi:providers:"), -urn.count("$"), urn
