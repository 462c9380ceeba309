"""Builds as JSON: the job, the resources, the agents, the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coderport.emulators.coder.job_rows import job_json
from coderport.emulators.coder.jobs import Work, job_id
from coderport.emulators.coder.records import AgentSpec, Build, DryRun, ResourceSpec, Version, Workspace
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import Json, derived_id, nullable, stamp


def build_json(state: State, build: Build, fresh: bool = False) -> Json:
    """A build; `fresh` is how the answer to its own POST looks: without the version's name."""
    workspace = state.workspaces[build.workspace_id]
    owner, initiator = state.users[workspace.owner_id], state.users[build.initiator_id]
    version = state.versions[build.version_id]
    row: Json = {
        "id": build.id,
        "created_at": stamp(build.created_at),
        "updated_at": stamp(build.updated_at),
        "workspace_id": workspace.id,
        "workspace_name": workspace.name,
        "workspace_owner_id": owner.id,
        "workspace_owner_name": owner.username,
        "workspace_owner_avatar_url": owner.avatar_url,
        "template_version_id": version.id,
        "template_version_name": "" if fresh else version.name,
        "build_number": build.number,
        "transition": build.transition,
        "initiator_id": initiator.id,
        "initiator_name": initiator.username,
        "job": job_json(state, build),
        "reason": build.reason,
        "resources": _resources(build, workspace, version),
        "deadline": nullable(build.deadline),
        "max_deadline": nullable(build.max_deadline),
        "status": build.status,
        "daily_cost": daily_cost(state, build),
    }
    if state.flavour.job_details:
        pending = build.job_status == "pending"
        row["matched_provisioners"] = {
            "count": build.matched[0] if pending else 0,
            "available": build.matched[1] if pending else 0,
            "most_recently_seen": stamp(build.created_at) if pending and build.matched[0] else None,
        }
    if state.flavour.prebuild_fields:
        row["template_version_preset_id"] = build.preset_id
        row["has_external_agent"] = version.has_external_agent
    if state.flavour.task_fields:
        row["has_ai_task"] = False
    return row


def daily_cost(state: State, build: Build) -> int:
    """The credits a day of what the build made."""
    # Without the licence the build says 0 although its resources do not.
    if not state.licensed or build.job_status != "succeeded":
        return 0
    return sum(spec.daily_cost for spec in _specs(build, state.versions[build.version_id]))


def _specs(build: Build, version: Version) -> list[ResourceSpec]:
    return [spec for spec in version.resources if build.transition == "start" or spec.kept]


def _resources(build: Build, workspace: Workspace, version: Version) -> list[Json]:
    if build.job_status != "succeeded":
        return []
    rows = []
    for spec in _specs(build, version):
        row = _resource(spec, build, build.transition)
        if spec.agents:
            row["agents"] = [_agent(build, agent, row["id"], workspace.failing_agents) for agent in spec.agents]
        rows.append(_completed(row, spec))
    return rows


def _resource(spec: ResourceSpec, job: Work, transition: str) -> Json:
    return {
        "id": derived_id(job.id, spec.name),
        "created_at": stamp(job.completed_at),
        "job_id": job_id(job),
        "workspace_transition": transition,
        "type": spec.type,
        "name": spec.name,
        "hide": False,
        "icon": spec.icon,
    }


def _completed(row: Json, spec: ResourceSpec) -> Json:
    if spec.metadata:
        row["metadata"] = [
            {"key": key, "value": value, "sensitive": sensitive} for key, value, sensitive in spec.metadata
        ]
    row["daily_cost"] = spec.daily_cost
    return row


def planned_resources(state: State, dry_run: DryRun) -> list[Json]:
    """What a dry run plans: the resources of a start, with agents that nobody has seen."""
    if dry_run.job_status != "succeeded":
        return []
    rows = []
    for spec in state.versions[dry_run.version_id].resources:
        row = _resource(spec, dry_run, "start")
        if spec.agents:
            row["agents"] = [_agent(dry_run, agent, row["id"]) for agent in spec.agents]
        rows.append(_completed(row, spec))
    return rows


def agents_of(state: State, workspace: Workspace) -> list[Json]:
    """The agents of a workspace's latest build."""
    rows = _resources(workspace.build, workspace, state.versions[workspace.build.version_id])
    return [agent for row in rows for agent in row.get("agents", ())]


def agent_id(build: Build, resource: ResourceSpec, agent: AgentSpec) -> str:
    """The id that an agent of a build has in its JSON."""
    return derived_id(derived_id(build.id, resource.name), agent.name)


def _agent(job: Work, spec: AgentSpec, resource_id: str, failing_agents: Sequence[str] = ()) -> Json:
    made = stamp(job.completed_at)
    id = derived_id(resource_id, spec.name)
    failing = id in failing_agents
    comes_up = isinstance(job, Build) and job.transition == "start" and spec.connects
    stage = job.agents if isinstance(job, Build) and comes_up else "created"
    connected = stage not in ("created", "timeout")
    source = derived_id(id, "log source")
    row: Json = {
        "id": id,
        "created_at": made,
        "updated_at": made,
        "status": "disconnected" if failing else _connection(stage, connected),
        "lifecycle_state": "start_error" if failing else stage if connected else "created",
        "name": spec.name,
        "resource_id": resource_id,
        "architecture": "amd64" if connected else "",
        "environment_variables": None if spec.environment is None else dict(spec.environment),
        "operating_system": "linux" if connected else "",
        "logs_length": 0,
        "logs_overflowed": False,
        "version": "v2.20.0+8f1c3a2" if connected else "",
        "api_version": "1.0" if connected else "",
        "apps": [_app(id, slug, command) for slug, command in spec.apps],
        "connection_timeout_seconds": 120 if connected else 0,
        "troubleshooting_url": "https://coder.com/docs/admin/templates/troubleshooting",
        "subsystems": [],
        "health": {"healthy": False, "reason": "agent has lost connection"} if failing else {"healthy": True},
        "display_apps": ["vscode", "web_terminal"] if connected else [],
        "log_sources": [],
        "scripts": [],
        "startup_script_behavior": "non-blocking",
    }
    if connected:
        row |= {"first_connected_at": made, "last_connected_at": made, "started_at": made, "ready_at": made}
        row |= {"directory": "/home/coder", "expanded_directory": "/home/coder"}
        row["latency"] = {"Europe": {"preferred": True, "latency_ms": 17.25}}
    if spec.script:
        row["log_sources"] = [
            {
                "workspace_agent_id": id,
                "id": source,
                "created_at": made,
                "display_name": "Startup",
                "icon": "",
            }
        ]
        row["scripts"] = [
            {
                "id": derived_id(id, "script"),
                "log_source_id": source,
                "log_path": "coder-startup-script.log",
                "script": spec.script,
                "cron": "",
                "run_on_start": True,
                "run_on_stop": False,
                "start_blocks_login": False,
                "timeout": 0,
                "display_name": "Startup",
            }
        ]
    return row


def _connection(stage: str, connected: bool) -> str:
    return "connected" if connected else "timeout" if stage == "timeout" else "connecting"


def _app(agent_id: str, slug: str, command: str) -> Json:
    return {
        "id": derived_id(agent_id, slug),
        "url": f"http://localhost:13337/?tkn={derived_id(agent_id, slug)[:8]}",
        "external": False,
        "slug": slug,
        "display_name": slug.replace("-", " ").title(),
        "command": command,
        "icon": f"/icon/{slug}.svg",
        "subdomain": False,
        "sharing_level": "owner",
        "healthcheck": {"url": "", "interval": 0, "threshold": 0},
        "health": "disabled",
        "hidden": False,
        "open_in": "slim-window",
        "statuses": None,
    }


def log_json(log: Mapping[str, Any]) -> Json:
    """A line of a build's log."""
    return {**log, "created_at": stamp(log["created_at"])}
