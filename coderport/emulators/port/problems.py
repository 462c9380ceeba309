"""The refusals of the emulated Port API: a status, a short code and a text.

Which code goes with which status and route is the table that Port's older API description carried. The texts are ours,
except where a public program quotes Port's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Problem(Exception):
    """A request that is answered with ``{ok: false, error, message}`` and `status`.

    `details` says what the request had wrong, for programs: the ``property``, or ``invalidProperties`` and
    ``invalidRelations``. Port's own CLI reads them (port-labs/port-cli); its OpenAPI documents do not have them.
    """

    def __init__(self, status: int, error: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.error, self.message, self.details = status, error, message, details

    def body(self, *, details: bool = True) -> dict[str, object]:
        """The JSON answer, without its `details` where the emulated Port sends none."""
        shown: dict[str, object] = {"ok": False, "error": self.error, "message": self.message}
        return {**shown, "details": dict(self.details)} if details and self.details is not None else shown


def invalid(path: str, why: str) -> Problem:
    """A body or a query that does not fit the documented shape; `path` is where, as ``body.entities[3].title``."""
    return Problem(422, "invalid_request", f"{path} {why}")


def mismatch(path: str, why: str) -> Problem:
    """An entity that does not fit its blueprint."""
    return Problem(422, "blueprint_schema_mismatch", f"{path} {why}")


def not_found(kind: str, identifier: str) -> Problem:
    """Something that the path or a relation names and that does not exist."""
    return Problem(404, "not_found", f'{kind} with identifier "{identifier}" was not found')


def no_entity(blueprint: str, identifier: str) -> Problem:
    """An entity that does not exist, in Port's words as an importer saw them (port-experimental/port-cli)."""
    return Problem(404, "not_found", f'Entity "{identifier}" does not exist in blueprint "{blueprint}"')


def no_path(path: str) -> Problem:
    """A mirror property that leads nowhere, in the words that port-experimental/port-cli quotes.

    The status and the code are assumptions: it calls the refusal a validation failure and quotes only the text.
    """
    return Problem(422, "invalid_request", f'The path "{path}" do not exists')


def no_sidebar_item(after: str) -> Problem:
    """A page that is to stand after something that the sidebar lacks, as port-experimental/port-cli saw it."""
    return Problem(404, "not_found", f'Sidebar item with after "{after}" was not found')


def not_in_parent(after: str) -> Problem:
    """A page that is to stand after one of another folder (code and status: CHANGELOG of port-labs/port-cli).

    That the folder is the page's `parent` and nothing more is an assumption: Port documents no route for folders.
    """
    return Problem(403, "after_item_not_in_parent", f'Item "{after}" is not in the parent folder')


def unknown_fields(properties: list[str], relations: list[str]) -> Problem:
    """Permissions that name properties or relations which the blueprint lacks, as port-labs/port-cli saw it."""
    details = {"invalidProperties": properties, "invalidRelations": relations}
    return Problem(422, "invalid_permissions", "You cannot update permissions on unknown fields", details)


def taken(kind: str, identifier: str) -> Problem:
    """A creation or a rename onto an identifier that is in use."""
    return Problem(409, "identifier_taken", f'{kind} with identifier "{identifier}" already exists')


def has_dependents(kind: str, identifier: str, why: str) -> Problem:
    """A deletion that others stand in the way of."""
    return Problem(403, "has_dependents", f'{kind} with identifier "{identifier}" has dependents: {why}')
