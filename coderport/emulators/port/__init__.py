"""The emulated Port organization."""

from __future__ import annotations

from coderport.emulators.port.emulator import PortEmulator
from coderport.emulators.port.problems import Problem

__all__ = ["PortEmulator", "Problem"]
