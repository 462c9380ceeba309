"""The emulated Coder deployment."""

from __future__ import annotations

from coderport.emulators.coder.emulator import CoderEmulator

__all__ = ["CoderEmulator"]
