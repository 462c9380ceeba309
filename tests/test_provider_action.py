"""The resource Action: what is written, what counts as a difference, and what of others survives."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from echoing_port import EchoingPort, refused
from provider_driver import ACTION, Aborted, Driver, stored

from coderport.emulators.port import PortEmulator
from coderport.provider.protocol import UNKNOWN

Json = dict[str, Any]


@pytest.fixture
def port() -> EchoingPort:
    return EchoingPort()


RUNNING = {"type": "SEARCH", "combinator": "and", "rules": [{"property": "status", "operator": "=", "value": "on"}]}
WEBHOOK = {"url": "https://hook", "agent": "false", "synchronized": "false", "body": '{"run_id": "{{ .run.id }}"}'}


def action(trigger: Json | None = None, **inputs: Any) -> Json:
    """A DAY-2 action with one input and a webhook; `trigger` is laid over its trigger."""
    form = {"stringProps": {"name": {"title": "Name", "required": True}}, "numberProps": {"hours": {"minimum": 1}}}
    base = {
        "operation": "DAY-2",
        "blueprintIdentifier": "workspace",
        "condition": json.dumps(RUNNING),
        "userProperties": form,
        "orderProperties": ["name", "hours"],
    }
    return {
        "identifier": "stop",
        "title": "Stop",
        "selfServiceTrigger": {**base, **(trigger or {})},
        "webhookMethod": WEBHOOK,
        **inputs,
    }


RULES = [
    {"property": "deprecated", "operator": "!=", "value": {"jqQuery": "true"}},
    {"combinator": "or", "rules": [{"property": "$title", "operator": "contains", "value": {"jqQuery": ".form.name"}}]},
]
FORM = {
    "stringProps": {
        "name": {
            "title": "Name",
            "description": "What it is called",
            "icon": "Box",
            "required": True,
            "pattern": "^[a-z]+$",
            "minLength": 1,
            "maxLength": 32,
            "default": "dev",
            "enums": ["dev", "prod"],
            "enumColors": {"dev": "green"},
            "visible": False,
            "disabled": True,
            "dependsOns": ["size", "tags"],
        },
        "template": {
            "format": "entity",
            "blueprint": "template",
            "dataset": {"combinator": "and", "rules": RULES},
            "sort": {"property": "$title", "order": "ASC"},
            "defaultJqQuery": ".user.email",
            "visibleJqQuery": ".form.name != null",
            "disabledJqQuery": "false",
            "required": True,
        },
        "region": {"enumJqQuery": '["eu"]', "patternJqQuery": '"^e"'},
        "secret": {"encryption": "aes256-gcm"},
        "own": {"clientSideEncryption": {"algorithm": "client-side", "key": "public"}},
    },
    "numberProps": {"size": {"minimum": 0, "maximum": 9, "default": 1.5, "enums": [1.5, 2]}},
    "booleanProps": {"start": {"default": False, "required": True}},
    "objectProps": {"more": {"default": '{"a":{}}'}, "later": {"defaultJqQuery": "{}"}},
    "arrayProps": {
        "tags": {"stringItems": {"enums": ["x"], "defaults": ["x"]}, "minItems": 0, "maxItems": 3},
        "picks": {
            "stringItems": {"format": "entity", "blueprint": "template", "dataset": '{"combinator":"and","rules":[]}'},
            "sort": {"property": "$title", "order": "DESC"},
        },
        "numbers": {"numberItems": {"defaults": [1], "enums": [1, 2]}},
        "flags": {"booleanItems": {"defaults": [True]}},
        "objects": {"objectItems": {"defaults": [{"a": "b"}]}},
        "later_on": {"stringItems": {"enumJqQuery": '["x"]'}, "defaultJqQuery": '["x"]'},
    },
}
EVERYTHING: Json = {
    "identifier": "create",
    "title": "Create",
    "icon": "Box",
    "description": "about",
    "requiredApproval": "ANY",
    "approvalWebhookNotification": {"url": "https://approve", "format": "slack"},
    "allowAnyoneToViewRuns": False,
    "publish": False,
    "selfServiceTrigger": {
        "operation": "DAY-2",
        "blueprintIdentifier": "workspace",
        "condition": '{"combinator":"and","rules":[],"type":"SEARCH"}',
        "actionCardButtonText": "Create",
        "executeActionButtonText": "Go",
        "userProperties": FORM,
        "steps": [
            {"title": "First", "orders": ["name", "template"], "visible": False},
            {"title": "Second", "orders": ["size"], "visibleJqQuery": ".form.name != null"},
        ],
        "titles": {"top": {"title": "Top", "description": "words", "visibleJqQuery": "true"}},
    },
    "githubMethod": {
        "org": "acme",
        "repo": "platform",
        "workflow": "create.yml",
        "workflowInputs": '{"run_id":"{{ .run.id }}"}',
        "reportWorkflowStatus": "false",
    },
}


def test_every_kind_of_input_becomes_ports_body(driver: Driver) -> None:
    driver.create(ACTION, EVERYTHING)
    body = driver.port.sent[0].body
    trigger, inputs = body["trigger"], body["trigger"]["userInputs"]
    assert (body["requiredApproval"], body["publish"], body["allowAnyoneToViewRuns"]) == ({"type": "ANY"}, False, False)
    assert body["approvalNotification"] == {"type": "webhook", "url": "https://approve", "format": "slack"}
    assert body["invocationMethod"] == {
        "type": "GITHUB",
        "org": "acme",
        "repo": "platform",
        "workflow": "create.yml",
        "workflowInputs": {"run_id": "{{ .run.id }}"},
        "reportWorkflowStatus": False,
    }
    assert (trigger["type"], trigger["operation"], trigger["blueprintIdentifier"]) == (
        "self-service",
        "DAY-2",
        "workspace",
    )
    assert trigger["condition"] == {"type": "SEARCH", "combinator": "and", "rules": []}
    assert (trigger["actionCardButtonText"], trigger["executeActionButtonText"]) == ("Create", "Go")
    assert sorted(inputs["required"]) == ["name", "start", "template"]
    assert inputs["steps"] == [
        {"title": "First", "order": ["name", "template"], "visible": False},
        {"title": "Second", "order": ["size"], "visible": {"jqQuery": ".form.name != null"}},
    ]
    assert inputs["titles"] == {"top": {"title": "Top", "description": "words", "visible": {"jqQuery": "true"}}}
    assert inputs["properties"] == {
        "name": {
            "type": "string",
            "title": "Name",
            "description": "What it is called",
            "icon": "Box",
            "pattern": "^[a-z]+$",
            "minLength": 1,
            "maxLength": 32,
            "default": "dev",
            "enum": ["dev", "prod"],
            "enumColors": {"dev": "green"},
            "visible": False,
            "disabled": True,
            "dependsOn": ["size", "tags"],
        },
        "template": {
            "type": "string",
            "format": "entity",
            "blueprint": "template",
            "dataset": {"combinator": "and", "rules": RULES},
            "sort": {"property": "$title", "order": "ASC"},
            "default": {"jqQuery": ".user.email"},
            "visible": {"jqQuery": ".form.name != null"},
            "disabled": {"jqQuery": "false"},
        },
        "region": {"type": "string", "enum": {"jqQuery": '["eu"]'}, "pattern": {"jqQuery": '"^e"'}},
        "secret": {"type": "string", "encryption": "aes256-gcm"},
        "own": {"type": "string", "encryption": {"algorithm": "client-side", "key": "public"}},
        "size": {"type": "number", "minimum": 0, "maximum": 9, "default": 1.5, "enum": [1.5, 2]},
        "start": {"type": "boolean", "default": False},
        "more": {"type": "object", "default": {"a": {}}},
        "later": {"type": "object", "default": {"jqQuery": "{}"}},
        "tags": {
            "type": "array",
            "items": {"type": "string", "enum": ["x"]},
            "default": ["x"],
            "minItems": 0,
            "maxItems": 3,
        },
        "picks": {
            "type": "array",
            "items": {
                "type": "string",
                "format": "entity",
                "blueprint": "template",
                "dataset": {"combinator": "and", "rules": []},
            },
            "sort": {"property": "$title", "order": "DESC"},
        },
        "numbers": {"type": "array", "items": {"type": "number", "enum": [1, 2]}, "default": [1]},
        "flags": {"type": "array", "items": {"type": "boolean"}, "default": [True]},
        "objects": {"type": "array", "items": {"type": "object"}, "default": [{"a": "b"}]},
        "later_on": {
            "type": "array",
            "items": {"type": "string", "enum": {"jqQuery": '["x"]'}},
            "default": {"jqQuery": '["x"]'},
        },
    }


def test_what_is_required_may_be_a_query(driver: Driver) -> None:
    news = action({"userProperties": {"stringProps": {"name": {}}}, "requiredJqQuery": '["name"]'})
    made = driver.create(ACTION, news)
    assert driver.port.actions["stop"]["trigger"]["userInputs"]["required"] == {"jqQuery": '["name"]'}
    later = Driver(driver.port)
    seen = later.read(stored("stop", token=ACTION))
    assert seen is not None
    assert seen.inputs["selfServiceTrigger"]["requiredJqQuery"] == '["name"]'
    assert later.diff(made) == set()


def test_the_length_of_a_list_may_be_a_query(driver: Driver) -> None:
    labels = {"stringItems": {}, "minItemsJqQuery": ".form.least", "maxItemsJqQuery": ".form.most"}
    news = action({"userProperties": {"arrayProps": {"labels": labels}}, "orderProperties": None})
    made = driver.create(ACTION, news)
    assert driver.port.actions["stop"]["trigger"]["userInputs"]["properties"]["labels"] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": {"jqQuery": ".form.least"},
        "maxItems": {"jqQuery": ".form.most"},
    }
    later = Driver(driver.port)
    seen = later.read(stored("stop", token=ACTION))
    assert seen is not None
    assert seen.inputs["selfServiceTrigger"]["userProperties"]["arrayProps"]["labels"] == labels
    assert later.diff(made) == set()


RUN = '{"run_id":"{{ .run.id }}"}'
METHODS: list[tuple[Json, Json]] = [
    (
        {
            "webhookMethod": {
                "url": "https://hook",
                "agent": "true",
                "synchronized": '"{{ .inputs.wait }}"',
                "method": "PATCH",
                "headers": {"RUN_ID": "{{ .run.id }}"},
                "body": "{}",
            }
        },
        {
            "type": "WEBHOOK",
            "url": "https://hook",
            "agent": True,
            "synchronized": "{{ .inputs.wait }}",
            "method": "PATCH",
            "headers": {"RUN_ID": "{{ .run.id }}"},
            "body": {},
        },
    ),
    (
        {
            "gitlabMethod": {
                "projectName": "p",
                "groupName": "g",
                "defaultRef": "main",
                "pipelineVariables": RUN,
            }
        },
        {
            "type": "GITLAB",
            "projectName": "p",
            "groupName": "g",
            "defaultRef": "main",
            "pipelineVariables": json.loads(RUN),
        },
    ),
    (
        {"azureMethod": {"webhook": "w", "org": "o", "payload": RUN}},
        {"type": "AZURE_DEVOPS", "webhook": "w", "org": "o", "payload": json.loads(RUN)},
    ),
    ({"kafkaMethod": {"payload": RUN}}, {"type": "KAFKA", "payload": json.loads(RUN)}),
    (
        {
            "upsertEntityMethod": {
                "blueprintIdentifier": "b",
                "title": "T",
                "mapping": {"identifier": "i", "icon": "Box", "teams": ["a"], "properties": RUN, "relations": "{}"},
            }
        },
        {
            "type": "UPSERT_ENTITY",
            "blueprintIdentifier": "b",
            "mapping": {
                "identifier": "i",
                "title": "T",
                "icon": "Box",
                "team": ["a"],
                "properties": json.loads(RUN),
                "relations": {},
            },
        },
    ),
    (
        {"upsertEntityMethod": {"blueprintIdentifier": "b", "mapping": {"teamsJq": ".user.teams"}}},
        {"type": "UPSERT_ENTITY", "blueprintIdentifier": "b", "mapping": {"team": ".user.teams"}},
    ),
    (
        {
            "integrationMethod": {
                "installationId": "1",
                "integrationActionType": "dispatch_workflow",
                "integrationActionExecutionProperties": {
                    "org": "o",
                    "repo": "r",
                    "workflow": "w",
                    "workflowInputs": RUN,
                },
            }
        },
        {
            "type": "INTEGRATION_ACTION",
            "installationId": "1",
            "integrationActionType": "dispatch_workflow",
            "integrationActionExecutionProperties": {
                "org": "o",
                "repo": "r",
                "workflow": "w",
                "workflowInputs": json.loads(RUN),
            },
        },
    ),
]


@pytest.mark.parametrize(("inputs", "body"), METHODS, ids=lambda each: each.get("type") or next(iter(each)))
def test_every_method_is_translated_in_both_directions(driver: Driver, inputs: Json, body: Json) -> None:
    news = {"identifier": "it", "selfServiceTrigger": {"operation": "CREATE"}, **inputs}
    made = driver.create(ACTION, news)
    assert driver.port.sent[0].body["invocationMethod"] == body
    later = Driver(driver.port)
    seen = later.read(stored("it", token=ACTION))
    assert seen is not None
    assert seen.inputs == news
    assert later.diff(made) == set()


def test_an_automation_is_translated_in_both_directions(driver: Driver) -> None:
    event = {"blueprintIdentifier": "workspace", "propertyIdentifier": "ttl"}
    condition = {"expressions": [".diff.after != null"], "combinator": "and"}
    trigger = {"timerPropertyExpiredEvent": event, "jqCondition": condition}
    news = {"identifier": "it", "automationTrigger": trigger, "kafkaMethod": {}, "approvalEmailNotification": {}}
    made = driver.create(ACTION, news)
    body = driver.port.sent[0].body
    assert body["trigger"] == {
        "type": "automation",
        "event": {"type": "TIMER_PROPERTY_EXPIRED", **event},
        "condition": {"type": "JQ", **condition},
    }
    assert (body["invocationMethod"], body["approvalNotification"]) == ({"type": "KAFKA"}, {"type": "email"})
    later = Driver(driver.port)
    seen = later.read(stored("it", token=ACTION))
    assert seen is not None
    assert seen.inputs == news
    assert later.diff(made) == set()


def test_an_import_gives_back_the_inputs_that_made_it(driver: Driver) -> None:
    driver.create(ACTION, EVERYTHING)
    later = Driver(driver.port)
    seen = later.read(stored("create", token=ACTION))
    assert seen is not None
    assert seen.inputs == EVERYTHING
    assert later.diff(seen, EVERYTHING) == set()


def test_the_emulated_port_takes_every_input_and_nothing_differs_afterwards() -> None:
    class Emulated:
        emulator = PortEmulator(client_id="client", client_secret="hidden", serves_github_app=True)

        def transport(self) -> httpx.ASGITransport:
            return httpx.ASGITransport(app=self.emulator.app)

    port = Emulated()
    for name in ("workspace", "template"):
        port.emulator.put_blueprint({"identifier": name, "title": name, "schema": {"properties": {}}})
    driver = Driver(port)
    for news in (EVERYTHING, action()):
        made = driver.create(ACTION, news)
        later = Driver(port)
        assert later.diff(made) == set()
        seen = later.read(made)
        assert seen is not None
        assert (seen.inputs, later.diff(seen)) == (news, set())
        later.delete(made)
    assert not port.emulator.objects()["actions"]


def test_the_outputs_are_those_of_the_stock_provider(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    assert (made.id, made.outputs) == ("stop", {**action(), "id": "stop", "publish": True})
    assert driver.port.sent[0].body["publish"] is True


def test_no_difference_after_a_refresh_that_found_none(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    later = Driver(driver.port)
    seen = later.read(made)
    assert seen is not None
    assert (seen.inputs, seen.outputs) == (made.inputs, made.outputs)
    assert later.diff(seen) == set()


def test_what_means_the_same_does_not_differ(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    live = driver.port.actions["stop"]
    form = live["trigger"]["userInputs"]
    live.update(requiredApproval=False, id="a1", version=3, icon=None, description=None)
    live["invocationMethod"] = {key: live["invocationMethod"][key] for key in ("type", "url", "body")}
    live["invocationMethod"].update(method="POST", headers={})
    live["trigger"]["condition"] = dict(reversed(RUNNING.items()))
    form["properties"]["name"].update(visible=True, disabled=False, enum=[], description=None)
    form["properties"]["hours"]["minimum"] = 1.0
    form.update(steps=[], titles={})
    del live["publish"]
    assert Driver(driver.port).diff(made) == set()


def test_another_text_of_the_same_json_and_another_order_of_what_is_required_do_not_differ(driver: Driver) -> None:
    made = driver.create(ACTION, EVERYTHING)
    driver.port.actions["create"]["trigger"]["userInputs"]["required"] = ["start", "template", "name"]
    news = json.loads(json.dumps(EVERYTHING))
    news["githubMethod"]["workflowInputs"] = '{ "run_id": "{{ .run.id }}" }'
    news["selfServiceTrigger"]["condition"] = '{"type": "SEARCH", "rules": [], "combinator": "and"}'
    assert Driver(driver.port).diff(made, news) == set()


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        ({"orderProperties": ["hours", "name"]}, "selfServiceTrigger.orderProperties"),
        ({"operation": "DELETE"}, "selfServiceTrigger.operation"),
        ({"condition": None}, "selfServiceTrigger.condition"),
        (
            {"userProperties": {"numberProps": {"name": {"title": "Name", "required": True}, "hours": {"minimum": 1}}}},
            "selfServiceTrigger.userProperties.stringProps",
        ),
    ],
)
def test_a_change_of_the_trigger_is_named_and_made(driver: Driver, trigger: Json, path: str) -> None:
    made = driver.create(ACTION, action())
    news = action(trigger)
    assert path in driver.diff(made, news)
    changed = driver.update(made, news)
    assert driver.port.writes[-1].route == "PUT /v1/actions/stop"
    assert Driver(driver.port).diff(changed) == set()


def test_a_hand_edit_is_shown_by_a_refresh_and_put_right_by_the_next_update(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    form = driver.port.actions["stop"]["trigger"]["userInputs"]
    form["properties"]["extra"] = {"type": "string"}
    form["properties"]["name"]["title"] = "edited"
    driver.port.actions["stop"]["invocationMethod"]["headers"] = {"X": "y"}
    later = Driver(driver.port)
    differing = {
        "selfServiceTrigger.userProperties.stringProps.extra",
        "selfServiceTrigger.userProperties.stringProps.name.title",
        "webhookMethod.headers",
    }
    assert later.diff(made) == differing
    seen = later.read(made)
    assert seen is not None
    assert set(seen.inputs["selfServiceTrigger"]["userProperties"]["stringProps"]) == {"name", "extra"}
    assert later.diff(seen, made.inputs) == differing
    later.update(seen, made.inputs)
    assert set(driver.port.actions["stop"]["trigger"]["userInputs"]["properties"]) == {"name", "hours"}
    assert Driver(driver.port).diff(made) == set()


def test_what_others_set_beside_ours_survives_a_change_and_is_not_a_difference(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    driver.port.actions["stop"].update(
        requiredApproval=True, approvalNotification={"type": "email"}, description="theirs", allowAnyoneToViewRuns=False
    )
    later = Driver(driver.port)
    assert later.diff(made) == set()
    seen = later.read(made)
    assert seen is not None
    assert seen.inputs == made.inputs
    later.update(made, action(title="Halt"))
    now = driver.port.actions["stop"]
    assert (now["title"], now["description"], now["requiredApproval"]) == ("Halt", "theirs", True)
    assert (now["approvalNotification"], now["allowAnyoneToViewRuns"]) == ({"type": "email"}, False)


def test_what_the_program_no_longer_declares_is_removed(driver: Driver) -> None:
    made = driver.create(ACTION, {**action(), "description": "d", "approvalWebhookNotification": {"url": "https://a"}})
    news = action()
    assert driver.diff(made, news) == {"description", "approvalWebhookNotification"}
    driver.update(made, news)
    assert not {"description", "approvalNotification"} & driver.port.actions["stop"].keys()


def test_another_method_leaves_nothing_of_the_former(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    news = action(githubMethod={"org": "o", "repo": "r", "workflow": "w"})
    del news["webhookMethod"]
    assert driver.diff(made, news) == {"webhookMethod", "githubMethod"}
    driver.update(made, news)
    method = driver.port.actions["stop"]["invocationMethod"]
    assert method == {"type": "GITHUB", "org": "o", "repo": "r", "workflow": "w"}


def test_an_action_that_exists_becomes_ours(driver: Driver) -> None:
    driver.port.add_action("stop", trigger={"type": "automation"}, invocationMethod={"type": "KAFKA"}, icon="Theirs")
    made = driver.create(ACTION, action())
    assert [each.route for each in driver.port.writes] == ["POST /v1/actions", "PUT /v1/actions/stop"]
    assert driver.port.actions["stop"]["icon"] == "Theirs"
    assert driver.port.actions["stop"]["invocationMethod"]["type"] == "WEBHOOK"
    assert Driver(driver.port).diff(made) == set()


def test_an_action_that_exists_and_is_the_same_is_not_written(driver: Driver) -> None:
    driver.create(ACTION, action())
    Driver(driver.port).create(ACTION, action())
    assert [each.method for each in driver.port.writes] == ["POST", "POST"]


def test_an_answer_that_was_lost_does_not_create_twice(driver: Driver) -> None:
    lost = iter([True])

    def lose(sent: Any) -> httpx.Response | None:
        if sent.route == "POST /v1/actions" and next(lost, None):
            driver.port.add_action(**sent.body)
            raise httpx.ReadError("gone")
        return None

    driver.port.answers.append(lose)
    driver.create(ACTION, action())
    assert driver.port.routes() == ["POST /v1/actions", "GET /v1/actions/stop"]


def test_an_action_deleted_by_hand_is_made_again(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    driver.port.actions.clear()
    later = Driver(driver.port)
    assert later.diff(made) == {"identifier"}
    assert later.read(made) is None
    later.update(made, made.inputs)
    assert list(driver.port.actions) == ["stop"]


def test_port_is_asked_once_for_an_action(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    assert driver.diff(made) == set()
    later = Driver(driver.port)
    for _ in range(3):
        assert later.diff(made) == set()
    assert driver.port.routes() == ["POST /v1/actions", "GET /v1/actions/stop"]


def test_an_action_can_get_another_identifier(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    news = {**action(), "identifier": "halt"}
    assert driver.diff(made, news) == {"identifier"}
    renamed = driver.update(made, news)
    assert list(driver.port.actions) == ["halt"]
    assert driver.diff(renamed) == set()
    assert Driver(driver.port).diff(renamed) == set()


def test_deleting_what_is_gone_is_fine(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    driver.delete(made)
    driver.delete(made)
    assert not driver.port.actions


def test_the_state_is_brought_up_to_date_where_port_already_is(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    driver.port.actions["stop"]["title"] = "Halt"
    news = action(title="Halt")
    later = Driver(driver.port)
    assert later.diff(made, news) == {"title"}
    assert later.update(made, news).outputs["title"] == "Halt"
    assert [each.method for each in driver.port.writes] == ["POST"]


def test_ports_refusal_is_told(driver: Driver) -> None:
    refusal = refused(422, "invalid_request", "no such blueprint")
    driver.port.answers.append(lambda sent: refusal if sent.path == "/v1/actions" else None)
    with pytest.raises(Aborted, match=r"creating action stop.*no such blueprint"):
        driver.create(ACTION, action())


@pytest.mark.parametrize(
    ("inputs", "property_", "reason"),
    [
        ({}, "identifier", "needs an identifier"),
        ({"identifier": "a"}, "selfServiceTrigger", "needs a trigger"),
        ({"identifier": "a"}, "webhookMethod", "needs a method"),
        (action(blueprint="b"), "blueprint", "is not an input that coderport's Port provider serves"),
        (action(kafkaMethod={}), "webhookMethod", "webhookMethod excludes kafkaMethod"),
        (action(requiredApproval="yes"), "requiredApproval", "is none of true, false, ANY and ALL"),
        (action(webhookMethod={"url": "u", "body": "{"}), "webhookMethod", "webhookMethod.body is not JSON text"),
        (action({"condition": "x"}), "selfServiceTrigger", "selfServiceTrigger.condition is not JSON text"),
        (action({"steps": [{"title": "t", "orders": ["name"]}]}), "selfServiceTrigger", "excludes orderProperties"),
        (action({"requiredJqQuery": "[]"}), "selfServiceTrigger", "excludes inputs that are required by themselves"),
        (
            action({"userProperties": {"stringProps": {"x": {"default": "a", "defaultJqQuery": "b"}}}}),
            "selfServiceTrigger",
            "stringProps.x.defaultJqQuery excludes default",
        ),
        (
            action({"userProperties": {"stringProps": {"x": {"maximum": 3}}}}),
            "selfServiceTrigger",
            "stringProps.x.maximum is not an input",
        ),
        (
            action({"userProperties": {"stringProps": {"x": {}}, "numberProps": {"x": {}}}}),
            "selfServiceTrigger",
            "stringProps.x is declared twice",
        ),
    ],
)
def test_an_input_that_cannot_be_accepted_is_named(driver: Driver, inputs: Json, property_: str, reason: str) -> None:
    failures = driver.check(ACTION, inputs)["failures"]
    assert any(each["property"] == property_ and reason in each["reason"] for each in failures), failures


def test_a_good_action_is_accepted_also_with_what_is_not_known_yet(driver: Driver) -> None:
    unknown = action({"blueprintIdentifier": UNKNOWN, "condition": UNKNOWN}, webhookMethod=UNKNOWN)
    for inputs in (action(), EVERYTHING, unknown, action({"userProperties": {}}), action({"userProperties": UNKNOWN})):
        assert "failures" not in driver.check(ACTION, inputs)


def test_what_is_not_known_yet_is_a_difference_only_in_a_preview(driver: Driver) -> None:
    made = driver.create(ACTION, action())
    unknown = action({"condition": UNKNOWN})
    assert driver.diff(made, unknown) == {"selfServiceTrigger.condition"}
    assert driver.diff(made, action({"userProperties": UNKNOWN})) == {"selfServiceTrigger.userProperties"}
    assert driver.diff(made, action(webhookMethod=UNKNOWN)) == {"webhookMethod"}


def test_a_preview_sends_nothing(driver: Driver) -> None:
    made = driver.create(ACTION, action(), preview=True)
    assert (made.id, made.outputs["identifier"]) == ("", "stop")
    assert driver.port.sent == []


def test_the_schema_names_the_inputs(driver: Driver) -> None:
    schema = json.loads(driver.run(driver.call("GetSchema"))["schema"])
    resource = schema["resources"][ACTION]
    assert {"selfServiceTrigger", "webhookMethod", "githubMethod"} <= resource["inputProperties"].keys()
    assert resource["requiredInputs"] == ["identifier"]
