"""What the page shows of the emulated Coder, and what its buttons do there."""

from __future__ import annotations

from typing import Any

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.records import Template, Workspace
from coderport.emulators.coder.state import State
from coderport.emulators.coder.workspace_routes import is_workspace_name
from coderport.emulators.kit import EmulatorError

MOST_ROWS = 200
"""Rows of one table; the page says how many there are and takes a text to find others."""

Json = dict[str, Any]


def deployment(coder: CoderEmulator, find: str = "") -> Json:
    """Templates and workspaces whose owner, name or template has the text `find`, at most `MOST_ROWS` of each."""
    with coder.state.lock:
        coder.advance()
        state = coder.state
        templates = [each for each in state.templates.values() if not each.deleted]
        rows = [row for each in state.undeleted() if _has(row := _workspace(state, each), find)]
        return {
            "version": state.flavour.version,
            "templates": [_template(state, each) for each in sorted(templates, key=lambda each: each.name)][:MOST_ROWS],
            "workspaces": rows[:MOST_ROWS],
            "count": len(rows),
        }


def people(coder: CoderEmulator) -> list[str]:
    """The e-mail addresses of Coder's users."""
    with coder.state.lock:
        found = [each for each in coder.state.users.values() if not (each.system or each.deleted)]
        return sorted(each.email for each in found)


def change_workspace(coder: CoderEmulator, workspace: str, do: str, name: str = "") -> None:
    """Do what a button says; EmulatorError where Coder would refuse it."""
    with coder.state.lock:
        found = coder.workspace(workspace)
        if found.deleted:
            raise EmulatorError("this workspace is deleted")
        if found.build.active:
            raise EmulatorError("a build of this workspace is under way")
        if do == "start":
            if found.dormant_at is not None:
                coder.set_dormant(found.id, False)
            coder.start(found.id)
        elif do == "stop":
            coder.stop(found.id)
        elif do == "update":
            coder.update_workspace(found.id)
        elif do == "delete":
            coder.delete_workspace(found.id)
        elif do in ("dormant", "wake"):
            coder.set_dormant(found.id, do == "dormant")
        elif do == "rename":
            if not is_workspace_name(name):
                raise EmulatorError("a workspace's name has letters, digits and single dashes, 32 at most")
            coder.rename_workspace(found.id, name)
        else:
            raise EmulatorError(f"there is no button {do!r} for a workspace")


def change_template(coder: CoderEmulator, template: str, do: str) -> None:
    """Promote a new version of it, or delete it."""
    if do == "promote":
        coder.promote_version(template)
    elif do == "delete":
        coder.delete_template(template)
    else:
        raise EmulatorError(f"there is no button {do!r} for a template")


def _workspace(state: State, workspace: Workspace) -> Json:
    template = state.templates[workspace.template_id]
    return {
        "id": workspace.id,
        "owner": state.users[workspace.owner_id].username,
        "name": workspace.name,
        "template": template.name,
        "status": workspace.build.status,
        "version": state.versions[workspace.build.version_id].name,
        "outdated": workspace.build.version_id != template.active_version_id,
        "dormant": workspace.dormant_at is not None,
    }


def _template(state: State, template: Template) -> Json:
    return {
        "id": template.id,
        "name": template.name,
        "version": state.versions[template.active_version_id].name,
        "deprecated": template.deprecated,
        "workspaces": len(state.listed("template", template.id)),
    }


def _has(row: Json, find: str) -> bool:
    return find.lower() in f"{row['owner']}/{row['name']} {row['template']} {row['status']}".lower()
