"""The errors of this package."""

from __future__ import annotations

from coderport.errors import CoderportError


class CliUnavailable(CoderportError):
    """No Pulumi CLI could be had; the message names the ways to one."""


class EngineError(CoderportError):
    """The Pulumi engine or its backend failed before or apart from the program."""
