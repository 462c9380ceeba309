"""The consoles on which a command shows what it has to say."""

from __future__ import annotations

from rich.console import Console

from coderport.terminal.screen import Screen
from coderport.terminal.volume import is_quiet


def people(*, stderr: bool = False) -> Console:
    """The console of a command."""
    return Screen(stderr=stderr)


def account(*, stderr: bool = False) -> Console:
    """The console for the account of a run, of which `--quiet` leaves what is wrong."""
    return Screen(stderr=stderr, wrong_only=is_quiet())
