"""What a stack remembers of its last run, as outputs of the stack itself.

The engine deletes whatever was in the state and is not registered any more, so what was declared before has to be
known before anything is registered. Outputs that a run does not export again are wiped, also by a run that fails:
the program exports what it recalled before it does anything else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coderport.errors import Refusal

FORMAT = 1
DIGEST = 4
ACTIONS = "actions"


class MemoryUnreadableError(ValueError):
    """The outputs of the stack are there but are not what coderport writes."""


def unreadable(stack: str, error: MemoryUnreadableError) -> Refusal:
    """The refusal to go on without it, with what a person can do."""
    return Refusal(
        f"What the stack {stack} declared before is not readable: {error}. Nothing was applied. "
        "Restore the stack's last good state (`pulumi stack export --version`, `pulumi stack import`)."
    )


@dataclass(frozen=True)
class Memory:
    """`declared`: the entity ids of the last run by blueprint. `blueprints`, `actions`: what this stack declares.

    `digests` has for each entity and each action that was declared a short digest of all that it was, by identifier:
    the state records just that, also where a run that was killed left Port ahead of it. `fit` is the fingerprint of the
    settings that the run had (see `Settings.fingerprint`). Both are empty where an older version of coderport ran.
    """

    deployment: str | None = None
    port_organization: str | None = None
    blueprints: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    declared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    digests: Mapping[str, bytes] = field(default_factory=dict)
    fit: str = ""

    @property
    def first_run(self) -> bool:
        """Whether nothing was ever declared by this stack."""
        return self.deployment is None

    def outputs(self) -> dict[str, Any]:
        """The stack outputs that hold this memory. No value in them is a secret or changes by itself."""
        return {
            "coderport": {
                "format": FORMAT,
                "deployment": self.deployment,
                "portOrganization": self.port_organization,
                "blueprints": sorted(self.blueprints),
                "actions": sorted(self.actions),
                "declared": {blueprint: packed(ids) for blueprint, ids in sorted(self.declared.items())},
                "digests": self._packed_digests(),
                "fit": self.fit,
            },
            "templates": len(self.declared.get("coder_template", ())),
            "workspaces": len(self.declared.get("coder_workspace", ())),
        }

    def _packed_digests(self) -> dict[str, str]:
        """By blueprint in the order of its ids, and of the actions in theirs; nothing if one is not known."""
        groups = {**self.declared, ACTIONS: self.actions}
        if not all(name in self.digests for group in groups.values() for name in group):
            return {}
        return {
            group: base64.b64encode(b"".join(self.digests[name] for name in sorted(names))).decode()
            for group, names in sorted(groups.items())
        }


def recalled(outputs: Mapping[str, Any]) -> Memory:
    """The memory held by a stack's outputs; an empty one if the stack has none yet (its first run).

    Raises MemoryUnreadableError when outputs are there and cannot be understood: deleting by guess is not an option.
    """
    if "coderport" not in outputs:
        if outputs:
            raise MemoryUnreadableError("the stack has outputs, but none named `coderport`")
        return Memory()
    held = outputs["coderport"]
    try:
        if int(held["format"]) != FORMAT:
            raise MemoryUnreadableError(f"format {held['format']} was written by another version of coderport")
        return Memory(
            deployment=str(held["deployment"]),
            port_organization=str(held["portOrganization"]),
            blueprints=frozenset(str(name) for name in held["blueprints"]),
            actions=frozenset(str(name) for name in held.get("actions", ())),
            declared={str(name): unpacked(text) for name, text in held["declared"].items()},
            digests=_unpacked_digests(held),
            fit=str(held.get("fit", "")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MemoryUnreadableError(f"the output `coderport` is not readable ({error})") from None


def digest(value: object) -> bytes:
    """Four bytes that are the same for the same JSON value. Two values share them once in four thousand million."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST).digest()


def packed(ids: Iterable[str]) -> str:
    """UUIDs as one text: their 16 bytes each, sorted, in base64 (21⅓ characters an id)."""
    return base64.b64encode(b"".join(sorted(uuid.UUID(identifier).bytes for identifier in ids))).decode()


def unpacked(text: str) -> frozenset[str]:
    """The ids that `packed` made the text from; ValueError if it is no such text."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"ids are not base64: {error}") from None
    if len(raw) % 16:
        raise ValueError("ids are cut short")
    return frozenset(str(uuid.UUID(bytes=raw[start : start + 16])) for start in range(0, len(raw), 16))


def _unpacked_digests(held: Mapping[str, Any]) -> dict[str, bytes]:
    groups = {str(name): sorted(unpacked(text)) for name, text in held["declared"].items()}
    groups[ACTIONS] = sorted(str(name) for name in held.get("actions", ()))
    found: dict[str, bytes] = {}
    for group, text in held.get("digests", {}).items():
        raw, names = base64.b64decode(text, validate=True), groups[group]
        if len(raw) != DIGEST * len(names):
            raise ValueError(f"digests of {group} are cut short")
        found.update((name, raw[DIGEST * at : DIGEST * (at + 1)]) for at, name in enumerate(names))
    return found
