"""The access list of a template: which people and which groups may use it. It needs a licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coderport.coder.client import CoderClient
from coderport.coder.models import CoderModel, Id, read_as, rows_of


class Identified(CoderModel):
    """Somebody, by their id alone."""

    id: Id


class Allowed(CoderModel):
    """A user or a group on the list. `role` is such as use or admin, and empty for one that was taken off."""

    id: Id
    role: str = ""
    members: tuple[Identified, ...] = ()


@dataclass(frozen=True)
class AccessList:
    """Who may use a template, by role; that of the organization's everybody is a group with its id."""

    users: tuple[Allowed, ...]
    groups: tuple[Allowed, ...]


async def access_list(client: CoderClient, template_id: str) -> AccessList:
    """The list as Coder has it, without those who may nothing.

    CoderForbidden or CoderNotFound where Coder does not show it; a list of nobody is empty and never null
    (`codersdk.TemplateACL`), so null is an odd answer like any other.
    """
    path = f"/templates/{template_id}/acl"
    data = (await client._request("GET", path, repeat=True)).data
    found = data if isinstance(data, Mapping) else {}
    return AccessList(_allowed(found.get("users"), path), _allowed(found.get("group"), path))


def _allowed(rows: Any, path: str) -> tuple[Allowed, ...]:
    return tuple(each for each in (read_as(Allowed, row) for row in rows_of(rows, path)) if each.role)
