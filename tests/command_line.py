"""What Coder's own command line asks of a server, command by command (source: `cli/*.go` and `codersdk/*.go`).

Each method sends the requests of one command in their order and stands on every answer as the command does: another
status than the one that it wants is an error, and so is a followed log that does not end.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


class CommandFailed(AssertionError):
    """The command would have ended with an error."""


class CommandLine:
    """``coder`` with a session token, as its owner's; workspaces are named ``owner/name`` or by name."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._http = httpx.Client(timeout=300, base_url=f"{url}/api/v2", headers={"Coder-Session-Token": token})

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, wanted: int, body: Any = None, **params: Any) -> Any:
        answer = self._http.request(method, path, json=body, params=params)
        if answer.status_code != wanted:
            raise CommandFailed(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.headers.get("content-type", "").startswith("application/json") else answer

    def begin(self) -> None:
        """What every command asks first: the versions, and for owners what the licence warns of."""
        self.ask("GET", "/buildinfo", 200)
        self.ask("GET", "/users/me", 200)
        self.ask("GET", "/entitlements", 200)

    # ------------------------------------------------------------ following

    def follow(self, path: str, *, by_cookie: bool = True, after: int = 0) -> list[dict[str, Any]]:
        """The log until the server closes it, which has to be in order (1000)."""
        given = {"Cookie": f"coder_session_token={self._token}"} if by_cookie else {"Coder-Session-Token": self._token}
        url = f"{self._url.replace('http', 'ws', 1)}/api/v2{path}?follow" + (f"&after={after}" if after else "")
        try:
            with connect(url, additional_headers=given, open_timeout=300, compression=None) as socket:
                lines = [json.loads(message) for message in socket]
                assert (socket.close_code, socket.close_reason) == (1000, "")
                return lines
        except InvalidStatus as refused:
            raise CommandFailed(f"following {path}: {refused.response.status_code}") from None

    def _watch_build(self, id: str) -> dict[str, Any]:
        """``cliui.WorkspaceBuild``: the job, its log to the end, and the job again, which has to have succeeded."""
        self.ask("GET", f"/workspacebuilds/{id}", 200)
        self.follow(f"/workspacebuilds/{id}/logs")
        build: dict[str, Any] = self.ask("GET", f"/workspacebuilds/{id}", 200)
        if build["job"]["status"] != "succeeded":
            raise CommandFailed(f"build job {build['job']['status']}: {build['job'].get('error')}")
        return build

    # ------------------------------------------------------------ finding

    def workspace(self, name: str) -> dict[str, Any]:
        owner, _, own = name.rpartition("/")
        found: dict[str, Any] = self.ask("GET", f"/users/{owner or 'me'}/workspace/{own}", 200, include_deleted=False)
        return found

    def organization(self) -> dict[str, Any]:
        found = self.ask("GET", "/users/me/organizations", 200)
        if len(found) != 1:
            raise CommandFailed("you must select an organization with the --org flag")
        mine: dict[str, Any] = found[0]
        return mine

    def _prepared(self, version: str, name: str, values: list[dict[str, str]]) -> list[dict[str, str]]:
        """``prepWorkspaceBuild``: the version's form, sign-ins elsewhere, and a plan with the values."""
        self.ask("GET", f"/templateversions/{version}", 200)
        self.ask("GET", f"/templateversions/{version}/rich-parameters", 200)
        for needed in self.ask("GET", f"/templateversions/{version}/external-auth", 200):
            raise CommandFailed(f"sign in at {needed['id']}")
        path = f"/templateversions/{version}/dry-run"
        job = self.ask("POST", path, 201, {"workspace_name": name, "rich_parameter_values": values})["id"]
        self.ask("GET", f"{path}/{job}/matched-provisioners", 200)
        self.ask("GET", f"{path}/{job}", 200)
        self.follow(f"{path}/{job}/logs")
        ended = self.ask("GET", f"{path}/{job}", 200)
        if ended["status"] != "succeeded":
            raise CommandFailed(f"dry-run workspace: {ended['status']} {ended.get('error')}")
        assert self.ask("GET", f"{path}/{job}/resources", 200)
        return values

    # ------------------------------------------------------------ commands on workspaces

    def create(self, name: str, template: str, **values: str) -> dict[str, Any]:
        self.begin()
        self.ask("GET", f"/users/me/workspace/{name}", 404, include_deleted=False)
        named = self.ask("GET", "/templates", 200, q=f'exact_name:"{template}"')
        if len(named) != 1:
            raise CommandFailed(f"{len(named)} templates found with the name {template!r}")
        found = named[0]
        given = [{"name": key, "value": value} for key, value in values.items()]
        body = {
            "template_version_id": found["active_version_id"],
            "name": name,
            "rich_parameter_values": self._prepared(found["active_version_id"], name, given),
            "automatic_updates": "never",
        }
        return self._watch_build(self.ask("POST", "/users/me/workspaces", 201, body)["latest_build"]["id"])

    def _build(self, workspace: dict[str, Any], **body: Any) -> dict[str, Any]:
        made = self.ask("POST", f"/workspaces/{workspace['id']}/builds", 201, body)
        return self._watch_build(made["id"])

    def _start_request(self, workspace: dict[str, Any], version: str | None = None) -> dict[str, Any]:
        latest = workspace["latest_build"]
        self.ask("GET", f"/workspacebuilds/{latest['id']}/parameters", 200)
        wanted = version or latest["template_version_id"]
        self._prepared(wanted, workspace["name"], [])
        return {"transition": "start", "template_version_id": wanted, "rich_parameter_values": []}

    def start(self, name: str) -> dict[str, Any]:
        self.begin()
        found = self.workspace(name)
        if found["latest_build"]["status"] == "running":
            return dict(found["latest_build"])  # "already running", and nothing is asked for
        if found["dormant_at"] is not None:
            self.ask("PUT", f"/workspaces/{found['id']}/dormant", 200, {"dormant": False})
        return self._build(found, **self._start_request(found))

    def stop(self, name: str) -> dict[str, Any]:
        self.begin()
        return self._build(self.workspace(name), transition="stop")

    def restart(self, name: str) -> dict[str, Any]:
        self.begin()
        found = self.workspace(name)
        request = self._start_request(found)
        self._build(found, transition="stop", rich_parameter_values=[])
        return self._build(found, **request)

    def restart_by_server(self, name: str) -> dict[str, Any]:
        """As from 2.36 on: one request, and the next build by its number once it is there."""
        self.begin()
        found = self.workspace(name)
        request = self._start_request(found)
        following = {"transition": "start", "rich_parameter_values": []}
        assert request["transition"] == "start"
        stopped = self._build(found, transition="stop", rich_parameter_values=[], on_success=following)
        number = stopped["build_number"] + 1
        path = f"/users/{found['owner_name']}/workspace/{found['name']}/builds/{number}"
        return self._watch_build(self.ask("GET", path, 200)["id"])

    def update(self, name: str) -> dict[str, Any] | None:
        self.begin()
        found = self.workspace(name)
        if not found["outdated"]:
            return None
        request = self._start_request(found, found["template_active_version_id"])
        if found["latest_build"]["transition"] == "start":
            self._build(found, transition="stop")
        return self._build(found, **request)

    def delete(self, name: str) -> dict[str, Any]:
        self.begin()
        return self._build(self.workspace(name), transition="delete", orphan=False)

    def rename(self, name: str, new: str) -> None:
        self.begin()
        self.ask("PATCH", f"/workspaces/{self.workspace(name)['id']}", 204, {"name": new})

    def show(self, name: str) -> list[dict[str, Any]]:
        """The resources; the ports of each connected agent are asked for, and a failure would be a warning."""
        self.begin()
        resources: list[dict[str, Any]] = self.workspace(name)["latest_build"]["resources"]
        for resource in resources:
            for agent in resource.get("agents", ()):
                self.ask("GET", f"/workspaceagents/{agent['id']}/listening-ports", 200)
        return resources

    def list_workspaces(self, q: str = "") -> list[dict[str, Any]]:
        self.begin()
        rows: list[dict[str, Any]] = self.ask("GET", "/workspaces", 200, q=q)["workspaces"]
        return rows

    def schedule(self, name: str, cron: str, hours: int) -> dict[str, Any]:
        """``schedule start``, ``schedule stop`` and ``schedule show``."""
        self.begin()
        id = self.workspace(name)["id"]
        self.ask("PUT", f"/workspaces/{id}/autostart", 204, {"schedule": cron})
        self.ask("PUT", f"/workspaces/{id}/ttl", 204, {"ttl_ms": hours * 3_600_000})
        return self.workspace(name)

    def state_pull(self, name: str) -> bytes:
        self.begin()
        id = self.workspace(name)["latest_build"]["id"]
        answer = self._http.get(f"/workspacebuilds/{id}/state")
        if answer.status_code != 200:
            raise CommandFailed(f"state: {answer.status_code}")
        return answer.content

    def state_push(self, name: str, state: bytes) -> dict[str, Any]:
        self.begin()
        found = self.workspace(name)
        latest = found["latest_build"]
        return self._build(
            found, transition=latest["transition"], template_version_id=latest["template_version_id"],
            state=base64.b64encode(state).decode(),
        )  # fmt: skip

    # ------------------------------------------------------------ other commands

    def templates_pull(self, name: str, version: str = "active") -> dict[str, str]:
        """The files of a version by name."""
        self.begin()
        template = self.ask("GET", f"/organizations/{self.organization()['id']}/templates/{name}", 200)
        assert self.ask("GET", f"/templates/{template['id']}/versions", 200)
        path = f"/templates/{template['id']}/versions/{version}"
        if version == "active":
            path = f"/templateversions/{template['active_version_id']}"
        file = self.ask("GET", f"/files/{self.ask('GET', path, 200)['job']['file_id']}", 200)
        if file.headers["content-type"] != "application/x-tar":
            raise CommandFailed(f"unexpected Content-Type {file.headers['content-type']!r}")
        with tarfile.open(fileobj=io.BytesIO(file.content)) as archive:
            contents = {each.name: archive.extractfile(each) for each in archive.getmembers()}
            return {each: content.read().decode() for each, content in contents.items() if content is not None}

    def templates_list(self) -> list[dict[str, Any]]:
        self.begin()
        rows: list[dict[str, Any]] = self.ask("GET", "/templates", 200)
        return rows

    def users_list(self) -> list[dict[str, Any]]:
        self.begin()
        rows: list[dict[str, Any]] = self.ask("GET", "/users", 200)["users"]
        return rows

    def tokens_create(self, name: str, *, allow: Sequence[str] = ()) -> str:
        self.begin()
        longest = self.ask("GET", "/users/me/keys/tokens/tokenconfig", 200)["max_token_lifetime"]
        body = {"lifetime": min(longest, 24 * 3600 * 10**9), "scope": "all", "token_name": name}
        if allow:
            body["allow_list"] = [dict(zip(("type", "id"), each.split(":"), strict=True)) for each in allow]
        key: str = self.ask("POST", "/users/me/keys/tokens", 201, body)["key"]
        return key

    def tokens_list(self) -> list[dict[str, Any]]:
        self.begin()
        rows: list[dict[str, Any]] = self.ask("GET", "/users/me/keys/tokens", 200, include_all=False)
        return rows

    def tokens_remove(self, name: str) -> None:
        self.begin()
        key = self.ask("GET", f"/users/me/keys/tokens/{name}", 200)["id"]
        self.ask("DELETE", f"/users/me/keys/{key}", 204)

    def tokens_expire(self, name: str) -> None:
        """What ``tokens remove`` does where keys can expire by request."""
        self.begin()
        key = self.ask("GET", f"/users/me/keys/tokens/{name}", 200)["id"]
        self.ask("PUT", f"/users/me/keys/{key}/expire", 204)

    def provisioner_list(self) -> list[dict[str, Any]]:
        self.begin()
        path = f"/organizations/{self.organization()['id']}/provisionerdaemons"
        rows: list[dict[str, Any]] = self.ask("GET", path, 200, limit=50)
        return rows

    def provisioner_jobs_list(self, **params: Any) -> list[dict[str, Any]]:
        self.begin()
        path = f"/organizations/{self.organization()['id']}/provisionerjobs"
        rows: list[dict[str, Any]] = self.ask("GET", path, 200, limit=50, **params)
        return rows

    def members_list(self) -> list[dict[str, Any]]:
        self.begin()
        rows: list[dict[str, Any]] = self.ask("GET", f"/organizations/{self.organization()['id']}/members", 200)
        return rows
