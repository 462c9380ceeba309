"""What acceptance tests of Port's Terraform provider send and expect of a live Port, where it is not plain.

Each test names the acceptance test that it follows (port-labs/terraform-provider-port-labs).
"""

from __future__ import annotations

import pytest
from port_talk import DEPLOYMENT, SERVICE, Json, refused, talk


def test_a_blueprint_gets_another_identifier_and_everything_that_names_it_follows() -> None:
    """TestAccPortUpdateBlueprintIdentifier"""
    one = talk()
    itself = {"title": "Next", "target": "service", "required": False, "many": False}
    one("PUT", "/blueprints/service", {**SERVICE, "relations": {"next": itself}})
    one("POST", "/blueprints", {**SERVICE, "identifier": "fresh"})
    one.put("service", "s", relations={"next": "s"})
    one.put("deployment", "d", relations={"of": "s", "needs": ["s"]})
    body = {**SERVICE, "identifier": "renamed", "relations": {"next": itself}}
    reply = one("PUT", "/blueprints/service", body)
    assert reply.json()["blueprint"]["identifier"] == "renamed"
    assert reply.json()["blueprint"]["relations"]["next"]["target"] == "renamed"
    refused(one("GET", "/blueprints/service"), 404, "not_found")
    assert one.get("renamed", "s")["blueprint"] == "renamed"
    deployment = one("GET", "/blueprints/deployment").json()["blueprint"]
    assert {each["target"] for each in deployment["relations"].values()} == {"renamed"}
    one("PATCH", "/blueprints/renamed/entities/s", {"identifier": "z"})
    assert one.get("deployment", "d")["relations"] == {"of": "z", "needs": ["z"]}
    assert one.get("renamed", "z")["relations"] == {"next": "z"}
    assert one("DELETE", "/blueprints/renamed/entities/z", delete_dependents="false").status_code == 200
    assert one.get("deployment", "d")["relations"] == {"of": None, "needs": []}
    taken = one("PUT", "/blueprints/renamed", {**SERVICE, "identifier": "fresh"})
    refused(taken, 409, "identifier_taken")


def test_the_permissions_and_actions_of_a_renamed_blueprint_follow() -> None:
    one = talk()
    one("POST", "/blueprints", {**SERVICE, "identifier": "fresh"})
    trigger = {
        "type": "self-service",
        "operation": "DAY-2",
        "blueprintIdentifier": "fresh",
        "userInputs": {"properties": {}},
    }
    one("POST", "/actions", {"identifier": "act", "trigger": trigger, "invocationMethod": {"type": "KAFKA"}})
    one("PUT", "/blueprints/fresh", {**SERVICE, "identifier": "renamed"})
    permissions = one("GET", "/blueprints/renamed/permissions").json()["permissions"]["entities"]
    assert permissions["update"]["roles"] == ["Admin", "renamed-moderator"]
    assert one("GET", "/actions/act").json()["action"]["trigger"]["blueprintIdentifier"] == "renamed"
    assert one("GET", "/pages/freshs").json()["page"]["blueprint"] == "renamed"


def test_a_calculation_that_is_no_jq_is_kept_and_yields_nothing() -> None:
    """TestAccPortBlueprintWithCalculationProperty"""
    one = talk()
    calculation = {"title": "C", "calculation": "test-rel.$identifier", "type": "string", "colorized": True}
    body = {**DEPLOYMENT, "calculationProperties": {"c": calculation}}
    assert one("PUT", "/blueprints/deployment", body).json()["blueprint"]["calculationProperties"] == {"c": calculation}
    one.put("deployment", "d")
    assert one.get("deployment", "d")["properties"]["c"] is None


@pytest.mark.parametrize(("identifier", "page"), [("service-x", "service-xs"), ("services", "services")])
def test_a_catalog_page_is_named_in_the_plural(identifier: str, page: str) -> None:
    """TestAccPortBlueprintCatalogPageCreation"""
    one = talk()
    one("POST", "/blueprints", {**SERVICE, "identifier": identifier})
    assert one("GET", f"/pages/{page}").json()["page"]["blueprint"] == identifier


TEAM_FIELDS = (
    "name",
    "provider",
    "description",
    "createdAt",
    "updatedAt",
    "users.firstName",
    "users.status",
    "users.email",
)


def test_a_team_is_made_read_changed_and_deleted() -> None:
    """TestAccPortTeam, TestAccPortTeamUpdate, TestAccPortTeamEmptyDescription, TestAccPortTeamImport"""
    one = talk()
    one.emulator.add_user("anna.b@example.com", teams=("other",))
    made = one("POST", "/teams", {"name": "blue", "description": "Test", "users": []}).json()["team"]
    assert (made["name"], made["description"], made["provider"]) == ("blue", "Test", "port")
    refused(one("POST", "/teams", {"name": "blue"}), 409, "identifier_taken")
    refused(one("POST", "/teams", {"name": " blue"}), 422, "invalid_request")
    people = ["anna.b@example.com", "who@example.com"]
    assert one("PUT", "/teams/blue", {"name": "blue", "users": people}).status_code == 200
    shown: Json = one("GET", "/teams/blue", fields=list(TEAM_FIELDS)).json()["team"]
    assert "description" not in shown and "id" not in shown
    assert shown["users"] == [
        {"email": "anna.b@example.com", "firstName": "Anna", "status": "ACTIVE"},
        {"email": "who@example.com", "firstName": "", "status": "ACTIVE"},
    ]
    assert one("GET", "/users/anna.b@example.com").json()["user"]["teams"] == ["other", "blue"]
    one("PATCH", "/teams/blue", {"name": "red"})
    refused(one("GET", "/teams/blue"), 404, "not_found")
    assert one("GET", "/users/anna.b@example.com").json()["user"]["teams"] == ["other", "red"]
    assert [team["name"] for team in one("GET", "/teams").json()["teams"]] == ["red"]
    assert one("DELETE", "/teams/red").json() == {"ok": True}
    assert one("GET", "/users/anna.b@example.com").json()["user"]["teams"] == ["other"]


def test_permissions_may_name_a_team_that_was_made() -> None:
    """TestAccPortActionPermissionsUpdate, TestAccPortBlueprintPermissionsWithRelations"""
    one = talk(permissions_name_unknown=frozenset())
    body = {"entities": {"register": {"roles": ["Member"], "users": [], "teams": ["blue"]}}}
    refused(one("PATCH", "/blueprints/service/permissions", body), 422, "invalid_request")
    one("POST", "/teams", {"name": "blue", "description": None})
    kept = one("PATCH", "/blueprints/service/permissions", body).json()["permissions"]
    assert kept["entities"]["register"]["teams"] == ["blue"]


def test_permissions_on_meta_properties_are_kept() -> None:
    """TestAccPortBlueprintPermissionsBasic"""
    one = talk()
    rule = {"roles": ["Member"], "users": [], "teams": []}
    body = {"entities": {"updateProperties": {f"${name}": rule for name in ("icon", "identifier", "team", "title")}}}
    kept = one("PATCH", "/blueprints/service/permissions", body).json()["permissions"]["entities"]
    assert kept["updateProperties"] == body["entities"]["updateProperties"]


FORMS: dict[str, Json] = {
    "TestAccPortActionAdvancedFormConfigurations": {
        "type": "string",
        "dataset": {
            "combinator": "and",
            "rules": [{"property": "$team", "operator": "containsAny", "value": {"jqQuery": "Test"}}],
        },
    },
    "TestAccPortActionJqDefault": {"type": "string", "default": {"jqQuery": "'Test'"}},
    "TestAccPortActionEnumJqQuery": {
        "type": "array",
        "items": {"type": "string", "enum": {"jqQuery": "'example' | [ . ]"}},
    },
}


@pytest.mark.parametrize("declared", FORMS.values(), ids=FORMS)
def test_jq_of_a_form_is_kept_as_it_is_and_yields_nothing_where_it_is_none(declared: Json) -> None:
    one = talk()
    form = {"properties": {"x": declared, "y": {"type": "string", "visible": {"jqQuery": "("}}}}
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": form}
    body = {"identifier": "act", "trigger": trigger, "invocationMethod": {"type": "KAFKA"}}
    assert one("POST", "/actions", body).json()["action"]["trigger"] == trigger
    assert one("POST", "/actions/act/runs", {"properties": {}}).status_code == 202
