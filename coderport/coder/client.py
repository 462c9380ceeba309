"""An async client for the part of Coder's API that a read needs.

What it takes care of, so that no caller has to: no cookie jar (Coder prefers a cookie to the header, so a
stray one would change who is asking), no redirects, JSON or an error, one typed error per status, at most
`in_flight` requests at a time, and retries of what is safe to repeat: 429 (as long as Retry-After says), 5xx,
lost connections and answers that were cut short or come too slowly, all within the budgets of a `Patience`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from coderport import __version__
from coderport.coder import errors
from coderport.coder.answers import Answer, Reader
from coderport.coder.fate import Fate, shown_by_name
from coderport.coder.models import (
    BuildInfo,
    CoderPerson,
    Group,
    Organization,
    Template,
    User,
    Workspace,
    read_as,
    rows_of,
    rows_or_none_of,
    same_id,
)
from coderport.coder.parameters import Preset, RichParameter
from coderport.errors import SettingsError
from coderport.transport.exchange import Oversized, exchange
from coderport.transport.headers import secret_parts
from coderport.transport.patience import Again, Patience, Persistence, Say, Waits, http_date
from coderport.transport.route import Route, route_to
from coderport.transport.server_clock import ServerClock
from coderport.transport.shown import Shown

IN_FLIGHT = 6


@dataclass(frozen=True)
class WorkspacePage:
    """One page of `GET /workspaces`: the rows of one SQL statement, and how many match before limit and
    offset.

    `rows` may be fewer than the limit although more follow: Coder drops rows whose template the token may not
    read after it has applied the limit, and still counts them.
    """

    rows: tuple[Workspace, ...]
    count: int
    asked_at: datetime | None


class CoderClient:
    """Reads one Coder deployment. Use as an async context manager, within one event loop.

    `base_url` is the deployment's root, with or without `/api/v2`. `patience` says how long a failing Coder is tried,
    and `say` tells a person of it. `headers` are sent besides ours, to an access proxy in front of Coder. `gate` is
    awaited before each HTTP request, repeats included: it is how a service keeps to a rate. `requests` counts every
    HTTP request sent, `retries` how many were repeats. `clock` is the server's time of its last answer, and `times`
    tells it of any moment.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
        say: Say | None = None,
        waits: Waits | None = None,
        in_flight: int = IN_FLIGHT,
        headers: Mapping[str, str] | None = None,
        gate: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.requests = 0
        self._gate = gate
        self.clock: datetime | None = None
        self.times = ServerClock()
        self._persistence = Persistence(patience or Patience.of(), say, waits)
        self.base_url = _api_root(base_url)
        secrets = (token, *secret_parts(headers or {}))
        port = f":{self.base_url.port}" if self.base_url.port else ""
        self._reader = Reader(f"{self.base_url.host}{port}", Shown(secrets))
        self._places = asyncio.Semaphore(in_flight)
        self._route = Route() if transport is not None else route_to(str(self.base_url))
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,  # the route says what the environment does
            verify=self._route.tls,
            proxy=self._route.proxy,
            headers={
                **(headers or {}),
                "Coder-Session-Token": token,
                "Accept": "application/json",
                "User-Agent": f"coderport/{__version__}",
            },
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            timeout=httpx.Timeout(self._persistence.patience.answer, connect=5.0),
            limits=httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight),
        )

    async def __aenter__(self) -> CoderClient:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._persistence.closed()
        await self._http.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"CoderClient({self._reader.host})"

    @property
    def retries(self) -> int:
        """How many of the requests were repeats."""
        return self._persistence.retries

    @property
    def waited(self) -> float:
        """Seconds in which Coder, or another server of the command, failed."""
        return self._persistence.waits.seconds

    async def build_info(self) -> BuildInfo:
        """The deployment: needs no token, so it fails only if the URL is not Coder's."""
        return read_as(BuildInfo, _object(await self._get("/buildinfo"), "/buildinfo"))

    async def me(self) -> User:
        """The user that the token belongs to."""
        return read_as(User, (await self._get("/users/me")).data)

    async def organizations(self) -> tuple[Organization, ...]:
        """Those that the token may read, sorted by name; Coder leaves out the others without a word."""
        rows = rows_of((await self._get("/organizations")).data, "/organizations")
        return tuple(sorted((read_as(Organization, row) for row in rows), key=lambda one: (one.name, one.id)))

    async def organization(self, organization_id: str) -> Organization | Fate | None:
        """One that lives, or None: it was deleted, or the token may not see it. UNPROVEN where nobody knows.

        By id Coder shows a deleted one for good, by name it does not (`GetOrganizationByID` and
        `GetOrganizationByName` in its queries).
        """

        async def shown(key: str) -> Organization | None:
            found = await self._organization(key)
            return found if found is None or key != organization_id else same_id(found, key)

        found = await shown_by_name(shown, organization_id, lambda organization: organization.name)
        return None if found is Fate.GONE else found

    async def _organization(self, key: str) -> Organization | None:
        """The organization that Coder shows by that id or name."""
        try:
            answer = await self._get(f"/organizations/{quote(key, safe='')}")
        except (errors.CoderNotFound, errors.CoderGone):
            return None
        return read_as(Organization, answer.data)

    async def groups(self) -> tuple[Group, ...]:
        """The groups that the token may read, of every organization. CoderForbidden without a licence for them."""
        return tuple(read_as(Group, row) for row in rows_of((await self._get("/groups")).data, "/groups"))

    async def group(self, group_id: str) -> Group | None:
        """One group, or None: it was deleted, or the token may not see it."""
        try:
            return same_id(read_as(Group, (await self._get(f"/groups/{group_id}")).data), group_id)
        except errors.CoderNotFound:
            return None

    async def templates(self, query: str = "", *, organization_id: str | None = None) -> tuple[Template, ...]:
        """Templates in one SQL statement. Without `deprecated:` in `query`, newer servers leave deprecated ones out."""
        path = f"/organizations/{organization_id}/templates" if organization_id else "/templates"
        rows = rows_of((await self._get(path, {"q": query} if query else None)).data, path)
        return tuple(read_as(Template, row) for row in rows)

    async def template(self, template_id: str) -> Template:
        """One template; CoderNotFound for a deleted one as well as for one that the token may not see."""
        return same_id(read_as(Template, (await self._get(f"/templates/{template_id}")).data), template_id)

    async def rich_parameters(self, version_id: str) -> tuple[RichParameter, ...]:
        """What a template version asks for, in the template's order; status 425 until its import has ended."""
        path = f"/templateversions/{version_id}/rich-parameters"
        return tuple(read_as(RichParameter, row) for row in rows_of((await self._get(path)).data, path))

    async def presets(self, version_id: str) -> tuple[Preset, ...]:
        """The presets of a template version; Coder answers null where there are none."""
        path = f"/templateversions/{version_id}/presets"
        data = (await self._get(path)).data
        return tuple(read_as(Preset, row) for row in rows_or_none_of(data, path))

    async def workspaces(self, query: str = "", *, limit: int, offset: int = 0) -> WorkspacePage:
        """One page. `limit` is 1 to 1,000: absent or 0 means everything on some versions and an error on others."""
        params: dict[str, str | int] = {"limit": limit, "offset": offset}
        if query:
            params["q"] = query
        answer = await self._get("/workspaces", params)
        body = _object(answer, "/workspaces")
        count = body.get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise errors.CoderAnswerError("Coder answered GET /workspaces without a valid `count`")
        rows = tuple(read_as(Workspace, row) for row in rows_of(body.get("workspaces"), "/workspaces"))
        return WorkspacePage(rows, count, answer.asked_at)

    async def workspace(self, workspace_id: str) -> Workspace:
        """One workspace. CoderGone is proof that it was deleted; CoderNotFound and CoderForbidden prove nothing.

        Coder's 410 names the workspace and says that it was deleted (recorded: `Workspace "ID" was deleted, …`). Any
        other comes from something in between, and counts as CoderNotFound. Asked without `include_deleted`, which would
        turn the 410 into 403 once the template is gone as well.
        """
        path = f"/workspaces/{workspace_id}"
        try:
            return same_id(read_as(Workspace, (await self._get(path)).data), workspace_id)
        except errors.CoderGone as gone:
            if workspace_id in gone.reason and "was deleted" in gone.reason:
                raise
            message = f"{gone}, which is not what Coder says of a deleted workspace"
            raise errors.CoderNotFound(message, status=gone.status, reason=gone.reason) from None

    async def deleted_workspace(self, workspace_id: str) -> Workspace:
        """A workspace that may be deleted, as it was. CoderForbidden or CoderNotFound once its template is gone too."""
        answer = await self._get(f"/workspaces/{workspace_id}", {"include_deleted": "true"})
        return same_id(read_as(Workspace, answer.data), workspace_id)

    async def users(self, *, limit: int, offset: int = 0) -> tuple[tuple[CoderPerson, ...], int]:
        """One page of users in order of username, and how many there are (0 past the end, unlike workspaces)."""
        body = _object(await self._get("/users", {"limit": limit, "offset": offset}), "/users")
        count = body.get("count")
        if not isinstance(count, int):
            raise errors.CoderAnswerError("Coder answered GET /users without a valid `count`")
        return tuple(read_as(CoderPerson, row) for row in rows_of(body.get("users"), "/users")), count

    async def authcheck(self, checks: Mapping[str, Mapping[str, str]], *, action: str = "read") -> dict[str, bool]:
        """May the token do `action` on each of these (`resource_type`, `organization_id`)? Keys are the caller's."""
        body = {"checks": {key: {"object": dict(what), "action": action} for key, what in checks.items()}}
        answer = _object(await self._request("POST", "/authcheck", body=body, repeat=True), "/authcheck")
        if missing := sorted(key for key in checks if not isinstance(answer.get(key), bool)):
            raise errors.CoderAnswerError(f"Coder did not answer the permission checks {', '.join(missing)}")
        return {key: answer[key] for key in checks}

    async def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        return await self._request("GET", path, params=params, repeat=True)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        repeat: bool,
    ) -> Answer:
        """Send it; `repeat` says whether sending it twice is harmless, which is what permits retries."""

        async def attempt() -> Answer:
            try:
                return await self._send(method, path, params, body)
            except errors.CoderRateLimited as error:
                raise Again(error, wait=_at_least(error.retry_after, self._persistence), limited=True) from None
            except (errors.CoderServerError, errors.CoderUnreachable, errors.CoderCutAnswer) as error:
                raise Again(error) from None

        return await (self._persistence.repeated(attempt) if repeat else self._send(method, path, params, body))

    async def _send(self, method: str, path: str, params: Mapping[str, str | int] | None, body: object) -> Answer:
        if self._gate is not None:
            await self._gate()
        async with self._places:
            self.requests += 1
            started = time.monotonic()
            try:
                response = await exchange(
                    self._http,
                    method,
                    f"{self.base_url}{path}",
                    seconds=self._persistence.seconds(),
                    most=self._persistence.patience.answer_bytes,
                    params=params,
                    json=body,
                )
            except Oversized as error:
                raise errors.CoderAnswerError(
                    f"Coder at {self._reader.host} sends no end ({method} {path}): {error}"
                ) from None
            except httpx.HTTPError as error:
                told = self._route.told(error, self._reader.shown)
                failed = f"Coder at {self._reader.host} did not answer {method} {path}: {told}"
                connected = not isinstance(error, httpx.ConnectError)
            else:
                took = timedelta(seconds=time.monotonic() - started)
                return self._read(method, path, response, took)
        raise errors.CoderUnreachable(failed, connected=connected)

    def _read(self, method: str, path: str, response: httpx.Response, took: timedelta) -> Answer:
        """The answer; any that is Coder's own, be it a refusal, shows that Coder is there."""
        self.clock = http_date(response.headers.get("date", ""))
        if self.clock is not None:
            self.times.heard(self.clock, time.monotonic())
        try:
            answer = self._reader.read(method, path, response, self.clock - took if self.clock else None)
        except errors.CoderServerError:
            raise
        except errors.CoderStatusError:
            self._persistence.answered()
            raise
        self._persistence.answered()
        return replace(answer, seconds=took.total_seconds())


def _at_least(asked: float | None, persistence: Persistence) -> float | None:
    """The seconds that a refusal asks to wait, but never so few that it would be asked for without end."""
    return None if asked is None else max(asked, persistence.patience.pause)


def _api_root(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.strip().rstrip("/"))
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("CODER_API_BASE_URL is not an http(s) URL, for example https://coder.example.com")
    path = url.path.rstrip("/").removesuffix("/api/v2").rstrip("/")
    return url.copy_with(path=f"{path}/api/v2", query=None, fragment=None)


def _object(answer: Answer, path: str) -> dict[str, Any]:
    if isinstance(answer.data, dict):
        return answer.data
    raise errors.CoderAnswerError(f"Coder answered {path} with something other than a JSON object")
