"""May a run write and delete what it is about to: whose an entity is, and which deletions are accounted for.

What `__all__` names may be used from outside (docs/library.md); the modules of this folder may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coderport.catalog.values import Entity, Held, LeftOut, Ref
    from coderport.guard.deletions import DeletionVerdict, Disappearances, Evidence, deletions_verdict
    from coderport.guard.ownership import Mark, Owner, Whose
    from coderport.guard.verdict import Verdict, ownership_verdict
    from coderport.settings import Limits

__all__ = [
    "DeletionVerdict",
    "Disappearances",
    "Entity",
    "Evidence",
    "Held",
    "LeftOut",
    "Limits",
    "Mark",
    "Owner",
    "Ref",
    "Verdict",
    "Whose",
    "deletions_verdict",
    "ownership_verdict",
]

_PLACES = ("catalog.values", "guard.deletions", "guard.ownership", "guard.verdict", "settings")


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the provider, which each run starts, needs `ownership` alone and no settings."""
    for place in _PLACES if name in __all__ else ():
        if hasattr(module := import_module(f"coderport.{place}"), name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
