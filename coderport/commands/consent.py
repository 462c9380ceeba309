"""Whether a run may begin: a person at the terminal is asked, a plan is kept to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from coderport.commands.acts import converge, mark_of, saying_what_it_made
from coderport.commands.sync import preview
from coderport.errors import SettingsError
from coderport.planning.planfile import PLAN, loaded
from coderport.report.outcome import Outcome, failed
from coderport.settings import RELEASES
from coderport.terminal.ending import Interrupted, says
from coderport.terminal.person import Person, is_terminal
from coderport.terminal.text import short

DECLINED = "Nothing was applied: you did not say yes. `--yes` asks nothing."


def consented(stack: str, console: Console, variables: Mapping[str, str]) -> Outcome | None:
    """None where the run may begin: nobody is at a terminal, or somebody has seen what it would do and said yes.

    Otherwise how the command ends. In CI nobody is asked, whatever the terminal. What is shown is found without the
    engine. What changes in Coder until the run reads it is done as well, under the guard: only a plan is kept to.
    """
    if not is_terminal() or os.environ.get("CI"):
        return None
    seen = converge(
        stack, "Looking at what changes by", saying_what_it_made(preview), console, create=True, variables=variables
    )
    if seen.result not in ("changes", "unchanged"):
        return seen
    if seen.result == "unchanged":
        return None
    says(lambda cause: cause.told(0))  # what was over is a look, and no run
    try:
        if Person(at_all=True).may("Do this now?", otherwise=False):
            return None
    except Interrupted as interrupted:
        console.print(str(interrupted), style="red")
        return failed(interrupted)
    console.print(DECLINED, style="yellow")
    return seen.model_copy(update={"message": DECLINED, "exit_code": 1})


def keep_to(stack: str, file: Path) -> dict[str, str]:
    """The variables with which a run of the stack does exactly what is in the plan, with its releases, or refuses.

    SettingsError where the file is no plan, or one for another stack. The program reads it again: it may be a process
    of its own.
    """
    plan = loaded(file, stack)
    if plan.stack != mark_of(stack):
        raise SettingsError(f"{file} is a plan for the stack {short(plan.stack)}, not for {mark_of(stack)}.")
    return {PLAN: str(file), **{variable: str(getattr(plan.releases, name)) for name, variable in RELEASES.items()}}
