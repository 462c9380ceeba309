"""What a stack remembers between runs survives the way through its outputs, or is refused."""

from __future__ import annotations

import base64
import json
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.digest import digest
from coderport.catalog.values import Ref
from coderport.guard.deletions import ACTION
from coderport.guard.ownership import Mark
from coderport.planning.memory import (
    FORMAT,
    Memory,
    MemoryUnreadableError,
    completed,
    packed,
    rebuilt,
    recalled,
    unpacked,
    unreadable,
)

IDS = st.frozensets(
    st.one_of(
        st.uuids().map(str),
        st.text("abcdefXYZ0189@_.+:\\\\/='- \N{SNOWMAN}", min_size=1),
        st.just("texts"),
        st.just("all"),
    ),
    max_size=50,
)


@given(templates=IDS, workspaces=IDS)
def test_a_memory_comes_back_from_its_outputs(templates: frozenset[str], workspaces: frozenset[str]) -> None:
    memory = Memory(
        deployment="deployment",
        port_organization="org",
        blueprints=frozenset({"coder_template"}),
        actions=frozenset({"coder_start_workspace"}),
        declared={"coder_template": templates, "coder_workspace": workspaces},
        digests={
            **{Ref("coder_template", each): digest(each) for each in templates},
            **{Ref("coder_workspace", each): digest([each]) for each in workspaces},
            Ref(ACTION, "coder_start_workspace"): digest("an action"),
        },
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


def test_what_a_newer_version_wrote_asks_for_that_version_and_for_no_older_state() -> None:
    with pytest.raises(MemoryUnreadableError) as caught:
        recalled({"coderport": {"format": FORMAT + 1}})
    text = str(unreadable("prod", caught.value))
    assert f"a newer version of coderport wrote it (format {FORMAT + 1}" in text
    assert "Run that version of coderport" in text and "stack import" not in text
    with pytest.raises(MemoryUnreadableError) as caught:
        recalled({"coderport": {"format": 0}})
    assert "stack import" in str(unreadable("prod", caught.value))


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


def test_an_identifier_may_be_one_of_several_kinds() -> None:
    """A quota is keyed by its user: what is remembered of the one is not the other's."""
    one = str(uuid.UUID(int=1))
    memory = Memory(
        deployment="deployment",
        declared={"coder_user": frozenset({one}), "coder_quota": frozenset({one})},
        digests={Ref("coder_user", one): digest("user"), Ref("coder_quota", one): digest("quota")},
    )
    assert recalled(memory.outputs()).digests == memory.digests


def test_a_memory_of_format_3_says_the_same_in_format_4() -> None:
    ids = frozenset(str(uuid.UUID(int=number)) for number in range(3))
    now = Memory(state="0a1b2c3d", deployment="d", declared={"coder_workspace": ids}).outputs()
    older = {**now, "coderport": {**now["coderport"], "format": 3}}
    assert recalled(older).outputs() == now


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


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::coderport::port:index/{kind}::{name}"


def entity(mark: str, deployment: str = "d") -> dict[str, object]:
    return {"properties": {"stringProps": {"managed_by": mark, "coder_deployment": deployment}}}


def test_a_state_without_outputs_tells_what_it_holds_and_whose_it_is() -> None:
    one, two = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    memory = rebuilt(
        {
            "urn:pulumi:dev::coderport::pulumi:pulumi:Stack::coderport-dev": {},
            urn("entity:Entity", f"coder_template-{one}"): entity("coderport/dev#0a1b2c3d"),
            urn("entity:Entity", f"coder_workspace-{two}"): entity("coderport/old#0a1b2c3d"),
            urn("entity:Entity", "coder_workspace-not-an-id"): entity("x/y#ffffffff"),
            urn("action:Action", "coder_start_workspace"): {},
            urn("blueprint:Blueprint", "coder_template"): {},
        }
    )
    assert memory.declared == {"coder_template": {one}, "coder_workspace": {two}}
    assert (memory.state, memory.deployment, memory.lost) == ("0a1b2c3d", "d", True)
    assert memory.names == {"coderport/dev", "coderport/old"}
    assert memory.actions == {"coder_start_workspace"}
    assert memory.blueprints == {"coder_template"}


def test_only_a_state_without_any_outputs_does_not_tell_what_went_in_the_last_day() -> None:
    resources = {urn("entity:Entity", f"coder_template-{uuid.UUID(int=1)}"): entity("coderport/dev#0a1b2c3d")}
    lost, failed = completed(Memory(), resources), completed(Memory(state="0a1b2c3d"), resources)
    assert lost.lost and lost.untold
    assert failed.lost and not failed.untold  # its first run has not succeeded: nothing that lives could go
    assert not completed(Memory(), {}).untold


def test_an_empty_state_is_a_first_run_and_has_lost_nothing() -> None:
    memory = completed(Memory(state="0a1b2c3d"), {})
    assert memory.first_run and not memory.lost
    assert memory.mark("coderport/dev") == Mark("coderport/dev", "0a1b2c3d")


def test_an_older_memory_has_an_id_that_stays_and_the_names_of_its_resources() -> None:
    one = str(uuid.UUID(int=1))
    outputs = Memory(deployment="d", port_organization="o", declared={"coder_workspace": frozenset({one})}).outputs()
    held = {key: value for key, value in outputs["coderport"].items() if key not in ("state", "stack", "spent")}
    older = {"coderport": {**held, "format": 2}}
    memory = completed(recalled(older), {urn("entity:Entity", f"coder_workspace-{one}"): entity("coderport/before")})
    assert memory.state and memory.state == recalled(older).state
    assert memory.names == {"coderport/before"}
    assert not memory.lost and not memory.first_run
