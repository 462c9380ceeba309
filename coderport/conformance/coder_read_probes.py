"""Probes of what Coder says of one object, of people, of rights, and of what has happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coderport.catalog.meaning import instant
from coderport.conformance.coder_bench import NOBODY, CoderBench, flagged
from coderport.conformance.probe import NotAsked, Probe

_RECORDED = "recorded from Coder 2.20"
_SECOND = "recorded from Coder 2.20 (second recording)"
_ENTERPRISE = "Coder's API reference (enterprise)"
_UNSEEN = "Resource not found or you do not have access to this resource"


def _message(bench: CoderBench, path: str, **query: Any) -> Any:
    answer = bench.ask("GET", path, **query)
    told = answer.body.get("message") if isinstance(answer.body, dict) else None
    return f"{answer.status} {told}"


def _deleted(bench: CoderBench) -> Any:
    answer = bench.ask("GET", f"/workspaces/{bench.deleted}")
    told = isinstance(answer.body, dict) and "was deleted" in str(answer.body.get("message"))
    return f"{answer.status}{' was deleted' if told else ''}"


def _deleted_included(bench: CoderBench) -> Any:
    answer = bench.ask("GET", f"/workspaces/{bench.deleted}", include_deleted="true").expect(200)
    return answer.member("latest_build")["transition"]


def _outside_the_api(bench: CoderBench) -> Any:
    answer = bench.talk.ask("GET", "/coderport-asks")
    return f"{answer.status} {answer.headers.get('content-type', '').partition(';')[0]}"


def _version_header(bench: CoderBench) -> Any:
    answer = bench.ask("GET", "/buildinfo").expect(200)
    return answer.headers.get("x-coder-build-version") == answer.member("version")


def _rate_headers(bench: CoderBench) -> Any:
    headers = bench.ask("GET", "/workspaces", q=f"id:{NOBODY}", limit=1).expect(200).headers
    return all(f"x-ratelimit-{name}" in headers for name in ("limit", "remaining", "reset"))


def _one_default(bench: CoderBench) -> Any:
    return sum(bool(each.get("is_default")) for each in bench.organizations)


def _member_roles(bench: CoderBench) -> Any:
    return "default_org_member_roles" in bench.organizations[0]


# ---------------------------------------------------------------- people and rights


def _by_address(bench: CoderBench) -> Any:
    address = bench.me["email"]
    answer = bench.ask("GET", "/users", q=address, limit=100)
    if answer.status == 403:
        raise NotAsked("this token may not list users")
    return [row["id"] for row in answer.expect(200).member("users") if row["email"] == address] == [bench.me["id"]]


def _unknown_user(bench: CoderBench) -> Any:
    return bench.ask("GET", f"/users/{NOBODY}").expect(400, 404).status == 400


def _check(kind: str, action: str = "read", **of: Any) -> dict[str, Any]:
    return {"object": {"resource_type": kind, **of}, "action": action}


def _rights(bench: CoderBench) -> Any:
    """Whether each question gets a boolean under its own name."""
    checks = {f"{kind}.read": _check(kind) for kind in ("workspace", "template", "organization")}
    answer = bench.ask("POST", "/authcheck", {"checks": checks}).expect(200)
    return isinstance(answer.body, dict) and {key: type(value) for key, value in answer.body.items()} == dict.fromkeys(
        checks, bool
    )


def _rights_by_id(bench: CoderBench) -> Any:
    checks = {f"{number}": _check("workspace", resource_id=NOBODY) for number in range(11)}
    return bench.ask("POST", "/authcheck", {"checks": checks}).status


def _dormant_by_id(bench: CoderBench) -> Any:
    roles = {role["name"] for role in bench.me.get("roles", ())}
    if "template-admin" not in roles or "owner" in roles:
        raise NotAsked("it is about tokens of template admins")
    rows = bench.ask("GET", "/workspaces", q="dormant:true", limit=1).expect(200).member("workspaces")
    if not rows:
        raise NotAsked("there is no dormant workspace")
    return bench.ask("GET", f"/workspaces/{rows[0]['id']}").expect(200, 404).status == 200


# ---------------------------------------------------------------- jobs and the audit log


def _jobs_path(bench: CoderBench, kind: str = "provisionerjobs") -> str:
    return f"/organizations/{bench.organizations[0]['id']}/{kind}"


def _has_jobs(bench: CoderBench) -> Any:
    answer = bench.ask("GET", _jobs_path(bench), limit=1).expect(200, 404)
    return answer.status == 200 or answer.member("message") == _UNSEEN


def _need_jobs(bench: CoderBench) -> None:
    if not _has_jobs(bench):
        raise NotAsked("this version lists no provisioner jobs")


def newest_first(texts: Iterable[object]) -> bool:
    """Whether these are times, none older than the next.

    Coder writes no trailing zeros, so the texts are in another order than the moments: `.12Z` and `.123Z`.
    """
    moments = [instant(text) for text in texts]
    known = [each for each in moments if each is not None]
    return known == moments == sorted(known, reverse=True)


def _jobs_in_order(bench: CoderBench) -> Any:
    return newest_first(job["created_at"] for job in bench.jobs)


def _jobs_name_workspaces(bench: CoderBench) -> Any:
    builds = [job for job in bench.jobs if job["type"] == "workspace_build"]
    if not builds:
        raise NotAsked("there was no build yet")
    return all(job["metadata"].get("workspace_id") for job in builds)


def _jobs_status(bench: CoderBench, **query: Any) -> Any:
    assert bench.jobs is not None  # NotAsked where they may not be listed
    return bench.ask("GET", _jobs_path(bench), **query).status


def _job_rights(bench: CoderBench) -> Any:
    """Whether a token reads jobs exactly where the check says that it may."""
    _need_jobs(bench)
    check = _check("provisioner_jobs", organization_id=bench.organizations[0]["id"])
    may = bench.ask("POST", "/authcheck", {"checks": {"jobs": check}}).expect(200).member("jobs")
    return bench.ask("GET", _jobs_path(bench), limit=1).expect(200, 404).status == (200 if may else 404)


def _daemons_as_jobs(bench: CoderBench) -> Any:
    _need_jobs(bench)
    statuses = {bench.ask("GET", _jobs_path(bench, kind), limit=1).status for kind in
                ("provisionerjobs", "provisionerdaemons")}  # fmt: skip
    return len(statuses) == 1


def _audit(bench: CoderBench, **query: Any) -> Any:
    answer = bench.ask("GET", "/audit", limit=20, **query)
    if answer.status == 403:
        raise NotAsked("this token may not read the audit log")
    return answer


def _audit_in_order(bench: CoderBench) -> Any:
    return newest_first(row["time"] for row in _audit(bench).expect(200).member("audit_logs"))


def _audit_names_workspaces(bench: CoderBench) -> Any:
    rows = _audit(bench, q="resource_type:workspace_build").expect(200).member("audit_logs")
    if not rows:
        raise NotAsked("there was no build yet")
    return all(row["additional_fields"].get("workspace_id") for row in rows)


# ---------------------------------------------------------------- builds


def _builds_newest_first(bench: CoderBench) -> Any:
    row = max(bench.rows, key=lambda row: int(row["latest_build"]["build_number"]))
    numbers = [build["build_number"] for build in bench.ask("GET", f"/workspaces/{row['id']}/builds").expect(200).body]
    return numbers == sorted(numbers, reverse=True) and numbers[0] == row["latest_build"]["build_number"]


def _log_after(bench: CoderBench) -> Any:
    path = f"/workspacebuilds/{bench.rows[0]['latest_build']['id']}/logs"
    lines = bench.ask("GET", path).expect(200).body
    if not isinstance(lines, list) or len(lines) < 2:
        raise NotAsked("the build has no log")
    rest = bench.ask("GET", path, after=lines[0]["id"]).expect(200).body
    return [line["id"] for line in rest] == [line["id"] for line in lines[1:]]


def _follow_needs_a_socket(bench: CoderBench) -> Any:
    path = f"/workspacebuilds/{bench.rows[0]['latest_build']['id']}/logs"
    return bench.ask("GET", path, follow="false").status == 426


def _values_are_text(bench: CoderBench) -> Any:
    path = f"/workspacebuilds/{bench.rows[0]['latest_build']['id']}/parameters"
    rows = bench.ask("GET", path).expect(200).body
    return all(isinstance(row["name"], str) and isinstance(row["value"], str) for row in rows or ())


def _groups(bench: CoderBench) -> list[Any]:
    answer = bench.ask("GET", "/groups")
    if answer.status == 403:
        raise NotAsked("there is no licence for groups")
    return list(answer.expect(200).body)


def _everybody(bench: CoderBench) -> Any:
    ids = {row["id"] for row in _groups(bench)}
    if not ids:
        raise NotAsked("this token may read no groups")
    return {row["id"] for row in bench.organizations} <= ids


def _unknown_group(bench: CoderBench) -> Any:
    _groups(bench)
    return bench.ask("GET", f"/groups/{NOBODY}").status


READ_PROBES: tuple[Probe[CoderBench], ...] = (
    Probe("deployment.version", "Does Coder call its version by numbers?", _RECORDED, True,
          lambda bench: bench.says_version),
    Probe("workspace.unknown", "Is a workspace that never was 404, and so not taken for a deleted one?", _RECORDED,
          f"404 {_UNSEEN}", lambda bench: _message(bench, f"/workspaces/{NOBODY}")),
    Probe("workspace.deleted", "Is a deleted workspace 410, in words that say so?", _RECORDED, "410 was deleted",
          _deleted),
    Probe("workspace.deleted-included", "Is a deleted workspace shown to who asks for deleted ones?", _RECORDED,
          "delete", _deleted_included),
    Probe("workspace.malformed-id", "Is an id that is none refused?", _RECORDED, 400,
          lambda bench: bench.ask("GET", "/workspaces/coderport").status),
    Probe("template.unknown", "Is a template that never was 404?", _RECORDED, 404,
          lambda bench: bench.ask("GET", f"/templates/{NOBODY}").status),
    Probe("route.unknown", "Is an unknown route under the API 404 as JSON?", _RECORDED, "404 Route not found.",
          lambda bench: _message(bench, "/coderport-asks")),
    Probe("route.outside", "Is an unknown route outside of the API the site, with 200?", _RECORDED, "200 text/html",
          _outside_the_api),
    Probe("answer.version", "Does each answer say the server's version?", _RECORDED, True, _version_header),
    Probe("answer.rate", "Does each answer say what is left of the rate?", _RECORDED, True, _rate_headers),
    Probe("organizations.default", "How many organizations are the default one?", _RECORDED, 1, _one_default),
    flagged("organizations.member-roles", "Do organizations say the roles of new members?", "newest_fields",
            _member_roles),
    Probe("organizations.unknown", "Is an organization that never was 404?", _ENTERPRISE, 404,
          lambda bench: bench.ask("GET", f"/organizations/{NOBODY}").status),
    Probe("groups.everybody", "Does the list of groups have the group of everybody of each organization, by its id?",
          _ENTERPRISE, True, _everybody),
    Probe("groups.unknown", "Is a group that never was 404?", _ENTERPRISE, 404, _unknown_group),
    Probe("users.by-address", "Is a user found by e-mail address?", _RECORDED, True, _by_address),
    flagged("users.unknown", "Is an unknown user in a path 400, and not 404?", "unknown_user_is_400", _unknown_user),
    Probe("authcheck.answers", "Does each question of rights get a boolean under its name?", _RECORDED, True, _rights),
    Probe("authcheck.ids", "Are more than ten questions about single objects refused?", "coderd/authorize.go", 400,
          _rights_by_id),
    flagged("workspace.dormant-by-id", "May a template admin open a dormant workspace?",
            "dormant_read_for_template_admins", _dormant_by_id),
    flagged("jobs.listed", "Are provisioner jobs listed for an organization?", "job_lists", _has_jobs),
    Probe("jobs.order", "Are the newest jobs first?", _SECOND, True, _jobs_in_order),
    Probe("jobs.workspace", "Does each build's job name its workspace, a deletion's too?", _SECOND, True,
          _jobs_name_workspaces),
    Probe("jobs.offset", "Is an offset of jobs refused?", _SECOND, 400,
          lambda bench: _jobs_status(bench, limit=1, offset=1)),
    Probe("jobs.unknown-status", "Is an unknown status of jobs the server's error?", _SECOND, 500,
          lambda bench: _jobs_status(bench, limit=1, status="asleep")),
    Probe("jobs.right", "Are jobs 404 exactly where the check of rights says no?", _SECOND, True, _job_rights),
    Probe("jobs.daemons", "Are daemons shown to those who may read jobs, and to nobody else?", _SECOND, True,
          _daemons_as_jobs),
    Probe("audit.order", "Is the audit log newest first?", _SECOND, True, _audit_in_order),
    Probe("audit.workspace", "Does each build in the audit log name its workspace?", _SECOND, True,
          _audit_names_workspaces),
    Probe("audit.days", "Is a time, other than a day, refused by the audit log?", "coder-api.md: day-granular", 400,
          lambda bench: _audit(bench, q='date_from:"2026-01-01T00:00:00Z"').status),
    Probe("builds.order", "Are builds listed newest first, beginning with the row's?", _SECOND, True,
          _builds_newest_first),
    Probe("builds.log-after", "Does a log go on after the line that is named?", "codersdk/provisionerdaemons.go", True,
          _log_after),
    Probe("builds.log-follow", "Does the word `follow`, whatever its value, ask for a WebSocket?",
          "coderd/provisionerjobs.go", True, _follow_needs_a_socket),
    Probe("builds.values", "Are the values of parameters text?", _RECORDED, True, _values_are_text),
)  # fmt: skip
