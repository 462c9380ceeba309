"""Builds: how one begins, how it goes on with the clock, what it logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from coderport.emulators.coder.parameters import resolved_parameters
from coderport.emulators.coder.records import Build, Workspace
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
    fails_with: str = "",
    then: Mapping[str, Any] | None = None,
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
        reason=reason, parameters=dict(parameters), preset_id=preset_id, then=then,
        fails_with=fails_with or (state.fail_builds.pop(0) if state.fail_builds and not instant else ""),
        matched=(state.provisioners, max(0, state.provisioners - len(state.at_work))), logs=(),
    )  # fmt: skip
    if transition == "start" and not instant:
        build.agents_end = state.agent_ends.pop(0) if state.agent_ends else "ready"
        build.agents_after = state.agent_seconds
    workspace.builds = (*workspace.builds, build)
    state.builds[build.id] = build
    if instant:
        _start(state, build)
        _finish(state, build)
    else:
        state.place(workspace)
        state.queue[build.id] = build
        _begin_soon(state, build, state.pending_seconds)
    return build


def take_pending(state: State) -> None:
    """Let the builds that wait for a provisioner begin, as far as there are free ones."""
    for build in list(state.queue.values()):
        _begin_soon(state, build, state.pending_seconds)


def _begin_soon(state: State, build: Build, seconds: float) -> None:
    state.after(seconds, lambda: _start_and_follow(state, build))


def _start_and_follow(state: State, build: Build) -> None:
    if build.job_status != "pending" or len(state.at_work) >= state.provisioners:
        return  # not any more, or not before a provisioner is free
    state.at_work.add(build.id)
    state.queue.pop(build.id, None)
    _start(state, build)
    state.after(state.running_seconds / 2, lambda: _apply(state, build))
    state.after(state.running_seconds, lambda: _finish(state, build))


def _start(state: State, build: Build) -> None:
    build.job_status, build.started_at = "running", state.now()
    build.updated_at = build.started_at
    _log(state, build, "provisioner_daemon", "Setting up", "")
    _log(state, build, "provisioner", "Planning infrastructure", "planning")


def _apply(state: State, build: Build) -> None:
    if build.job_status == "running":
        _log(state, build, "provisioner_daemon", _STAGES[build.transition], "")
        _log(state, build, "provisioner", _STAGES[build.transition], "applying")
        for line in state.build_log:
            _log(state, build, "provisioner", _STAGES[build.transition], line)


def _finish(state: State, build: Build) -> None:
    if build.job_status not in ("running", "canceling"):
        return
    workspace = state.workspaces[build.workspace_id]
    now = state.now()
    if build.id in state.at_work:
        state.at_work.discard(build.id)
        waiting = next(iter(state.queue.values()), None)
        if waiting is not None:
            _begin_soon(state, waiting, 0)
    build.completed_at = build.updated_at = now
    if build.job_status == "canceling":
        build.job_status, build.error = "canceled", "canceled"
        _log(state, build, "provisioner", _STAGES[build.transition], "canceled", "warn")
    elif build.fails_with:
        build.job_status, build.error = "failed", build.fails_with
        _log(state, build, "provisioner", _STAGES[build.transition], build.fails_with, "error")
    else:
        build.job_status = "succeeded"
        _succeed(state, workspace, build, now)
    _log(state, build, "provisioner_daemon", "Cleaning Up", "")
    state.place(workspace)
    if build.job_status == "succeeded" and build.then is not None:
        _chain(state, workspace, build, build.then)


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


def _chain(state: State, workspace: Workspace, build: Build, then: Mapping[str, Any]) -> None:
    template = state.templates[workspace.template_id]
    version_id = then.get("template_version_id") or template.active_version_id
    given = {item["name"]: item["value"] for item in then.get("rich_parameter_values") or ()}
    values, wrong = resolved_parameters(template, state.versions[version_id], given, build.parameters)
    begin(
        state, workspace, then["transition"], build.initiator_id, version_id=version_id, parameters=values,
        fails_with=wrong[0].detail if wrong else "",
    )  # fmt: skip


def schedule_next_start(state: State, workspace: Workspace) -> None:
    """Set when the schedule next starts the workspace; never for a dormant or deleted one."""
    if workspace.dormant_at is not None or workspace.deleted:
        workspace.next_start_at = None
    else:
        workspace.next_start_at = next_start(workspace.autostart_schedule, state.now())


def cancel(state: State, build: Build) -> None:
    """Cancel an active build: a pending one at once, a running one when it next gives way."""
    build.canceled_at = build.updated_at = state.now()
    if build.job_status == "pending":
        state.queue.pop(build.id, None)
        build.job_status, build.completed_at, build.error = "canceled", build.canceled_at, "canceled"
        state.place(state.workspaces[build.workspace_id])
    else:
        build.job_status = "canceling"


def _log(state: State, build: Build, source: str, stage: str, output: str, level: str = "info") -> None:
    state.log_ids += 1
    line = {
        "id": state.log_ids,
        "created_at": state.now().replace(microsecond=state.now().microsecond // 1000 * 1000),
        "log_source": source,
        "log_level": level,
        "stage": stage,
        "output": output,
    }
    build.logs = (*(build.logs or ()), line)


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
