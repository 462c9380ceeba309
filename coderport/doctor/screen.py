"""What was found, for a person and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console

from coderport.doctor.check import Check, Grade, Verdict, is_well, verdict_of
from coderport.terminal.remedy import runnable_here
from coderport.terminal.volume import is_quiet

_SIGNS: Mapping[Grade, tuple[str, str | None]] = {
    "pass": ("pass", None),
    "warn": ("WARN", "yellow"),
    "fail": ("FAIL", "red"),
    "skip": ("  - ", None),
}
_ENDS: Mapping[Verdict, str] = {
    "well": "All is well.",
    "unknown": "Nothing fails, but what a run would do could not be looked at.",
    "buttons": "A run would succeed. The buttons of the actions in Port would not work.",
    "refused": "A run would be refused.",
    "fails": "A run would fail.",
}
_NAME = 26


def show(checks: Iterable[Check], console: Console) -> list[Check]:
    """Prints each as it comes, with what to do below it, and how many there are of each grade.

    `--quiet` leaves what warns or fails, and the end.
    """
    seen: list[Check] = []
    for check in checks:
        seen.append(check)
        sign, style = _SIGNS[check.grade]
        if style is None and is_quiet():
            continue
        label = check.subject if check.name in (check.subject, "all") else f"{check.subject}: {check.name}"
        console.print(f"{sign}  {label.ljust(_NAME)}  {check.said}", style=style)
        for line in check.remedy.splitlines():
            console.print(f"      {line}", style=style)
    console.print(_summed_up(seen))
    return seen


def _summed_up(checks: Sequence[Check]) -> str:
    number = {grade: sum(each.grade == grade for each in checks) for grade in _SIGNS}
    end = _ENDS[verdict_of(checks)]
    return f"{number['pass']} pass, {number['warn']} warn, {number['fail']} fail, {number['skip']} not looked at. {end}"


def as_json(checks: Sequence[Check]) -> str:
    """One object: `well`, the `verdict`, and `checks` with all that is known of each; `effect` is of one that fails.

    The commands are those that run here.
    """
    told = [
        each.model_copy(update={"said": runnable_here(each.said), "remedy": runnable_here(each.remedy)}).model_dump(
            mode="json", exclude=set() if each.grade == "fail" else {"effect"}
        )
        for each in checks
    ]
    return json.dumps({"well": is_well(checks), "verdict": verdict_of(checks), "checks": told})
