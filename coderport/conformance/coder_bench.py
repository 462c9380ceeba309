"""What a probe asks Coder with."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from coderport.conformance.probe import NotAsked, Probe, Unexpected
from coderport.conformance.talk import Answer, ConformanceError, Exchange, Talk
from coderport.emulators.coder.flavour import DIFFERENCES, NEWEST, OLDEST, Difference
from coderport.settings import CoderAccess

BUDGET: Final = 300
RESERVE: Final = 60
"""Requests that are kept for removing the throwaway workspace."""
NAMES: Final = "coderport-probe-"
"""How the names of throwaway workspaces begin."""
REFUSED_ENDING: Final = "_x"
"""Makes the name of a throwaway workspace one that Coder refuses; where it does not, the workspace is found by it."""
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
_BUILD_SECONDS: Final = 900.0
_LONGEST_PAUSE: Final = 5.0
_TRIES: Final = 10
_SOME: Final = 200
_VERSION: Final = re.compile(r"v?([1-9]\d*)\.(\d+)", re.ASCII)


def new_name() -> str:
    """The name of a throwaway workspace of this run."""
    return NAMES + secrets.token_hex(4)


class CoderBench:
    """A Coder deployment. Probes only read, unless `writes` allows one throwaway workspace of the token's user."""

    def __init__(self, talk: Talk, *, writes: bool = False, name: str | None = None) -> None:
        self.talk, self._writes = talk, writes
        self.name = name or new_name()

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """One request; `path` is under ``/api/v2``."""
        return self.talk.ask(method, f"/api/v2{path}", body, **query)

    def allow_writes(self) -> None:
        """NotAsked unless the run may make its throwaway workspace."""
        if not self._writes:
            raise NotAsked("it needs a throwaway workspace: --writes")

    # ------------------------------------------------------------ what is there

    def admit(self) -> None:
        """ConformanceError where the address is not Coder's or the token is not accepted; asked before all else."""
        if not isinstance(self._me.body, dict):
            raise ConformanceError(
                f"{self.talk.base_url} answered {self._me.status} without JSON to {self._me.asked}. "
                "Is CODER_API_BASE_URL the address of Coder, and does Coder answer there?"
            )

    @cached_property
    def _build(self) -> Answer:
        return self.ask("GET", "/buildinfo")

    @property
    def says_version(self) -> bool:
        """Whether the deployment's version begins with numbers; a build of no release says 0.0.0 or ``devel``."""
        return _VERSION.match(str(self._build.expect(200).member("version"))) is not None

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of the deployment; NotAsked where it does not say them."""
        try:
            text = str(self._build.expect(200).member("version"))
        except Unexpected as odd:
            raise NotAsked(f"the version of Coder is not known: {odd}") from None
        found = _VERSION.match(text)
        if found is None:
            raise NotAsked(f"the version of Coder is not known: it calls itself {text}")
        return int(found[1]), int(found[2])

    def holds(self, difference: Difference) -> bool:
        """Whether the deployment's version should be so; a newer one than is known is taken for the newest."""
        return difference.holds(min(max(self.version, OLDEST), NEWEST)[1])

    @cached_property
    def me(self) -> Mapping[str, Any]:
        """The token's user."""
        return _object(self._me.expect(200))

    @cached_property
    def _me(self) -> Answer:
        return self.ask("GET", "/users/me")

    @cached_property
    def organizations(self) -> list[Mapping[str, Any]]:
        """What the token may read; at least one."""
        return _rows(self.ask("GET", "/organizations").expect(200)) or _none("it reads no organization")

    @cached_property
    def page(self) -> Answer:
        """The first workspaces."""
        return self.ask("GET", "/workspaces", limit=_SOME).expect(200)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The first workspaces' rows; at least one."""
        found: list[Mapping[str, Any]] = self.page.member("workspaces")
        return found or _none("it sees no workspace")

    @cached_property
    def templates(self) -> list[Mapping[str, Any]]:
        """The templates; at least one."""
        return _rows(self.ask("GET", "/templates").expect(200)) or _none("it sees no template")

    @cached_property
    def jobs(self) -> list[Mapping[str, Any]]:
        """The newest provisioner jobs, if the token may list them."""
        answer = self.ask("GET", f"/organizations/{self.organizations[0]['id']}/provisionerjobs", limit=50)
        if answer.status == 404:
            raise NotAsked("this token may not list provisioner jobs")
        return _rows(answer.expect(200))

    @cached_property
    def deleted(self) -> str:
        """The id of a workspace that was deleted, found by the jobs of the newest builds."""
        living = {row["id"] for row in self.page.member("workspaces")}
        named = dict.fromkeys(job.get("metadata", {}).get("workspace_id") for job in self.jobs)
        for id in [id for id in named if id and id not in living][:_TRIES]:
            shown = self.ask("GET", f"/workspaces/{id}", include_deleted="true")
            if shown.status == 200 and shown.member("latest_build")["status"] == "deleted":
                return str(id)
        raise NotAsked("none of the newest builds belongs to a deleted workspace")

    # ------------------------------------------------------------ the throwaway workspace

    @cached_property
    def usable(self) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """A template that asks for nothing at creation, and its active version's parameters."""
        self.allow_writes()
        for template in self.templates:
            if template.get("deprecated"):
                continue
            path = f"/templateversions/{template['active_version_id']}/rich-parameters"
            parameters = _rows(self.ask("GET", path).expect(200))
            if not any(parameter["required"] for parameter in parameters):
                return template, parameters
        raise NotAsked("every template asks for a value, and nobody could give one")

    def create(self, **body: Any) -> Answer:
        """Ask for the throwaway workspace, or with a `body` that has to be refused for one that is not made."""
        self.allow_writes()
        template, _ = self.usable
        wanted = {"name": self.name, "template_id": template["id"], **body}
        return self.ask("POST", "/users/me/workspaces", {key: value for key, value in wanted.items() if value})

    @cached_property
    def made(self) -> Mapping[str, Any]:
        """The throwaway workspace as its creation answered."""
        return _object(self.create().expect(201))

    @cached_property
    def workspace(self) -> str:
        """The id of the throwaway workspace once it has been built."""
        id = str(self.made["id"])
        self.wait(id)
        return id

    def now(self) -> Mapping[str, Any]:
        """The throwaway workspace as it is."""
        return _object(self.ask("GET", f"/workspaces/{self.workspace}").expect(200))

    def build(self, transition: str, **body: Any) -> Answer:
        """Ask for a build of the throwaway workspace, without waiting for it."""
        return self.ask("POST", f"/workspaces/{self.workspace}/builds", {"transition": transition, **body})

    def built(self, transition: str, **body: Any) -> Mapping[str, Any]:
        """A build of the throwaway workspace that has ended well."""
        self.build(transition, **body).expect(201)
        return self.wait(self.workspace)

    def wait(self, workspace: str) -> Mapping[str, Any]:
        """The workspace's latest build once it is over, which it has to be without an error."""
        build = self.ended(workspace)
        if build["job"]["status"] != "succeeded":
            why = build["job"].get("error", "")
            raise Unexpected(f"the throwaway workspace's build is {build['job']['status']}: {why}")
        return build

    def ended(self, workspace: str) -> Mapping[str, Any]:
        """The workspace's latest build once it is over, however it ended; Unexpected where that takes too long."""
        ends, pause = time.monotonic() + _BUILD_SECONDS, 0.05
        while True:
            shown = self.ask("GET", f"/workspaces/{workspace}", include_deleted="true").expect(200)
            build: Mapping[str, Any] = shown.member("latest_build")
            status = build["job"]["status"]
            if status not in ("pending", "running", "canceling"):
                return build
            if time.monotonic() > ends:
                raise Unexpected(f"the throwaway workspace's build is {status} after {_BUILD_SECONDS:.0f} s")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def remove(talk: Talk, ours: Callable[[str], bool]) -> tuple[int, tuple[str, ...]]:
    """Delete the token's user's workspaces whose names are `ours`: how many are gone, and those that are still there.

    ConformanceError where Coder does not list them.
    """
    talk.release_reserve()
    bench = CoderBench(talk, writes=True)
    try:
        answer = bench.ask("GET", "/workspaces", q=f"owner:me name:{NAMES}", limit=100).expect(200)
        doomed = [row for row in answer.member("workspaces") if ours(row["name"])]
    except (Unexpected, LookupError, TypeError) as odd:
        raise ConformanceError(f"{talk.base_url} does not list the throwaway workspaces: {odd}.") from None
    left = []
    for row in doomed:
        try:
            bench.ended(row["id"])
            bench.ask("POST", f"/workspaces/{row['id']}/builds", {"transition": "delete"}).expect(201)
            bench.ended(row["id"])
            gone = bench.ask("GET", f"/workspaces/{row['id']}").status == 410
        except (Unexpected, ConformanceError, LookupError, TypeError):
            gone = False
        if not gone:
            left.append(f"workspace {row['owner_name']}/{row['name']}")
    return len(doomed) - len(left), tuple(left)


def is_throwaway(name: str) -> bool:
    """Whether a workspace's name is one that a run of `conformance` gave."""
    letters = name.removeprefix(NAMES).removesuffix(REFUSED_ENDING)
    return name.startswith(NAMES) and len(letters) == 8 and all(letter in "0123456789abcdef" for letter in letters)


def flagged(
    name: str, question: str, flag: str, ask: Callable[[CoderBench], Any], *, is_open: bool = False
) -> Probe[CoderBench]:
    """A probe of what differs between versions: expectation and source are those of the emulator's table."""
    difference = next(each for each in DIFFERENCES if each.flag == flag)

    def expected(bench: CoderBench) -> bool:
        return bench.holds(difference)

    return Probe(name, question, difference.source, expected, ask, behaviour=flag, is_open=is_open)


def _object(answer: Answer) -> Mapping[str, Any]:
    if not isinstance(answer.body, dict):
        raise Unexpected(f"{answer.asked} answered no object")
    return answer.body


def _rows(answer: Answer) -> list[Mapping[str, Any]]:
    if not isinstance(answer.body, list):
        raise Unexpected(f"{answer.asked} answered no list")
    return answer.body


def _none(reason: str) -> Any:
    raise NotAsked(f"this token sees nothing to ask about: {reason}")


class CoderCredentials:
    """Coder's session token, and the own headers of an access proxy in front of it."""

    name = "the token (CODER_SESSION_TOKEN, or coderSessionToken of the stack)"

    def __init__(self, access: CoderAccess) -> None:
        self._token = access.coder_session_token.get_secret_value()
        self._own = access.coder_header_values

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The authorization of a request."""
        return {**self._own, "Coder-Session-Token": self._token}
