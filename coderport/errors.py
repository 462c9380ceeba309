"""The errors that end a command, and the exit code that each branch means.

An exception that is not of this tree is caught where it is expected and never ends a command.
"""

from __future__ import annotations


class CoderportError(Exception):
    """Something failed, and the message says what, on which object, and what a person can do.

    Messages are shown as they are: none may carry a token or a secret.
    """

    exit_code = 1

    keys: tuple[str, ...] = ()
    """Settings that may be wrong. Who has the settings says where they stand (`settings.corrections`)."""


class SettingsError(CoderportError):
    """The stack config or the environment is missing something or holds a malformed value."""

    exit_code = 2


class Refusal(CoderportError):
    """A guard said no: nothing was applied. The message names the release for one run, where there is one."""

    exit_code = 3


class UnexpectedChanges(CoderportError):
    """Changes or drift were found where the caller expected none."""

    exit_code = 4
