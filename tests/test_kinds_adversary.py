"""Random histories of a Coder that changes, loses and hides while its kinds are read (see `kinds_adversary`)."""

from __future__ import annotations

import functools
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import stamina
import stamina.instrumentation
from coder_talk import Api, Deploy
from kinds_adversary import MISCHIEF, History, alive, something_begins, something_ends
from kinds_lab import GROUP, ORGANIZATION, USER, Known, as_kept, entities, read, verdict_on, wanted

from coderport.catalog.values import LeftOut, Ref
from coderport.coder.errors import CoderError
from coderport.coder.reading import read_snapshot
from coderport.kinds import inventory
from coderport.kinds.inventory import Inventory

pytestmark = pytest.mark.dear

HISTORIES = int(os.environ.get("KINDS_HISTORIES", "50"))
LIMITED = ("coder_organization", "coder_user", "coder_group", "coder_template", "coder_workspace")


@pytest.fixture(autouse=True)
def small_pages_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(inventory, "read_snapshot", functools.partial(read_snapshot, page_limit=4))
    stamina.instrumentation.set_on_retry_hooks([])
    with stamina.set_testing(True, attempts=2):
        yield
    stamina.instrumentation.set_on_retry_hooks(None)


def judged(found: Inventory, there: Mapping[str, Mapping[str, Any]], known: Known) -> tuple[set[Ref], bool, list[str]]:
    """What would leave Port, whether the guard refuses it, and what is wrong about what stays."""
    later = wanted(found, there, known)
    desired = later.ids()
    leaving = {Ref(name, each) for name, ids in known.items() for each in ids - desired.get(name, frozenset())}
    wrong = [
        f"left out by an organization: {ref}" for ref, why in later.left_out.items() if why is LeftOut.ORGANIZATION
    ]
    return leaving, verdict_on(found, later, there, known).refused, wrong


def cleared(found: Inventory, there: Mapping[str, Mapping[str, Any]], known: Known) -> list[str]:
    """Values that Coder may hide, and that Port would lose though what they lead to stays."""
    after, wrong = entities(wanted(found, there, known)), list[str]()
    for name, key, target in ((GROUP, "users", USER), (USER, "organizations", ORGANIZATION)):
        for identifier, before in there.get(name, {}).items():
            entity = after.get(Ref(name, identifier))
            stays = [each for each in before.relations.get(key, ()) if Ref(target, each) in after]
            if entity is not None and stays and not entity.relations.get(key):
                wrong.append(f"{key} of {name} {identifier} cleared")
    for identifier, before in there.get(ORGANIZATION, {}).items():
        entity = after.get(Ref(ORGANIZATION, identifier))
        if entity is not None and "members" in before.properties and "members" not in entity.properties:
            wrong.append(f"members of {identifier} cleared")
    return wrong


def test_nothing_that_lives_leaves_port_without_a_release_whatever_is_not_shown(
    deploy: Deploy, figure: Callable[[str], None]
) -> None:
    api = deploy(workspaces=4, templates=2, organizations=2, users=5, prebuilds=2, flavour="newest")
    coder, seen, wrong = api.emulator, Counter[str](), list[str]()
    for seed in range(HISTORIES):
        chance = random.Random(-seed - 1)
        something_begins(api, seed)
        site = chance.random() < 0.7
        places = dict.fromkeys(coder.state.organizations, ("organization-admin",))
        reader = coder.create_user(
            f"reader-{seed}", roles=("owner",) if site else (), organizations=dict(places) if not site else None
        )
        token = coder.create_token(user=reader)
        known, there = as_kept(read(api, token=token))
        something_ends(api, chance, seed)
        before = alive(api)
        victims = [each.id for each in coder.state.users.values() if each.username.startswith("spare-")]
        victims = [each for each in victims if not coder.state.users[each].deleted]
        history = History(api, seed, reader, victims)
        try:
            found = read(api, token=token, known=known, client=history.client(), in_port=there)
        except CoderError:
            seen["failed"] += 1
            found = None
        if found is not None:
            now = alive(api)
            living = {Ref(name, each) for name, ids in before.items() for each in ids & now[name]}
            leaving, refused, said = judged(found, there, known)
            what = f"seed {seed} {sorted(history.mischief)}"
            wrong += [f"{what}: {each}" for each in said]
            if not refused:
                wrong += [f"{what}: {each} lives" for each in sorted(leaving & living)]
                if not history.mischief & {"deaths", "a membership is lost", "a right is lost"}:
                    wrong += [f"{what}: {each}" for each in cleared(found, there, known)]
            wrong += [
                f"{what}: {each} called gone" for each in sorted(found.gone & living) if each.blueprint in LIMITED
            ]
            seen["refused" if refused else "permitted"] += 1
            seen.update(f"{each.blueprint} gone" for each in leaving if not refused)
        history.end()
    figure(f"unkind reads of kinds, {HISTORIES} histories: {dict(seen)}")
    assert wrong == [], "\n".join(wrong)
    # A read that always fails, or a guard that always refuses, would pass the above.
    assert min(seen["permitted"], seen["refused"]) > HISTORIES / 10
    ended = ("user", "group", "provisioner_daemon", "workspace_proxy", "quota")
    assert min(seen[f"coder_{each} gone"] for each in ended) > 0


def test_every_kind_of_mischief_is_drawn(api: Api) -> None:
    drawn = Counter(each for seed in range(100) for each in History(api, seed, "", []).mischief)
    assert drawn.keys() == set(MISCHIEF)
