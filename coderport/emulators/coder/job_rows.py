"""Provisioner jobs and daemons as JSON: inside a build or version, and in lists of their own."""

from __future__ import annotations

from coderport.emulators.coder.jobs import Job, job_id
from coderport.emulators.coder.records import Build, DryRun, Template, Version
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import NIL_ID, Json, derived_id, nullable, stamp

BUILT_IN_KEY = "00000000-0000-0000-0000-000000000001"
"""The id of the key by which the server's own daemons are there; its name is ``built-in``."""
_TAGS = {"owner": "", "scope": "organization"}


def job_status(job: Job) -> str:
    """The job's status; a version's is that of its import."""
    if isinstance(job, Version):
        return "succeeded" if job.imported else "running"
    return job.job_status


def version_of_job(state: State, job: Job) -> Version:
    """The version that the job is about."""
    return job if isinstance(job, Version) else state.versions[job.version_id]


def initiator_of(job: Job) -> str:
    """The id of the user who asked for the job."""
    return job.created_by_id if isinstance(job, Version) else job.initiator_id


def job_json(state: State, job: Job) -> Json:
    """A job as it stands in a build or a version: what it is about is left blank there."""
    version = version_of_job(state, job)
    row: Json = {"id": job_id(job), "created_at": stamp(job.created_at), **_times(state, job)}
    place = 0 if isinstance(job, Version) else state.queue_place(job)
    row |= {
        "file_id": derived_id(version.id, "file"),
        "tags": _TAGS,
        "queue_position": place,
        "queue_size": len(state.queue) if place else 0,
    }
    if state.flavour.job_details:
        row |= {
            "organization_id": version.organization_id,
            "input": _input(job),
            "type": _kind(job),
            "metadata": _metadata(None, ""),
        }
    if state.flavour.prebuild_fields:
        row |= {"initiator_id": initiator_of(job), "logs_overflowed": False}
    return row


def _times(state: State, job: Job) -> Json:
    """What a job has only from some moment on; what it has not yet is absent."""
    if isinstance(job, Version):
        done = nullable(job.created_at) if job.imported else None
        row: Json = {"started_at": stamp(job.created_at), "completed_at": done, "status": job_status(job)}
        row["worker_id"] = next(iter(state.daemon_ids), None)
    else:
        row = {
            "started_at": nullable(job.started_at),
            "completed_at": nullable(job.completed_at),
            "canceled_at": nullable(job.canceled_at),
            "error": job.error or None,
            "status": job.job_status,
            "worker_id": job.worker_id,
        }
    return {key: value for key, value in row.items() if value is not None}


def _input(job: Job) -> Json:
    if isinstance(job, Build):
        return {"workspace_build_id": job.id}
    return {"template_version_id": job.version_id if isinstance(job, DryRun) else job.id}


def _kind(job: Job) -> str:
    if isinstance(job, Build):
        return "workspace_build"
    return "template_version_dry_run" if isinstance(job, DryRun) else "template_version_import"


def _metadata(template: Template | None, version_name: str) -> Json:
    return {
        "template_version_name": version_name,
        "template_id": template.id if template else NIL_ID,
        "template_name": template.name if template else "",
        "template_display_name": template.display_name if template else "",
        "template_icon": template.icon if template else "",
    }


def listed_job_json(state: State, job: Job) -> Json:
    """A job in the list of jobs, which says what it is about; a deletion's still names its workspace."""
    version = version_of_job(state, job)
    row = job_json(state, job)
    row["metadata"] = _metadata(state.templates[version.template_id], version.name)
    if isinstance(job, Build):
        workspace = state.workspaces[job.workspace_id]
        row["metadata"] |= {"workspace_id": workspace.id, "workspace_name": workspace.name}
    if state.flavour.prebuild_fields:
        if job_status(job) == "pending":
            row["available_workers"] = state.daemon_ids
        if "worker_id" in row:
            row["worker_name"] = _daemon_name(state, row["worker_id"])
    return row


def _daemon_name(state: State, id: str) -> str:
    return f"vm-{state.daemon_ids.index(id)}" if id in state.daemon_ids else "vm-gone"


def daemon_json(state: State, id: str, organization_id: str) -> Json:
    """A provisioner daemon: what it does, and what it did before."""
    current = next((job for job, daemon in state.at_work.items() if daemon == id), None)
    last = state.jobs.last_of(id)
    return {
        "id": id,
        "organization_id": organization_id,
        "key_id": BUILT_IN_KEY,
        "created_at": stamp(state.organizations[organization_id].created_at),  # it began with the server
        "last_seen_at": stamp(state.now()),
        "name": _daemon_name(state, id),
        "version": state.flavour.version,
        "api_version": "1.3",
        "provisioners": ["terraform"],
        "tags": _TAGS,
        "key_name": "built-in",
        "status": "busy" if current else "idle",
        "current_job": _daemon_job(state, state.builds.get(current) or state.dry_runs[current]) if current else None,
        "previous_job": _daemon_job(state, last) if last else None,
    }


def _daemon_job(state: State, job: Job) -> Json:
    template = state.templates[version_of_job(state, job).template_id]
    return {
        "id": job_id(job),
        "status": job_status(job),
        "template_name": template.name,
        "template_icon": template.icon,
        "template_display_name": template.display_name,
    }
