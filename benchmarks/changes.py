"""What happens between two runs: one workspace in a hundred changes in Coder, or its entity is edited in Port."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.servers import Servers
from coderport.kinds.workspace import WORKSPACE

SHARE = 100
"""One in so many."""


@dataclass(frozen=True)
class Changed:
    """How many workspaces were started or stopped, renamed, created and deleted."""

    moved: int
    renamed: int
    created: int
    deleted: int


def in_coder(servers: Servers, workspaces: int) -> Changed:
    """Changes 1 % of the workspaces, spread over all of them: a few come, a few go, a quarter is renamed."""
    chosen = servers.workspace_ids()[:: max(1, workspaces // max(4, workspaces // SHARE))]
    few = max(1, len(chosen) // 20)
    for number in range(few):
        servers.mutate("create_workspace", name=f"bench-{number}")
    deleted, chosen = chosen[:few], chosen[few:-few]  # with the created ones it stays 1 %
    for identifier in deleted:
        servers.mutate("delete_workspace", identifier)
    renamed, moved = chosen[: len(chosen) // 4], chosen[len(chosen) // 4 :]
    for number, identifier in enumerate(renamed):
        servers.mutate("rename_workspace", identifier, f"renamed-{number}")
    for number, identifier in enumerate(moved):
        servers.mutate("start" if number % 4 == 0 else "stop", identifier)
    return Changed(len(moved), len(renamed), few, few)


def in_port(servers: Servers, workspaces: int) -> int:
    """Somebody edits the titles of 1 % of the workspaces' entities and deletes a few of these; returns how many."""
    chosen = servers.workspace_ids()[1 :: max(1, workspaces // max(4, workspaces // SHARE))]
    few = max(1, len(chosen) // 20)
    for identifier in chosen[:few]:
        servers.delete_entity(WORKSPACE.identifier, identifier)
    for identifier in chosen[few:]:
        servers.put_entity(WORKSPACE.identifier, {"identifier": identifier, "title": "edited by hand"})
    return len(chosen)
