"""Histories of one state, on values: renames, lost outputs, lost states, copies, days that pass, runs that fail.

Whatever happens, no run without a release takes out of Port what Coder did not call deleted, but for the allowance of a
day; and nothing that is somebody else's is touched.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from catalog_samples import numbered, template, workspace
from engine_model import SETTINGS, World

from coderport.catalog.blueprint import to_port
from coderport.catalog.resource_types import ENTITY
from coderport.catalog.values import Entity
from coderport.coder.models import Workspace
from coderport.engine.resources import Resources
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.kinds.all import BLUEPRINTS
from coderport.planning.difference import Resource
from coderport.planning.memory import Memory, completed, rebuilt
from coderport.planning.past import Past
from coderport.port.models import PortEntity
from coderport.settings import Releases

HISTORIES = int(os.environ.get("CODERPORT_HISTORIES", "2000")) // 20
KINDS = ("coder_template", "coder_workspace")
DAY = timedelta(hours=24)
Place = tuple[str, str]


@dataclass
class Stack(World):
    """A world whose stack has a name and a state with an id. `marks` are those that the state's resources carry."""

    name: str = "coderport/dev"
    ids: int = 0
    marks: dict[Resource, str] = field(default_factory=dict)
    hidden: dict[str, Workspace] = field(default_factory=dict)

    def past(self) -> Past:
        memory = self.memory if self.memory.stack else completed(self.memory, self.resources())
        if not memory.state:
            self.ids += 1
            memory = replace(memory, state=f"{self.ids:08x}")
            if memory.first_run:  # the first pass
                self.memory = memory
        past = Past(memory, self.port.holdings(), memory.mark(self.name))
        return past if past.is_complete else past.completed(rebuilt(self.resources()))

    def resources(self) -> Resources:
        return {
            f"urn:pulumi:dev::coderport::{kind}::{name}": {
                "properties": {"stringProps": {MANAGED_BY: self.marks.get((kind, name))}}
            }
            for kind, name in self.state
        }

    def up(self, *, until: int | None = None, killed: bool = False) -> int:
        before, marks = self.memory, dict(self.marks)
        plan, verdict = self.judged()
        if verdict.refused:
            return 0
        steps = self._run(self._full(plan), plan.memory, until, killed)
        if killed:
            self.marks = marks
        elif until is not None and before.stack:
            self.memory = replace(self.memory, spent=plan.memory.spent)
        return steps

    def _put_entity(self, entity: Entity) -> None:
        super()._put_entity(entity)
        self.marks[ENTITY, f"{entity.blueprint}-{entity.identifier}"] = str(entity.properties[MANAGED_BY])

    def _delete(self, resource: Resource) -> None:
        kind, name = resource
        blueprint, _, identifier = name.partition("-")
        held = self.port.entities.get((blueprint, identifier)) if kind == ENTITY else None
        if held is not None:
            mark = Mark.read(self.marks[resource])
            assert mark is not None
            if Owner(mark, {blueprint: frozenset({identifier})}).whose(held) is Whose.OURS:
                del self.port.entities[blueprint, identifier]
            self.state.pop(resource, None)
            self.marks.pop(resource, None)
            return
        super()._delete(resource)


class History:
    """What happens to one stack, by a seed; and what it must never do."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.numbers = iter(range(1, 10_000))
        self.world = Stack(settings=SETTINGS.model_copy(update={"actions": SETTINGS.actions.model_copy()}))
        self.went: list[tuple[datetime, str, int, int]] = []
        self.ends: Counter[str] = Counter()
        for _ in range(self.chance.randint(1, 5)):
            self.make_template()
        for _ in range(self.chance.randint(0, 20)):
            self.make_workspace()
        self.foreign()

    def number(self) -> str:
        return numbered(next(self.numbers))

    # --- what happens

    def make_template(self) -> None:
        one = self.number()
        self.world.templates[one] = template(id=one, name=f"t{int(one[-6:], 16)}", display_name="")

    def make_workspace(self) -> None:
        if self.world.templates:
            one, of = self.number(), self.chance.choice(list(self.world.templates.values()))
            self.world.workspaces[one] = workspace(
                id=one, name=f"w{int(one[-6:], 16)}", template_id=of.id, template_name=of.name
            )

    def delete_workspace(self) -> None:
        if self.world.workspaces:
            one = self.chance.choice(list(self.world.workspaces))
            del self.world.workspaces[one]
            self.world.gone.add(one)

    def lose_sight(self) -> None:
        for one in list(self.world.workspaces):
            if self.chance.random() < 0.3:
                self.world.hidden[one] = self.world.workspaces.pop(one)

    def see_again(self) -> None:
        self.world.workspaces.update(self.world.hidden)
        self.world.hidden.clear()

    def rename(self) -> None:
        self.world.name = f"{self.chance.choice(('coderport', 'acme'))}/{self.chance.choice(('dev', 'prod', 'Dev'))}"

    def lose_outputs(self) -> None:
        self.world.memory = Memory()

    def lose_state(self) -> None:
        self.world.memory, self.world.state, self.world.marks = Memory(), {}, {}

    def exclude(self) -> None:
        names = [each.name for each in self.world.templates.values()]
        chosen = tuple(each for each in names if self.chance.random() < 0.4)
        self.world.settings = self.world.settings.model_copy(update={"exclude_templates": chosen})

    def take_over(self) -> None:
        taken = not self.world.settings.take_over
        self.world.settings = self.world.settings.model_copy(update={"take_over": taken})

    def copy(self) -> None:
        if self.world.port.entities:
            (blueprint, _), entity = self.chance.choice(list(self.world.port.entities.items()))
            names = (f"copy-{next(self.numbers)}", self.number(), entity.identifier.upper() + "A")
            identifier = self.chance.choice(names)
            self.world.port.entities[blueprint, identifier] = replace(entity, identifier=identifier)

    def foreign(self) -> None:
        for mark in ("other/stack#ffffffff", "coderport/dev#eeeeeeee", "other/stack", None):
            one, blueprint = self.number(), self.chance.choice(KINDS)
            if blueprint in self.world.port.blueprints or not self.world.port.entities:
                self.world.port.blueprints.setdefault(blueprint, self.blueprint(blueprint))
                theirs = PortEntity(one, blueprint, "theirs", properties={MANAGED_BY: mark})
                self.world.port.entities[blueprint, one] = theirs

    @staticmethod
    def blueprint(name: str) -> dict[str, object]:
        return to_port(next(each for each in BLUEPRINTS if each.identifier == name))

    def shorten_a_mark(self) -> None:
        ours = [where for where, each in self.world.port.entities.items() if "#" in str(each.properties[MANAGED_BY])]
        ours = [where for where in ours if (ENTITY, "-".join(where)) in self.world.state]
        if ours:
            where = self.chance.choice(ours)
            entity = self.world.port.entities[where]
            mark = self.chance.choice((str(entity.properties[MANAGED_BY]).partition("#")[0], "", None))
            self.world.port.entities[where] = replace(entity, properties={**entity.properties, MANAGED_BY: mark})

    def pass_hours(self) -> None:
        self.world.now += timedelta(hours=self.chance.choice((1, 5, 13, 26)))

    # --- a run, and what it must not have done

    def run(self) -> None:
        world = self.world
        released = self.chance.random() < 0.1
        world.releases = Releases(allow_deletions=1000) if released else Releases()
        before = dict(world.port.entities)
        ours = Counter(blueprint for blueprint, _ in before)
        how = self.chance.random()
        until = self.chance.randint(0, 10) if how < 0.3 else None
        steps = world.up(until=until, killed=until is not None and how < 0.1)
        self.ends["run" if steps else "refused"] += 1
        missing = before.keys() - world.port.entities.keys()
        self.ends["deleted"] += len(missing)
        left = Counter[str]()
        for blueprint, identifier in missing:
            assert identifier not in world.hidden, "what Coder only does not show has gone"
            assert before[blueprint, identifier].title != "theirs", "somebody else's has gone"
            if identifier not in world.gone:
                assert identifier in world.templates or identifier in world.workspaces, "a copy has gone"
                left[blueprint] += 1
        self.ends["left out"] += sum(left.values())
        for where, entity in before.items():
            if entity.title == "theirs":
                assert world.port.entities[where] == entity
        if released:
            return
        for kind, number in left.items():
            self.went.append((world.now, kind, number, ours[kind]))
            lately = [each for each in self.went if each[1] == kind and world.now - each[0] < DAY]
            most = max(3, *(each[3] // 20 for each in lately))
            assert sum(each[2] for each in lately) <= most, "more than the allowance of a day has gone"


def test_outputs_that_are_lost_bring_no_new_allowance_for_the_day() -> None:
    world, numbers = Stack(settings=SETTINGS, releases=Releases()), (numbered(each) for each in range(1, 100))
    for name, workspaces in (("a", 2), ("b", 1), ("c", 20)):
        of = template(id=next(numbers), name=name, display_name="")
        world.templates[of.id] = of
        for one in islice(numbers, workspaces):
            world.workspaces[one] = workspace(id=one, name=f"w{one[-2:]}", template_id=of.id, template_name=name)
    world.up()

    def left_by(*excluded: str) -> int:
        world.settings = world.settings.model_copy(update={"exclude_templates": excluded})
        world.up()
        return sum(blueprint == "coder_workspace" for blueprint, _ in world.port.entities)

    assert left_by("a") == 21
    world.memory = Memory()
    assert left_by("a") == 21
    world.now += timedelta(hours=23)
    assert left_by("a", "b") == 21
    world.now += timedelta(hours=2)
    assert left_by("a", "b") == 20


EVENTS: Mapping[Callable[[History], None], int] = {
    History.make_template: 1,
    History.make_workspace: 4,
    History.delete_workspace: 3,
    History.lose_sight: 1,
    History.see_again: 2,
    History.rename: 2,
    History.lose_outputs: 1,
    History.lose_state: 1,
    History.exclude: 2,
    History.take_over: 1,
    History.copy: 2,
    History.shorten_a_mark: 1,
    History.pass_hours: 3,
}


def test_no_history_lets_go_what_lives_or_touches_what_is_somebody_elses(figure: Callable[[str], None]) -> None:
    ends: Counter[str] = Counter()
    kinds, weights = list(EVENTS), list(EVENTS.values())
    for seed in range(HISTORIES):
        history = History(seed)
        try:
            history.run()
            for _ in range(10):
                for event in history.chance.choices(kinds, weights, k=history.chance.randint(0, 4)):
                    event(history)
                history.run()
        except AssertionError as error:
            raise AssertionError(f"history {seed}: {error}") from error
        ends.update(history.ends)
    figure(f"ownership over {HISTORIES} histories: {dict(ends)}")
    assert min(ends["run"], ends["refused"], ends["deleted"], ends["left out"]) > HISTORIES / 10
