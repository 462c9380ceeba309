"""What an answer is made of, and how values are written in it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from coderport.terminal.text import short

Topic = Literal["coder", "scope", "port", "owner", "history", "property", "next run", "button", "unknown"]


class Statement(BaseModel):
    """One thing that is so, of one topic."""

    model_config = ConfigDict(frozen=True)

    topic: Topic
    said: str


class Answer(BaseModel):
    """What there is to say of one object; without `kind` of what nothing is known of."""

    model_config = ConfigDict(frozen=True)

    kind: str
    identifier: str
    title: str
    statements: tuple[Statement, ...]


def name_of(key: str) -> str:
    """A property's identifier for people: the title is `title`."""
    return key.removeprefix("$")


def shown(value: Any) -> str:
    """A value of a property, for people."""
    return "nothing" if value is None else short(value if isinstance(value, str) else json.dumps(value))
