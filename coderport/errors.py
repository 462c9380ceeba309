"""The one exception tree of the project, and the exit code that each branch means."""

from __future__ import annotations


class CoderportError(Exception):
    """Something failed, and the message says what, on which object, and what a person can do.

    Messages are shown as they are: none may carry a token or a secret.
    """

    exit_code = 1


class SettingsError(CoderportError):
    """The stack config or the environment is missing something or holds a malformed value."""

    exit_code = 2


class Refusal(CoderportError):
    """A guard said no: nothing was applied, and the message names the release for one run."""

    exit_code = 3


class UnexpectedChanges(CoderportError):
    """Changes or drift were found where the caller expected none."""

    exit_code = 4
