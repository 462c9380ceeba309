"""The faults of docs/reliability.md by their name in its table: what each does to one of the two servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import broken_servers
from lab import Lab

from coderport.planning.memory import Memory
from coderport.settings import Settings, settings_of
from coderport.stack.project_file import ROOT
from coderport.stack.stack import Stack

Server = Literal["Coder", "Port"]
Fault = Mapping[str, Any]

HTML = {"body": "<html>gateway</html>", "headers": {"content-type": "text/html"}}
NO = {"body": {"ok": False, "error": "no", "message": "no"}}
JSON = {"headers": {"content-type": "application/json"}}

ADDRESSES: Mapping[str, Any] = {
    "nobody listens at the address": broken_servers.refusing,
    "its packets are dropped": broken_servers.dropping,
    "it takes the request and says nothing": partial(broken_servers.served, broken_servers.silent),
    "the head of its answer drips": partial(broken_servers.served, broken_servers.drips_the_head),
    "the body of its answer drips": partial(broken_servers.served, broken_servers.drips_the_body),
    "it resets the connection within an answer": partial(broken_servers.served, broken_servers.resets),
    "it speaks no HTTP": partial(broken_servers.served, broken_servers.no_http),
}
"""What a wrong address or a sick gateway does to the first contact."""

NO_TLS = "it has no TLS where https is asked for"

READING: Mapping[str, Fault] = {
    "401 to a read": {"kind": "status", "status": 401, **NO},
    "403 to a read": {"kind": "status", "status": 403, **NO},
    "404 to a read": {"kind": "status", "status": 404, **NO},
    "409 to a read": {"kind": "status", "status": 409, **NO},
    "422 to a read": {"kind": "status", "status": 422, **NO},
    "429 with `Retry-After: 0`": {"kind": "status", "status": 429, "body": NO["body"], "headers": {"retry-after": "0"}},
    "429 with nonsense": {"kind": "status", "status": 429, "body": NO["body"], "headers": {"retry-after": "nan"}},
    "429 with a year": {"kind": "status", "status": 429, "body": NO["body"], "headers": {"retry-after": "31536000"}},
    "500 with JSON": {"kind": "status", "status": 500, **NO},
    "502 with HTML": {"kind": "status", "status": 502, **HTML},
    "403 with HTML": {"kind": "status", "status": 403, **HTML},
    "200 with HTML": {"kind": "html"},
    "an answer cut in half": {"kind": "cut"},
    "a redirect": {"kind": "redirect"},
    "a dropped connection": {"kind": "drop_connection"},
    "JSON of another shape": {"kind": "status", "status": 200, "body": [], **JSON},
    "rows that are none": {
        "kind": "status",
        "status": 200,
        "body": {"ok": True, "entities": ["a"], "workspaces": ["a"], "count": 1},
    },
    "200 with an error inside": {"kind": "status", "status": 200, "body": {"ok": False, "message": "boom"}},
}
"""What a server that works otherwise answers to reads of its many rows."""

ROWS: Mapping[Server, str] = {"Coder": r"/workspaces\?", "Port": "/entities/search"}

WRITING: Mapping[str, Fault] = {
    "401 to a bulk write": {"kind": "status", "status": 401, **NO},
    "403 to a bulk write": {"kind": "status", "status": 403, **NO},
    "404 to a bulk write": {"kind": "status", "status": 404, **NO},
    "409 to a bulk write": {"kind": "status", "status": 409, **NO},
    "422 to a bulk write": {"kind": "status", "status": 422, **NO},
    "429 to a bulk write": {"kind": "status", "status": 429, "body": NO["body"], "headers": {"retry-after": "0"}},
    "500 to a bulk write": {"kind": "status", "status": 500, **NO},
    "503 to one bulk write": {"kind": "status", "status": 503, "times": 1, **HTML},
    "a bulk write whose answer is lost": {"kind": "status", "status": 502, "applied": True, "times": 1, **HTML},
    "a bulk write whose connection drops": {"kind": "drop_connection", "times": 1},
    "a bulk write that is answered with nothing": {
        "kind": "status",
        "status": 200,
        "body": {"ok": True, "entities": [], "errors": []},
    },
}
WRITES = "/entities/bulk"
SETTING: Mapping[Server, str] = {"Coder": "coderApiBaseUrl", "Port": "portBaseUrl"}


class Told(Stack):
    """A stack as the Pulumi CLI told it once, for commands that ask much and may not come as far as the engine."""

    def __init__(self, stack: Stack) -> None:
        self.__dict__.update(stack.__dict__)
        self._values = {key: (value, False) for key, value in stack.config().items()}
        self._memory, self._result = stack.memory(), stack.last_result()

    def configure(self, values: Mapping[str, str | Sequence[str] | Mapping[str, str]]) -> None:
        self._values |= {f"{self.project}:{key}": (str(value), False) for key, value in values.items()}

    def settings(self) -> Settings:
        return settings_of(self._values, self.project, os.environ, stack=self.name)

    def memory(self) -> Memory:
        return self._memory

    def last_result(self) -> str:
        return self._result

    def _asked(self, what: str, *command: str) -> str:
        raise AssertionError(f"it asks the CLI: {command}")

    def _outcome(self, run: Callable[..., None], *_: Any, **__: Any) -> Any:
        raise AssertionError(f"it comes as far as the engine: {run}")


@contextmanager
def struck(lab: Lab, server: Server, name: str, stack: Stack) -> Iterator[None]:
    """The fault of that name at the server, for the commands that are run within on the stack."""
    if name in READING or name in WRITING:
        emulator = lab.coder if server == "Coder" else lab.port
        path = ROWS[server] if name in READING else WRITES
        number = emulator.faults.add({"path": path, **{**READING, **WRITING}[name]})
        try:
            yield
        finally:
            emulator.faults.clear(number)
        return
    with ADDRESSES[name]() if name in ADDRESSES else broken_servers.served(broken_servers.no_http) as url:
        if name == NO_TLS:
            url = url.replace("http:", "https:")
        stack.configure({SETTING[server]: url})
        try:
            yield
        finally:
            stack.configure({SETTING[server]: lab.pair.describe()[f"{server.lower()}_url"]})


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table under the heading of docs/reliability.md that begins so, without marks of code."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [[row[0], *(cell.removeprefix("|").strip().strip("`") for cell in row[1:])] for row in cells]
