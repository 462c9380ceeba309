"""Values that pass between the steps: what an entity should be, and what Port holds of one."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""An id of Coder's, as a regular expression."""

_ID = re.compile(UUID)


def is_id(identifier: str) -> bool:
    """Whether an object of Coder can have that id: Coder writes them in lower case, with hyphens and nothing else."""
    return _ID.fullmatch(identifier) is not None


_NAMED = re.compile(rf"{UUID}:[0-9a-f]{{16}}")


def named_id(parent_id: str, name: str) -> str:
    """What an object is known by that Coder gives another id each time: the id of what has it, and its own name."""
    return f"{parent_id}:{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def is_named_id(identifier: str) -> bool:
    """Whether it is one of those."""
    return _NAMED.fullmatch(identifier) is not None


class Ref(NamedTuple):
    """Which entity: identifiers are unique in their blueprint alone."""

    blueprint: str
    identifier: str


Related: TypeAlias = str | tuple[str, ...]
"""What a relation leads to: the identifier of one entity, or of several where the relation is to many."""

Value: TypeAlias = str | int | float | bool | list[str]
"""What a declared property can hold. There is no null: a property without a value is absent."""


@dataclass(frozen=True)
class Entity:
    """An entity as Port should hold it. A declared property or relation that is absent here has no value."""

    blueprint: str
    identifier: str
    title: str
    properties: Mapping[str, Value]
    relations: Mapping[str, Related]

    @property
    def ref(self) -> Ref:
        """Which entity it is."""
        return Ref(self.blueprint, self.identifier)


def resource_name(blueprint: str, identifier: str) -> str:
    """An entity's Pulumi name: from the identifier, so that a rename in Coder is an update and never a replacement."""
    return f"{blueprint}-{identifier}"


class Held(Protocol):
    """What Port holds of an entity, as far as we look at it. The time is Port's text."""

    @property
    def blueprint(self) -> str: ...
    @property
    def identifier(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def relations(self) -> Mapping[str, Any]: ...
    @property
    def created_by(self) -> str | None: ...
    @property
    def updated_at(self) -> str | None: ...


class OrganizationNames(NamedTuple):
    """How an organization is called: in URLs and commands, and to people."""

    name: str
    display_name: str


@dataclass(frozen=True)
class Context:
    """What all entities of a run have in common.

    `managed_by` is the mark of the state, project/stack#state (see `coderport.guard.ownership`).
    `emails` is by owner id, of those that Coder showed ("" for one without an address);
    `organizations` is by organization id. `people` are the identifiers of Port's own users by their e-mail address in
    small letters.
    """

    deployment_id: str
    dashboard_url: str
    managed_by: str
    emails: Mapping[str, str]
    organizations: Mapping[str, OrganizationNames]
    people: Mapping[str, str] = field(default_factory=dict)


class LeftOut(enum.Enum):
    """Why an object that exists in Coder is not in the catalog: the value says it to a person."""

    ORGANIZATION = "outside of the organizations in scope"
    TEMPLATE = "left out by the template settings"
    PREBUILD = "an unclaimed prebuilt workspace"
    ACTIONS = "no longer asked for by coderport:actions"
    KIND = "no longer asked for by coderport:kinds"
    UNREAD = "of a kind that cannot be read now, and missing in Port"
    ANSWERS = "no longer asked for by coderport:answers"
    DEPRECATED = "of a deprecated template"
    UNDONE = "made by the run that is to be undone"

    @property
    def is_alive(self) -> bool:
        """Whether the object is known to live in Coder: where the kind is off, Coder was not asked about it."""
        return self not in (LeftOut.ACTIONS, LeftOut.ANSWERS, LeftOut.KIND, LeftOut.UNREAD, LeftOut.UNDONE)

    @property
    def told(self) -> str:
        """The reason, with what is known of the object."""
        return f"alive in Coder, {self.value}" if self.is_alive else self.value
