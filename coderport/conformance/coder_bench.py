"""What a probe asks Coder with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from coderport.conformance.probe import NotAsked
from coderport.conformance.talk import Answer, Exchange, Talk
from coderport.settings import CoderAccess

BUDGET: Final = 300


class CoderBench:
    """A Coder deployment. Probes only read, unless `writes` allows one throwaway workspace."""

    def __init__(self, talk: Talk, *, writes: bool = False) -> None:
        self.talk, self._writes = talk, writes

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """One request; `path` is under ``/api/v2``."""
        return self.talk.ask(method, f"/api/v2{path}", body, **query)

    def allow_writes(self) -> None:
        """NotAsked unless the run may make its throwaway workspace."""
        if not self._writes:
            raise NotAsked("it needs a throwaway workspace: --writes")

    @cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor version of the deployment."""
        text = str(self.ask("GET", "/buildinfo").expect(200).member("version"))
        major, _, rest = text.removeprefix("v").partition(".")
        return int(major), int(rest.split(".")[0])


class CoderCredentials:
    """Coder's session token, and the own headers of an access proxy in front of it."""

    def __init__(self, access: CoderAccess) -> None:
        self._token = access.coder_session_token.get_secret_value()
        self._own = access.coder_header_values

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The authorization of a request."""
        return {**self._own, "Coder-Session-Token": self._token}
