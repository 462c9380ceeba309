"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Grade = Literal["pass", "warn", "fail", "skip"]
"""`warn` stops no run. `skip` could not be looked at, because of another check or because of where it is kept."""


class Check(BaseModel):
    """`name` is short and the same in every version, `said` a sentence, `remedy` what to do, with whole commands."""

    model_config = ConfigDict(frozen=True)

    subject: str
    name: str
    grade: Grade
    said: str
    remedy: str = ""


def failed(subject: str, name: str, error: Exception) -> Check:
    """The check that ended with this error. What follows the first line of a message is its remedy."""
    said, _, remedy = str(error).partition("\n")
    return Check(subject=subject, name=name, grade="fail", said=said, remedy=remedy.strip("\n"))


def is_well(checks: Iterable[Check]) -> bool:
    """Whether none of them failed."""
    return all(each.grade != "fail" for each in checks)
