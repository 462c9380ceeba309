"""May a run write and delete what it is about to: whose an entity is, and which deletions are accounted for.

What `__all__` names may be used from outside (docs/library.md); the modules of this folder may change.
"""

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
