"""May what this run would remove from Port go? Values in, a verdict out: nothing here reads, writes or raises.

The engine deletes whatever was declared before and is not declared now. So every disappearance needs a reason: Coder's
own word that the object was deleted, or settings that leave it out. The first are judged by the run: many at once need
a release. The second live on in Coder: a few may go in a day, more need a release sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from coderport.catalog.values import Held, LeftOut, Ref
from coderport.guard.allowance import UNTOLD
from coderport.guard.ownership import DEPLOYMENT, Owner, Whose
from coderport.guard.verdict import SHOWN, Verdict
from coderport.kinds.all import KIND_OF, KINDS, end_of
from coderport.settings import Limits, Releases
from coderport.terminal.remedy import COMMAND
from coderport.terminal.text import first_of, short

ACTION = "action"
"""The kind of the actions and forms, beside the identifiers of the blueprints."""

ANSWER = "answer"
"""The kind of the aggregations, scorecards and pages, by their keys."""

_DECLARED = {ACTION: "actions", ANSWER: "answers"}
"""The kinds of what is declared and read from nowhere, in people's words."""

_UNSEEN = {ACTION: "whose form Coder did not show", ANSWER: "whose organization Coder did not show"}


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on deletions rests on. Mappings are by kind, also those of `ACTION` and `ANSWER`.

    gone        those of which Coder says that they were deleted
    left_out    those that live in Coder and are left out by the settings
    seen        how many objects the read saw, whether left out or not
    actions     the actions that this state has; empty where it has none
    answers     the keys of the aggregations, scorecards and pages that it has
    spent       how many that live in Coder went without a release in the last day
    weakness    what the token cannot see, as a sentence; empty if deletions can be proven
    narrowed_by what has to be said of a reason, such as the environment variable that it comes from
    idle        what has to be said of patterns in the settings that name nothing, a sentence for each setting
    undoes      the run that is to be undone, where no run deletes but an undo
    proven      those of the gone of which an answer says so, about them or about what they belong to; of kinds that
                are derived, a list that lacks one is the only word on the others
    pointed     what entities of blueprints that are not ours point at, as far as it would go
    blank       those of the others of which a list that showed nothing, or contradicts another answer, is the word
    """

    desired: Mapping[str, frozenset[str]]
    owner: Owner
    held: Mapping[str, Mapping[str, Held]]
    gone: frozenset[Ref]
    left_out: Mapping[Ref, LeftOut]
    seen: Mapping[str, int]
    actions: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    spent: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    weakness: str = ""
    narrowed_by: Mapping[LeftOut, str] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    undoes: str = ""
    proven: frozenset[Ref] = frozenset()
    blank: frozenset[Ref] = frozenset()
    pointed: frozenset[Ref] = frozenset()

    def gone_of(self, kind: str, identifiers: Iterable[str]) -> frozenset[str]:
        """Those of the identifiers of that kind of which Coder says that they were deleted."""
        return frozenset(each for each in identifiers if Ref(kind, each) in self.gone)

    def left_out_of(self, kind: str, identifiers: Iterable[str]) -> dict[str, LeftOut]:
        """Those of the identifiers of that kind that the settings leave out, and why."""
        return {each: self.left_out[Ref(kind, each)] for each in identifiers if Ref(kind, each) in self.left_out}


@dataclass(frozen=True)
class Disappearances:
    """What of one kind would go, by reason, and of how many that this stack had.

    `handed_over` are those that Port holds for somebody else by now: whoever carries the deletions out leaves them in
    Port. `kept` have our mark, are in no record of this state, and stay: copies, those of another Coder deployment, and
    those of which nothing is proven. `elsewhere` are among the unproven, and of another Coder deployment. `needed` are
    left out by the settings and pointed at by entities of others, whose relations Port would empty. `absent` have a
    reason and are in Port no longer (a person, `live`, or a run that was killed has deleted them): nothing is deleted
    with them. `remaining` are those that this stack had and that stay; what is new does not count. `blank` are gone by
    nothing but a list that shows nothing, or less than another answer, and are in Port.
    """

    kind: str
    ours: int
    remaining: int
    seen: int
    gone: frozenset[str]
    left_out: Mapping[str, LeftOut]
    unproven: frozenset[str]
    handed_over: frozenset[str]
    limit: int
    allowance: int
    kept: Mapping[str, Whose] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    blank: frozenset[str] = frozenset()

    @property
    def accounted(self) -> int:
        """How many have a reason: proven gone, or left out by the settings."""
        return len(self.gone) + len(self.alive)

    @property
    def alive(self) -> Mapping[str, LeftOut]:
        """What Port would lose though nobody says that it was deleted, and why."""
        return {each: why for each, why in self.left_out.items() if each not in self.absent}

    @property
    def needs_release(self) -> bool:
        """Whether these may not go by themselves: too many, all while some live in Coder, or targets of others."""
        alive = len(self.alive)
        too_many = len(self.gone - self.absent) > self.limit or alive > self.allowance
        return too_many or bool(self.blank) or bool(self.needed) or (alive > 0 and not self.remaining)


@dataclass(frozen=True)
class DeletionVerdict(Verdict):
    """A verdict on deletions with what it was made from, by kind. `released`: a person allowed what goes."""

    kinds: Mapping[str, Disappearances] = field(default_factory=dict)
    released: bool = False

    def ids(self, kind: str) -> frozenset[str]:
        """The identifiers of that kind that this run may remove from Port; none if it is refused."""
        if self.refused or kind not in self.kinds:
            return frozenset()
        found = self.kinds[kind]
        return found.gone | found.unproven | frozenset(found.left_out)

    def living(self) -> dict[str, frozenset[str]]:
        """Those that live in Coder and go by this run without a release, by kind."""
        if self.refused or self.released:
            return {}
        return {name: frozenset(kind.alive) for name, kind in self.kinds.items() if kind.alive}

    def spent(self) -> dict[str, int]:
        """How many these are: so much of the day's allowance the run takes."""
        return {name: len(ids) for name, ids in self.living().items()}


def deletions_verdict(evidence: Evidence, *, allow_deletions: int = 0, forget_unproven: int = 0) -> DeletionVerdict:
    """Whether what this run would remove may go.

    Refused: more accounted-for deletions of a kind than its limit, and any deletion that nothing accounts for. So a
    read that shows nothing at all deletes only what Coder says was deleted. `allow_deletions` lets up to so many
    accounted ones go, `forget_unproven` up to so many others, both over the whole run.
    """
    kinds = {each.name: _disappearances(each.name, evidence) for each in KINDS}
    kinds[ACTION] = _declared(ACTION, evidence.actions, evidence)
    kinds[ANSWER] = _declared(ANSWER, evidence.answers, evidence)
    accounted = sum(kind.accounted for kind in kinds.values())
    unproven = sum(len(kind.unproven) for kind in kinds.values())
    over = any(kind.needs_release for kind in kinds.values())
    too_many = over and accounted > allow_deletions
    unknown = unproven > forget_unproven
    elsewhere = any(kind.elsewhere for kind in kinds.values())
    if not too_many and not unknown and not elsewhere:
        return DeletionVerdict((), kinds, released=over)
    lines = [_headline(too_many, unknown, "undo" if evidence.undoes else "run")]
    for kind in kinds.values():
        lines.extend(_report(kind, evidence))
    if unknown and evidence.weakness:
        lines.append(evidence.weakness)
    if evidence.idle:
        lines.extend(evidence.idle)
        lines.append("Look at that first: a mistyped pattern leaves out what it was to name.")
    if elsewhere:
        lines.append("Entities of another Coder deployment are never deleted, and no option allows it.")
    else:
        lines.append("If that is right, allow it for one run:")
    if too_many and not elsewhere:
        lines.append(f"  --allow-deletions {accounted}   (or CODERPORT_ALLOW_DELETIONS={accounted})")
    if unknown and not elsewhere:
        lines.append(f"  --forget-unproven {unproven}   (or CODERPORT_FORGET_UNPROVEN={unproven})")
    if not elsewhere:
        needed = Releases(allow_deletions=accounted if too_many else 0, forget_unproven=unproven if unknown else 0)
        command = f"undo {evidence.undoes}" if evidence.undoes else "up"
        lines.append(f"  {COMMAND} {command} --stack {evidence.owner.called}{needed.options}")
    return DeletionVerdict(("\n".join(lines),), kinds)


def _disappearances(blueprint: str, evidence: Evidence) -> Disappearances:
    owner, held = evidence.owner, evidence.held.get(blueprint, {})
    desired = evidence.desired.get(blueprint, frozenset())
    record = owner.record.get(blueprint, frozenset())
    going: set[str] = set()
    handed_over: set[str] = set()
    kept: dict[str, Whose] = {}
    for identifier in record - desired:
        its = held.get(identifier)
        (handed_over if its is not None and owner.whose(its) is not Whose.OURS else going).add(identifier)
    there = owner.holds(held)
    ours = len(record | there)
    for identifier in held.keys() - record:
        whose = owner.whose(held[identifier])
        if identifier in desired or whose in (Whose.OTHERS, Whose.NOBODYS):
            continue
        if _may_go(Ref(blueprint, identifier), whose, evidence):
            going.add(identifier)
        else:
            kept[identifier] = whose
    left_out = evidence.left_out_of(blueprint, going)
    rest = going - left_out.keys()
    gone = evidence.gone_of(blueprint, rest)
    unproven = frozenset(rest - gone)
    return Disappearances(
        kind=blueprint,
        ours=ours,
        remaining=len(desired & there),
        seen=evidence.seen.get(blueprint, 0),
        gone=gone,
        left_out=left_out,
        unproven=unproven,
        handed_over=frozenset(handed_over),
        kept=kept,
        needed=_pointed_at(blueprint, evidence).intersection(left_out),
        absent=(gone | left_out.keys()) - held.keys(),
        elsewhere=frozenset(key for key in unproven if key in held and _is_elsewhere(held[key], owner)),
        blank=_blank(blueprint, gone & held.keys(), desired, evidence),
        # What is derived goes with what it is derived from, which has limits of its own.
        limit=ours if KIND_OF[blueprint].ends == "derived" else evidence.limits.for_deleted(ours),
        allowance=_allowance(blueprint, ours, evidence),
    )


def _blank(blueprint: str, gone: Iterable[str], desired: Collection[str], evidence: Evidence) -> frozenset[str]:
    """Those that are gone by nothing but a list that shows nothing.

    The rule for derived kinds: what an answer of Coder's tells of the object, or of what it belongs to (a build without
    the agent, a deleted user), goes in any number, because short-lived objects come and go all day, and because what it
    belongs to has a limit of its own. What only a list lacks goes in any number as long as the list shows others. All
    of a kind by a list, or anything by a list that shows nothing, needs a release: one wrong answer looks the same.
    """
    if KIND_OF[blueprint].ends != "derived":
        return frozenset()
    unproven = (each for each in gone if Ref(blueprint, each) not in evidence.proven)
    return frozenset(each for each in unproven if not desired or Ref(blueprint, each) in evidence.blank)


def _pointed_at(blueprint: str, evidence: Evidence) -> frozenset[str]:
    """What entities of others point at: those of our blueprints that others wrote, and those of other blueprints."""
    places = [
        (each.name, relation.identifier)
        for each in KINDS
        for relation in each.blueprint.relations
        if relation.target == blueprint
    ]
    return frozenset(each.identifier for each in evidence.pointed if each.blueprint == blueprint) | frozenset(
        str(target)
        for source, name in places
        for row in evidence.held.get(source, {}).values()
        if (value := row.relations.get(name)) and evidence.owner.whose(row) not in (Whose.OURS, Whose.OURS_BY_NAME)
        for target in (value if isinstance(value, list) else (value,))
    )


def _may_go(entity: Ref, whose: Whose, evidence: Evidence) -> bool:
    """Whether an entity that no record of this state has may be deleted, if the guard permits.

    Only what Coder says was deleted, and, for a state that remembers, what has its id and is left out by the settings.
    A state without a memory deletes nothing that is its own by name alone.
    """
    remembers = evidence.owner.remembers
    if entity in evidence.left_out:
        return whose is Whose.OURS and remembers
    return entity in evidence.gone and (whose is Whose.OURS or (whose is Whose.OURS_BY_NAME and remembers))


def _is_elsewhere(held: Held, owner: Owner) -> bool:
    its = held.properties.get(DEPLOYMENT)
    return bool(its and owner.deployment) and str(its) != owner.deployment


def _declared(kind: str, had: frozenset[str], evidence: Evidence) -> Disappearances:
    desired = evidence.desired.get(kind, frozenset())
    going = had - desired
    left_out = evidence.left_out_of(kind, going)
    rest = going - left_out.keys()
    gone = evidence.gone_of(kind, rest)
    return Disappearances(
        kind=kind,
        ours=len(had),
        remaining=len(desired & had),
        seen=len(desired),
        gone=gone,
        left_out=left_out,
        unproven=frozenset(rest - gone),
        handed_over=frozenset(),
        limit=evidence.limits.for_deleted(len(had)),
        allowance=_allowance(kind, len(had), evidence),
    )


def _allowance(kind: str, ours: int, evidence: Evidence) -> int:
    """How many that live in Coder may go now without a release; none in the day after a state has lost its memory."""
    if not evidence.owner.remembers or evidence.spent.get(UNTOLD):
        return 0
    return max(0, evidence.limits.for_left_out(ours) - evidence.spent.get(kind, 0))


def _headline(too_many: bool, unknown: bool, act: str) -> str:
    if too_many and unknown:
        return f"This {act} would delete more than a run may by itself, and entities whose objects may still exist."
    if too_many:
        return f"This {act} would delete more than a run may by itself."
    return f"This {act} would delete entities whose objects may still exist in Coder."


def _report(kind: Disappearances, evidence: Evidence) -> Iterable[str]:
    if not kind.accounted and not kind.unproven:
        return
    plural = KIND_OF[kind.kind].words[1] if kind.kind in KIND_OF else _DECLARED[kind.kind]
    total = kind.accounted + len(kind.unproven)
    yield f"{plural}: {total:,} of {kind.ours:,} would go{_permitted(kind, evidence)}"
    if not kind.seen and not evidence.undoes:
        asked = kind.kind in evidence.seen
        yield f"  Coder showed no {plural} at all." if asked else f"  The settings ask for no {plural}."
    held = evidence.held.get(kind.kind, {})
    if kind.gone:
        yield f"  {len(kind.gone):,} {end_of(kind.kind)}: {_names(kind.gone, held)}"
    if kind.blank:
        yield (
            f"  {len(kind.blank):,} of these are gone by nothing but a list of Coder's that shows none, and one wrong "
            f"answer looks the same: {_names(kind.blank, held)}"
        )
    for reason in LeftOut:
        ids = [key for key, why in kind.alive.items() if why is reason]
        if ids:
            by = evidence.narrowed_by.get(reason, "")
            yield f"  {len(ids):,} {reason.told}{by}: {_names(ids, held)}"
    if kind.needed:
        yield (
            f"  {len(kind.needed):,} of these are what entities of others point at, whose relations Port would empty: "
            + _names(kind.needed, held)
        )
    if kind.unproven:
        why = _UNSEEN.get(kind.kind, "not shown by Coder")
        yield f"  {len(kind.unproven):,} {why}, which does not say either that they were deleted: " + _names(
            kind.unproven, held
        )
    if kind.elsewhere:
        yield f"  {len(kind.elsewhere):,} of these are of another Coder deployment: {_names(kind.elsewhere, held)}"


def _permitted(kind: Disappearances, evidence: Evidence) -> str:
    """What may go without a release, as far as it matters here."""
    said = []
    if kind.unproven and not kind.accounted:
        said.append("none of these may without a release")
    if kind.gone:
        may = len(kind.gone - kind.blank) if kind.blank else kind.limit
        said.append(f"{may:,} {end_of(kind.kind)} may without a release")
    if kind.alive:
        spent = evidence.spent.get(kind.kind, 0)
        used = f", after {spent} in the last day" if spent else ""
        if evidence.spent.get(UNTOLD):
            used = ", because this state lost its outputs, and with them what went in the day before"
        living = any(why.is_alive for why in kind.alive.values())
        lives = "" if evidence.undoes else "alive in Coder " if living else "left out by the settings "
        said.append(f"{kind.allowance:,} {lives}may without a release{used}")
        if not kind.remaining:
            said.append("and never all of them")
    return f" ({'; '.join(said)})"


def _names(identifiers: Iterable[str], held: Mapping[str, Held]) -> str:
    names = sorted(short((each.title or key) if (each := held.get(key)) else key) for key in identifiers)
    return first_of(names, SHOWN)
