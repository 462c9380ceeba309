"""The one error of the benchmark."""

from __future__ import annotations

from coderport.errors import CoderportError


class BenchError(CoderportError):
    """A measurement could not be made, or what was measured did not do what it should."""


class RivalMissing(BenchError):
    """What this project is held beside cannot be had on this machine: no failure of what is measured."""
