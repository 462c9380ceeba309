"""May this run do what it is about to do? Values in, a verdict out: nothing here reads, writes or raises.

The engine deletes whatever was declared before and is not declared now. So every disappearance needs a
reason: proof that the object is gone, or settings that leave it out; and many at once need a person's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from coderport.catalog.blueprints import BLUEPRINTS
from coderport.catalog.values import Entity, Held, LeftOut

FLOOR = 10
"""This many deletions of one kind never need a release."""
SHARE = 5
"""Neither does one in this many of what the stack has of the kind: a fifth."""

_SHOWN = 5
_PLURAL = {"coder_template": "templates", "coder_workspace": "workspaces"}


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


def together(*verdicts: Verdict) -> Verdict:
    """One verdict that refuses what any of them refuses, with all their reasons."""
    return Verdict(tuple(chain.from_iterable(verdict.reasons for verdict in verdicts)))


def identity(
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


def ownership(
    desired: Sequence[Entity],
    held: Mapping[str, Mapping[str, Held]],
    *,
    managed_by: str,
    declared_before: Mapping[str, frozenset[str]],
    take_over: bool,
) -> Verdict:
    """Whether every identifier that this stack wants is free in Port, already its own, or may be taken over.

    `held` is what Port holds, by blueprint and identifier, whoever wrote it. What this stack declared before
    stays its own when somebody emptied `managed_by`, but not when another stack put its name there.
    """
    if take_over:
        return Verdict()
    foreign = [
        (entity, holder)
        for entity in sorted(desired, key=lambda each: (each.blueprint, each.title, each.identifier))
        if (holder := held.get(entity.blueprint, {}).get(entity.identifier)) is not None
        and not _is_ours(holder, managed_by, declared_before)
    ]
    if not foreign:
        return Verdict()
    lines = [
        f"Port already holds {_count(len(foreign), 'entity', 'entities')} that {managed_by} would write, "
        "and they are not its own:",
        *_first(
            [
                f"  {entity.blueprint} {entity.title} ({entity.identifier}): {_holder(holder)}"
                for entity, holder in foreign
            ]
        ),
        *_claimed_twice(foreign),
        "If this stack should manage them from now on: pulumi config set coderport:takeOver true",
        "(properties and relations that others added to them stay as they are).",
    ]
    return Verdict(("\n".join(lines),))


def _claimed_twice(foreign: Iterable[tuple[Entity, Held]]) -> Iterable[str]:
    """What to do where other stacks should keep theirs: which organizations are whose, for the settings."""
    stacks: dict[str, set[str]] = {}
    for entity, holder in foreign:
        if manager := holder.properties.get("managed_by"):
            stacks.setdefault(str(manager), set()).add(str(entity.properties.get("organization_name", "")))
    for manager, organizations in sorted(stacks.items()):
        names = sorted(organizations - {""})
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        if named := ", ".join(names[:_SHOWN]):
            yield f"If {manager} should keep its own: leave {named}{more} out of this stack's coderport:organizations."


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on deletions rests on. Mappings are by blueprint, sets hold entity identifiers.

    declared_before  what this stack declared last time; None if that could not be read
    gone             ids of which Coder says that they were deleted
    left_out         ids that were seen alive in Coder and are left out by the settings
    seen             how many objects the read saw, whether left out or not
    weakness         what the token cannot see, as a sentence; empty if deletions can be proven
    """

    desired: Mapping[str, frozenset[str]]
    declared_before: Mapping[str, frozenset[str]] | None
    first_run: bool
    held: Mapping[str, Mapping[str, Held]]
    managed_by: str
    gone: frozenset[str]
    left_out: Mapping[str, LeftOut]
    seen: Mapping[str, int]
    weakness: str = ""


@dataclass(frozen=True)
class Disappearances:
    """What of one blueprint would go, by reason, and of how many that this stack had.

    `handed_over` are those that Port holds for another stack by now: they are not this stack's to delete, and
    whoever carries the deletions out leaves them in Port.
    """

    blueprint: str
    ours: int
    seen: int
    gone: frozenset[str]
    left_out: Mapping[str, LeftOut]
    unproven: frozenset[str]
    handed_over: frozenset[str]

    @property
    def accounted(self) -> int:
        """How many have a reason: proven gone, or left out by the settings."""
        return len(self.gone) + len(self.left_out)

    @property
    def limit(self) -> int:
        """How many of those may go without a release."""
        return max(FLOOR, self.ours // SHARE)


@dataclass(frozen=True)
class DeletionVerdict(Verdict):
    """A verdict on deletions with what it was made from, by blueprint."""

    kinds: Mapping[str, Disappearances] | None = None

    def ids(self, blueprint: str) -> frozenset[str]:
        """The identifiers of that blueprint that this run may remove from Port; none if it is refused."""
        if self.refused or self.kinds is None:
            return frozenset()
        kind = self.kinds[blueprint]
        return kind.gone | kind.unproven | frozenset(kind.left_out)


def deletions(evidence: Evidence, *, allow_deletions: int = 0, forget_unproven: int = 0) -> DeletionVerdict:
    """Whether the entities that this run would remove may go.

    Refused are more accounted disappearances of a blueprint than its limit, and any that nothing accounts
    for: a read that shows nothing at all deletes only what Coder says was deleted. `allow_deletions` lets up
    to so many accounted ones go, `forget_unproven` up to so many others, both over the whole run.
    """
    if evidence.declared_before is None and not evidence.first_run:
        return DeletionVerdict((_UNREADABLE,))
    kinds = {each.identifier: _disappearances(each.identifier, evidence) for each in BLUEPRINTS}
    accounted = sum(kind.accounted for kind in kinds.values())
    unproven = sum(len(kind.unproven) for kind in kinds.values())
    too_many = any(kind.accounted > kind.limit for kind in kinds.values()) and accounted > allow_deletions
    unknown = unproven > forget_unproven
    if not too_many and not unknown:
        return DeletionVerdict((), kinds)
    lines = [_headline(too_many, unknown)]
    for kind in kinds.values():
        lines.extend(_report(kind, evidence))
    if unknown and evidence.weakness:
        lines.append(evidence.weakness)
    lines.append("If that is right, allow it for one run:")
    if too_many:
        lines.append(f"  --allow-deletions {accounted}   (or CODERPORT_ALLOW_DELETIONS={accounted})")
    if unknown:
        lines.append(f"  --forget-unproven {unproven}   (or CODERPORT_FORGET_UNPROVEN={unproven})")
    return DeletionVerdict(("\n".join(lines),), kinds)


_UNREADABLE = """\
What this stack declared in its last run cannot be read, so it cannot be told what this run would delete.
Check that the stack's state can be opened: `pulumi stack output` must print the output `coderport`."""


def _disappearances(blueprint: str, evidence: Evidence) -> Disappearances:
    held = evidence.held.get(blueprint, {})
    before = evidence.declared_before or {}
    mine = {key for key, each in held.items() if _is_ours(each, evidence.managed_by, before)}
    ours = mine | before.get(blueprint, frozenset())
    candidates = ours - evidence.desired.get(blueprint, frozenset())
    handed_over = frozenset(candidates & (held.keys() - mine))
    left_out = {key: evidence.left_out[key] for key in candidates - handed_over if key in evidence.left_out}
    rest = candidates - handed_over - left_out.keys()
    return Disappearances(
        blueprint=blueprint,
        ours=len(ours),
        seen=evidence.seen.get(blueprint, 0),
        gone=frozenset(rest & evidence.gone),
        left_out=left_out,
        unproven=frozenset(rest - evidence.gone),
        handed_over=handed_over,
    )


def _is_ours(held: Held, managed_by: str, declared_before: Mapping[str, frozenset[str]]) -> bool:
    manager = held.properties.get("managed_by")
    return manager == managed_by or (
        not manager and held.identifier in declared_before.get(held.blueprint, frozenset())
    )


def _headline(too_many: bool, unknown: bool) -> str:
    if too_many and unknown:
        return "This run would delete more than a run may by itself, and entities whose objects may still exist."
    if too_many:
        return "This run would delete more than a run may by itself."
    return "This run would delete entities whose objects may still exist in Coder."


def _report(kind: Disappearances, evidence: Evidence) -> Iterable[str]:
    if not kind.accounted and not kind.unproven:
        return
    plural = _PLURAL[kind.blueprint]
    total = kind.accounted + len(kind.unproven)
    yield f"{plural}: {total} of {kind.ours} would go ({kind.limit} may without a release)"
    if not kind.seen:
        yield f"  Coder showed no {plural} at all."
    held = evidence.held.get(kind.blueprint, {})
    if kind.gone:
        yield f"  {len(kind.gone)} deleted in Coder: {_names(kind.gone, held)}"
    for reason in LeftOut:
        ids = [key for key, why in kind.left_out.items() if why is reason]
        if ids:
            yield f"  {len(ids)} alive in Coder, {reason.value}: {_names(ids, held)}"
    if kind.unproven:
        yield (
            f"  {len(kind.unproven)} not shown by Coder, which does not say either that they were deleted: "
            f"{_names(kind.unproven, held)}"
        )


def _other(what: str, before: str, now: str, key: str) -> str:
    return "\n".join(
        (
            f"This stack belongs to another {what}:",
            f"  until now  {before}",
            f"  this run   {now}",
            f"If that is a mistake, put {key} right. If it is meant, give the new one a stack of its own:",
            "pulumi stack init NAME",
        )
    )


def _holder(held: Held) -> str:
    if manager := held.properties.get("managed_by"):
        return f"managed by {manager}"
    return f"managed by no stack, created by {held.created_by or 'somebody unknown'}"


def _names(identifiers: Iterable[str], held: Mapping[str, Held]) -> str:
    names = sorted((each.title or key) if (each := held.get(key)) else key for key in identifiers)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
