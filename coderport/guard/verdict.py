"""May this run write what it is about to write? Values in, a verdict out: nothing here reads, writes or raises.

What it would remove is judged by `coderport.guard.deletions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from coderport.catalog.values import Entity, Held
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import CLI, COMMAND
from coderport.terminal.text import counted, first_lines, first_of, short

SHOWN = 5
"""How many of a kind a refusal names."""


@dataclass(frozen=True)
class Verdict:
    """Whether something is refused, and why, for a person to read. No reasons means that it may happen."""

    reasons: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the run must stop before it declares anything."""
        return bool(self.reasons)

    def text(self) -> str:
        """The reasons as paragraphs; empty if nothing is refused."""
        return "\n\n".join(self.reasons)


def combined(*verdicts: Verdict) -> Verdict:
    """One verdict that refuses what any of them refuses, with all their reasons."""
    return Verdict(tuple(chain.from_iterable(verdict.reasons for verdict in verdicts)))


def identity_verdict(
    deployment: str,
    port_organization: str,
    *,
    deployment_before: str | None,
    port_organization_before: str | None,
) -> Verdict:
    """Whether the stack still works between the same Coder and the same Port; None before is a first run."""
    reasons = []
    if deployment_before is not None and deployment_before != deployment:
        reasons.append(_other("Coder deployment", deployment_before, deployment, "coderport:coderApiBaseUrl"))
    if port_organization_before is not None and port_organization_before != port_organization:
        reasons.append(
            _other("Port organization", port_organization_before, port_organization, "coderport:portClientId")
        )
    return Verdict(tuple(reasons))


def ownership_verdict(
    desired: Sequence[Entity], held: Mapping[str, Mapping[str, Held]], *, owner: Owner, take_over: bool
) -> Verdict:
    """Whether every identifier that this stack wants is free in Port, already its own, or may be taken over.

    `held` is what Port holds, by blueprint and identifier, whoever wrote it.
    """
    if take_over:
        return Verdict()
    foreign = [
        (entity, holder)
        for entity in sorted(desired, key=lambda each: (each.blueprint, each.title, each.identifier))
        if (holder := held.get(entity.blueprint, {}).get(entity.identifier)) is not None
        and owner.whose(holder) not in (Whose.OURS, Whose.OURS_BY_NAME)
    ]
    if not foreign:
        return Verdict()
    lines = [
        f"Port already holds {counted(len(foreign), 'entities')} that {owner.mark.stack} would write, "
        "and they are not its own:",
        *first_lines(
            [
                f"  {entity.blueprint} {short(entity.title)} ({short(entity.identifier)}): {_holder(holder, owner)}"
                for entity, holder in foreign
            ],
            SHOWN,
        ),
        *_claimed_twice(foreign, owner),
        "If this stack should manage them from now on (what others added to them stays as it is):",
        f"  {CLI} config set coderport:takeOver true --stack {owner.called}",
    ]
    return Verdict(("\n".join(lines),))


def _claimed_twice(foreign: Iterable[tuple[Entity, Held]], owner: Owner) -> Iterable[str]:
    """What to do where other stacks should keep theirs: which organizations are whose, for the settings."""
    stacks: dict[str, set[str]] = {}
    namesake = False
    for entity, holder in foreign:
        mark = Mark.read(holder.properties.get(MANAGED_BY))
        if mark is None:
            continue
        namesake = namesake or mark.stack == owner.mark.stack
        stacks.setdefault(mark.stack, set()).add(short(str(entity.properties.get("organization_name", ""))))
    if namesake:
        yield f"Another state wrote some of these under the same name, {owner.mark.stack}. If it is in use, rename this"
        yield "stack and give it other organizations (if that state is lost: takeOver, as below):"
        yield f"  {CLI} stack rename {NO_STACK} --stack {owner.called}"
        stacks.pop(owner.mark.stack)
    for manager, organizations in sorted(stacks.items()):
        if named := first_of(sorted(organizations - {""}), SHOWN):
            yield f"If {manager} should keep its own: leave {named} out of this stack's coderport:organizations."


def _other(what: str, before: str, now: str, key: str) -> str:
    return "\n".join(
        (
            f"This stack belongs to another {what}:",
            f"  until now  {before}",
            f"  this run   {now}",
            f"If that is a mistake, correct {key}. If it is meant, give the new one a stack of its own:",
            f"  {COMMAND} up --stack {NO_STACK}",
        )
    )


def _holder(held: Held, owner: Owner) -> str:
    mark = Mark.read(held.properties.get(MANAGED_BY))
    if mark is None:
        return f"managed by no stack, created by {short(held.created_by or 'somebody unknown')}"
    if mark.stack != owner.mark.stack:
        return f"managed by {short(mark.stack)}"
    return f"managed by {short(mark.stack)}, by another state{f' ({mark.state})' if mark.state else ''}"


def listed(headline: str, found: Iterable[object], shown: int = 12) -> str:
    """The headline and what was found, one a line; the first `shown` of many."""
    return "\n".join((headline, *first_lines([f"  {each}" for each in found], shown)))
