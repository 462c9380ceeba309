"""Builds: how one begins, how it goes on with the clock, what it logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from coderport.emulators.coder.audit import note_build
from coderport.emulators.coder.jobs import Work
from coderport.emulators.coder.parameters import resolved_parameters
from coderport.emulators.coder.records import Build, DryRun, Following, Version, Workspace
from coderport.emulators.coder.schedule import next_start
from coderport.emulators.coder.state import State

_STAGES = {"start": "Starting workspace", "stop": "Stopping workspace", "delete": "Deleting workspace"}


def begin(
    state: State,
    workspace: Workspace,
    transition: str,
    initiator_id: str,
    *,
    version_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    reason: str = "initiator",
    preset_id: str | None = None,
    provisioner_state: bytes | None = None,
    fails_with: str = "",
    then: Following | None = None,
    instant: bool = False,
) -> Build:
    """Queue a build. Without a version it is the previous build's, without parameters theirs.

    `instant` has it ended at once, as if nobody had looked in between. Each provisioner does one build at a
    time; the others are pending, and so are all where there is no provisioner. Whether a build may begin is
    for the caller to have asked.
    """
    now = state.now()
    previous = workspace.builds[-1] if workspace.builds else None
    if version_id is None:
        assert previous is not None, "a first build names its version"
        version_id = previous.version_id
    if parameters is None:
        parameters = previous.parameters if previous else {}
    build = Build(
        state.new_id(), workspace.id, len(workspace.builds) + 1, transition, version_id, initiator_id, now, now,
        reason=reason, parameters=dict(parameters), preset_id=preset_id, then=then, state=provisioner_state,
        fails_with=fails_with or (state.fail_builds.pop(0) if state.fail_builds and not instant else ""),
        matched=(state.provisioners, max(0, state.provisioners - len(state.at_work))), logs=(),
    )  # fmt: skip
    if transition == "start" and not instant:
        build.agents_end = state.agent_ends.pop(0) if state.agent_ends else "ready"
        build.agents_after = state.agent_seconds
    workspace.builds = (*workspace.builds, build)
    state.builds[build.id] = build
    state.jobs.add(workspace.organization_id, build)
    if instant:
        _start(state, build, next(iter(state.daemon_ids), None))
        _finish(state, build)
    else:
        state.place(workspace)
        state.queue[build.id] = build
        _begin_soon(state, build, state.pending_seconds)
    return build


def begin_dry_run(
    state: State, version: Version, initiator_id: str, workspace_name: str, given: Mapping[str, str]
) -> DryRun:
    """Queue a plan of a version. Only the plan judges the values that are given; those that are not are not missed."""
    now = state.now()
    template = state.templates[version.template_id]
    wrong = [each for each in resolved_parameters(template, version, given, None)[1] if each.name in given]
    dry_run = DryRun(
        state.new_id(), version.id, initiator_id, now, now, workspace_name, wrong[0].detail if wrong else "", logs=()
    )
    state.dry_runs[dry_run.id] = dry_run
    state.jobs.add(version.organization_id, dry_run)
    state.queue[dry_run.id] = dry_run
    _begin_soon(state, dry_run, state.pending_seconds)
    return dry_run


def take_pending(state: State) -> None:
    """Let the jobs that wait for a provisioner begin, as far as there are free ones."""
    for job in list(state.queue.values()):
        _begin_soon(state, job, state.pending_seconds)


def _begin_soon(state: State, job: Work, seconds: float) -> None:
    state.after(seconds, lambda: _start_and_follow(state, job))


def _start_and_follow(state: State, job: Work) -> None:
    busy = set(state.at_work.values())
    free = [daemon for daemon in state.daemon_ids if daemon not in busy]
    if job.job_status != "pending" or not free:
        return  # not any more, or not before a provisioner is free
    state.at_work[job.id] = free[0]
    state.queue.pop(job.id, None)
    _start(state, job, free[0])
    state.after(state.running_seconds / 2, lambda: _apply(state, job))
    state.after(state.running_seconds, lambda: _finish(state, job))


def _start(state: State, job: Work, daemon_id: str | None) -> None:
    job.job_status, job.started_at, job.worker_id = "running", state.now(), daemon_id
    job.updated_at = job.started_at
    _log(state, job, "provisioner_daemon", "Setting up", "")
    _log(state, job, "provisioner", "Planning infrastructure", "planning")


def _apply(state: State, job: Work) -> None:
    if isinstance(job, Build) and job.job_status == "running":
        stage = _STAGES[job.transition]
        _log(state, job, "provisioner_daemon", stage, "")
        _log(state, job, "provisioner", stage, "applying")
        for line in state.build_log:
            _log(state, job, "provisioner", stage, line)


def _finish(state: State, job: Work) -> None:
    if job.job_status not in ("running", "canceling"):
        return
    daemon_id = state.at_work.pop(job.id, None) or job.worker_id
    if daemon_id is not None:
        state.jobs.ended(job, daemon_id)
        waiting = next(iter(state.queue.values()), None)
        if waiting is not None:
            _begin_soon(state, waiting, 0)
    job.completed_at = job.updated_at = state.now()
    stage = _STAGES[job.transition] if isinstance(job, Build) else "Planning infrastructure"
    if job.job_status == "canceling":
        job.job_status, job.error = "canceled", "canceled"
        _log(state, job, "provisioner", stage, "canceled", "warn")
    elif job.fails_with:
        job.job_status, job.error = "failed", job.fails_with
        _log(state, job, "provisioner", stage, job.fails_with, "error")
    else:
        job.job_status = "succeeded"
    if isinstance(job, Build):
        _settle(state, job)
    _log(state, job, "provisioner_daemon", "Cleaning Up", "")
    if isinstance(job, Build) and job.job_status == "succeeded" and job.then is not None:
        _chain(state, state.workspaces[job.workspace_id], job, job.then)


def _settle(state: State, build: Build) -> None:
    """What the end of a build does to its workspace."""
    workspace = state.workspaces[build.workspace_id]
    if build.job_status == "succeeded":
        _succeed(state, workspace, build, state.now())
    state.place(workspace)
    note_build(state, build)


def _succeed(state: State, workspace: Workspace, build: Build, now: datetime) -> None:
    if build.transition == "delete":
        workspace.deleted = True
    if workspace.ttl_ms:
        build.deadline = now + timedelta(milliseconds=workspace.ttl_ms)
    if build.transition == "start":
        workspace.last_used_at = now
        _bring_up_agents(state, build)
    workspace.failing_agents = ()
    schedule_next_start(state, workspace)


def _bring_up_agents(state: State, build: Build) -> None:
    def reach(stage: str) -> None:
        build.agents = stage

    if not build.agents_after:
        reach(build.agents_end)
        return
    reach("created")
    state.after(build.agents_after / 2, lambda: reach("starting"))
    state.after(build.agents_after, lambda: reach(build.agents_end))


def _chain(state: State, workspace: Workspace, build: Build, then: Following) -> None:
    template = state.templates[workspace.template_id]
    version_id = then.version_id or template.active_version_id
    values, wrong = resolved_parameters(template, state.versions[version_id], then.parameters, build.parameters)
    begin(
        state, workspace, "start", build.initiator_id, version_id=version_id, parameters=values,
        fails_with=wrong[0].detail if wrong else "",
    )  # fmt: skip


def schedule_next_start(state: State, workspace: Workspace) -> None:
    """Set when the schedule next starts the workspace; never for a dormant or deleted one."""
    if workspace.dormant_at is not None or workspace.deleted:
        workspace.next_start_at = None
    else:
        workspace.next_start_at = next_start(workspace.autostart_schedule, state.now())


def cancel(state: State, job: Work) -> None:
    """Cancel an active job: a pending one at once, a running one when it next gives way."""
    job.canceled_at = job.updated_at = state.now()
    if job.job_status == "pending":
        state.queue.pop(job.id, None)
        job.job_status, job.completed_at, job.error = "canceled", job.canceled_at, "canceled"
        if isinstance(job, Build):
            state.place(state.workspaces[job.workspace_id])
    else:
        job.job_status = "canceling"


def _log(state: State, job: Work, source: str, stage: str, output: str, level: str = "info") -> None:
    state.log_ids += 1
    line = {
        "id": state.log_ids,
        "created_at": state.now().replace(microsecond=state.now().microsecond // 1000 * 1000),
        "log_source": source,
        "log_level": level,
        "stage": stage,
        "output": output,
    }
    job.logs = (*(job.logs or ()), line)


def logs_of(state: State, build: Build) -> tuple[Mapping[str, Any], ...]:
    """The lines logged so far; a build from before the seed gets the lines that it must have logged."""
    if build.logs is None:
        for source, stage, output in (
            ("provisioner_daemon", "Setting up", ""),
            ("provisioner", "Planning infrastructure", "planning"),
            ("provisioner_daemon", _STAGES[build.transition], ""),
            ("provisioner", _STAGES[build.transition], build.error or "applying"),
            ("provisioner_daemon", "Cleaning Up", ""),
        ):
            _log(
                state,
                build,
                source,
                stage,
                output,
                "error" if build.error and output == build.error else "info",
            )
    return build.logs or ()
