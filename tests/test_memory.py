"""What a stack remembers between runs survives the way through its outputs, or is refused."""

from __future__ import annotations

import base64
import json
import random
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
        {"coderport": {"format": 3}},
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


def test_a_memory_of_format_1_has_ids_and_no_digests() -> None:
    ids = {str(uuid.UUID(int=number)) for number in range(3)}
    text = base64.b64encode(b"".join(uuid.UUID(each).bytes for each in sorted(ids))).decode()
    memory = recalled(
        {
            "coderport": {
                "format": 1,
                "deployment": "d",
                "portOrganization": "o",
                "blueprints": [],
                "actions": ["coder_start_workspace"],
                "declared": {"coder_workspace": text},
            }
        }
    )
    assert memory.declared == {"coder_workspace": ids}
    assert memory.actions == {"coder_start_workspace"}
    assert digest("anything") not in memory.digests.values()


@pytest.mark.parametrize("number", [0, 1, 64, 65, 1024, 1025, 20_000])
def test_texts_stay_short_however_many_ids_there_are(number: int) -> None:
    chance = random.Random(number)
    marks = {str(uuid.UUID(int=chance.getrandbits(128))): digest(at) for at in range(number)}
    texts = packed(marks)
    assert unpacked(texts) == marks
    assert max(map(len, texts.values()), default=0) < 4_000


def test_one_more_id_changes_one_text() -> None:
    chance = random.Random(1)
    marks = {str(uuid.UUID(int=chance.getrandbits(128))): digest(at) for at in range(2000)}
    before = packed(marks)
    after = packed({**marks, str(uuid.UUID(int=chance.getrandbits(128))): digest("new")})
    assert sum(after[bucket] != before.get(bucket) for bucket in after) == 1
