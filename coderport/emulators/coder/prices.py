"""What requests cost a real Coder, as measured on 2.20.0 with 3,013 and 9,365 workspaces on two cores.

Without prices the emulator answers as fast as it can, which is no figure for a real server. Measured: a page of 1,000
0.74 s and 1.0 to 1.1 s, any page of a list at least 42 and 133 ms, fifty by `q=id:` 41 and 47 ms, one workspace by id
12 ms, the newest fifty jobs 24 and 65 to 90 ms, the active ones 5 and 7 ms, the audit log 207 and 387 ms. A row weighed
3.2 kB there; the emulator's weigh 4 kB by themselves.
"""

from __future__ import annotations

from typing import Final

CORES: Final = 2
"""How many requests are worked on at a time; others wait."""

_COUNTED: Final = 14e-6
_ROW: Final = 0.85e-3
_ROW_BY_ID: Final = 1e-3
_ONE: Final = 12e-3
_JOB: Final = 8e-6
_LEAST_JOBS: Final = 25e-3
_MOST_JOBS: Final = 90e-3
_ACTIVE_JOBS: Final = 6e-3
_LINE: Final = 34e-6
_MOST_LINES: Final = 390e-3


def list_seconds(existing: int, rows: int, by_ids: bool) -> float:
    """A page of the workspaces' list: it counts all that exist, unless `q` names ids."""
    return rows * _ROW_BY_ID if by_ids else existing * _COUNTED + rows * _ROW


def workspace_seconds() -> float:
    """One workspace or build by its id."""
    return _ONE


def jobs_seconds(jobs: int, active_only: bool) -> float:
    """The jobs of an organization: all of them are sorted, unless only active ones are asked for."""
    return _ACTIVE_JOBS if active_only else min(max(jobs * _JOB, _LEAST_JOBS), _MOST_JOBS)


def audit_seconds(lines: int) -> float:
    """A page of the audit log, which counts its lines."""
    return min(lines * _LINE, _MOST_LINES)
