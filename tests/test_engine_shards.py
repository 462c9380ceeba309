"""Through the real engine: one Coder and one Port shared by four stacks of the same checkout, as docs/scale.md has it.

The stacks are files in a copy of the checkout, and the runs are processes of the command line, side by side as the
jobs of a matrix are. The first stack manages the blueprints and the actions, the last has two organizations.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from coderport.catalog.actions.declared import CREATE, create_from
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo, engine_environment
from coderport.kinds.all import BLUEPRINTS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome
from coderport.stack.project_file import ROOT

pytestmark = pytest.mark.in_order

Json = dict[str, Any]

MANAGING = "prod"
SHARDS = {
    MANAGING: ["coder"],
    "prod-research": ["research"],
    "prod-platform": ["platform"],
    "prod-rest": ["data", "mobile"],
}


@dataclass(frozen=True)
class Ended:
    """How a run's process ended; `said` is what it had for people."""

    code: int
    outcome: Outcome
    said: str


class Checkout:
    """A copy of the checkout with a stack's file for each shard, and a state that the stacks share."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        self._folder, self.pair = folder / "checkout", pair
        for part in ("coderport", "plugins"):
            shutil.copytree(ROOT / part, self._folder / part)
        for part in ("__main__.py", "Pulumi.yaml"):
            shutil.copy2(ROOT / part, self._folder)
        servers = pair.describe()
        self._environment = {
            **engine_environment(os.environ, cli=cli.path, local_state=folder),
            "CODER_API_BASE_URL": servers["coder_url"],
            "CODER_SESSION_TOKEN": servers["coder_token"],
            "PORT_BASE_URL": servers["port_url"],
            "PORT_CLIENT_ID": servers["port_client_id"],
            "PORT_CLIENT_SECRET": servers["port_client_secret"],
        }

    def configure(self, stack: str, **config: Any) -> None:
        """Sets values of the stack's file, as an editor would; the others stay."""
        path = self._folder / f"Pulumi.{stack}.yaml"
        held = yaml.safe_load(path.read_text()) if path.exists() else {"config": {}}
        held["config"].update({f"coderport:{key}": value for key, value in config.items()})
        path.write_text(yaml.safe_dump(held))

    def up(self, *stacks: str) -> dict[str, Ended]:
        """`up` of these stacks at once, each in a process of its own."""
        runs = {
            stack: subprocess.Popen(
                [sys.executable, "-m", "coderport", "up", "--stack", stack, "--json"],
                cwd=self._folder, env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for stack in stacks
        }  # fmt: skip
        ended = {}
        for stack, run in runs.items():
            printed, said = run.communicate(timeout=600)
            assert printed, said
            answer = {**json.loads(printed.splitlines()[-1]), "exit_code": run.returncode}
            ended[stack] = Ended(run.returncode, Outcome.model_validate(answer), said)
        return ended

    def converge(self, *stacks: str) -> dict[str, Outcome]:
        """`up` of these stacks at once; all of them must succeed."""
        ended = self.up(*stacks)
        assert {each.code for each in ended.values()} == {0}, [each.said for each in ended.values()]
        return {stack: each.outcome for stack, each in ended.items()}

    def held(self) -> dict[str, Json]:
        """Every entity of both blueprints in Port, by its identifier."""
        port = self.pair.port
        return {each["identifier"]: each for blueprint in BLUEPRINTS for each in port.entities(blueprint.identifier)}

    def owners(self) -> dict[str, str]:
        """The stack that each entity says it belongs to."""
        return {
            identifier: each["properties"]["managed_by"].partition("#")[0] for identifier, each in self.held().items()
        }

    def expected(self) -> dict[str, str]:
        """The stack that each object of Coder belongs to, by the organization that it is in."""
        state = self.pair.coder.state
        stacks = {name: stack for stack, names in SHARDS.items() for name in names}
        with state.lock:
            places = {each.id: each.organization_id for each in state.undeleted()}
            places |= {each.id: each.organization_id for each in state.templates.values() if not each.deleted}
            names = {each.id: each.name for each in state.organizations.values()}
        return {identifier: f"coderport/{stacks[names[place]]}" for identifier, place in places.items()}

    def workspaces(self, organization: str) -> list[str]:
        """The ids of an organization's workspaces."""
        of = self.pair.coder.organization(organization).id
        ids = sorted(self.pair.coder.workspace_ids())
        return [each for each in ids if self.pair.coder.workspace(each).organization_id == of]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=11, workspaces=30, templates=10, organizations=5, users=10) as pair:
        checkout = Checkout(tmp_path_factory.mktemp("shards"), cli, pair)
        for stack, organizations in SHARDS.items():
            manages = "manage" if stack == MANAGING else "use"
            checkout.configure(stack, organizations=organizations, blueprints=manages, protectBlueprints=False)
        checkout.configure(MANAGING, actions={"backend": "github", "repository": "acme/platform"})
        yield checkout


def test_four_stacks_fill_one_port_each_with_what_is_its_own(checkout: Checkout) -> None:
    organizations = sorted(each.name for each in checkout.pair.coder.state.organizations.values())
    assert organizations == sorted(chain(*SHARDS.values()))
    checkout.converge(MANAGING)
    others = [stack for stack in SHARDS if stack != MANAGING]
    outcomes = checkout.converge(*others)
    assert checkout.owners() == checkout.expected()
    # Blueprints and actions are the first stack's.
    assert {outcomes[stack].kinds.other.changed for stack in others} == {0}
    templates = checkout.pair.coder.template_ids()
    for identifier in checkout.pair.coder.workspace_ids():
        assert checkout.held()[identifier]["relations"]["template_id"] in templates


def test_a_change_in_one_organization_is_written_by_its_stack_alone(checkout: Checkout) -> None:
    coder = checkout.pair.coder
    stopped, deleted = [each for each in checkout.workspaces("research") if coder.workspace(each).running][:2]
    template = coder.workspace(stopped).template_id
    coder.stop(stopped)
    coder.delete_workspace(deleted)
    coder.create_workspace(template=coder.template(template).name)
    outcomes = checkout.converge(*SHARDS)
    workspaces = outcomes["prod-research"].kinds.workspace
    assert (workspaces.created, workspaces.updated, workspaces.deleted) == (1, 1, 1)
    for stack in SHARDS.keys() - {"prod-research", MANAGING}:
        assert (outcomes[stack].result, outcomes[stack].port_writes) == ("unchanged", 0)
    kinds = outcomes[MANAGING].kinds  # it saw the others' templates in Port for the first time, and took none of them
    assert (kinds.template.changed, kinds.workspace.changed) == (0, 0)
    assert checkout.owners() == checkout.expected()


def test_the_managing_stack_declares_the_actions_and_the_forms_of_all_stacks_templates(checkout: Checkout) -> None:
    state, actions = checkout.pair.coder.state, checkout.pair.port.objects()["actions"]
    with state.lock:
        offered = {each.id for each in state.templates.values() if not each.deleted and not each.deprecated}
    assert {each for each in checkout.pair.coder.template_ids() if create_from(each) in actions} == offered
    assert {checkout.expected()[each] for each in offered} == {f"coderport/{stack}" for stack in SHARDS}
    assert CREATE in actions


def test_a_stack_that_claims_what_others_hold_is_refused_and_told_who_they_are(checkout: Checkout) -> None:
    checkout.configure("prod-two", organizations=["mobile", "platform"], blueprints="use")
    before = checkout.held()
    ended = checkout.up("prod-two")["prod-two"]
    assert (ended.code, ended.outcome.result, ended.outcome.port_writes) == (3, "refused", 0)
    for stack, organization in (("prod-platform", "platform"), ("prod-rest", "mobile")):
        assert f"If coderport/{stack} should keep its own: leave {organization} out" in ended.outcome.message
    assert checkout.held() == before


def test_an_organization_is_handed_over_in_two_steps_and_no_entity_goes(checkout: Checkout) -> None:
    port, handed_over = checkout.pair.port, checkout.workspaces("data")
    blueprint = port.blueprint(WORKSPACE.identifier)
    assert blueprint is not None and handed_over
    blueprint["schema"]["properties"]["tier"] = {"type": "string", "title": "Tier"}
    port.put_blueprint(blueprint)
    port.put_entity(WORKSPACE.identifier, {"identifier": handed_over[0], "properties": {"tier": "gold"}})
    created_at = {identifier: each["createdAt"] for identifier, each in checkout.held().items()}

    checkout.configure("prod-platform", organizations=["platform", "data"], takeOver=True)
    taken = checkout.converge("prod-platform")["prod-platform"]
    assert (taken.kinds.workspace.created, taken.kinds.workspace.updated) == (0, len(handed_over))
    refused = checkout.up("prod-rest")["prod-rest"]
    assert (refused.code, refused.outcome.port_writes) == (3, 0)
    assert "managed by coderport/prod-platform" in refused.outcome.message

    checkout.configure("prod-rest", organizations=["mobile"])
    checkout.configure("prod-platform", takeOver=False)
    ended = checkout.up("prod-rest", "prod-platform")
    assert (ended["prod-rest"].code, ended["prod-rest"].outcome.port_writes) == (0, 0)
    released = ended["prod-rest"].outcome.kinds.workspace
    assert (released.deleted, released.released) == (0, len(handed_over))
    note = f"{len(handed_over) + 2} of this stack's entities belong to coderport/prod-platform now"
    assert note in ended["prod-rest"].said
    assert ended["prod-rest"].said.count(" stays in Port") == 5  # by name; thousands may move at once
    assert (ended["prod-platform"].code, ended["prod-platform"].outcome.result) == (0, "unchanged")

    owners = checkout.owners()
    assert {owners[each] for each in handed_over} == {"coderport/prod-platform"}
    assert checkout.held()[handed_over[0]]["properties"]["tier"] == "gold"
    assert {identifier: each["createdAt"] for identifier, each in checkout.held().items()} == created_at
    assert owners.keys() == checkout.expected().keys()
    assert set(port.objects()["blueprints"]) >= {TEMPLATE.identifier, WORKSPACE.identifier}
