"""Forms of actions: what Port refuses in a definition, and what in the inputs of a person."""

from __future__ import annotations

from typing import Any

import pytest
from port_runs import FORM, MEMBER, ON_ENTITY, action, refusal, refused, started
from port_talk import Json


def with_input(**declared: Any) -> Json:
    return action(trigger={"userInputs": {"properties": {"x": declared}}})


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "text"},
        {"type": "string", "format": "hostname"},
        {"type": "string", "minimum": 1},
        {"type": "number", "pattern": "a"},
        {"type": "string", "pattern": "("},
        {"type": "string", "enum": []},
        {"type": "string", "enum": ["a"], "default": "b"},
        {"type": "number", "default": "1"},
        {"type": "string", "colour": "red"},
        {"type": "string", "format": "entity"},
        {"type": "string", "format": "entity", "blueprint": "service", "dataset": {"rules": []}},
        {"type": "string", "format": "entity", "blueprint": "service", "dataset": {"combinator": "and", "rules": [{}]}},
        {"type": "string", "visible": "yes"},
        {"type": "string", "dependsOn": ["y"]},
        {"type": "array", "items": {}},
        {"type": "array", "items": {"type": "string", "colour": 1}},
        {"type": "array", "items": {"type": "array"}},
        {"type": "object", "format": "yaml"},
        {"type": "string", "format": "entity", "blueprint": "service", "sort": {"property": "a", "order": "UP"}},
        {"type": "string", "encryption": "rot13"},
    ],
)
def test_an_input_that_is_not_as_documented_is_refused(declared: Json) -> None:
    _, one = started()
    refused(one("POST", "/actions", with_input(**declared)), 422, "invalid_request")


def test_a_picker_of_a_blueprint_that_does_not_exist_is_not_found() -> None:
    _, one = started()
    declared = with_input(type="string", format="entity", blueprint="absent")
    refused(one("POST", "/actions", declared), 404, "not_found")


@pytest.mark.parametrize(
    "form",
    [
        {"properties": {"a b": {"type": "string"}}},
        {"properties": {}, "required": ["x"]},
        {"properties": {}, "order": ["x"]},
        {"properties": {}, "steps": [{"title": "One", "order": ["x"]}]},
        {"properties": {}, "steps": [{"title": "1" * 26, "order": []}]},
        {"properties": {}, "steps": [], "order": []},
        {"properties": {}, "titles": {"t": {"title": "1" * 141}}},
        {"properties": {}, "colour": 1},
    ],
)
def test_a_form_that_is_not_as_documented_is_refused(form: Json) -> None:
    _, one = started()
    refused(one("POST", "/actions", action(trigger={"userInputs": form})), 422, "invalid_request")


def test_conditions_approvals_and_methods_are_checked() -> None:
    _, one = started()
    bad_condition = {**ON_ENTITY, "condition": {"type": "SEARCH", "combinator": "and", "rules": [{"operator": "~"}]}}
    for body in (
        action(trigger=bad_condition),
        action(trigger={"condition": {"type": "SEARCH", "combinator": "and", "rules": []}}),
        action(requiredApproval={"type": "MOST"}),
        action(requiredApproval="yes"),
        action(invocationMethod={"type": "WEBHOOK", "url": "http://127.0.0.1", "method": "HEAD"}),
        action(invocationMethod={"type": "WEBHOOK", "url": "http://127.0.0.1", "agent": 1}),
        action(invocationMethod={"type": "UPSERT_ENTITY", "blueprintIdentifier": "service"}),
    ):
        refused(one("POST", "/actions", body), 422, "invalid_request")
    refused(one("GET", "/actions/make"), 404, "not_found")


def test_permissions_have_only_their_documented_keys() -> None:
    _, one = started(action())
    wrong: tuple[Json, ...] = ({"run": {}}, {"execute": {"people": []}}, {"execute": {"policy": {"queries": {}}}})
    for body in wrong:
        refused(one("PATCH", "/actions/make/permissions", body), 422, "invalid_request")


# ---------------------------------------------------------------- inputs


def test_inputs_that_fit_are_taken_and_the_others_get_their_defaults() -> None:
    emulator, _ = started(action())
    run = emulator.run_action(
        "make", by=MEMBER, inputs={"name": "abc", "service": "up", "tags": ["a"], "more": {"x": 1}}
    )
    assert run["properties"] == {
        "name": "abc", "service": "up", "tags": ["a"], "more": {"x": 1}, "size": 2, "region": "eu",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": 1},
        {"name": "Abc"},
        {"name": "abc\n"},
        {"name": "abcdefghi"},
        {"service": "absent"},
        {"service": "down"},
        {"size": 0},
        {"size": 11},
        {"size": "2"},
        {"size": True},
        {"fast": "yes"},
        {"region": "asia"},
        {"tags": ["c"]},
        {"tags": "a"},
        {"tags": ["a", "b", "a"]},
        {"until": "tomorrow"},
        {"more": []},
        {"unknown": 1},
    ],
)
def test_an_input_that_does_not_fit_is_refused_and_nothing_runs(wrong: Json) -> None:
    emulator, _ = started(action())
    inputs = {"name": "abc", **wrong}
    found = refusal(lambda: emulator.run_action("make", by=MEMBER, inputs=inputs))
    assert found == (422, "user_inputs_schema_invalid")
    assert emulator.runs() == []


def test_a_missing_required_input_is_refused() -> None:
    emulator, _ = started(action())
    assert refusal(lambda: emulator.run_action("make", by=MEMBER)) == (422, "user_inputs_schema_invalid")


def test_jq_of_a_form_sees_the_other_inputs_the_person_and_the_entity() -> None:
    form = {
        "properties": {
            "language": {"type": "string"},
            "kit": {"type": "string", "enum": {"jqQuery": 'if .form.language == "js" then ["node"] else ["pip"] end'}},
            "mail": {"type": "string", "default": {"jqQuery": ".user.email"}},
            "tier": {"type": "string", "default": {"jqQuery": ".entity.properties.tier"}},
            "peer": {
                "type": "string", "format": "entity", "blueprint": "service",
                "dataset": {"combinator": "and", "rules": [
                    {"property": "$team", "operator": "containsAny", "value": {"jqQuery": ".user.teamsIdentifiers"}}
                ]},
            },
            "reason": {"type": "string"},
        },
        "required": {"jqQuery": 'if .form.peer.properties.tier == "gold" then ["reason"] else [] end'},
    }  # fmt: skip
    emulator, _ = started(action("alter", trigger={**ON_ENTITY, "userInputs": form}))

    def run(**inputs: Any) -> Json:
        return emulator.run_action("alter", by=MEMBER, inputs=inputs, entity="up")

    assert run(language="js", kit="node")["properties"] == {
        "language": "js", "kit": "node", "mail": MEMBER, "tier": "gold",
    }  # fmt: skip
    for wrong in ({"language": "py", "kit": "node"}, {"peer": "down"}, {"peer": "up"}):
        assert refusal(lambda wrong=wrong: run(**wrong)) == (422, "user_inputs_schema_invalid")
    assert run(peer="up", reason="why")["properties"]["peer"] == "up"


def test_how_many_a_list_may_have_may_depend_on_the_other_inputs() -> None:
    form = {
        "properties": {
            "language": {"type": "string"},
            "services": {"type": "array", "maxItems": {"jqQuery": 'if .form.language == "js" then 1 else 2 end'}},
        }
    }
    emulator, _ = started(action("alter", trigger={**ON_ENTITY, "userInputs": form}))

    def run(**inputs: Any) -> Json:
        return emulator.run_action("alter", by=MEMBER, inputs=inputs, entity="up")

    assert run(language="py", services=["a", "b"])["properties"]["services"] == ["a", "b"]
    assert refusal(lambda: run(language="js", services=["a", "b"])) == (422, "user_inputs_schema_invalid")


def test_the_form_of_an_action_can_be_read_back_as_it_was_written() -> None:
    _, one = started(action())
    assert one("GET", "/actions/make").json()["action"]["trigger"]["userInputs"] == FORM
