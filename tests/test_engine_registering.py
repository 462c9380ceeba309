"""Through the real engine: the state is the same whether entities are registered directly or through Pulumi's SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, laboratory
from through_sdk import ThroughSdk

from coderport.engine import CliInfo
from coderport.program import declaration

TIMES = {"created", "modified", "time", "ciphertext"}
"""What differs from run to run: a secret is encrypted anew each time."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(
        tmp_path_factory.mktemp("registering"), cli, workspaces=6, templates=2, users=5, organizations=2
    ) as lab:
        lab.stack.configure({"kinds": "all"})
        yield lab


def exported(lab: Lab) -> dict[str, Any]:
    """The state's resources by URN, without times, and with sorted dependencies: the SDK's are not."""
    state = json.loads(lab.pulumi("stack", "export", "--stack", "lab"))["deployment"]
    return {each["urn"]: settled(each) for each in state["resources"]}


def settled(value: Any) -> Any:
    """The value without times, its lists of URNs in order."""
    if isinstance(value, dict):
        return {key: settled(each) for key, each in value.items() if key not in TIMES}
    if isinstance(value, list):
        each_settled = [settled(each) for each in value]
        urns = all(isinstance(each, str) and each.startswith("urn:") for each in value)
        return sorted(each_settled) if urns else each_settled
    return value


def through_sdk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The state after an `up` that registers entities through the SDK."""
    with monkeypatch.context() as patched:
        patched.setattr(declaration, "Entities", ThroughSdk)
        lab.up()
    return exported(lab)


def test_the_state_is_that_of_the_sdk_but_for_times(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.up()
    before = exported(lab)
    new = lab.coder.create_workspace()

    by_sdk = through_sdk(lab, monkeypatch)
    (made,) = (urn for urn in by_sdk.keys() - before.keys() if "coder_workspace-" in urn)  # its agents are made, too
    assert new in made
    untouched = {urn for urn, each in before.items() if each.get("inputs") == by_sdk[urn].get("inputs")}
    untouched -= {urn for urn in untouched if "pulumi:pulumi:Stack" in urn}  # its outputs tell of the new workspace
    assert len([urn for urn in untouched if "coder_workspace-" in urn]) == 6
    assert {urn: by_sdk[urn] for urn in untouched} == {urn: before[urn] for urn in untouched}

    outcome, _ = lab.up()
    assert outcome.result == "unchanged"
    assert json.dumps(exported(lab), sort_keys=True) == json.dumps(by_sdk, sort_keys=True)
    assert any("coder_user-" in urn for urn in by_sdk), "what others are related to is among them"
