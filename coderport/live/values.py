"""What passes between the feeds, the reader and the writer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coderport.catalog.values import Entity, Ref
from coderport.coder.models import Template, Workspace
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

KEPT = (TEMPLATE, WORKSPACE)
"""The blueprints whose entities `live` keeps; those of other kinds are left to runs. Templates come first."""


CREATED, DELETED = "$created", "$deleted"
"""Stand for a property where an object is new or gone."""


@dataclass(frozen=True)
class Event:
    """Something that happened in Coder: which feed said so, and when it was by Coder's clock, where that is known.

    `heard` is the moment (monotonic) at which it was told.
    """

    feed: str
    at: datetime | None = None
    heard: float = field(default_factory=lambda: time.monotonic(), compare=False)


@dataclass(frozen=True)
class Hint:
    """A place to look at. It says nothing of what is there."""

    key: Ref
    event: Event


@dataclass(frozen=True)
class Reading:
    """What Coder said of some objects, in answer to questions of which the first was asked at `asked` (monotonic).

    `gone` are those that Coder calls deleted. `events` are what led to it.
    """

    asked: float
    templates: Mapping[str, Template] = field(default_factory=dict)
    workspaces: Mapping[str, Workspace] = field(default_factory=dict)
    gone: frozenset[Ref] = frozenset()
    events: Mapping[Ref, tuple[Event, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What Port is to hold of one key: an entity, or nothing (`entity` None). `asked` is the reading's."""

    key: Ref
    entity: Entity | None
    asked: float
    properties: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    created: bool = False
