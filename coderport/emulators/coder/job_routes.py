"""Routes of provisioner jobs and daemons, recorded from Coder 2.20, and of dry runs of a version."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator

from starlette.responses import Response

from coderport.emulators.coder import builds
from coderport.emulators.coder.build_rows import log_json, planned_resources
from coderport.emulators.coder.following import Followed
from coderport.emulators.coder.http import Call, Refused, invalid, json_response, not_found
from coderport.emulators.coder.job_rows import daemon_json, initiator_of, job_json, job_status, listed_job_json
from coderport.emulators.coder.jobs import Job
from coderport.emulators.coder.prices import jobs_seconds
from coderport.emulators.coder.reading import organization_of
from coderport.emulators.coder.records import DryRun, Organization, Version
from coderport.emulators.coder.template_routes import version_of
from coderport.emulators.coder.written import stamp

_STATUSES = ("pending", "running", "succeeded", "canceling", "canceled", "failed", "unknown")
_USUAL_LIMIT = 50


def _organization(call: Call) -> Organization:
    """The organization; 404 to who may not read its jobs, which site-wide roles other than owner may not."""
    if not call.state.flavour.job_lists:
        raise Refused(404, "Route not found.")
    organization = organization_of(call)
    if not call.subject.may("read", "provisioner_jobs", organization=organization.id):
        raise not_found()
    return organization


def list_jobs(call: Call) -> Response:
    """``GET /organizations/{organization}/provisionerjobs``: newest first, 50 unless `limit` says (0: all)."""
    organization = _organization(call)
    limit = _limit(call, ("limit", "status", "ids", "tags", *_newer_keys(call)))
    active = set(call.query.get("status", "").split(",")) <= {"pending", "running", "canceling"}
    call.charge(jobs_seconds(call.state.jobs.count(organization.id), active))
    jobs = _wanted(call, call.state.jobs.newest_first(organization.id))
    rows = []
    for job in jobs:
        rows.append(listed_job_json(call.state, job))
        if len(rows) == limit:
            break
    return json_response(rows)


def _newer_keys(call: Call) -> tuple[str, ...]:
    return ("initiator",) if call.state.flavour.prebuild_fields else ()


def get_job(call: Call) -> Response:
    """``GET /organizations/{organization}/provisionerjobs/{job}``."""
    organization = _organization(call)
    job = call.state.jobs.find(organization.id, call.id("job"))
    if job is None:
        raise not_found()
    return json_response(listed_job_json(call.state, job))


def list_daemons(call: Call) -> Response:
    """``GET /organizations/{organization}/provisionerdaemons``: who may not read jobs may not read these either.

    Those of the server itself are in the default organization (`coderd/coderd.go`). `offline` shows those that have
    gone, too, where the server knows the word: here there are none.
    """
    organization = _organization(call)
    limit = _limit(call, ("limit", "status", "ids", "tags", *(("offline", "max_age") if _newer_keys(call) else ())))
    ids, tags = _ids(call), _tags(call)
    ids_there = call.state.daemon_ids if organization.is_default else []
    daemons = [daemon_json(call.state, id, organization.id) for id in ids_there]
    found = [row for row in daemons if (not ids or row["id"] in ids) and _has_tags(row["tags"], tags)]
    return json_response(found[:limit] if limit else found)


def _limit(call: Call, known: Iterable[str]) -> int:
    unknown = [(key, f'"{key}" is not a valid query param') for key in call.query if key not in set(known)]
    if unknown:
        raise Refused(400, "Invalid query parameters.", validations=unknown)
    return call.number("limit") if "limit" in call.query else _USUAL_LIMIT


def _wanted(call: Call, jobs: Iterator[Job]) -> Iterator[Job]:
    statuses = [status for status in call.query.get("status", "").split(",") if status]
    wrong = next((status for status in statuses if status not in _STATUSES), None)
    if wrong is not None:
        detail = f'fetch object: pq: invalid input value for enum provisioner_job_status: "{wrong}"'
        raise Refused(500, "Internal error fetching provisioner jobs.", detail)
    ids, tags = _ids(call), _tags(call)
    initiator = call.query.get("initiator") or None
    if initiator == "me":
        initiator = call.subject.user.id
    for job in jobs:
        if (
            (not statuses or job_status(job) in statuses)
            and (not ids or job_json(call.state, job)["id"] in ids)
            and _has_tags({"owner": "", "scope": "organization"}, tags)
            and initiator in (None, initiator_of(job))
        ):
            yield job


def _ids(call: Call) -> set[str]:
    found = set()
    for value in filter(None, call.query.get("ids", "").split(",")):
        try:
            found.add(str(uuid.UUID(value)))
        except ValueError:
            detail = f'Query param "ids" must be a valid uuid: invalid UUID length: {len(value)}'
            raise invalid("ids", detail, "Invalid query parameters.") from None
    return found


def _tags(call: Call) -> dict[str, str]:
    given = call.query.get("tags")
    try:
        tags = json.loads(given) if given else {}
    except ValueError:
        tags = None
    if not isinstance(tags, dict):
        raise invalid("tags", 'Query param "tags" must be a valid JSON object', "Invalid query parameters.")
    return tags


def _has_tags(tags: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(tags.get(key) == value for key, value in wanted.items())


# ---------------------------------------------------------------- dry runs


def create_dry_run(call: Call) -> Response:
    """``POST /templateversions/{version}/dry-run``: 201 with the job, for who may create workspaces of it."""
    version = _plannable(call)
    body = call.body()
    given = body.pairs("rich_parameter_values")
    made = builds.begin_dry_run(call.state, version, call.subject.user.id, body.text("workspace_name"), given)
    return json_response(job_json(call.state, made), 201)


def _plannable(call: Call) -> Version:
    version, me = version_of(call), call.subject.user.id
    if not call.subject.may("create", "workspace", organization=version.organization_id, owner=me):
        raise not_found()
    if not version.imported:
        raise Refused(406, "Template version import job hasn't completed!")
    return version


def _dry_run(call: Call) -> DryRun:
    version = version_of(call)
    found = call.state.dry_runs.get(call.id("job"))
    if found is None or found.version_id != version.id:
        raise not_found()
    if found.initiator_id != call.subject.user.id and not call.subject.may("update", "workspace"):
        raise not_found()
    return found


def get_dry_run(call: Call) -> Response:
    """``GET /templateversions/{version}/dry-run/{job}``."""
    return json_response(job_json(call.state, _dry_run(call)))


def get_dry_run_resources(call: Call) -> Response:
    """``GET …/resources``: what the plan would make; 400 before the plan is done."""
    dry_run = _dry_run(call)
    if dry_run.active:
        raise Refused(400, "Job hasn't completed!")
    return json_response(planned_resources(call.state, dry_run))


def get_dry_run_logs(call: Call) -> Response:
    """``GET …/logs``; with `follow` it is a WebSocket."""
    return json_response([log_json(line) for line in _dry_run(call).logs or ()])


def followed_dry_run(call: Call) -> Followed:
    """``GET …/logs?follow`` as a WebSocket."""
    dry_run = _dry_run(call)
    return Followed(lambda: dry_run.logs or (), lambda: not dry_run.active)


def get_matched_provisioners(call: Call) -> Response:
    """``GET …/matched-provisioners``: the daemons that fit the plan's tags."""
    _dry_run(call)
    state = call.state
    free = len(state.daemon_ids) - len(state.at_work)
    seen = stamp(state.now()) if state.daemon_ids else None
    return json_response({"count": len(state.daemon_ids), "available": max(0, free), "most_recently_seen": seen})


def cancel_dry_run(call: Call) -> Response:
    """``PATCH …/cancel``."""
    dry_run = _dry_run(call)
    if not dry_run.active:
        raise Refused(400, "Job has already completed!")
    if dry_run.job_status == "canceling":
        raise Refused(400, "Job has already been marked as canceled!")
    builds.cancel(call.state, dry_run)
    return json_response({"message": "Job has been marked as canceled!"})
