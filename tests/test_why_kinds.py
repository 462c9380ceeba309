"""`why` and `doctor` on every kind: there, left out, ended, not read, switched off; told as a run goes by it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from catalog_samples import CONTEXT, template, workspace
from lab import Lab, laboratory

from coderport.catalog.meaning import TITLE
from coderport.coder.client import CoderClient
from coderport.coder.fate import Fate
from coderport.doctor.coder import coder_checks
from coderport.engine import CliInfo
from coderport.kinds import mapping
from coderport.kinds.all import KIND_OF, KINDS, difference
from coderport.kinds.kind import Chosen, Kind
from coderport.why.answer import answers
from coderport.why.gathering import gathered
from coderport.why.knowledge import Knowledge
from coderport.why.properties import of_kind, of_object
from coderport.why.sources import source_of
from coderport.why.statement import Answer, shown

NAMES = {each.words[0]: each.name for each in KINDS}


@dataclass
class House:
    """A converged stack with all kinds, after which one of each kind ended in Coder: `ended` has what Port calls it."""

    lab: Lab
    ended: dict[str, str]
    knowledge: Knowledge

    @contextmanager
    def with_settings(self, **changed: Any) -> Iterator[Knowledge]:
        """What a run would know with other settings."""
        stack = self.lab.stack
        settings = stack.settings().model_copy(update=changed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stack, "settings", lambda: settings)
            yield gathered(stack)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[House]:
    sizes = {"workspaces": 5, "templates": 2, "users": 4, "organizations": 1, "prebuilds": 1}
    with laboratory(tmp_path_factory.mktemp("why-kinds"), cli, flavour="newest", **sizes) as lab:
        coder = lab.coder
        coder.create_template("left-out")
        coder.fail(coder.create_workspace(template="left-out", name="hidden"))
        broken, doomed = coder.create_workspace(name="broken"), coder.create_workspace(name="doomed")
        coder.fail(broken)
        old = coder.create_template("old")
        group, proxy = coder.create_group("short-lived"), coder.create_proxy("sydney")
        user, organization = coder.create_user("leaver"), coder.create_organization("passing")
        lab.stack.configure({"kinds": "all", "excludeTemplates": ["left-out"]})
        lab.up()
        home = coder.organization("default")
        failure = f"admin/broken #{coder.workspace(broken).build.number}"
        titles = {
            "group": "short-lived", "proxy": "Sydney", "user": "leaver", "organization": "Passing", "template": "old",
            "version": "old/v1", "preset": "old/Standard", "workspace": "admin/doomed", "agent": "admin/doomed/main",
            "failure": failure, "provisioner": "vm-2", "quota": f"leaver in {home.display_name or home.name}",
        }  # fmt: skip
        coder.delete_group(group)
        coder.delete_proxy(proxy)
        coder.delete_user(user)
        coder.delete_organization(organization)
        coder.delete_workspace(doomed)
        coder.delete_template(old)
        coder.stop(broken)
        coder.set_provisioners(2)
        coder.set_user(coder.create_user("newcomer"), name="New Comer")
        settings, memory, resources = lab.stack.settings(), lab.stack.memory(), lab.stack.resources()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (("settings", settings), ("memory", memory), ("resources", resources)):
                patch.setattr(lab.stack, name, lambda value=value: value)
            yield House(lab, titles, gathered(lab.stack))


def one(knowledge: Knowledge, asked: str, kind: str) -> Answer:
    (found,) = [each for each in answers(knowledge, asked) if each.kind == kind]
    return found


def said(answer: Answer, topic: str) -> str:
    return " ".join(each.said for each in answer.statements if each.topic == topic)


@pytest.mark.parametrize("kind", NAMES)
def test_one_that_is_there_is_found_by_title_id_and_address(house: House, kind: str) -> None:
    entity = next(each for each in house.knowledge.entities.values() if each.blueprint == NAMES[kind])
    for asked in (entity.identifier, entity.title):
        answer = next(each for each in answers(house.knowledge, asked) if each.identifier == entity.identifier)
        assert said(answer, "coder") == "In Coder, and seen by this token."
        assert said(answer, "scope") == "In scope."
    if kind != "proxy" and (url := entity.properties.get("url")):
        found = [each for each in answers(house.knowledge, str(url)) if each.kind == kind]
        assert entity.identifier in [each.identifier for each in found]


def test_every_property_of_every_object_is_told_as_it_is(house: House) -> None:
    """The value in Coder, that in Port, and what the next run does, held against the run's own comparison."""
    knowledge, told = house.knowledge, Counter[str]()
    for ref, entity in knowledge.entities.items():
        held = knowledge.held(ref)
        differs = {} if held is None else difference(entity, held)
        waiting = knowledge.waiting(ref)
        for each in KIND_OF[ref.blueprint].blueprint.properties:
            said_of = {one.topic: one.said for one in of_object(knowledge, ref, each.identifier)}
            value = knowledge.seen[ref].properties.get(each.identifier)
            assert said_of["coder"] == f"Coder has {shown(value)}."
            if held is None:
                assert said_of["port"] == "The object is not in Port." and "creates it" in said_of["next run"]
                told["missing"] += 1
                continue
            assert said_of["port"] == f"Port has {shown(held.properties.get(each.identifier))}."
            written = each.identifier in differs
            assert said_of["next run"].startswith("The next run writes it." if written else "The next run leaves it")
            found = [one.said for one in of_object(knowledge, ref, each.identifier) if one.topic == "property"]
            same = "The same in Coder and in Port." in found
            assert same is not (written or each.identifier in waiting)
            told["differs" if written else "same"] += 1
    assert min(told["missing"], told["differs"], told["same"]) > 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.words[0])
def test_every_property_of_a_kind_is_told_with_its_source(house: House, kind: Kind[Any]) -> None:
    for each in kind.blueprint.properties:
        statements = list(of_kind(house.knowledge, kind.name, each.identifier))
        source = next(one.said for one in statements if one.topic == "coder")
        by_argument = (kind.words[0], each.identifier) == ("failure", "owner_name")
        assert source.startswith("Made by " if by_argument else "From ")
        assert any(one.said == "Port's blueprint has it as it is declared." for one in statements)


@pytest.mark.parametrize(
    ("kind", "row"), [(KIND_OF["coder_workspace"], workspace()), (KIND_OF["coder_template"], template())]
)
def test_the_source_that_is_told_is_what_gives_the_value(kind: Kind[Any], row: Any) -> None:
    entity = kind.entity(row, CONTEXT, Chosen())
    names = {**vars(mapping), **vars(sys.modules[kind.entity.__module__])}
    names |= {"workspace": row, "template": row, "of": row, "context": CONTEXT}
    for each in kind.blueprint.properties:
        value = eval(source_of(kind, each.identifier), names)
        assert (value if value not in ("", []) else None) == entity.properties.get(each.identifier)
    assert eval(source_of(kind, TITLE), names) == entity.title


def test_a_user_is_found_before_port_has_one_and_by_every_name(house: House) -> None:
    for asked in ("newcomer", "New Comer", "newcomer@example.com", "@newcomer"):
        answer = one(house.knowledge, asked, "user")
        assert said(answer, "port") == "Not in Port." and "creates it" in said(answer, "next run")


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("version", "left-out/v1"),
        ("preset", "left-out/Standard"),
        ("workspace", "admin/hidden"),
        ("failure", "admin/hidden #2"),
    ],
)
def test_one_that_is_left_out_has_its_name_and_the_pattern(house: House, kind: str, asked: str) -> None:
    answer = one(house.knowledge, asked, kind)
    assert answer.title == asked
    assert said(answer, "coder") == "In Coder, and seen by this token."
    assert "coderport:excludeTemplates: left-out has left-out" in said(answer, "scope")
    assert said(answer, "next run") == "No run creates it."


@pytest.mark.parametrize("kind", sorted(set(NAMES) - {"licence"}))
def test_one_that_ended_is_told_by_the_proof_of_its_kind(house: House, kind: str) -> None:
    answer = one(house.knowledge, house.ended[kind], kind)
    its = KIND_OF[NAMES[kind]]
    assert house.knowledge.read.listings[its.name].fates[answer.identifier] is Fate.GONE
    assert said(answer, "coder").lower() == f"{its.end}: {its.proof}.".lower()
    assert said(answer, "next run") == f"The next run deletes it, because it is {its.end}."
    assert said(answer, "port").startswith("In Port, ")


def test_a_build_that_is_not_the_latest_any_more_was_not_deleted(house: House) -> None:
    """Nobody deleted it: what is derived ends, and every text of a run says how."""
    answer = one(house.knowledge, house.ended["failure"], "failure")
    assert "deleted in coder" not in " ".join(each.said for each in answer.statements).lower()


def test_a_kind_that_the_token_may_not_read_is_not_spoken_of_as_seen(house: House) -> None:
    token = type(house.lab.stack.settings().coder_session_token)(house.lab.coder.create_token("template-admin"))
    with house.with_settings(coder_session_token=token) as knowledge:
        for kind in ("provisioner", "licence"):
            held = next(iter(knowledge.past.held.entities[NAMES[kind]].values()))
            answer = one(knowledge, held.identifier, kind)
            assert said(answer, "coder").startswith("This kind was not read: the token may not read every ")
            assert said(answer, "scope").startswith("Not known, because this kind was not read")
            assert "Coder has no value" not in said(answer, "property")
            assert said(answer, "next run") == "The next run leaves it as it is."
        (answer,) = answers(knowledge, "no-such-thing")
        assert "licence" not in said(answer, "unknown") and "Licences were not read: " in said(answer, "coder")
        ghost = one(knowledge, house.ended["group"], "group")
        assert said(ghost, "coder").startswith("Deleted in Coder: ")


def test_without_a_licence_coders_own_words_are_given(house: House) -> None:
    house.lab.coder.set_licensed(False)
    try:
        knowledge = gathered(house.lab.stack)
    finally:
        house.lab.coder.set_licensed(True)
    answer = one(knowledge, house.ended["group"], "group")
    assert (
        said(answer, "coder")
        == "This kind was not read: Coder says: Template RBAC is a Premium feature. Contact sales."
    )
    assert said(answer, "next run") == "The next run leaves it as it is."  # it has ended, and nobody says so now


def test_of_a_kind_that_is_off_nothing_is_said_of_coder(house: House) -> None:
    with house.with_settings(kinds=("organization",)) as knowledge:
        assert "coderport:kinds does not ask for " in said(one(knowledge, "newcomer", ""), "scope")
        held = next(iter(knowledge.past.held.entities["coder_user"].values()))
        answer = one(knowledge, held.identifier, "user")
        assert said(answer, "coder") == "coderport:kinds does not ask for this kind, so Coder was not asked."
        assert "no longer asked for by coderport:kinds" in said(answer, "scope")
        assert said(answer, "next run").endswith("The guard would refuse that run.")
        of_users = knowledge.verdict.text().split("users: ")[1].split("\nversions: ")[0]
        assert "alive in Coder" not in of_users and "The settings ask for no users." in of_users


def test_doctor_says_which_kinds_a_run_reads_with_the_token(house: House) -> None:
    settings, coder = house.lab.stack.settings(), house.lab.coder

    async def looked_at(token: str) -> str:
        async with CoderClient(settings.coder_api_base_url, token) as client:
            checks = [each async for each in coder_checks(client, settings, datetime.now(timezone.utc))]
        (check,) = [each for each in checks if each.name == "kinds"]
        return f"{check.grade} {check.said}"

    assert asyncio.run(looked_at(coder.token)).startswith("pass By its rights a run reads ")
    weak = asyncio.run(looked_at(coder.create_token("template-admin")))
    assert weak.startswith("warn By its rights a run reads ") and "; not " in weak
    read, unread = weak.split("; not ", 1)
    assert "users" in read and "licences" not in read and "licences (the token may not read every license" in unread
