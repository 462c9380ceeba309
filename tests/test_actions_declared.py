"""The actions that a stack declares: which, with what form, offered when, and run by whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jq
import pytest
from action_samples import DEPLOYMENT, EVERY_KIND, PRESETS, form, options, parameter, settings
from catalog_samples import TEMPLATE_ID, numbered, template
from port_talk import Talk

from coderport.catalog.actions import declared as actions
from coderport.catalog.actions.agreement import differences, permission_differences
from coderport.catalog.actions.bulk import BULK, STOP_OF_PERSON, STOP_OF_USER, UPDATE_OUTDATED
from coderport.catalog.actions.declared import create_from, create_from_preset, declared, wants_form
from coderport.catalog.actions.inputs import input_key
from coderport.catalog.actions.values import Action, AdminsOnly, OwnerOrAdmin, permissions_to_port, to_port
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.coder.parameters import TemplateForm
from coderport.emulators.port import PortEmulator
from coderport.emulators.port.problems import Problem
from coderport.kinds.all import BLUEPRINTS, DECLARED_PROPERTIES

FROM_TEMPLATE = create_from(TEMPLATE_ID)
ALWAYS = {actions.SCHEDULE, actions.DELETE}
OFFERED: list[tuple[dict[str, Any], set[str]]] = [
    ({"status": "running"}, {actions.STOP, actions.RESTART, actions.EXTEND}),
    ({"status": "stopped"}, {actions.START}),
    ({"status": "failed"}, {actions.START, actions.STOP}),
    ({"status": "canceled"}, {actions.START, actions.STOP}),
    ({"status": "starting"}, set()),
    ({"status": "pending"}, set()),
    ({"status": "stopped", "outdated": True}, {actions.START, actions.UPDATE}),
    ({"status": "stopped", "outdated": False}, {actions.START}),
    ({"status": "stopped", "dormant_at": "2026-11-20T08:00:00Z"}, {actions.WAKE}),
    ({"status": "running", "dormant_at": "2026-11-20T08:00:00Z"}, {actions.WAKE, actions.EXTEND}),
]


def everything(*, forms: Iterable[TemplateForm] = (form(presets=PRESETS),), **fields: Any) -> dict[str, Action]:
    """The declared actions by identifier."""
    made = declared(
        settings(**fields), [template()], {each.template_id: each for each in forms}, deployment_id=DEPLOYMENT
    )
    return {each.identifier: each for each in made}


def port_with(made: Iterable[Action]) -> Talk:
    """An emulated Port that holds the blueprints and these actions with their permissions."""
    emulator = PortEmulator()
    for blueprint in BLUEPRINTS:
        emulator.put_blueprint(blueprint_to_port(blueprint))
    talk = Talk(emulator)
    for action in made:
        reply = talk("POST", "/actions", to_port(action))
        assert reply.status_code == 201, reply.text
        body = permissions_to_port(action.permissions)
        reply = talk("PATCH", f"/actions/{action.identifier}/permissions", body)
        assert reply.status_code == 200, reply.text
    return talk


def test_there_is_an_action_for_everything_that_is_done_with_a_workspace() -> None:
    made = everything()
    assert {name: action.operation for name, action in made.items()} == {
        actions.CREATE: "CREATE",
        FROM_TEMPLATE: "CREATE",
        actions.START: "DAY-2",
        actions.STOP: "DAY-2",
        actions.RESTART: "DAY-2",
        actions.UPDATE: "DAY-2",
        actions.EXTEND: "DAY-2",
        actions.SCHEDULE: "DAY-2",
        actions.WAKE: "DAY-2",
        actions.DELETE: "DELETE",
    }
    assert f"coder_create_{TEMPLATE_ID}" == FROM_TEMPLATE


def test_dormancy_is_offered_only_where_the_settings_ask_for_it() -> None:
    """What is awake can be made dormant, and its name is typed; nothing else of a stack changes."""
    plain, asked = everything(), everything(extra=["dormancy"])
    assert asked.keys() - plain.keys() == {actions.DORMANT}
    assert all(asked[name] == action for name, action in plain.items())
    dormant = asked[actions.DORMANT]
    assert [(each.key, each.required) for each in dormant.inputs] == [("confirmation", True)]
    assert (dormant.permissions, dormant.condition[-1]) == (
        asked[actions.DELETE].permissions,
        asked[actions.DELETE].condition[-1],
    )
    state = [({"status": "running"}, True), ({"status": "stopped"}, True), ({"status": "starting"}, False)]
    for properties, offered in [*state, ({"status": "stopped", "dormant_at": "2026-11-20T08:00:00Z"}, False)]:
        held = {**properties, "coder_deployment": DEPLOYMENT}
        assert all(rule.holds(held) for rule in dormant.condition) is offered


def test_each_preset_has_a_form_of_its_own_where_the_settings_ask_for_it() -> None:
    """It does not ask for what the preset sets; the template's own form stays as it is."""
    plain, asked = everything(), everything(extra=["presets"])
    small, large = (create_from_preset(TEMPLATE_ID, name) for name in ("Small", "Large"))
    assert asked.keys() - plain.keys() == {small, large}
    assert all(asked[name] == action for name, action in plain.items())
    of_template = [each for each in asked[FROM_TEMPLATE].inputs if each.key != "preset"]
    assert list(asked[small].inputs) == [each for each in of_template if each.key != "p_cpu"]
    assert list(asked[large].inputs) == of_template
    assert (asked[small].title, asked[small].description) == (
        f"{plain[FROM_TEMPLATE].title}: Small",
        PRESETS[0].description,
    )
    assert asked[small].permissions == plain[FROM_TEMPLATE].permissions
    port_with(asked.values())


def test_the_form_of_a_preset_stays_the_same_action_when_a_version_gives_it_another_id() -> None:
    renewed = tuple(
        each.model_copy(update={"id": f"00000000-0000-4000-8000-00000000001{number}"})
        for number, each in enumerate(PRESETS)
    )
    assert everything(extra=["presets"]) == everything(extra=["presets"], forms=[form(presets=renewed)])


def test_presets_of_one_name_have_no_forms_of_their_own() -> None:
    twice = (PRESETS[0], PRESETS[0].model_copy(update={"id": PRESETS[1].id}))
    made = everything(extra=["presets"], forms=[form(presets=twice)])
    assert made.keys() == everything().keys() and made[FROM_TEMPLATE].input("preset").enum


@pytest.mark.parametrize("with_users", [True, False])
def test_bulk_actions_are_for_the_admins_alone_and_on_a_user_where_port_has_users(with_users: bool) -> None:
    asked = settings(extra=["bulk"], admins=["Root@example.com"])
    made = {each.identifier: each for each in declared(asked, (), {}, deployment_id="d", with_users=with_users)}
    of_person = STOP_OF_USER if with_users else STOP_OF_PERSON
    assert made.keys() & set(BULK) == {UPDATE_OUTDATED, of_person}
    assert (made[UPDATE_OUTDATED].blueprint, made[of_person].blueprint) == (
        "coder_template",
        "coder_user" if with_users else "coder_workspace",
    )
    for name in (UPDATE_OUTDATED, of_person):
        assert "confirmation" in [each.key for each in made[name].inputs if each.required]
        policy = made[name].permissions.policy
        assert isinstance(policy, AdminsOnly)
        (condition,) = policy.to_port()["conditions"]
        for email, may in (("root@EXAMPLE.com", True), ("alice@example.com", False), ("", False)):
            assert jq.first(condition, {"trigger": {"user": {"email": email}}}) is may
    if not with_users:
        port_with(made.values())


def test_nothing_is_declared_while_the_backend_is_off() -> None:
    assert declared(settings(backend="off"), [template()], {TEMPLATE_ID: form()}) == ()
    assert not wants_form(settings(backend="off"), template())


def test_the_inputs_are_those_that_the_runner_reads() -> None:
    made = everything()
    of_creation = ["ttl_hours", "autostart", "automatic_updates"]
    parameters = [input_key(each.name) for each in EVERY_KIND if not each.ephemeral]
    assert {name: [each.key for each in action.inputs] for name, action in made.items()} == {
        actions.CREATE: ["template", "name", *of_creation],
        FROM_TEMPLATE: ["name", "preset", *parameters, *of_creation],
        actions.START: ["parameters"],
        actions.STOP: [],
        actions.RESTART: [],
        actions.UPDATE: [],
        actions.EXTEND: ["hours"],
        actions.SCHEDULE: ["ttl_hours", "autostart"],
        actions.WAKE: [],
        actions.DELETE: ["confirmation"],
    }
    required = {name: [each.key for each in action.inputs if each.required] for name, action in made.items()}
    assert {name: keys for name, keys in required.items() if keys} == {
        actions.CREATE: ["template", "name"],
        FROM_TEMPLATE: ["name", "p_owner"],
        actions.EXTEND: ["hours"],
        actions.DELETE: ["confirmation"],
    }


@pytest.mark.parametrize("backend", [{}, {"backend": "webhook", "url": "https://coderport.example.com/runs"}])
def test_port_takes_every_action_as_it_is(backend: dict[str, Any]) -> None:
    made = everything(**backend, admins=["root@example.com"], approve_delete=True)
    talk = port_with(made.values())
    held = {each["identifier"]: each for each in talk("GET", "/actions").json()["actions"]}
    assert set(held) == set(made)
    for name, action in made.items():
        assert {key: held[name][key] for key in to_port(action)} == to_port(action)
        assert differences(action, held[name]) == []
        permissions = talk("GET", f"/actions/{name}/permissions").json()["permissions"]
        assert permission_differences(name, action.permissions, permissions) == []


def test_conditions_name_properties_that_are_declared() -> None:
    for action in everything().values():
        assert {rule.property for rule in action.condition} <= DECLARED_PROPERTIES[action.blueprint]
        assert not (action.condition and action.operation == "CREATE")


@pytest.mark.parametrize(("properties", "offered"), OFFERED)
def test_an_action_is_offered_by_the_state_of_the_workspace(properties: dict[str, Any], offered: set[str]) -> None:
    made = everything(admins=["root@example.com"])
    talk = port_with(made.values())
    talk.emulator.add_user("root@example.com")
    identifier = numbered(7)
    body = {"identifier": identifier, "properties": {"coder_deployment": DEPLOYMENT, **properties}}
    talk.emulator.put_entity("coder_workspace", body)
    inputs: dict[str, dict[str, Any]] = {actions.EXTEND: {"hours": 2}, actions.DELETE: {"confirmation": "x"}}
    accepted = set()
    for name, action in made.items():
        if action.operation == "CREATE":
            continue
        try:
            talk.emulator.run_action(name, by="root@example.com", inputs=inputs.get(name, {}), entity=identifier)
        except Problem as problem:
            assert problem.error == "entity_does_not_pass_condition", problem
        else:
            accepted.add(name)
    assert accepted == offered | ALWAYS


def test_workspaces_and_templates_of_another_deployment_are_left_alone() -> None:
    made = everything(admins=["root@example.com"])
    talk = port_with(made.values())
    talk.emulator.add_user("root@example.com")
    elsewhere = {"coder_deployment": numbered(9), "deprecated": False}
    talk.emulator.put_entity(
        "coder_workspace", {"identifier": numbered(7), "properties": {"coder_deployment": numbered(9)}}
    )
    talk.emulator.put_entity("coder_template", {"identifier": numbered(8), "properties": elsewhere})
    with pytest.raises(Problem, match="does not pass the condition"):
        inputs = {"confirmation": "x"}
        talk.emulator.run_action(actions.DELETE, by="root@example.com", inputs=inputs, entity=numbered(7))
    with pytest.raises(Problem):
        inputs = {"name": "dev", "template": numbered(8)}
        talk.emulator.run_action(actions.CREATE, by="root@example.com", inputs=inputs)
    assert to_port(made[actions.CREATE])["trigger"]["userInputs"]["properties"]["template"]["dataset"] == {
        "combinator": "and",
        "rules": [
            {"property": "deprecated", "operator": "!=", "value": {"jqQuery": "true"}},
            {"property": "coder_deployment", "operator": "=", "value": {"jqQuery": f'"{DEPLOYMENT}"'}},
        ],
    }


def test_an_older_server_without_a_deployment_id_has_no_rule_for_it() -> None:
    made = declared(settings(), [], {})
    assert all(rule.property != "coder_deployment" for action in made for rule in action.condition)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("all", {"docker", "aws"}),
        ("none", set()),
        (["Dock*"], {"docker"}),
        (["coder/*"], {"docker", "aws"}),
        (["labs/*"], set()),
        ([], set()),
    ],
)
def test_the_setting_says_which_templates_have_a_form(chosen: Any, names: set[str]) -> None:
    those = [template(), template(id=numbered(2), name="aws"), template(id=numbered(3), name="old", deprecated=True)]
    found = {each.id: form(template_id=each.id) for each in those}
    assert {each.name for each in those if wants_form(settings(templates=chosen), each)} == names
    made = declared(settings(templates=chosen), those, found)
    forms = {each.identifier for each in made} & {create_from(each.id) for each in those}
    assert forms == {create_from(each.id) for each in those if each.name in names}


def test_a_template_whose_form_was_not_read_has_no_action_of_its_own() -> None:
    unreadable = TemplateForm(TEMPLATE_ID, numbered(4), readable=False)
    assert FROM_TEMPLATE not in everything(forms=[unreadable])
    assert FROM_TEMPLATE not in everything(forms=[])


def test_templates_of_one_name_are_told_apart_by_their_organization() -> None:
    other = template(id=numbered(2), organization_name="labs")
    made = declared(
        settings(), [template(), other], {each.id: form(template_id=each.id) for each in (template(), other)}
    )
    titles = {each.identifier: each.title for each in made}
    assert titles[FROM_TEMPLATE] == "Create Docker (coder)"
    assert titles[create_from(other.id)] == "Create Docker (labs)"
    assert everything()[FROM_TEMPLATE].title == "Create Docker"


def test_a_rename_changes_the_title_and_not_the_identifier() -> None:
    renamed = template(name="podman", display_name="")
    made = declared(settings(), [renamed], {TEMPLATE_ID: form()})
    assert [each.title for each in made if each.identifier == FROM_TEMPLATE] == ["Create podman"]


def test_a_changed_parameter_changes_the_form() -> None:
    before = everything(forms=[form((parameter("cpu", type="number", validation_max=8),))])
    after = everything(forms=[form((parameter("cpu", type="number", validation_max=16),))])
    assert before[FROM_TEMPLATE] != after[FROM_TEMPLATE]
    assert {name for name in before if before[name] != after[name]} == {FROM_TEMPLATE}


def test_a_start_asks_for_parameters_only_where_some_may_change() -> None:
    fixed = form((parameter("zone", mutable=False),))
    assert everything(forms=[fixed])[actions.START].inputs == ()
    description = everything()[actions.START].input("parameters").description or ""
    assert "cpu" in description
    assert "reset" in description
    assert "zone" not in description
    assert [each.key for each in everything(forms=[])[actions.START].inputs] == ["parameters"]


def test_a_name_and_a_schedule_are_judged_in_the_form() -> None:
    talk = port_with(everything().values())
    talk.emulator.add_user("alice@example.com")
    talk.emulator.put_entity(
        "coder_template",
        {"identifier": TEMPLATE_ID, "properties": {"deprecated": False, "coder_deployment": DEPLOYMENT}},
    )

    def create(**inputs: Any) -> None:
        given = {"template": TEMPLATE_ID, "name": "dev", **inputs}
        talk.emulator.run_action(actions.CREATE, by="alice@example.com", inputs=given)

    create()
    create(autostart="CRON_TZ=Europe/Berlin 30 7 * * 1-5", ttl_hours=8.5)
    for wrong in (
        {"name": "-dev"},
        {"name": "a--b"},
        {"name": "x" * 33},
        {"name": "a b"},
        {"autostart": "off"},
        {"autostart": "@daily"},
        {"ttl_hours": 721},
        {"ttl_hours": 0},
        {"unknown": 1},
    ):
        with pytest.raises(Problem):
            create(**wrong)


FORM_REFUSES: dict[str, list[object]] = {
    "cpu": [0, 17, "two"],
    "gpu": ["maybe", 1],
    "region": ["Mars", "eu"],
    "tags": ["a", [1]],
    "ides": [["Emacs"], "VS Code"],
    "owner": ["", None],
    "repo": ["ABC", "a b"],
    "disk": ["big"],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, value) for name, all_ in FORM_REFUSES.items() for value in all_])
def test_the_typed_form_refuses_a_wrong_value(name: str, wrong: object) -> None:
    talk = port_with(everything().values())
    talk.emulator.add_user("alice@example.com")
    right = {"name": "dev", "p_owner": "alice", "preset": "Small", "p_ides": ["IDEA"], "p_repo": "a/b"}
    talk.emulator.run_action(FROM_TEMPLATE, by="alice@example.com", inputs=right)
    with pytest.raises(Problem) as raised:
        talk.emulator.run_action(FROM_TEMPLATE, by="alice@example.com", inputs={**right, input_key(name): wrong})
    assert raised.value.error == "user_inputs_schema_invalid"


def test_labels_travel_as_values_through_the_form() -> None:
    twice = parameter("size", options=options(("Big", "1"), ("Big", "2")), default_value="2")
    talk = port_with(everything(forms=[form((twice,))]).values())
    talk.emulator.add_user("alice@example.com")
    run = talk.emulator.run_action(FROM_TEMPLATE, by="alice@example.com", inputs={"name": "dev"})
    assert run["properties"]["p_size"] == "Big (2)"


def test_a_backend_gets_the_runs_id_and_nothing_else() -> None:
    for action in everything().values():
        method = to_port(action)["invocationMethod"]
        assert method == {
            "type": "INTEGRATION_ACTION",
            "installationId": "github-ocean",
            "integrationActionType": "dispatch_workflow",
            "integrationActionExecutionProperties": {
                "org": "acme",
                "repo": "platform",
                "workflow": "coder-action.yml",
                "workflowInputs": {"run_id": "{{ .run.id }}"},
                "reportWorkflowStatus": True,
            },
        }
    for action in everything(backend="webhook", url="https://x.example.com/runs", agent=True).values():
        method = to_port(action)["invocationMethod"]
        assert method["body"] == {"run_id": "{{ .run.id }}"}
        assert (method["agent"], method["synchronized"], method["method"]) == (True, False, "POST")


def test_only_a_deletion_can_need_an_approval() -> None:
    assert not any(action.approval for action in everything().values())
    assert [name for name, action in everything(approve_delete=True).items() if action.approval] == [actions.DELETE]


def test_roles_and_admins_are_those_of_the_settings() -> None:
    for action in everything(roles=["Developer"], admins=["root@example.com"]).values():
        body = permissions_to_port(action.permissions)
        assert body["execute"]["roles"] == ["Developer"]
        assert body["approve"] == {"users": ["root@example.com"], "roles": ["Admin"], "teams": [], "policy": None}
        assert (body["execute"]["policy"] is None) is (action.operation == "CREATE")


@pytest.mark.parametrize(
    ("person", "allowed"),
    [
        ("alice@example.com", True),
        ("ALICE@example.com", True),
        ("root@example.com", True),
        ("bob@example.com", False),
        ("admin@example.com", False),
    ],
)
def test_a_workspace_obeys_its_owner_and_the_named_admins_alone(person: str, allowed: bool) -> None:
    talk = port_with(everything(admins=["Root@Example.com"]).values())
    talk.emulator.add_user(person, roles=("Admin",) if person.startswith("admin") else ("Member",))
    properties = {"owner_email": "Alice@example.com", "coder_deployment": DEPLOYMENT}
    talk.emulator.put_entity("coder_workspace", {"identifier": numbered(7), "properties": properties})
    inputs = {"confirmation": "x"}
    if allowed:
        talk.emulator.run_action(actions.DELETE, by=person, inputs=inputs, entity=numbered(7))
        return
    with pytest.raises(Problem) as raised:
        talk.emulator.run_action(actions.DELETE, by=person, inputs=inputs, entity=numbered(7))
    assert raised.value.error == "missing_permissions"


OWNED = {"workspace": {"entities": [{"properties": {"owner_email": "alice@example.com"}}]}}


@pytest.mark.parametrize(
    ("context", "admins", "allowed"),
    [
        ({"trigger": {"user": {"email": "alice@example.com"}}, "results": OWNED}, (), True),
        ({"trigger": {"by": {"user": {"email": "alice@example.com"}}}, "results": OWNED}, (), True),
        ({"trigger": {"user": {"email": "bob@example.com"}}, "results": OWNED}, (), False),
        ({"trigger": {"user": None}, "results": OWNED}, (), False),
        ({}, ("root@example.com",), False),
        ({"trigger": {"user": {"email": "alice@example.com"}}, "results": {}}, (), False),
        ({"trigger": {"user": {"email": ""}}, "results": {"workspace": {"entities": []}}}, ("",), False),
        (
            {"trigger": {"user": {"email": ""}}, "results": {"workspace": {"entities": [{"properties": {}}]}}},
            (),
            False,
        ),
        ({"trigger": {"user": {"email": "a\\(b)@x.com"}}, "results": {}}, ("a\\(b)@x.com",), True),
        ({"trigger": {"user": {"email": "root@example.com"}}, "results": {}}, ("ROOT@example.com",), True),
    ],
)
def test_the_policy_says_no_where_anything_is_missing(
    context: dict[str, Any], admins: tuple[str, ...], allowed: bool
) -> None:
    (condition,) = OwnerOrAdmin(admins).to_port()["conditions"]
    assert jq.compile(condition).input_value(context).first() is allowed
