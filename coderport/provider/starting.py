"""Importing the provider at a low price: each run of the engine starts a process of it."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MESSAGES = "pulumi.runtime.proto"
_AROUND = ("pulumi", "pulumi.runtime")
_TRACED = "TRACEPARENT"
"""Where this variable is set, the SDK traces what goes through gRPC, and has to be imported first."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing that is imported within the block is garbage: it is not searched for, then or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def import_messages() -> None:
    """Imports the engine's messages without the SDK around them, which is a third of what the provider would import.

    Meanwhile the packages that they lie in are there, but not run. Whoever imports those later gets them whole, and so
    does everybody where the messages cannot be had without them.
    """
    if _AROUND[0] in sys.modules or _TRACED in os.environ:
        return
    try:
        for name in _AROUND:
            if (spec := importlib.util.find_spec(name)) is None:
                return
            sys.modules[name] = importlib.util.module_from_spec(spec)
        importlib.import_module(_MESSAGES)
    except (ImportError, AttributeError):
        for name in [each for each in sys.modules if each.startswith(_MESSAGES)]:
            del sys.modules[name]
    finally:
        for name in _AROUND:
            sys.modules.pop(name, None)
