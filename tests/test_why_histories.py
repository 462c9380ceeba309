"""`why` at the end of many histories: asked about everything, each statement held against the world and the next run.

The histories are those of `test_ownership_histories`: objects come, go and get out of sight, settings leave them out,
states are lost and stacks renamed, entities are copied, runs fail or are killed. What the next run does is the engine's
model with the provider's own code.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from catalog_samples import snapshot
from engine_model import World, fates_of
from test_ownership_histories import EVENTS, History

from coderport.catalog.values import Ref
from coderport.coder.parameters import TemplateForm
from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.kinds.inventory import inventory_of
from coderport.planning.difference import difference_of
from coderport.planning.plan import judge
from coderport.port.models import PortEntity
from coderport.settings import Releases
from coderport.why import gathering
from coderport.why.knowledge import Knowledge
from simulation.questions import Shown, Truth, counted, said_of_everything, unlike_the_run, untrue

pytestmark = pytest.mark.dear

RESULT = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "why.json"
HISTORIES = int(os.environ.get("CODERPORT_HISTORIES", "2000")) // 10
MANY = 10_000


def knowledge_of(world: World) -> Knowledge:
    """What `gathered` makes of a stack's past and a read of Coder, with those of the world."""
    settings, past, now = world.settings, world.past(), world.now
    read = inventory_of(snapshot(*world.templates.values(), *world.workspaces.values(), **fates_of(world.gone)))
    forms = {each.id: TemplateForm(each.id, each.active_version_id) for each in world.templates.values()}
    plan, verdict = judge(settings, Releases(), past, read, forms, now)
    found = difference_of(plan, past.memory, world.port.permissions)
    return gathering.knowledge_of(settings, past, read, plan, verdict, found, now)


def truth_of(world: World) -> Truth:
    excluded = {each.id for each in world.templates.values() if each.name in world.settings.exclude_templates}
    templates = {Ref("coder_template", each) for each in world.templates}
    workspaces = {Ref("coder_workspace", each) for each in world.workspaces}
    of_excluded = {
        Ref("coder_workspace", each.id) for each in world.workspaces.values() if each.template_id in excluded
    }
    return Truth(
        shown=frozenset(templates | workspaces),
        left_out=frozenset({Ref("coder_template", each) for each in excluded} | of_excluded),
        gone=frozenset(Ref(kind, each) for kind in ("coder_template", "coder_workspace") for each in world.gone),
        theirs=frozenset(Ref(*where) for where, each in world.port.entities.items() if _is_theirs(world, each)),
    )


def _is_theirs(world: World, entity: PortEntity) -> bool:
    """Somebody else's; but what has the stack's own name may be taken over."""
    mark = Mark.read(entity.properties.get(MANAGED_BY))
    inherited = world.settings.take_over and mark is not None and mark.stack == world.past().mark.stack
    return entity.title == "theirs" and not inherited


def shown(world: World) -> Shown:
    def some(values: dict[str, object]) -> dict[str, object]:
        return {key: value for key, value in values.items() if value is not None}

    return {
        Ref(*where): (each.title, some(dict(each.properties)), some(dict(each.relations)))
        for where, each in world.port.entities.items()
    }


def lose_in_port(history: History) -> None:
    """Somebody deletes an entity in Port."""
    if there := list(history.world.port.entities):
        del history.world.port.entities[history.chance.choice(there)]


def lose_in_both(history: History) -> None:
    """A workspace goes in Coder, and somebody deletes its entity in Port before any run."""
    world = history.world
    if there := [each for each in world.workspaces if ("coder_workspace", each) in world.port.entities]:
        one = history.chance.choice(there)
        del world.workspaces[one], world.port.entities["coder_workspace", one]
        world.gone.add(one)


def edit_in_port(history: History) -> None:
    """Somebody changes values of an entity in Port, or gives it to another stack."""
    if there := list(history.world.port.entities.items()):
        where, entity = history.chance.choice(there)
        edits = ({"name": "by hand"}, {"created_at": None}, {"managed_by": "other/stack#ffffffff"}, {"status": None})
        edited = {**entity.properties, **history.chance.choice(edits)}
        history.world.port.entities[where] = replace(entity, properties=edited, updated_by="eve@example.com")


BETWEEN = {**EVENTS, lose_in_port: 2, lose_in_both: 2, edit_in_port: 3}
"""What happens between the last run and the question."""


def asked(seed: int) -> Counter[str]:
    """Plays the history, asks at its end, lets the next run go; AssertionError with what was said and is not so."""
    history = History(seed)
    history.run()
    kinds, weights = list(EVENTS), list(EVENTS.values())
    for _ in range(history.chance.randint(0, 5)):
        for event in history.chance.choices(kinds, weights, k=history.chance.randint(0, 4)):
            event(history)
        history.run()
    for event in history.chance.choices(list(BETWEEN), list(BETWEEN.values()), k=history.chance.randint(0, 6)):
        event(history)
    world = history.world
    world.releases = Releases()
    knowledge, truth, before = knowledge_of(world), truth_of(world), shown(world)
    said = said_of_everything(knowledge)
    steps = world.up()
    wrong = [*untrue(said, truth, before), *unlike_the_run(said, before, shown(world), refused=not steps)]
    assert not wrong, f"history {seed}: " + "\n".join(wrong)
    return counted(said)


def test_what_why_says_is_so_and_is_what_the_next_run_does(figure: Callable[[str], None]) -> None:
    told: Counter[str] = Counter()
    for seed in range(HISTORIES):
        told += asked(seed)
    figure(f"why at the end of {HISTORIES} histories: {dict(told)}, each as it was and as the run did")
    assert min(told[each] for each in ("created", "changed", "deleted", "none", "deleted, refused")) > HISTORIES / 20


@pytest.mark.long
def test_what_why_says_is_so_in_ten_thousand_histories() -> None:
    told: Counter[str] = Counter()
    for seed in range(MANY):
        told += asked(seed)
    result = {"histories": MANY, "statements": dict(sorted(told.items())), "untrue": 0}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
