"""The command `init`."""

from __future__ import annotations

import os

from coderport.commands.acts import converge
from coderport.commands.consoles import account, people
from coderport.doctor.check import is_well
from coderport.doctor.examination import examine
from coderport.doctor.screen import show
from coderport.engine import obtain_cli
from coderport.setup.beginning import Beginning, Choices
from coderport.stack.stack import Stack
from coderport.terminal.remedy import COMMAND


def set_up(choices: Choices, *, with_preview: bool | None) -> int:
    """Project, values, stack, `doctor`, and a preview where it is wanted. The exit code is that of the last of them."""
    console = people()
    beginning = Beginning(choices, console)
    beginning.check_names()
    with beginning.in_order():
        folder = beginning.folder()
        values = beginning.values()
        beginning.project(folder)
        cli = obtain_cli(console.print)
        stack = beginning.opened(cli, folder)
        beginning.configure(stack, cli, values)
        beginning.workflow(folder)
        needs = beginning.shell_needs(stack)
    console.print(f"\nLooking at the stack {stack.name}", style="bold")
    if not is_well(show(examine(stack.name, os.environ), console)):
        console.print(f"{needs}When what fails is corrected, look again:\n  {COMMAND} doctor --stack {stack.name}")
        return 1
    if with_preview is None:
        with_preview = beginning.person.may("Preview what a run would do now? It writes nothing.", otherwise=False)
    if with_preview:
        outcome = converge(stack.name, "Previewing", Stack.preview, account())
        if outcome.exit_code:
            if needs:
                console.print(needs)
            return outcome.exit_code
    steps = [] if with_preview else [f"  {COMMAND} preview --stack {stack.name}"]
    console.print("\n".join([f"{needs}Next:", *steps, f"  {COMMAND} up --stack {stack.name}"]))
    return 0
