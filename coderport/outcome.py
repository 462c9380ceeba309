"""How a command ended, as one value: what people read at the end and what machines parse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import StepEventMetadata
from pydantic import BaseModel, ConfigDict, Field

from coderport.account import Read
from coderport.catalog.blueprints import TEMPLATE, WORKSPACE
from coderport.errors import CoderportError
from coderport.progress import ENGINE, watcher

Result = Literal["converged", "unchanged", "changes", "drifted", "refused", "failed"]
Operation = Literal["created", "updated", "deleted", "unchanged"]

_OPERATIONS: dict[OpType, Operation] = {
    OpType.CREATE: "created",
    OpType.IMPORT: "created",
    OpType.UPDATE: "updated",
    OpType.REPLACE: "updated",
    OpType.DELETE: "deleted",
    OpType.SAME: "unchanged",
}
_ENGINES_OWN = ("pulumi:pulumi:Stack", "pulumi:providers:pulumi")
_KINDS = {TEMPLATE.identifier: "template", WORKSPACE.identifier: "workspace"}


class Counts(BaseModel):
    """Resources of one kind by what the engine did (or, in a preview, would do)."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        """Resources that were not left as they were."""
        return self.created + self.updated + self.deleted


class Kinds(BaseModel):
    """`other` holds blueprints, actions and the provider; the stack itself is not counted."""

    template: Counts = Field(default_factory=Counts)
    workspace: Counts = Field(default_factory=Counts)
    other: Counts = Field(default_factory=Counts)

    @property
    def changed(self) -> int:
        """Resources of any kind that were not left as they were."""
        return self.template.changed + self.workspace.changed + self.other.changed


class Outcome(BaseModel):
    """The JSON object of `--json` and `--summary`. `seconds` is wall-clock per phase; retries count as requests too."""

    model_config = ConfigDict(frozen=True)

    result: Result
    kinds: Kinds
    read: Read
    coder_requests: int
    port_requests: int
    port_writes: int
    retries: int
    seconds: dict[str, float]
    message: str
    exit_code: int = Field(exclude=True)


def failed(error: CoderportError) -> Outcome:
    """The outcome of a run that ended before the engine began."""
    return Outcome(
        result="failed",
        kinds=Kinds(),
        read=Read(),
        coder_requests=0,
        port_requests=0,
        port_writes=0,
        retries=0,
        seconds={},
        message=str(error),
        exit_code=error.exit_code,
    )


@dataclass(frozen=True)
class Change:
    """One resource that was not left as it was: `kind` in people's words, `details` the changed properties."""

    operation: Operation
    kind: str
    title: str
    details: tuple[str, ...] = ()


class Tally:
    """Counts the engine's events as they come, and keeps what it said went wrong."""

    def __init__(self, *, preview: bool) -> None:
        self.kinds = Kinds()
        self.changes: list[Change] = []
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.engine_ran = False
        self._preview = preview
        self._entities = 0

    def add(self, event: EngineEvent) -> None:
        """Takes one engine event; those that tell nothing about a resource's end or a problem are ignored."""
        self.engine_ran = True
        step = event.resource_pre_event if self._preview else event.res_outputs_event
        if step is not None:
            self._count(step.metadata)
        diagnostic = event.diagnostic_event
        if diagnostic is not None and not diagnostic.ephemeral:
            text = _without_colours(diagnostic.message).strip()
            if diagnostic.severity == "error" and text not in self.errors:
                self.errors.append(text)
            if diagnostic.severity == "warning" and text not in self.warnings:
                self.warnings.append(text)

    def deleted_by_program(self, orphans: Mapping[str, int]) -> None:
        """Adds the deletions that are no steps of the engine, given by blueprint."""
        for blueprint, number in orphans.items():
            counts: Counts = getattr(self.kinds, _KINDS[blueprint])
            counts.deleted += number

    def count(self, change: Change) -> None:
        """Takes a change that was found without the engine."""
        self._add(change.kind if change.kind in _KINDS.values() else "other", change.operation)
        self.changes.append(change)

    def _add(self, kind: str, operation: Operation) -> None:
        counts: Counts = getattr(self.kinds, kind)
        setattr(counts, operation, getattr(counts, operation) + 1)

    def _count(self, step: StepEventMetadata) -> None:
        operation = _OPERATIONS.get(step.op)
        if operation is None or step.type in _ENGINES_OWN:
            return
        name = step.urn.rsplit("::", 1)[-1]
        kind = _KINDS.get(name.split("-", 1)[0], "other") if step.type == "port:index/entity:Entity" else "other"
        self._add(kind, operation)
        if kind != "other":
            self._entities += 1
            watcher().advanced(ENGINE, "entities", self._entities)
        if operation != "unchanged":
            state = step.new or step.old
            title = str((state.inputs or {}).get("title", name)) if state is not None else name
            details = sorted(_leaf(path) for path in step.detailed_diff or {}) if operation == "updated" else ()
            shown = kind if kind != "other" else _own_word(step.type)
            self.changes.append(Change(operation, shown, title, tuple(dict.fromkeys(details))))


def kind_of(blueprint: str) -> str:
    """What people call an entity of the blueprint."""
    return _KINDS[blueprint]


def _own_word(resource_type: str) -> str:
    """What people call a resource of the type: `port:index/blueprint:Blueprint` is a blueprint."""
    return "provider" if resource_type.startswith("pulumi:providers:") else resource_type.rsplit(":", 1)[-1].lower()


def _leaf(path: str) -> str:
    """The property's own name in a path such as `properties.stringProps.status` or `….tags[0]`."""
    return path.split("[", 1)[0].rsplit(".", 1)[-1]


def _without_colours(text: str) -> str:
    """The message without the engine's colour marks such as `<{%reset%}>`."""
    while (start := text.find("<{%")) >= 0 and (end := text.find("%}>", start)) >= 0:
        text = text[:start] + text[end + 3 :]
    return text
