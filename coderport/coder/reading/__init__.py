"""A read of Coder that knows whether it is whole.

What `__all__` names may be used from outside (docs/library.md); the modules of this folder may change.
"""

from coderport.coder.fate import Fate
from coderport.coder.reading.breadth import Breadth
from coderport.coder.reading.snapshot import Known, Snapshot, read_snapshot

__all__ = ["Breadth", "Fate", "Known", "Snapshot", "read_snapshot"]
