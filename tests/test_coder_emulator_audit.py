"""The audit log of the emulated server: what is noted, for whose eyes, and how it is searched."""

from __future__ import annotations

from typing import Any

from coder_talk import Api


def lines(api: Api, q: str = "", token: str | None = None, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get("/audit", token, q=q, **{"limit": 100, **params})["audit_logs"]
    return rows


def test_what_people_do_to_a_workspace_is_noted_newest_first(api: Api) -> None:
    template = next(each.id for each in api.emulator.state.templates.values() if not each.deprecated)
    api.emulator.set_template(template, allow_workspace_renames=True)
    made = api.request("POST", "/users/me/workspaces", json={"name": "noted", "template_id": template}).json()["id"]
    api.clock.now += 5
    api.request("PATCH", f"/workspaces/{made}", json={"name": "renamed"})
    api.request("PUT", f"/workspaces/{made}/ttl", json={"ttl_ms": 3_600_000})
    api.request("PUT", f"/workspaces/{made}/autostart", json={"schedule": "0 9 * * 1-5"})
    api.request("PUT", f"/workspaces/{made}/dormant", json={"dormant": True})
    api.build(made, transition="delete")
    api.clock.now += 5
    told = [(each["resource_type"], each["action"], sorted(each["diff"])) for each in lines(api)[:7]]
    assert told == [
        ("workspace_build", "delete", []),
        ("workspace", "write", ["dormant_at"]),
        ("workspace", "write", ["autostart_schedule"]),
        ("workspace", "write", ["ttl"]),
        ("workspace", "write", ["name"]),
        ("workspace_build", "start", []),
        ("workspace", "create", []),
    ]
    build = lines(api, "resource_type:workspace_build action:delete")[0]
    assert (build["additional_fields"]["workspace_id"], build["is_deleted"]) == (made, True)
    assert lines(api, f"resource_id:{made} action:write")[3]["diff"]["name"] == {
        "old": "noted", "new": "renamed", "secret": False,
    }  # fmt: skip


def test_a_deadline_that_is_moved_is_not_noted(api: Api) -> None:
    row = next(each for each in api.rows(q="status:running") if each["latest_build"]["deadline"])
    api.emulator.start(row["id"])
    before = api.get("/audit", limit=1)["count"]
    extended = api.request("PUT", f"/workspaces/{row['id']}/extend", json={"deadline": "2027-01-15T16:00:00Z"})
    assert extended.status_code == 200, extended.text
    assert api.get("/audit", limit=1)["count"] == before


def test_each_role_sees_what_is_its_own_to_see(api: Api) -> None:
    first, second = api.get("/organizations")
    for organization in (first["id"], second["id"]):
        row = api.rows(q=f"organization:{organization} status:running")[0]
        api.emulator.stop(row["id"])
    admin = api.emulator.create_token("organization-admin", organization=second["name"])
    assert {each["organization_id"] for each in lines(api, token=admin)} == {second["id"]}
    everybodys = api.emulator.create_token("auditor")
    assert {first["id"], second["id"]} <= {each["organization_id"] for each in lines(api, token=everybodys)}
    for role in ("member", "template-admin", "user-admin"):
        assert api.status("/audit", api.emulator.create_token(role), limit=1) == 403


def test_a_search_takes_whole_days_and_refuses_what_it_does_not_know(api: Api) -> None:
    api.emulator.stop(api.rows(q="status:running")[0]["id"])
    day = "2027-01-15"  # of the clock of these tests
    assert lines(api, f"date_from:{day} date_to:{day}") == lines(api)
    assert lines(api, "date_to:2027-01-14") == []
    assert api.status("/audit", limit=1, q="date_from:2027-01-15T10:00:00Z") == 400
    assert api.status("/audit", limit=1, q="colour:red") == 400
    assert api.status("/audit", limit=1, q="resource_type:moon") == 400


def test_pages_go_by_offset_and_the_count_stays_whole(api: Api) -> None:
    for row in api.rows(q="status:running")[:5]:
        api.emulator.stop(row["id"])
    whole = lines(api)
    page = api.get("/audit", limit=2, offset=2)
    assert page["audit_logs"] == whole[2:4] and page["count"] == len(whole)
