"""Coming over, as values: which entity of a template stays, what goes, what is moved, and what is left alone."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import pytest
from catalog_samples import ELSEWHERE, MARK, ORGANIZATION, numbered, template
from hypothesis import given
from hypothesis import strategies as st

from coderport.adoption.applying import images_of, pointers_of
from coderport.adoption.plan import adoption_of, after
from coderport.adoption.values import Adoption, OldName, Seen, Source, T, W
from coderport.adoption.verdict import verdict_on
from coderport.catalog.values import LeftOut, Ref
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Owner
from coderport.history.record import Record
from coderport.history.undoing import Now, undo_of
from coderport.port.models import PortEntity
from coderport.settings import Limits

OWNER = Owner(MARK, remembers=False, deployment="here")
OTHERS = "coderport/other#99887766"


def version(number: int) -> str:
    return numbered(900_000 + number)


def old(template_number: int, version_number: int, organization: str = ORGANIZATION) -> str:
    return f"{organization}-{numbered(template_number)}-{version(version_number)}"


def entity(identifier: str, blueprint: str = T, *, minute: int = 0, **fields: Any) -> PortEntity:
    properties = fields.pop("properties", {})
    at = f"2026-11-20T12:{minute:02}:00.000Z"
    return PortEntity(identifier, blueprint, title=identifier[-4:], properties=properties, updated_at=at, **fields)


@dataclass
class World:
    """What Port holds, by blueprint and identifier, and what Coder says. `live` has the active version by template."""

    rows: dict[str, dict[str, PortEntity]] = field(default_factory=lambda: {T: {}, W: {}, "service": {}})
    live: dict[int, int] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    workspaces: set[str] = field(default_factory=set)
    required: frozenset[str] = frozenset()

    def put(self, *entities: PortEntity) -> World:
        for each in entities:
            self.rows.setdefault(each.blueprint, {})[each.identifier] = each
        return self

    def plan(self, owner: Owner = OWNER) -> Adoption:
        templates = {
            numbered(number): template(id=numbered(number), name=f"t{number}", active_version_id=version(active))
            for number, active in self.live.items()
        }
        desired = frozenset(numbered(number) for number in self.live if number not in self.left_out)
        seen = Seen(
            templates=templates,
            desired={T: desired, W: frozenset(self.workspaces)},
            left_out={Ref(T, numbered(number)): LeftOut.TEMPLATE for number in self.left_out},
            gone=frozenset(Ref(blueprint, each) for each in self.gone for blueprint in (T, W)),
        )
        return adoption_of({T: self.rows[T], W: self.rows[W]}, self.sources(), seen, owner)

    def sources(self) -> tuple[Source, ...]:
        return (
            Source("service", {"image": T, "images": T, "home": W}, self.rows["service"], self.required),
            Source(W, {"template_id": T}, self.rows[W]),
            Source(T, {"parent": T}, self.rows[T]),
        )


def steps(adoption: Adoption) -> Iterator[tuple[Any, ...]]:
    """What an adoption comes to at Port, in its order."""
    for family in adoption.families:
        if family.renamed:
            yield "rename", family.keeper.identifier, family.template, family
        elif family.properties:
            yield "settle", family.template, family.template, family
    for move in adoption.moves:
        yield "move", move
    for each in (*adoption.gone, *adoption.siblings):
        yield "delete", each


def do(world: World, step: tuple[Any, ...]) -> None:
    """One step, as Port does it: relations follow a rename, and are emptied by a deletion."""

    def replaced(what: str, by: str | None, blueprint: str) -> None:
        targets = {"service": {"image": T, "images": T, "home": W}, W: {"template_id": T}, T: {"parent": T}}
        for name, rows in world.rows.items():
            for key, row in list(rows.items()):
                relations = dict(row.relations)
                for relation, target in targets[name].items():
                    value = relations.get(relation)
                    if target != blueprint:
                        continue
                    if isinstance(value, list):
                        new = [by if each == what else each for each in value]
                        relations[relation] = [each for each in new if each is not None]
                    elif value == what:
                        relations[relation] = by
                rows[key] = replace(row, relations=relations)

    match step:
        case ("rename" | "settle", was, now, family):
            held = world.rows[T].pop(was)
            assert now == was or now not in world.rows[T], "Port renames onto nothing that exists"
            world.rows[T][now] = replace(
                held,
                identifier=now,
                properties={**held.properties, **family.properties},
            )
            if now != was:
                replaced(was, now, T)
        case ("move", move):
            held = world.rows[move.entity.blueprint][move.identifier]
            new = {name: value for name, (_, value) in move.relations.items()}
            for value in new.values():
                for target in value if isinstance(value, list) else [value]:
                    assert target in world.rows[T], "Port refuses a relation to nothing"
            world.rows[held.blueprint][held.identifier] = replace(held, relations={**held.relations, **new})
        case ("delete", each):
            del world.rows[each.blueprint][each.identifier]
            replaced(each.identifier, None, each.blueprint)


def applied(world: World, adoption: Adoption) -> World:
    done = copy.deepcopy(world)
    for step in steps(adoption):
        do(done, step)
    return done


def test_an_old_identifier_is_three_ids() -> None:
    assert OldName.read(old(1, 2)) == OldName(ORGANIZATION, numbered(1), version(2))
    for other in (numbered(1), f"{ORGANIZATION}-{numbered(1)}", f"{old(1, 2)}-x", old(1, 2).upper(), "docker"):
        assert OldName.read(other) is None


def test_the_entity_of_the_active_version_stays_and_gets_the_templates_id() -> None:
    world = World(live={1: 2}).put(entity(old(1, 1), minute=9), entity(old(1, 2)), entity(old(1, 3), minute=8))
    (family,) = world.plan().families
    assert (family.keeper.identifier, family.template) == (old(1, 2), numbered(1))
    assert {each.identifier for each in family.siblings} == {old(1, 1), old(1, 3)}


def test_without_one_of_the_active_version_the_newest_stays() -> None:
    world = World(live={1: 7}).put(entity(old(1, 1), minute=9), entity(old(1, 2)), entity(old(1, 3), minute=8))
    assert world.plan().families[0].keeper.identifier == old(1, 1)


def test_one_that_has_the_templates_id_already_stays_and_all_old_ones_are_its_siblings() -> None:
    world = World(live={1: 2}).put(entity(numbered(1)), entity(old(1, 1)), entity(old(1, 2)))
    (family,) = world.plan().families
    assert not family.renamed and len(family.siblings) == 2


def test_what_only_a_sibling_has_of_others_goes_over_to_the_one_that_stays() -> None:
    world = World(live={1: 2}).put(
        entity(old(1, 1), minute=1, properties={"tier": "gold", "team_notes": "x", "description": "the script's"}),
        entity(old(1, 3), minute=2, properties={"tier": "silver"}),
        entity(old(1, 2), properties={"team_notes": "its own"}),
    )
    assert world.plan().families[0].properties == {"tier": "silver"}


@pytest.mark.parametrize("own", [{"team": ("platform",)}, {"icon": "Star"}])
def test_a_sibling_with_a_team_or_an_icon_that_the_one_that_stays_lacks_stays_and_is_named(own: dict[str, Any]) -> None:
    bare = World(live={1: 2}).put(replace(entity(old(1, 1)), **own), entity(old(1, 2)))
    (left,) = bare.plan().left
    assert left.entity.identifier == old(1, 1) and "has not its" in left.why and not bare.plan().siblings
    both = World(live={1: 2}).put(replace(entity(old(1, 1)), **own), replace(entity(old(1, 2)), **own))
    assert [each.identifier for each in both.plan().siblings] == [old(1, 1)] and not both.plan().left


def test_relations_to_siblings_move_and_those_to_the_one_that_stays_follow_by_themselves() -> None:
    world = World(live={1: 2, 2: 1}).put(
        entity(old(1, 1)),
        entity(old(1, 2)),
        entity(old(2, 1)),
        entity("a", "service", relations={"image": old(1, 1), "images": [old(2, 1), old(1, 1), old(1, 2)]}),
        entity("b", "service", relations={"image": old(1, 2)}),
    )
    (move,) = world.plan().moves
    assert {name: new for name, (_, new) in move.relations.items()} == {
        "image": numbered(1),
        "images": [numbered(2), numbered(1)],
    }
    done = applied(world, world.plan())
    assert done.rows["service"]["b"].relations == {"image": numbered(1)}


def test_a_sibling_to_which_another_stacks_entity_leads_stays_and_is_named() -> None:
    theirs = entity(numbered(50), W, properties={MANAGED_BY: OTHERS}, relations={"template_id": old(1, 1)})
    world = World(live={1: 2}).put(entity(old(1, 1)), entity(old(1, 2)), theirs)
    plan = world.plan()
    assert plan.siblings == () and plan.moves == ()
    (left,) = plan.left
    assert left.entity.identifier == old(1, 1) and "coderport/other" in left.why
    assert applied(world, plan).plan().nothing


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (World(), "Coder does not show it"),
        (World(live={1: 1}, left_out={1}), "left out by the template settings"),
        (World(live={1: 1}).put(entity(old(1, 1, ELSEWHERE))), "organization"),
        (World(live={1: 1}).put(entity(old(1, 1), properties={DEPLOYMENT: "there"})), "another Coder deployment"),
        (
            World(gone={numbered(1)}).put(entity(old(1, 1), properties={DEPLOYMENT: "there"})),
            "another Coder deployment",
        ),
        (World().put(entity("by-hand")), "no id of Coder's"),
        (World().put(entity(old(1, 1), properties={MANAGED_BY: OTHERS})), "it has a mark"),
    ],
)
def test_what_is_not_proven_or_not_wanted_is_left_with_its_reason(world: World, why: str) -> None:
    if not world.rows[T]:
        world.put(entity(old(1, 1)))
    plan = world.plan()
    assert plan.nothing and len(plan.left) == 1 and why in plan.left[0].why
    assert not verdict_on(plan, Limits(), "dev").refused


def test_what_coder_has_deleted_goes_unless_a_mandatory_relation_needs_it() -> None:
    world = World(gone={numbered(1), numbered(60)}, required=frozenset({"home"})).put(
        entity(old(1, 1)),
        entity(numbered(60), W),
        entity("a", "service", relations={"home": numbered(60), "image": old(1, 1)}),
    )
    plan = world.plan()
    assert [each.identifier for each in plan.gone] == [old(1, 1)]
    assert [each.why for each in plan.left] == ["service a needs it, in its mandatory relation home"]


@pytest.mark.parametrize(
    "signed",
    [
        entity(old(1, 1), properties={MANAGED_BY: OTHERS}),
        entity(numbered(1), properties={MANAGED_BY: OTHERS}),
        entity(numbered(70), W, properties={MANAGED_BY: OTHERS}),
        entity(numbered(70), W, properties={MANAGED_BY: "coderport/dev#00000000"}),
    ],
)
def test_an_entity_with_another_stacks_mark_refuses_the_whole(signed: PortEntity) -> None:
    world = World(live={1: 2}, workspaces={numbered(70)}).put(entity(old(1, 2)), signed)
    verdict = verdict_on(world.plan(), Limits(), "dev", allow_deletions=1000)
    assert verdict.refused and signed.identifier in verdict.text() and "no option allows it" in verdict.text()


def test_more_siblings_than_may_go_are_refused_with_a_release_that_works() -> None:
    world = World(live={1: 99}).put(*(entity(old(1, number), minute=number) for number in range(12)))
    plan = world.plan()
    verdict = verdict_on(plan, Limits(), "dev")
    assert "11 of 12 entities would go (10 may" in verdict.text() and "--allow-deletions 11" in verdict.text()
    assert not verdict_on(plan, Limits(), "dev", allow_deletions=11).refused
    assert verdict_on(plan, Limits(), "dev", allow_deletions=10).refused
    assert not verdict_on(plan, Limits(deleted=11), "dev").refused


def test_siblings_and_what_coder_deleted_have_each_an_allowance_and_share_the_release() -> None:
    rows = [entity(old(1, number), minute=number) for number in range(11)]
    world = World(live={1: 99}, gone={numbered(n) for n in range(20, 30)}).put(
        *rows, *(entity(numbered(n), W) for n in range(20, 30))
    )
    assert not verdict_on(world.plan(), Limits(), "dev").refused
    world.gone.add(numbered(30))
    world.put(entity(numbered(30), W))
    text = verdict_on(world.plan(), Limits(), "dev").text()
    assert text.splitlines()[-1] == "  python -m coderport adopt --stack dev --allow-deletions 21"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any mixture of old entities, migrated ones, marks and relations, over a few templates."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    world = World()
    names: list[str] = []
    for number in range(1, rng.randint(2, 5)):
        fate = rng.choice(("live", "live", "live", "gone", "unseen", "left out"))
        if fate in ("live", "left out"):
            world.live[number] = rng.randint(0, 4)
        if fate == "left out":
            world.left_out.add(number)
        if fate == "gone":
            world.gone.add(numbered(number))
        for each in rng.sample(range(5), rng.randint(0, 4)):
            properties = rng.choice(({}, {}, {}, {"tier": "gold"}, {MANAGED_BY: OTHERS}))
            world.put(entity(old(number, each), minute=rng.randint(0, 9), properties=properties))
        if rng.random() < 0.3:
            properties = rng.choice(({}, {MANAGED_BY: str(MARK)}))
            world.put(entity(numbered(number), minute=rng.randint(0, 9), properties=properties))
    names = sorted(world.rows[T])
    for number in range(100, 100 + rng.randint(0, 6)):
        fate = rng.choice(("live", "gone", "unseen"))
        world.workspaces |= {numbered(number)} if fate == "live" else set()
        world.gone |= {numbered(number)} if fate == "gone" else set()
        mark = {MANAGED_BY: OTHERS} if fate != "live" and rng.random() < 0.3 else {}
        relations = {"template_id": rng.choice(names)} if names else {}
        world.put(entity(numbered(number), W, properties=mark, relations=relations))
    for number in range(rng.randint(0, 5) if names else 0):
        some = rng.sample(names, rng.randint(0, len(names)))
        leads = {"image": rng.choice([None, *names]), "images": some, "home": rng.choice([None, *world.rows[W]])}
        world.put(entity(f"service-{number}", "service", relations=leads))
    for name in names:
        if rng.random() < 0.3:
            row = world.rows[T][name]
            world.rows[T][name] = replace(row, relations={"parent": rng.choice(names)})
    world.required = frozenset({"home"}) if rng.random() < 0.2 else frozenset()
    return world


def meant(world: World, value: Any) -> Any:
    """What a relation to a template means, whatever its entity is called: (template, wanted by this stack)."""
    if isinstance(value, list):
        return sorted({str(meant(world, each)) for each in value})
    name = OldName.read(value or "")
    return name.template if name else value


@given(worlds(), st.integers(0, 40))
def test_nobody_loses_anything_and_it_converges_wherever_it_is_killed(world: World, killed_after: int) -> None:
    plan = world.plan()
    going = plan.going

    # What goes is proven: a sibling of one that stays and lives in Coder, or deleted in Coder. Never signed by anybody.
    wanted = {numbered(number) for number in world.live if number not in world.left_out}
    keepers = {family.keeper.identifier: family.template for family in plan.families}
    for blueprint, ids in going.items():
        for identifier in ids:
            name = OldName.read(identifier)
            template_id = name.template if name else identifier
            assert MANAGED_BY not in world.rows[blueprint][identifier].properties
            assert template_id in world.gone or (template_id in wanted and template_id in keepers.values())
            assert identifier not in keepers

    if plan.foreign:
        return  # refused: nothing of it is done
    whole = applied(world, plan)

    # It changes nothing when it is done again, and what it was foretold to be it is.
    assert whole.plan().nothing
    foretold = after(plan, {T: world.rows[T], W: world.rows[W]})
    assert {name: set(rows) for name, rows in foretold.items()} == {T: set(whole.rows[T]), W: set(whole.rows[W])}

    # One entity for each template, under its id, unless a sibling is needed by others.
    for identifier in wanted:
        if any((name := OldName.read(each)) and name.template == identifier for each in world.rows[T]):
            assert identifier in whole.rows[T]

    # Relations mean the same as before; those to what Coder has deleted are empty.
    for blueprint in ("service", W):
        for identifier, row in whole.rows[blueprint].items():
            for relation in ("image", "images", "template_id"):
                before, now = world.rows[blueprint][identifier].relations.get(relation), row.relations.get(relation)
                left = [each for each in before if each not in {g.identifier for g in plan.gone}] if isinstance(
                    before, list
                ) else (None if before in {g.identifier for g in plan.gone} else before)  # fmt: skip
                assert meant(whole, now or None) == meant(world, left or None) or (now in ([], None) and not left)

    # A run that was killed leaves a Port from which the next one ends in the same place.
    cut = copy.deepcopy(world)
    for number, step in enumerate(steps(plan)):
        if number >= killed_after:
            break
        do(cut, step)
    again = cut.plan()
    assert not again.foreign
    healed = applied(cut, again)
    assert {name: set(rows) for name, rows in healed.rows.items()} == {n: set(rows) for n, rows in whole.rows.items()}
    assert relations_of(healed) == relations_of(whole)
    assert healed.plan().nothing


def relations_of(world: World) -> Mapping[tuple[str, str], Any]:
    return {
        (name, key): {relation: value for relation, value in row.relations.items() if value not in (None, [])}
        for name, rows in world.rows.items()
        for key, row in rows.items()
    }


def undone(world: World, adoption: Adoption) -> World:
    """Port after the undo of what was done, step by step as Port does it."""
    record = Record(
        run="20261127T000000Z-0000",
        how="adopt",
        stack="coderport/dev",
        deployment="here",
        port_organization="org",
        started=datetime(2026, 11, 27, tzinfo=timezone.utc),
        entities=tuple(images_of(adoption)),
        pointers=tuple(pointers_of(adoption, world.sources())),
    )
    done = applied(world, adoption)
    now = Now({(name, key): row for name, rows in done.rows.items() for key, row in rows.items()}, {})
    undo = undo_of(record, now, OWNER)
    assert not undo.stays and not undo.delete
    for (blueprint, identifier), body in undo.rename.items():
        values = Renaming(dict(body.get("properties", {})))
        do(done, ("rename", identifier, body["identifier"], values))
        assert blueprint == T
    for bodies in (undo.write, undo.point):
        for (blueprint, identifier), body in sorted(bodies.items()):
            held = done.rows[blueprint].get(identifier) or entity(identifier, blueprint)
            properties = {**held.properties, **body.get("properties", {})}
            relations = {**held.relations, **body.get("relations", {})}
            done.rows[blueprint][identifier] = replace(held, properties=properties, relations=relations)
    return done


@dataclass(frozen=True)
class Renaming:
    """What a rename sets besides the identifier."""

    properties: Mapping[str, Any]


@given(worlds())
def test_an_undo_gives_back_all_that_was_there(world: World) -> None:
    plan = world.plan()
    if plan.foreign:
        return
    back = undone(world, plan)
    assert {name: set(rows) for name, rows in back.rows.items()} == {n: set(rows) for n, rows in world.rows.items()}
    assert relations_of(back) == relations_of(world)
    for name, rows in world.rows.items():
        for key, row in rows.items():
            has = {each: value for each, value in back.rows[name][key].properties.items() if value is not None}
            assert has == row.properties
