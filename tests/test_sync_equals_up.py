"""A sync ends where a full `up` would, whatever happened before: on values, with a model of the engine."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from catalog_samples import numbered, template, workspace
from engine_model import SETTINGS, World

from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

HISTORIES = int(os.environ.get("SYNC_HISTORIES", "1000"))
STATUSES = ("running", "stopped", "failed", "starting")


class History:
    """A world to which things happen by chance; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        actions = {} if seed % 5 == 0 else {"actions": SETTINGS.actions.model_copy(update={"backend": "off"})}
        self.settings = SETTINGS.model_copy(update=actions)  # actions in a fifth: they are slow to compare
        self.world = World(self.settings)
        self.counter = 0
        for _ in range(self.chance.randint(1, 3)):
            self.create_template()
        for _ in range(self.chance.randint(0, 6)):
            self.create()

    def _id(self) -> str:
        self.counter += 1
        return numbered(self.counter)

    def _any(self, of: Mapping[str, object]) -> str | None:
        return self.chance.choice(sorted(of)) if of else None

    # --- in Coder

    def create_template(self) -> None:
        identifier = self._id()
        self.world.templates[identifier] = template(id=identifier, name=f"t{self.counter}")

    def create(self) -> None:
        if owner := self._any(self.world.templates):
            identifier, prebuild = self._id(), self.chance.random() < 0.2
            fields: dict[str, Any] = {"owner_name": "prebuilds", "is_prebuild": True} if prebuild else {}
            self.world.workspaces[identifier] = workspace(
                id=identifier,
                name=f"w{self.counter}",
                template_id=owner,
                template_name=self.world.templates[owner].name,
                **fields,
            )

    def change(self) -> None:
        if one := self._any(self.world.workspaces):
            was = self.world.workspaces[one]
            build = was.latest_build.model_copy(update={"status": self.chance.choice(STATUSES)})
            changes: tuple[dict[str, Any], ...] = (
                {"name": f"{was.name}x"},
                {"latest_build": build},
                {"last_used_at": self.world.now},
                {"owner_name": "alice", "is_prebuild": False},
                {"outdated": not was.outdated},
            )
            self.world.workspaces[one] = was.model_copy(update=self.chance.choice(changes))

    def promote(self) -> None:
        if one := self._any(self.world.templates):
            was = self.world.templates[one]
            changes: tuple[dict[str, Any], ...] = (
                {"active_version_id": self._id()},
                {"name": f"{was.name}x"},
                {"deprecated": not was.deprecated},
            )
            self.world.templates[one] = was.model_copy(update=self.chance.choice(changes))

    def delete(self) -> None:
        if one := self._any(self.world.workspaces):
            del self.world.workspaces[one]
            if self.chance.random() < 0.95:
                self.world.gone.add(one)

    def delete_template(self) -> None:
        used = {each.template_id for each in self.world.workspaces.values()}
        if free := sorted(self.world.templates.keys() - used):
            del self.world.templates[free[0]]
            self.world.gone.add(free[0])

    # --- in Port and in the settings

    def edit_by_hand(self) -> None:
        if self.world.port.entities:
            where = self.chance.choice(sorted(self.world.port.entities))
            held = self.world.port.entities[where]
            edits: tuple[dict[str, Any], ...] = (
                {"name": "by hand"},
                {"status": None},
                {"theirs": "kept"},
                {"managed_by": None},
            )
            if self.chance.random() < 0.2:
                self.world.port.entities[where] = replace(held, title="by hand")
                return
            self.world.port.entities[where] = replace(held, properties={**held.properties, **self.chance.choice(edits)})

    def delete_by_hand(self) -> None:
        if self.world.port.entities:
            del self.world.port.entities[self.chance.choice(sorted(self.world.port.entities))]

    def edit_action(self) -> None:
        if one := self._any(self.world.port.actions):
            if self.chance.random() < 0.5:
                self.world.port.actions[one] = {**self.world.port.actions[one], "title": "by hand"}
            else:
                self.world.port.permissions[one] = {}

    def delete_action(self) -> None:
        if one := self._any(self.world.port.actions):
            del self.world.port.actions[one], self.world.port.permissions[one]

    def edit_blueprint(self) -> None:
        if WORKSPACE.identifier in self.world.port.blueprints:
            live = self.world.port.blueprints[WORKSPACE.identifier]
            self.world.port.blueprints[WORKSPACE.identifier] = {**live, "title": "by hand"}

    def change_settings(self) -> None:
        names = [each.name for each in self.world.templates.values()]
        changes: tuple[dict[str, Any], ...] = (
            {},
            {"include_prebuilds": True},
            {"exclude_templates": tuple(names[:1])},
            {"volatile_refresh": timedelta(0)},
            {"actions": SETTINGS.actions.model_copy(update={"templates": "none"})},
        )
        self.world.settings = self.settings.model_copy(update=self.chance.choice(changes))

    def pass_time(self) -> None:
        self.world.now += timedelta(hours=self.chance.choice((1, 7, 30)))

    # --- runs

    def cut_off(self) -> str:
        run = self.chance.choice([World.up, World.sync, World.repair])
        killed = self.chance.random() < 0.6
        steps = run(self.world.copied())
        if steps:
            run(self.world, until=self.chance.randrange(steps), killed=killed)
        return f"{run.__name__} {'killed' if killed else 'failed'}"

    def orphan(self) -> None:
        """A killed run brought a workspace into Port, and then Coder deleted it."""
        before = set(self.world.workspaces)
        self.create()
        steps = self.world.copied().up()
        self.world.up(until=self.chance.randint(steps // 2, steps), killed=True)
        for one in self.world.workspaces.keys() - before:
            del self.world.workspaces[one]
            self.world.gone.add(one)


EVENTS: tuple[tuple[Callable[[History], object], int], ...] = (
    (History.create, 6),
    (History.change, 8),
    (History.promote, 2),
    (History.delete, 3),
    (History.create_template, 1),
    (History.delete_template, 1),
    (History.edit_by_hand, 3),
    (History.delete_by_hand, 2),
    (History.edit_action, 1),
    (History.delete_action, 1),
    (History.edit_blueprint, 1),
    (History.change_settings, 1),
    (History.pass_time, 2),
    (History.cut_off, 4),
    (History.orphan, 1),
)


def some(leaving: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Those of each kind of which there are any."""
    return {kind: ids for kind, ids in leaving.items() if ids}


def test_a_sync_ends_where_a_full_run_would(figure: Callable[[str], None]) -> None:
    ends: Counter[str] = Counter()
    kinds, weights = [event for event, _ in EVENTS], [weight for _, weight in EVENTS]
    for seed in range(HISTORIES):
        history = History(seed)
        for _ in range(4):
            for event in history.chance.choices(kinds, weights, k=history.chance.randint(0, 5)):
                event(history)
            full, part = history.world.copied(), history.world.copied()
            refused = history.world.judged()[1].refused
            remembered = not full.memory.first_run
            steps, fewer = full.up(), part.sync()
            assert part.seen() == full.seen(), f"history {seed}"
            if not refused and remembered:  # without a memory nothing goes that lives in Coder: the next run does it
                assert part.difference(part.judged()[0]).nothing, f"history {seed}: something is left to do"
                assert part.sync() == 0
            ends["refused" if refused else "nothing to do" if not fewer else "full" if fewer >= steps else "part"] += 1
            history.world = part if seed % 2 else full
    figure(f"sync against up over {HISTORIES} histories on values: {dict(ends)}, 0 differ")
    assert min(ends[each] for each in ("refused", "nothing to do", "full", "part")) > HISTORIES / 50


def test_a_repair_puts_right_what_the_report_shows_and_nothing_else() -> None:
    kinds, weights = [event for event, _ in EVENTS], [weight for _, weight in EVENTS]
    repaired = 0
    for seed in range(HISTORIES // 4):
        history = History(seed)
        history.world.up()
        for event in history.chance.choices(kinds, weights, k=8):
            event(history)
        world = history.world
        plan, verdict = world.judged()
        if verdict.refused:
            continue
        before, leaving = world.copied(), world.difference(plan).leaving
        world.repair()
        plan, _ = world.judged()
        left = world.difference(plan)
        assert left.drift().nothing, f"history {seed}"
        if world.misfit:  # a changed template whose workspaces are gone from Coder
            continue
        assert some(left.leaving) == some(leaving), "what Coder deleted waits for the next run"
        for blueprint in (TEMPLATE.identifier, WORKSPACE.identifier):
            for identifier in leaving.get(blueprint, ()):
                where = (blueprint, identifier)
                assert world.port.entities.get(where) == before.port.entities.get(where)
        repaired += before.seen() != world.seen()
        world.up()
        assert world.difference(world.judged()[0]).nothing
    assert repaired > HISTORIES / 20
