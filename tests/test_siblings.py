"""The templates of sibling stacks: which they are, and that nothing but the actions depends on them."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime, timezone
from typing import Any

import httpx
from catalog_samples import CONTEXT, ELSEWHERE, MARK, held, holding, numbered, snapshot, template, workspace
from engine_model import SETTINGS

from coderport.catalog.actions.declared import START, create_from
from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.models import Template
from coderport.coder.parameters import RichParameter, TemplateForm
from coderport.coder.reading.snapshot import Fate
from coderport.guard.verdict import Verdict
from coderport.kinds.inventory import inventory_of
from coderport.kinds.template import TEMPLATE, template_entity
from coderport.kinds.workspace import WORKSPACE, workspace_entity
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.planning.past import Past
from coderport.planning.plan import Plan, judge
from coderport.planning.siblings import (
    ids_to_prove,
    read_templates,
    templates_of_siblings,
    templates_offered,
    unkept_templates,
)
from coderport.port.models import Organization, PortEntity
from coderport.settings import Releases

SIBLING = "coderport/research"


def of(number: int) -> Template:
    return template(id=numbered(number), name=f"template-{number}", organization_id=ELSEWHERE, organization_name="labs")


def kept(number: int, **properties: Any) -> PortEntity:
    return held(template_entity(of(number), CONTEXT), **{"managed_by": SIBLING, **properties})


def holdings(*entities: PortEntity) -> Holdings:
    return Holdings(Organization("org", ""), {}, holding(*entities), {})


def test_they_are_those_that_other_stacks_of_the_project_keep_for_this_deployment() -> None:
    port = holdings(
        kept(1),
        kept(2, managed_by="coderport/platform"),
        kept(3, managed_by=str(MARK)),
        kept(4, managed_by="other/research"),
        kept(5, managed_by=None),
        kept(6, coder_deployment=numbered(99)),
        dataclasses.replace(kept(7), identifier="../users/me"),
    )
    assert templates_of_siblings(port, MARK, CONTEXT.deployment_id) == {numbered(1), numbered(2)}


def test_only_those_that_the_read_did_not_see_are_asked_for_and_what_coder_does_not_show_is_left_out() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(identifier := request.url.path.rsplit("/", 1)[-1])
        if identifier == numbered(4):
            return httpx.Response(404, json={"message": "Resource not found"})
        return httpx.Response(200, json=of(3).model_dump(mode="json"))

    seen = snapshot(of(1), outside_templates={numbered(2): of(2)})

    async def run() -> tuple[Template, ...]:
        async with CoderClient("https://coder.example.com", "t", transport=httpx.MockTransport(answer)) as client:
            return await read_templates(client, seen, [numbered(number) for number in (1, 2, 3, 4)])

    assert [each.id for each in asyncio.run(run())] == [numbered(1), numbered(2), numbered(3)]
    assert sorted(asked) == [numbered(3), numbered(4)]


def with_a_form(*of_siblings: Template, forget_unproven: int = 0, **fields: Any) -> tuple[Plan, Verdict]:
    """Of a stack that has declared the form of a sibling's template, which Port has no entity of."""
    own, theirs = template(), of(1)
    memory = Memory(
        state=MARK.state,
        stack=MARK.stack,
        deployment=CONTEXT.deployment_id,
        actions=frozenset({create_from(own.id), create_from(theirs.id)}),
        declared={TEMPLATE.identifier: frozenset({own.id})},
    )
    past = Past(memory, holdings(held(template_entity(own, CONTEXT))), MARK)
    assert unkept_templates(past, SETTINGS) == {theirs.id}
    assert templates_offered(past, SETTINGS, CONTEXT.deployment_id) == {theirs.id}
    assert ids_to_prove(past, SETTINGS)[TEMPLATE.identifier] == {own.id, theirs.id}
    forms = {each.id: TemplateForm(each.id, each.active_version_id) for each in (own, theirs)}
    releases = Releases(forget_unproven=forget_unproven)
    seen, now = inventory_of(snapshot(own, **fields)), datetime(2026, 11, 21, tzinfo=timezone.utc)
    return judge(SETTINGS, releases, past, seen, forms, now, of_siblings)


def test_the_form_of_a_template_that_lives_stays_where_no_stack_keeps_that_and_is_said() -> None:
    form = create_from(of(1).id)
    several: tuple[dict[str, Any], ...] = ({}, {"outside_templates": {of(1).id: of(1)}})
    for fields in several:
        plan, verdict = with_a_form(of(1), **fields)
        assert (verdict.refused, form in plan.memory.actions) == (False, True)
        (said,) = [each for each in plan.notes if "no stack keeps it in Port" in each]
        assert said.endswith("up --stack NAME --forget-unproven 1")
        plan, verdict = with_a_form(of(1), forget_unproven=1, **fields)
        assert (verdict.refused, form in plan.memory.actions) == (False, False)


def test_the_form_of_a_template_that_coder_does_not_show_goes_by_coders_proof_alone() -> None:
    form = create_from(of(1).id)
    plan, verdict = with_a_form(template_fates={of(1).id: Fate.UNPROVEN})
    assert "1 whose form Coder did not show, which does not say either that they were deleted" in verdict.text()
    plan, verdict = with_a_form(template_fates={of(1).id: Fate.GONE})
    assert (verdict.refused, form in plan.memory.actions) == (False, False)


def test_nothing_but_the_actions_depends_on_them() -> None:
    own, theirs = template(), of(1)
    going = workspace(id=numbered(50), name="going")
    mine = [
        template_entity(own, CONTEXT),
        *(workspace_entity(each, CONTEXT, {Ref("coder_template", own.id)}) for each in (workspace(), going)),
    ]
    of_theirs = workspace_entity(
        workspace(id=numbered(51), template_id=theirs.id), CONTEXT, {Ref("coder_template", theirs.id)}
    )
    past = Past(Memory(), holdings(*map(held, mine), kept(1), held(of_theirs, managed_by=SIBLING)), MARK)
    seen = snapshot(own, workspace(), workspace_fates={going.id: Fate.GONE})
    size = RichParameter(name="size", mutable=True)
    forms = {own.id: TemplateForm(own.id, own.active_version_id)}
    wider = {**forms, theirs.id: TemplateForm(theirs.id, theirs.active_version_id, (size,))}

    def judged(read: dict[str, TemplateForm], *of_siblings: Template) -> tuple[Plan, Verdict]:
        now = datetime(2026, 11, 21, tzinfo=timezone.utc)
        return judge(SETTINGS, Releases(), past, inventory_of(seen), read, now, of_siblings)

    (alone, verdict), (plan, same) = judged(forms), judged(wider, theirs)
    assert same == verdict
    for name in (TEMPLATE.identifier, WORKSPACE.identifier):
        assert plan.disappearing[name] == alone.disappearing[name]
    for field in ("held", "blueprints", "entities", "orphans", "notes"):
        assert getattr(plan, field) == getattr(alone, field), field
    assert plan.memory.declared == alone.memory.declared
    assert plan.orphans[WORKSPACE.identifier] == {going.id}  # proven gone and unknown to the state: not so theirs
    before, after = ({each.identifier: each for each in one.actions} for one in (alone, plan))
    assert after.keys() - before.keys() == {create_from(theirs.id)}
    [values] = after[START].inputs
    assert values.title == "Parameters" and "size" in (values.description or "")
