"""The emulated Port organization."""

from __future__ import annotations

from coderport.emulators.port.agent import EmulatedAgent
from coderport.emulators.port.deliveries import signature
from coderport.emulators.port.emulator import PortEmulator
from coderport.emulators.port.problems import Problem

__all__ = ["EmulatedAgent", "PortEmulator", "Problem", "signature"]
