"""What a stack remembers between runs survives the way through its outputs, or is refused."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderport.memory import Memory, MemoryUnreadableError, digest, packed, recalled, unpacked

IDS = st.frozensets(st.uuids().map(str), max_size=50)


@given(templates=IDS, workspaces=IDS)
def test_a_memory_comes_back_from_its_outputs(templates: frozenset[str], workspaces: frozenset[str]) -> None:
    memory = Memory(
        deployment="deployment",
        port_organization="org",
        blueprints=frozenset({"coder_template"}),
        actions=frozenset({"coder_start_workspace"}),
        declared={"coder_template": templates, "coder_workspace": workspaces},
        digests={name: digest(name) for name in (*templates, *workspaces, "coder_start_workspace")},
        fit="0123",
    )
    assert recalled(json.loads(json.dumps(memory.outputs()))) == memory


def test_no_outputs_are_a_first_run() -> None:
    assert recalled({}).first_run


@pytest.mark.parametrize(
    "outputs",
    [
        {"somethingElse": 1},
        {"coderport": None},
        {"coderport": {"format": 2}},
        {
            "coderport": {
                "format": 1,
                "deployment": "d",
                "portOrganization": "o",
                "blueprints": [],
                "declared": {"x": "!"},
            }
        },
        {
            "coderport": {
                "format": 1,
                "deployment": "d",
                "portOrganization": "o",
                "blueprints": [],
                "declared": {"x": "AAAA"},
            }
        },
    ],
)
def test_outputs_that_cannot_be_understood_are_never_taken_for_a_first_run(outputs: dict[str, object]) -> None:
    with pytest.raises(MemoryUnreadableError):
        recalled(outputs)


def test_an_id_takes_less_than_22_characters() -> None:
    ids = {str(uuid.UUID(int=number)) for number in range(300)}
    assert len(packed(ids)) == 6400
    assert unpacked(packed(ids)) == ids
