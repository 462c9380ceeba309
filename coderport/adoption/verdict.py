"""May an adoption be done? Values in, a verdict out.

It deletes by itself what the guard lets a run delete: so many siblings, and so many of each kind that Coder calls
deleted. Siblings have an allowance of their own, because their templates live on in the entity that stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from coderport.adoption.values import Adoption, T, W
from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.guard.verdict import SHOWN, Verdict, combined
from coderport.port.models import PortEntity
from coderport.settings import Limits
from coderport.terminal.remedy import COMMAND
from coderport.terminal.text import counted, first_lines, first_of, line


def verdict_on(adoption: Adoption, limits: Limits, stack: str, *, allow_deletions: int = 0) -> Verdict:
    """Whether nothing of others would be taken, and no more goes than may; `stack` is the name of the stack."""
    return combined(_foreign(adoption, stack), _deletions(adoption, limits, stack, allow_deletions))


def _foreign(adoption: Adoption, stack: str) -> Verdict:
    if not adoption.foreign:
        return Verdict()
    number = len(adoption.foreign)
    lines = [
        f"Port holds {counted(number, 'entities')} of templates and workspaces of this stack "
        "that somebody else has signed:",
        *first_lines(
            [f"  {each.blueprint} {line(each.title or each.identifier)} ({each.identifier}): {_signed(each)}"
             for each in adoption.foreign],
            SHOWN,
        ),
        "Nothing of another stack is adopted, and no option allows it. If that stack should keep them, leave them out "
        "of this one: coderport:organizations or coderport:excludeTemplates.",
        "If it is not in use any more, `up` with coderport:takeOver takes over those that have Coder's own id; of the "
        "others empty managed_by in Port. Then:",
        f"  {COMMAND} adopt --stack {stack}",
    ]  # fmt: skip
    return Verdict(("\n".join(lines),))


def _signed(entity: PortEntity) -> str:
    mark = Mark.read(entity.properties.get(MANAGED_BY))
    return f"managed by {line(str(mark))}" if mark else "of another Coder deployment"


def _deletions(adoption: Adoption, limits: Limits, stack: str, allowed: int) -> Verdict:
    siblings = len(adoption.siblings)
    gone = {blueprint: [each for each in adoption.gone if each.blueprint == blueprint] for blueprint in (T, W)}
    limit = {blueprint: limits.for_deleted(adoption.held.get(blueprint, 0)) for blueprint in (T, W)}
    over = siblings > limit[T] or any(len(gone[blueprint]) > limit[blueprint] for blueprint in (T, W))
    total = siblings + len(adoption.gone)
    if not over or total <= allowed:
        return Verdict()
    lines = ["This would delete more than a run may by itself."]
    if siblings:
        lines.append(
            f"siblings of templates: {siblings:,} of {adoption.held.get(T, 0):,} entities would go "
            f"({limit[T]} may without a release): {_names(adoption.siblings)}"
        )
    for blueprint, plural in ((T, "templates"), (W, "workspaces")):
        if gone[blueprint]:
            lines.append(
                f"{plural} that were deleted in Coder: {len(gone[blueprint]):,} of {adoption.held.get(blueprint, 0):,} "
                f"entities would go ({limit[blueprint]} may without a release): {_names(gone[blueprint])}"
            )
    lines += [
        "If that is right, allow it for one run:",
        f"  --allow-deletions {total}   (or CODERPORT_ALLOW_DELETIONS={total})",
        f"  {COMMAND} adopt --stack {stack} --allow-deletions {total}",
    ]
    return Verdict(("\n".join(lines),))


def _names(entities: Iterable[PortEntity]) -> str:
    names = sorted(line(each.title or each.identifier) for each in entities)
    return first_of(names, SHOWN)
