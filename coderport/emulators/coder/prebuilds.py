"""Presets, and the prebuilt workspaces that are claimed by them (a licensed feature).

Source: `coderd/workspaces.go` and `queries/prebuilds.sql` of coder/coder.
"""

from __future__ import annotations

from collections.abc import Mapping

from coderport.emulators.coder.http import Body, invalid
from coderport.emulators.coder.records import PREBUILDS_USER_ID, Preset, User, Version, Workspace
from coderport.emulators.coder.state import State


def named_preset(state: State, version: Version, body: Body) -> Preset | None:
    """The preset that a request names; servers before 2025 do not know the key and ignore it."""
    wanted = body.id("template_version_preset_id")
    if wanted is None or not state.flavour.preset_ids:
        return None
    preset = next((preset for preset in version.presets if preset.id == wanted), None)
    if preset is None:
        raise invalid("template_version_preset_id", "the preset is not one of the template version's")
    return preset


def matching_preset(state: State, version: Version, values: Mapping[str, str]) -> Preset | None:
    """The preset with the most parameters, all of which have its values; one without parameters fits always."""
    if not state.flavour.matches_presets:
        return None
    fitting = [preset for preset in version.presets if preset.parameters.items() <= values.items()]
    return max(fitting, key=lambda preset: len(preset.parameters), default=None)


def claimed(state: State, owner: User, name: str, version: Version, preset: Preset) -> Workspace | None:
    """A prebuilt workspace of the preset, now the person's, or None: then one is made, which nobody is told.

    It takes the licence, the template's active version, a template that is not deleted, and agents that are ready.
    """
    template = state.templates[version.template_id]
    if not state.licensed or template.deleted or template.active_version_id != version.id:
        return None
    for place in state.listed("owner", PREBUILDS_USER_ID):
        workspace = state.workspaces[place[3]]
        build = workspace.build
        ready = workspace.running and build.agents == "ready" and not workspace.failing_agents
        if ready and build.version_id == version.id and build.preset_id == preset.id:
            claim(state, workspace, owner, name)
            return workspace
    return None


def claim(state: State, workspace: Workspace, owner: User, name: str) -> None:
    """Give a prebuilt workspace to somebody: the id and the creation time stay, the rest begins anew."""
    workspace.owner_id, workspace.name = owner.id, name
    workspace.updated_at = workspace.last_used_at = state.now()
    workspace.dormant_at = workspace.deleting_at = workspace.next_start_at = None
    workspace.autostart_schedule, workspace.ttl_ms = "", None
    state.place(workspace)
