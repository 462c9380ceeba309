"""What a stack remembers of its last run, as outputs of the stack itself.

The engine deletes whatever was in the state and is not registered any more, so what was declared before has to be
known before anything is registered. Outputs that a run does not export again are wiped, also by a run that fails:
the program exports what it recalled before it does anything else.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coderport.catalog import resource_types
from coderport.catalog.answers.values import TYPES, split
from coderport.catalog.digest import DIGEST, digest
from coderport.catalog.meaning import instant
from coderport.catalog.values import Ref, is_id
from coderport.errors import Refusal
from coderport.guard.deletions import ACTION, ANSWER
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark, Owner, new_state_id
from coderport.kinds.all import KIND_OF, KINDS
from coderport.kinds.refused import Place, Refused
from coderport.port.models import PortEntity
from coderport.terminal.remedy import CLI

FORMAT = 4
"""Format 1 had ids without digests, in one text for each blueprint; format 2 no id of the state; format 3 UUIDs only.
"""
_WITH_STATE = 3
"""The format that brought the id of the state."""
_ID = 16
_UNKNOWN = bytes(DIGEST)
_MOST_IN_BUCKET = 64
ALL = "all"
_TEXTS = "texts"
"""The buckets of identifiers that are no UUIDs are called this and the first digits of a digest."""


class MemoryUnreadableError(ValueError):
    """The outputs of the stack are there but are not what coderport writes."""


class MemoryOfNewerVersionError(MemoryUnreadableError):
    """The outputs are those of a version that knows more than this one."""


def unreadable(stack: str, error: MemoryUnreadableError) -> Refusal:
    """The refusal to go on without it, with what a person can do."""
    if isinstance(error, MemoryOfNewerVersionError):
        return Refusal(
            f"What the stack {stack} declared before is not readable: {error}. Nothing was applied.\n"
            "Run that version of coderport, or a later one."
        )
    return Refusal(
        f"What the stack {stack} declared before is not readable: {error}. Nothing was applied. "
        "Restore the stack's last good state. A folder or bucket keeps those before it in .pulumi/backups; Pulumi "
        f"Cloud gives them by number:\n  {CLI} stack export --version CHOOSE-NUMBER --file state.json --stack {stack}\n"
        f"Then:\n  {CLI} stack import --file state.json --stack {stack}"
    )


@dataclass(frozen=True)
class Memory:
    """`declared`: the entity ids of the last run by blueprint. `blueprints`, `actions`: what this stack declares.

    `answers` are the keys of the aggregations, scorecards and pages that it declares.

    `digests` has for each entity, action (of the kind `ACTION`) and answer (`ANSWER`) that was declared a short digest
    of all that it was: the state records just that, also where a run that was killed left Port ahead of it. `fit` is
    the fingerprint of the settings that the run had (see `Settings.fingerprint`). Both are empty where an older version
    of coderport ran.
    `refused` is what Port did not take of that, and so is not in it. `leaving` are those of the blueprints that the
    last run has marked in the state as to be kept in Port: the next one takes them out of the state.

    `state` is the id of the state (see `coderport.guard.ownership`), `stack` what the stack was
    called in its last run, as project/stack. `names` are those that the state's own resources carry where no run has
    recorded `stack` yet.
    `lost` says that the state has resources and no run recorded them: what was declared is then read off the resources.
    `untold` says that it has no outputs at all, so that nobody knows what its runs let go in the last day.

    `spent` counts by hour (UTC, as 2026-11-27T09) and kind what went without a release though it lives in Coder.
    `pending` are among these: the entities, by blueprint, that a run was about to delete at `pending_at` (ISO, UTC) and
    that has not succeeded. Nobody knows how many of them it came to (see `settled`).
    """

    state: str = ""
    stack: str = ""
    deployment: str | None = None
    port_organization: str | None = None
    blueprints: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    declared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    digests: Mapping[Ref, bytes] = field(default_factory=dict)
    fit: str = ""
    spent: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    lost: bool = False
    untold: bool = False
    refused: Mapping[Place, Refused] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    pending: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pending_at: str = ""

    def settled(self, held: Mapping[str, Mapping[str, PortEntity]]) -> Memory:
        """The same when Port has been looked at: of what was pending, that which it still holds has not gone.

        What was created since then is another one: the one that was pending has gone. Where the hour of the count is
        another (a run over the full hour), all of it counts.
        """
        if not self.pending:
            return self
        still = {
            name: sum((row := held.get(name, {}).get(each)) is not None and self._is_older(row) for each in ids)
            for name, ids in self.pending.items()
        }
        hour = self.pending_at[:13]
        spent = {name: number - still.get(name, 0) for name, number in self.spent.get(hour, {}).items()}
        left = {name: number for name, number in spent.items() if number > 0}
        return replace(self, spent={**self.spent, hour: left}, pending={}, pending_at="")

    def _is_older(self, row: PortEntity) -> bool:
        made, at = instant(row.created_at), instant(self.pending_at)
        return made is not None and at is not None and made < at

    @property
    def first_run(self) -> bool:
        """Whether nothing was ever declared by this stack."""
        return self.deployment is None and not self.declared

    def mark(self, stack: str) -> Mark:
        """What entities are to say in a run of this state as `stack` (project/stack); a new id where it has none."""
        return Mark(stack, self.state or new_state_id())

    def owner(self, mark: Mark, deployment: str = "") -> Owner:
        """This state as the owner of entities; `mark` is the one that this run writes."""
        names = self.names | {self.stack} if self.stack else self.names
        remembers = not self.first_run and not self.lost
        return Owner(mark, self.declared, names, remembers, deployment or self.deployment or "")

    def outputs(self) -> dict[str, Any]:
        """The stack outputs that hold this memory. No value in them is a secret or changes by itself."""
        return {
            "coderport": {
                "format": FORMAT,
                "state": self.state,
                "stack": self.stack,
                "deployment": self.deployment or "",
                "portOrganization": self.port_organization or "",
                "blueprints": sorted(self.blueprints),
                "actions": {name: self.digests.get(Ref(ACTION, name), _UNKNOWN).hex() for name in sorted(self.actions)},
                **self._answers(),
                "declared": {
                    blueprint: packed({each: self.digests.get(Ref(blueprint, each), _UNKNOWN) for each in ids})
                    for blueprint, ids in sorted(self.declared.items())
                },
                "fit": self.fit,
                "spent": {hour: dict(sorted(kinds.items())) for hour, kinds in sorted(self.spent.items())},
                **({"refused": _packed_refusals(self.refused)} if self.refused else {}),
                **({"leaving": sorted(self.leaving)} if self.leaving else {}),
                **({"pending": self._pending()} if self.pending else {}),
            },
            **{
                each.words[1]: len(self.declared.get(each.name, ()))
                for each in KINDS
                if each.always or each.name in self.declared
            },
        }

    def _pending(self) -> dict[str, Any]:
        return {"at": self.pending_at, "kinds": {name: sorted(ids) for name, ids in sorted(self.pending.items())}}

    def _answers(self) -> dict[str, dict[str, str]]:
        """The member for the answers; none where there are none, as the versions had it that knew of none."""
        held = {key: self.digests.get(Ref(ANSWER, key), _UNKNOWN).hex() for key in sorted(self.answers)}
        return {"answers": held} if held else {}


def recalled(outputs: Mapping[str, Any]) -> Memory:
    """The memory held by a stack's outputs; an empty one if the stack has none yet (its first run).

    Raises MemoryUnreadableError when outputs are there and cannot be understood: deleting by guess is not an option.
    """
    if "coderport" not in outputs:
        if outputs:
            raise MemoryUnreadableError("the stack has outputs, but none named `coderport`")
        return Memory()
    held = outputs["coderport"]
    if _format(held) > FORMAT:
        raise MemoryOfNewerVersionError(
            f"a newer version of coderport wrote it (format {_format(held)}; this one reads up to {FORMAT})"
        )
    try:
        if int(held["format"]) < 1:
            raise ValueError(f"no version wrote format {held['format']}")
        declared = {str(name): unpacked(value) for name, value in held["declared"].items()}
        actions: Mapping[str, str] = held.get("actions", {})
        answers: Mapping[str, str] = held.get("answers", {})
        pending: Mapping[str, Any] = held.get("pending") or {}
        if int(held["format"]) == 1:
            actions = dict.fromkeys(actions, _UNKNOWN.hex())
        return Memory(
            state=str(held["state"]) if int(held["format"]) >= _WITH_STATE else _state_of_older(held),
            stack=str(held.get("stack", "")),
            deployment=str(held["deployment"]) or None,
            port_organization=str(held["portOrganization"]) or None,
            blueprints=frozenset(str(name) for name in held["blueprints"]),
            actions=frozenset(actions),
            answers=frozenset(key for key in answers if split(key)),
            declared={name: frozenset(records) for name, records in declared.items()},
            digests={
                **{Ref(ACTION, name): bytes.fromhex(text) for name, text in actions.items()},
                **{Ref(ANSWER, key): bytes.fromhex(text) for key, text in answers.items()},
                **{Ref(name, each): mark for name, records in declared.items() for each, mark in records.items()},
            },
            fit=str(held.get("fit", "")),
            spent={
                str(hour): {str(kind): int(number) for kind, number in kinds.items()}
                for hour, kinds in held.get("spent", {}).items()
            },
            refused=_unpacked_refusals(held.get("refused") or {}),
            leaving=frozenset(str(name) for name in held.get("leaving", ())),
            pending={str(name): frozenset(map(str, ids)) for name, ids in pending.get("kinds", {}).items()},
            pending_at=str(pending.get("at", "")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MemoryUnreadableError(f"the output `coderport` is not readable ({error})") from None


def _format(held: Any) -> int:
    """The format that the output names; 0 where it names none."""
    number = held.get("format") if isinstance(held, Mapping) else None
    return int(number) if isinstance(number, (int, float)) else 0


def _state_of_older(held: Mapping[str, Any]) -> str:
    """The id of a state whose outputs have none yet: the same until a run has succeeded and recorded it."""
    return digest(held).hex()


def completed(memory: Memory, resources: Mapping[str, Mapping[str, Any]]) -> Memory:
    """The memory of a state that has not recorded what it is called, with what its resources (outputs by URN) tell."""
    found = rebuilt(resources)
    if memory.first_run:
        return replace(found, state=found.state or memory.state, untold=found.lost and not memory.state)
    return replace(memory, names=found.names)


def rebuilt(resources: Mapping[str, Mapping[str, Any]]) -> Memory:
    """What the resources of a state tell, given as outputs by URN: who wrote them, of which Coder, and what they are.

    For a state whose outputs are lost, or older than a mark with an id. Only what can be an object's id counts.
    """
    declared: dict[str, set[str]] = {}
    actions: set[str] = set()
    answers: set[str] = set()
    words = {resource: kind for kind, resource in TYPES.items()}
    blueprints: set[str] = set()
    marks: Counter[Mark] = Counter()
    deployments: Counter[str] = Counter()
    for urn, outputs in resources.items():
        kind, name = resource_types.type_and_name(urn)
        if kind == resource_types.ACTION:
            actions.add(name)
        elif kind in words:
            answers.add(f"{words[kind]}/{name}")
        elif kind == resource_types.BLUEPRINT:
            blueprints.add(name)
        elif kind == resource_types.ENTITY:
            blueprint, _, identifier = name.partition("-")
            if blueprint not in KIND_OF or not KIND_OF[blueprint].is_identifier(identifier):
                continue
            declared.setdefault(blueprint, set()).add(identifier)
            texts = (outputs.get("properties") or {}).get("stringProps") or {}
            if mark := Mark.read(texts.get(MANAGED_BY)):
                marks[mark] += 1
            if deployment := texts.get(DEPLOYMENT):
                deployments[str(deployment)] += 1
    states = Counter(mark.state for mark in marks.elements() if mark.state)
    return Memory(
        state=states.most_common(1)[0][0] if states else "",
        deployment=deployments.most_common(1)[0][0] if deployments else None,
        blueprints=frozenset(blueprints),
        actions=frozenset(actions),
        answers=frozenset(answers),
        declared={name: frozenset(ids) for name, ids in declared.items()},
        names=frozenset(mark.stack for mark in marks),
        lost=bool(declared or actions or answers or blueprints),
    )


def _packed_refusals(refused: Mapping[Place, Refused]) -> dict[str, dict[str, Any]]:
    packed_up: dict[str, dict[str, Any]] = {}
    for (blueprint, name), each in sorted(refused.items()):
        packed_up.setdefault(blueprint, {})[name] = {
            "why": each.why,
            "definition": each.definition.hex(),
            "values": packed(each.values),
        }
    return packed_up


def _unpacked_refusals(held: Mapping[str, Mapping[str, Any]]) -> dict[Place, Refused]:
    return {
        (blueprint, name): Refused(str(each["why"]), bytes.fromhex(each["definition"]), unpacked(each["values"]))
        for blueprint, properties in held.items()
        for name, each in properties.items()
    }


def packed(digests: Mapping[str, bytes]) -> dict[str, str]:
    """Identifiers and their digests as texts, in buckets.

    UUIDs take 20 bytes each, sorted, in base64, in buckets by their first digits. Others are a JSON object of hex
    texts, in buckets by the first digits of the identifier's own digest.

    Outputs are compared as texts whenever they are shown, which takes a time that grows with the square of a
    text's length: 16 s for three new workspaces among 3,000 where all were in one text.
    """
    ids = {each: mark for each, mark in digests.items() if is_id(each)}
    others = {each: mark for each, mark in digests.items() if each not in ids}
    digits = _digits(len(ids))
    buckets: dict[str, list[bytes]] = {}
    for identifier, mark in ids.items():
        key = uuid.UUID(identifier)
        buckets.setdefault(key.hex[:digits] or ALL, []).append(key.bytes + mark)
    texts: dict[str, dict[str, str]] = {}
    digits = _digits(len(others))
    for identifier, mark in sorted(others.items()):
        texts.setdefault(f"{_TEXTS}{digest(identifier).hex()[:digits]}", {})[identifier] = mark.hex()
    found = {bucket: base64.b64encode(b"".join(sorted(records))).decode() for bucket, records in buckets.items()}
    found |= {bucket: json.dumps(records, separators=(",", ":")) for bucket, records in texts.items()}
    return dict(sorted(found.items()))


def _digits(number: int) -> int:
    digits = 0
    while number > _MOST_IN_BUCKET * 16**digits and digits < 3:
        digits += 1
    return digits


def unpacked(value: Mapping[str, str] | str) -> dict[str, bytes]:
    """The digests by identifier that `packed` made the texts from; ValueError if they are no such texts."""
    buckets, size = ({ALL: value}, _ID) if isinstance(value, str) else (value, _ID + DIGEST)
    found: dict[str, bytes] = {}
    for bucket, text in buckets.items():
        if bucket.startswith(_TEXTS):
            found |= {str(each): bytes.fromhex(mark) for each, mark in json.loads(text).items()}
            continue
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"ids are not base64: {error}") from None
        if len(raw) % size:
            raise ValueError("ids are cut short")
        for start in range(0, len(raw), size):
            record = raw[start : start + size]
            found[str(uuid.UUID(bytes=record[:_ID]))] = record[_ID:] or _UNKNOWN
    return found
