"""A served Coder emulator and a client of it, for the emulator's tests; `conftest` registers the fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import Served


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Api:
    """A deployment being served, and a client with its owner's token."""

    def __init__(self, emulator: CoderEmulator, served: Served, clock: Clock) -> None:
        self.emulator, self.clock = emulator, clock
        self.http = httpx.Client(timeout=300, base_url=served.url)

    def request(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> httpx.Response:
        headers = {"Coder-Session-Token": token or self.emulator.token} | kwargs.pop("headers", {})
        return self.http.request(method, f"/api/v2{path}", headers=headers, **kwargs)

    def get(self, path: str, token: str | None = None, **params: Any) -> Any:
        response = self.request("GET", path, token, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, path: str, token: str | None = None, **params: Any) -> int:
        return self.request("GET", path, token, params=params).status_code

    def rows(self, token: str | None = None, **params: Any) -> list[Any]:
        rows: list[Any] = self.get("/workspaces", token, **params)["workspaces"]
        return rows

    def names(self, q: str, token: str | None = None) -> set[str]:
        return {f"{row['owner_name']}/{row['name']}" for row in self.rows(token, q=q)}

    def build(self, workspace: str, token: str | None = None, **body: Any) -> httpx.Response:
        return self.request("POST", f"/workspaces/{workspace}/builds", token, json=body)

    def may(self, kind: str, action: str, token: str | None = None, **of: Any) -> bool:
        check = {"object": {"resource_type": kind, **of}, "action": action}
        response = self.request("POST", "/authcheck", token, json={"checks": {"it": check}})
        assert response.status_code == 200, response.text
        answer: bool = response.json()["it"]
        return answer


Deploy = Callable[..., Api]


@pytest.fixture
def deploy() -> Iterator[Deploy]:
    """Serves a deployment with the settings that a test names."""
    running: list[tuple[Api, Served]] = []

    def start(**settings: Any) -> Api:
        clock = Clock()
        emulator = CoderEmulator(7, clock=clock, **settings)
        served = emulator.serve()
        running.append((Api(emulator, served, clock), served))
        return running[-1][0]

    yield start
    for api, served in running:
        api.http.close()
        served.stop()


@pytest.fixture
def api(deploy: Deploy) -> Api:
    return deploy(workspaces=30, templates=4, organizations=2, users=8)
