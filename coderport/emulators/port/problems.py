"""The refusals of the emulated Port API: a status, a short code and a text.

Which code goes with which status and route is the table that Port's older API description carried (port-api.md
§1.4). The texts are ours: Port's are not published.
"""

from __future__ import annotations


class Problem(Exception):
    """A request that is answered with ``{ok: false, error, message}`` and `status`."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message

    def body(self) -> dict[str, object]:
        """The JSON answer."""
        return {"ok": False, "error": self.error, "message": self.message}


def invalid(path: str, why: str) -> Problem:
    """A body or a query that does not fit the documented shape; `path` is where, as ``body.entities[3].title``."""
    return Problem(422, "invalid_request", f"{path} {why}")


def mismatch(path: str, why: str) -> Problem:
    """An entity that does not fit its blueprint."""
    return Problem(422, "blueprint_schema_mismatch", f"{path} {why}")


def not_found(kind: str, identifier: str) -> Problem:
    """Something that the path or a relation names and that does not exist."""
    return Problem(404, "not_found", f'{kind} with identifier "{identifier}" was not found')


def taken(kind: str, identifier: str) -> Problem:
    """A creation or a rename onto an identifier that is in use."""
    return Problem(409, "identifier_taken", f'{kind} with identifier "{identifier}" already exists')


def has_dependents(kind: str, identifier: str, why: str) -> Problem:
    """A deletion that others stand in the way of."""
    return Problem(403, "has_dependents", f'{kind} with identifier "{identifier}" has dependents: {why}')
