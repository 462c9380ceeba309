"""How a command ended, as one value: what people read at the end and what machines parse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import StepEventMetadata
from pydantic import BaseModel, ConfigDict, Field, RootModel

from coderport.catalog import resource_types
from coderport.errors import CoderportError
from coderport.kinds.all import KIND_OF, KINDS
from coderport.report.account import Read, Standing
from coderport.report.change import OTHER, PERMISSIONS_OF, Change, Operation, ordered
from coderport.terminal.ending import Interrupted
from coderport.terminal.progress import ENGINE, watcher
from coderport.terminal.remedy import runnable_here

Result = Literal["converged", "unchanged", "changes", "drifted", "refused", "failed"]

_OPERATIONS: dict[OpType, Operation] = {
    OpType.CREATE: "created",
    OpType.IMPORT: "adopted",
    OpType.UPDATE: "updated",
    OpType.REPLACE: "updated",
    OpType.DELETE: "deleted",
    OpType.SAME: "unchanged",
}
_ENGINES_OWN = ("pulumi:pulumi:", "pulumi:providers:")
"""Resources that are in no Port: the stack itself and the providers."""

_SELDOM = ("adopted", "released")


class Counts(BaseModel):
    """Things of one kind in Port by what was done (or, in a preview, would be done) with them.

    `adopted` were in Port as they should be and only entered the state, or their values did. `released` left the state
    and stay in Port, because another stack has them now.
    """

    created: int = 0
    adopted: int = 0
    updated: int = 0
    deleted: int = 0
    released: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        """Those that were not left as they were, in Port or in the state."""
        return self.created + self.adopted + self.updated + self.deleted + self.released


class Kinds(RootModel[dict[str, Counts]]):
    """Counts by what people call one of a kind, and those of all others; the stack and its provider are in no Port.

    A kind that is by `coderport:kinds` is there where anything of it was seen.
    """

    root: dict[str, Counts] = Field(
        default_factory=lambda: {**{each.words[0]: Counts() for each in KINDS if each.always}, OTHER: Counts()}
    )

    def __getattr__(self, name: str) -> Counts:
        if name.startswith("_") or name == "root":
            return super().__getattr__(name)  # type: ignore[misc, no-any-return]
        return self.root.get(name) or Counts()

    @property
    def changed(self) -> int:
        """Those of any kind that were not left as they were."""
        return sum(counts.changed for counts in self.root.values())

    @property
    def columns(self) -> list[str]:
        """The counts that a table shows: what is seldom there only where it is."""
        return [
            name
            for name in Counts.model_fields
            if name not in _SELDOM or any(getattr(counts, name) for counts in self.root.values())
        ]


FORMAT: Final = 1
"""Of the JSON object: the next number where a field goes or means something else; what is added leaves it."""


class Outcome(BaseModel):
    """The JSON object of `--json` and `--summary`. `seconds` is wall-clock per phase; retries count as requests too.

    `changes` are what was done or, in a preview, would be; `withheld` what a run would have done that a guard refused;
    `warnings` what else people were told. `unread` is what was asked for and not read because Coder failed at it, where
    all else went well. `catalog` is the address of Port's catalog for a browser, where it is known.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    result: Result
    kinds: Kinds
    read: Read
    coder_requests: int
    port_requests: int
    port_writes: int
    retries: int
    seconds: dict[str, float]
    message: str
    changes: tuple[Change, ...] = ()
    withheld: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    catalog: str = ""
    exit_code: int = Field(exclude=True)

    def as_called(self) -> Outcome:
        """The outcome as an output has it: the commands that its texts name are those that run here."""
        told = {"message": runnable_here(self.message), "warnings": tuple(map(runnable_here, self.warnings))}
        return self.model_copy(update=told)


def failed(error: CoderportError | Interrupted) -> Outcome:
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


class Tally:
    """Counts the engine's events as they come, and keeps what it said went wrong.

    `before` is the tally of a part that a full run takes the place of: what that did stays done, and what it said stays
    said, but for what went wrong.
    """

    def __init__(self, *, preview: bool, before: Tally | None = None) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = before.warnings if before else []
        self.engine_ran: bool = before.engine_ran if before else False
        self._preview = preview
        self._steps: dict[str, Change] = {}
        self._before = {urn: step for urn, step in before._steps.items() if _is_done(step)} if before else {}
        self._more: Counter[tuple[str, Operation]] = Counter()
        self._entities = 0

    @property
    def changes(self) -> list[Change]:
        """What was not left as it was, one by one, in an order that does not hang on the engine's."""
        return ordered(step for step in self._all() if step.operation != "unchanged")

    @property
    def kinds(self) -> Kinds:
        """How many of each kind, those included that were not seen one by one."""
        found = Kinds().root
        counted = self._more + Counter((step.group, step.operation) for step in self._all())
        for (group, operation), number in counted.items():
            setattr(found.setdefault(group, Counts()), operation, number)
        order = [*(each.words[0] for each in KINDS), OTHER]
        return Kinds({group: found[group] for group in order if group in found})

    def _all(self) -> list[Change]:
        return [*({**self._before, **self._steps}).values()]

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

    def count(self, change: Change, resource: str = "") -> None:
        """Takes a change that was found without the engine; of a resource that is named it is kept once."""
        self._steps[resource or f"{len(self._steps)}"] = change

    def count_unseen(self, group: str, operation: Operation, number: int) -> None:
        """Adds what is no step of the engine, and not told one by one: what was left as it was."""
        self._more[group, operation] += number

    def settle(self, standing: Mapping[str, Standing], changes: Mapping[str, Change]) -> None:
        """Gives the engine's steps, which are those of the state, the names and the values of what they are to Port."""
        for urn, step in self._steps.items():
            resource = "::".join(urn.split("::")[-2:])
            operation = _in_port(step.operation, standing.get(resource))
            settled, done = replace(step, operation=operation), self._before.get(urn)
            if (its := changes.get(resource)) is not None and its.operation == operation:
                names = its.details or settled.details
                settled = replace(settled, details=names, values=its.values, findings=its.findings, why=its.why)
            if done is not None and operation not in ("deleted", "released"):
                settled = replace(done, details=tuple(dict.fromkeys((*done.details, *step.details))))
            self._steps[urn] = settled

    def passed(self, standing: Mapping[str, Standing], changes: Mapping[str, Change]) -> None:
        """Begins another pass of the same run: what the one until now did stays done."""
        self.settle(standing, changes)
        self._before |= {urn: step for urn, step in self._steps.items() if _is_done(step)}
        self._steps = {}

    def _count(self, step: StepEventMetadata) -> None:
        operation = _OPERATIONS.get(step.op)
        if operation is None or step.type.startswith(_ENGINES_OWN):
            return
        name = step.urn.rsplit("::", 1)[-1]
        kind = _kind_of_entity(name) if step.type == resource_types.ENTITY else OTHER
        if kind != OTHER:
            self._entities += 1
            watcher().advanced(ENGINE, "entities", self._entities)
        state = step.new or step.old
        title = str((state.inputs or {}).get("title", name)) if state is not None else name
        details = sorted(_leaf(path) for path in step.detailed_diff or {}) if operation == "updated" else ()
        shown = kind if kind != OTHER else _own_word(step.type)
        identifier = name.split("-", 1)[-1] if kind != OTHER else name
        self._steps[step.urn] = Change(operation, shown, title, tuple(dict.fromkeys(details)), identifier)


def _is_done(step: Change) -> bool:
    return step.operation not in ("unchanged", "adopted")


def _in_port(operation: Operation, standing: Standing | None) -> Operation:
    """What a step of the engine is to Port, by how the resource stood there before."""
    if operation in ("created", "updated"):
        if standing is None:
            return "created"
        if standing == "same" or (standing == "held" and operation == "created"):
            return "adopted"
        return "updated"
    return "released" if standing == "released" else operation


def kind_of(blueprint: str) -> str:
    """What people call an entity of the blueprint."""
    return KIND_OF[blueprint].words[0]


def _kind_of_entity(resource: str) -> str:
    blueprint = resource.split("-", 1)[0]
    return kind_of(blueprint) if blueprint in KIND_OF else OTHER


def _own_word(resource_type: str) -> str:
    """What people call a resource of the type: `port:index/blueprint:Blueprint` is a blueprint."""
    name = resource_type.rsplit(":", 1)[-1]
    return {"ActionPermissions": PERMISSIONS_OF, "AggregationProperties": "aggregations"}.get(name, name.lower())


def _leaf(path: str) -> str:
    """The property's own name in a path such as `properties.stringProps.status` or `….tags[0]`."""
    return path.split("[", 1)[0].rsplit(".", 1)[-1]


def _without_colours(text: str) -> str:
    """The message without the engine's colour marks such as `<{%reset%}>`."""
    while (start := text.find("<{%")) >= 0 and (end := text.find("%}>", start)) >= 0:
        text = text[:start] + text[end + 3 :]
    return text
