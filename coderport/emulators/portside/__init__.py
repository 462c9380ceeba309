"""The emulated Port organization."""

from __future__ import annotations

from coderport.emulators.portside.emulator import PortEmulator
from coderport.emulators.portside.problems import Problem

__all__ = ["PortEmulator", "Problem"]
