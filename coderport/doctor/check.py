"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from coderport.errors import Refusal

Grade = Literal["pass", "warn", "fail", "skip"]
"""`warn` stops no run. `skip` could not be looked at, because of another check or because of where it is kept."""


Effect = Literal["fails", "refused", "buttons"]
"""What a failed check means: a run fails, a guard refuses it, or it succeeds and the buttons in Port do not work."""

Verdict = Literal["well", "unknown", "buttons", "refused", "fails"]
"""`unknown` where nothing fails, and what a run would do could not be looked at."""


class Check(BaseModel):
    """`name` is short and the same in every version, `said` a sentence, `remedy` what to do, with whole commands.

    `effect` is of one that fails.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    name: str
    grade: Grade
    said: str
    remedy: str = ""
    effect: Effect = "fails"


def failed(subject: str, name: str, error: Exception) -> Check:
    """The check that ended with this error. What follows the first line of a message is its remedy."""
    said, _, remedy = str(error).partition("\n")
    effect: Effect = "refused" if isinstance(error, Refusal) else "fails"
    return Check(subject=subject, name=name, grade="fail", said=said, remedy=remedy.strip("\n"), effect=effect)


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """What a run would come to, by the worst of the checks."""
    seen = list(checks)
    effects = {each.effect for each in seen if each.grade == "fail"}
    for worst in ("fails", "refused", "buttons"):
        if worst in effects:
            return worst
    return "unknown" if any(each.grade == "skip" and each.subject == "run" for each in seen) else "well"


def is_well(checks: Iterable[Check]) -> bool:
    """Whether none of them failed."""
    return all(each.grade != "fail" for each in checks)
