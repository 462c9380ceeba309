"""The command `pulumi`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from coderport.commands.consoles import people
from coderport.engine import engine_environment, obtain_cli
from coderport.errors import SettingsError
from coderport.project import folder_in_use, project_folder
from coderport.terminal.placeholder import placeholder_in, stands_for


def run_pulumi(arguments: Sequence[str]) -> NoReturn:
    """Becomes the Pulumi CLI that the commands use, in the project's folder and with the environment of its stacks.

    `pulumi new` makes a project, so it begins where a new one would be.
    SettingsError where a word was left in that stands for what a person has to choose: nothing is changed then.
    """
    if word := next(filter(None, map(placeholder_in, arguments)), ""):
        raise SettingsError(f"The command still has {word} in it. {stands_for(word)} Nothing was changed.")
    folder = folder_in_use() if arguments[:1] == ["new"] else project_folder()
    cli = obtain_cli(people(stderr=True).print)
    os.chdir(folder)
    os.execve(cli.path, ["pulumi", *arguments], engine_environment(os.environ, cli=cli.path, local_state=None))
