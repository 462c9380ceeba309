"""A Coder that changes, loses and miscounts while it is being read: an httpx transport with a seed.

Every rule of the real server that a read may lean on holds here as well: ids never come back, `created_at` never
changes, a deleted workspace answers 410 by id, a page is one statement. Everything else is against the reader. The
tests know the truth: what exists, and what existed and was counted during the whole read.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx

from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import Fate, Known, Snapshot, read_snapshot

JSON = {"content-type": "application/json; charset=utf-8"}
START = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
NOT_FOUND = {"message": "Resource not found or you do not have access to this resource"}

MISCHIEF = (
    "moves",  # workspaces start and stop: rows cross page boundaries
    "births",
    "deaths",
    "templates",  # templates are created, renamed, deprecated, deleted
    "hidden template",  # its rows are dropped after the limit and still counted
    "drops",  # single pages lose rows
    "duplicates",  # a row stands in for another one
    "count too high",
    "count too low",  # one answer only: see ledger on why more than that looks like a weak token
    "one empty list",
    "loses sight",  # from some moment the token sees less: rows and counts
    "weak",  # the token is a plain member's, and authcheck says so
    "no dormant",
    "server errors",
    "cut bodies",
    "html",
    "old flavour",  # unknown search keys: organization, id, or deleted and deprecated on templates
    "two organizations",
    "slow commits",  # created_at is stamped seconds before the row appears
)


@dataclass
class Row:
    """A workspace or a template of the adversary."""

    id: str
    name: str
    organization: str
    template: str = ""
    running: bool = False
    deprecated: bool = False
    created_at: datetime = START
    builds: int = 1


@dataclass
class Adversary(httpx.AsyncBaseTransport):
    """One history. `mischief` is drawn from the seed unless given; `asked` counts requests."""

    seed: int
    mischief: frozenset[str] = frozenset({"drawn"})
    asked: int = 0
    workspaces: dict[str, Row] = field(default_factory=dict)
    templates: dict[str, Row] = field(default_factory=dict)
    dead_workspaces: dict[str, Row] = field(default_factory=dict)
    dead_templates: dict[str, Row] = field(default_factory=dict)
    pending: list[Row] = field(default_factory=list)
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Kind and organization ("" is site-wide) that authcheck says no to."""
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        if self.mischief == {"drawn"}:
            often = self.random.choice((0.05, 0.2, 0.45))
            rare = ("weak", "html")
            drawn = {one for one in MISCHIEF if self.random.random() < (often / 6 if one in rare else often)}
            # Together these can make the number of rows seen agree with the count although some were missed.
            compensating = {"births", "deaths", "hidden template"} if self.random.random() < 0.15 else set()
            self.mischief = frozenset(drawn | compensating)
        self.now = START
        self.page_limit = self.random.randint(2, 6)
        self.lied_low = False
        self.unseen: set[str] = set()
        self.organizations = {self._id(): "one"}
        if "two organizations" in self.mischief:
            self.organizations[self._id()] = "two"
        for _ in range(self.random.randint(1, 4)):
            self._create_template()
        self.hidden = {next(iter(self.templates))} if "hidden template" in self.mischief else set()
        for _ in range(self.random.choice((0, 1, 3, 8, 14))):
            self._create_workspace()
        for row in self.workspaces.values():
            row.created_at -= timedelta(seconds=self.random.choice((0, 5, 3600)))
        for _ in range(self.random.randint(0, 3)):
            self._delete_workspace()
        self.unknown = {self._id() for _ in range(self.random.randint(0, 2))}
        self.throughout = set(self.workspaces)
        self.templates_before = set(self.templates) | set(self.dead_templates)

    def add_template(self, name: str, *, organization: str | None = None, deprecated: bool = False) -> Row:
        """A template that was there before the read."""
        place = organization or next(iter(self.organizations))
        one = Row(self._id(), name, place, deprecated=deprecated)
        self.templates[one.id] = one
        return one

    def add_workspace(self, name: str, template: Row) -> Row:
        """A stopped workspace that was there long before the read."""
        one = Row(self._id(), name, template.organization, template.id, created_at=START - timedelta(days=1))
        self.workspaces[one.id] = one
        self.throughout.add(one.id)
        return one

    def known(self) -> Known:
        """What an earlier run may have left behind: some that exist, all that are gone, some that never were."""
        some = {one for one in self.throughout if self.random.random() < 0.6}
        return Known(
            frozenset(self.templates_before | self.unknown),
            frozenset(some | set(self.dead_workspaces) | self.unknown),
        )

    async def read(self) -> Snapshot:
        """One read of this history by the code under test."""
        wanted = ["ONE"] if "two organizations" in self.mischief and self.random.random() < 0.5 else []
        async with CoderClient("http://coder.test", "token", transport=self) as client:
            return await read_snapshot(client, organizations=wanted, known=self.known(), page_limit=self.page_limit)

    def missed(self, snapshot: Snapshot) -> set[str]:
        """Workspaces in scope that existed and were counted during the whole read, and are not in the snapshot."""
        scope = {one.id for one in snapshot.organizations}
        there = {one for one in self.throughout if self.workspaces[one].organization in scope}
        return there - snapshot.workspaces.keys()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.now += timedelta(seconds=self.random.choice((0, 0.02, 0.5, 4)))
        self._live()
        path = request.url.path.removeprefix("/api/v2")
        self.paths.append(path)
        fault = self._fault(path)
        if fault is not None:
            return fault
        status, body = self._answer(path, request)
        content = json.dumps(body).encode()
        if "cut bodies" in self.mischief and self.random.random() < 0.04:
            content = content[: len(content) // 2]
        return httpx.Response(status, headers={**JSON, "date": format_datetime(self.now, usegmt=True)}, content=content)

    def _fault(self, path: str) -> httpx.Response | None:
        if "server errors" in self.mischief and self.random.random() < 0.06:
            kind = self.random.choice(("500", "500", "429", "dropped", "broken page"))
            if kind == "dropped":
                raise httpx.ReadError("connection reset")
            if kind == "broken page" and self.random.random() < 0.1:
                self.mischief |= {"always 500"}
            status = 429 if kind == "429" else 500
            return httpx.Response(status, headers={**JSON, "retry-after": "0"}, content=b'{"message":"no"}')
        if "always 500" in self.mischief and path == "/workspaces":
            return httpx.Response(500, headers=JSON, content=b'{"message":"template version not found"}')
        if "html" in self.mischief and self.random.random() < 0.05:
            return httpx.Response(200, headers={"content-type": "text/html"}, content=b"<!doctype html>")
        return None

    def _answer(self, path: str, request: httpx.Request) -> tuple[int, Any]:
        query = request.url.params.get("q", "")
        match path.strip("/").split("/"):
            case ["buildinfo"]:
                return 200, {"version": "v2.99.0", "deployment_id": "adversary"}
            case ["users", "me"]:
                return 200, {"id": OWNER, "username": "robot", "email": "robot@example.com"}
            case ["users"]:
                return 200, {"users": [{"id": OWNER, "username": "robot", "email": "r@x"}], "count": 1}
            case ["organizations"]:
                return 200, [{"id": one, "name": name} for one, name in self.organizations.items()]
            case ["authcheck"]:
                checks = json.loads(request.content)["checks"]
                return 200, {key: self._may(check["object"]) for key, check in checks.items()}
            case ["organizations", organization, "templates"]:
                return self._list_templates(query, organization)
            case ["templates"]:
                return self._list_templates(query, None)
            case ["templates", one]:
                alive = one in self.templates and one not in self.hidden
                return (200, self._template(self.templates[one])) if alive else (404, NOT_FOUND)
            case ["workspaces"]:
                params = request.url.params
                return self._list_workspaces(query, int(params["limit"]), int(params["offset"]))
            case ["workspaces", one]:
                return self._workspace_by_id(one)
        return 404, {"message": "Route not found."}

    def _may(self, what: dict[str, str]) -> bool:
        kind = what["resource_type"]
        if kind in ("workspace", "template") and "weak" in self.mischief:
            return False
        if kind == "workspace_dormant" and "no dormant" in self.mischief:
            return False
        return (kind, what.get("organization_id", "")) not in self.denied

    def _workspace_by_id(self, one: str) -> tuple[int, Any]:
        if one in self.unseen:
            return 404, NOT_FOUND
        if one in self.dead_workspaces:
            return 410, {"message": f'Workspace "{one}" was deleted'}
        if one not in self.workspaces:
            return 404, NOT_FOUND
        if self.workspaces[one].template in self.hidden:
            return 403, {"message": "Forbidden."}
        return 200, self._workspace(self.workspaces[one])

    def _list_templates(self, query: str, organization: str | None) -> tuple[int, Any]:
        if "old flavour" in self.mischief:
            query = ""
        source = self.dead_templates if "deleted:true" in query else self.templates
        rows = [
            self._template(one)
            for one in source.values()
            if one.id not in self.hidden
            and organization in (None, one.organization)
            and ("old flavour" in self.mischief or one.deprecated == ("deprecated:true" in query))
        ]
        self.random.shuffle(rows)
        return 200, rows

    def _list_workspaces(self, query: str, limit: int, offset: int) -> tuple[int, Any]:
        filters = dict(re.findall(r'(\w+):"?([^" ]*)"?', query))
        if "old flavour" in self.mischief and filters.keys() & {"organization", "id"}:
            return 400, {"message": "Invalid query.", "validations": [{"field": "organization", "detail": "?"}]}
        ids = filters["id"].split(",") if "id" in filters else None
        matching = [
            row
            for row in self.workspaces.values()
            if row.id not in self.unseen
            and filters.get("organization", row.organization) == row.organization
            and (ids is None or row.id in ids)
            and ("template" not in filters or self.templates[row.template].name == filters["template"])
        ]
        matching.sort(key=lambda row: (not row.running, row.name))
        page = [row for row in matching[offset : offset + limit] if row.template not in self.hidden]
        count = len(matching)
        roll = self.random.random
        if "drops" in self.mischief and page and roll() < 0.2:
            page.pop(self.random.randrange(len(page)))
        if "duplicates" in self.mischief and page and roll() < 0.2:
            page[self.random.randrange(len(page))] = self.random.choice(page)
        if "count too high" in self.mischief and roll() < 0.2:
            count += self.random.choice((1, 2, 5))
        if not self.lied_low and roll() < 0.3:
            if "count too low" in self.mischief:
                self.lied_low = True
                count = max(0, count - self.random.choice((1, 1, 2, 5)))
            elif "one empty list" in self.mischief:
                self.lied_low = True
                page, count = [], self.random.choice((0, count))
        return 200, {"workspaces": [self._workspace(row) for row in page], "count": count}

    def _live(self) -> None:
        """What happens in Coder between two requests."""
        roll = self.random.random
        for row in self.pending:
            self.workspaces[row.id] = row
        self.pending = []
        if "moves" in self.mischief and self.workspaces:
            for row in self.random.choices(list(self.workspaces.values()), k=2):
                row.running, row.builds = not row.running, row.builds + 1
        if "births" in self.mischief and roll() < 0.15:
            self._create_workspace(slowly="slow commits" in self.mischief)
        if "deaths" in self.mischief and roll() < 0.15:
            self._delete_workspace()
        if "templates" in self.mischief and roll() < 0.2:
            self._change_a_template()
        if "loses sight" in self.mischief and roll() < 0.05:
            self.unseen |= {one for one in self.workspaces if roll() < 0.3}
            self.throughout -= self.unseen

    def _create_workspace(self, *, slowly: bool = False) -> None:
        template = self.random.choice(list(self.templates.values()))
        row = Row(self._id(), self._name("w"), template.organization, template.id, created_at=self.now)
        if slowly:
            row.created_at -= timedelta(seconds=3)
            self.pending.append(row)
        else:
            self.workspaces[row.id] = row

    def _delete_workspace(self) -> None:
        if self.workspaces:
            one = self.random.choice(list(self.workspaces))
            self.dead_workspaces[one] = self.workspaces.pop(one)
            if hasattr(self, "throughout"):
                self.throughout.discard(one)

    def _create_template(self) -> None:
        one = Row(self._id(), self._name("t"), self.random.choice(list(self.organizations)))
        self.templates[one.id] = one

    def _change_a_template(self) -> None:
        one = self.random.choice(list(self.templates.values()))
        match self.random.randrange(4):
            case 0:
                self._create_template()
            case 1:
                one.name = self._name("t")
            case 2:
                one.deprecated = not one.deprecated
            case 3 if len(self.templates) > 1:
                used = {row.template for row in (*self.workspaces.values(), *self.pending)}
                if one.id not in used:
                    self.dead_templates[one.id] = self.templates.pop(one.id)

    def _template(self, row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "name": row.name,
            "organization_id": row.organization,
            "deprecated": row.deprecated,
        }

    def _workspace(self, row: Row) -> dict[str, Any]:
        template = (self.templates | self.dead_templates)[row.template]
        return {
            "id": row.id,
            "name": row.name,
            "owner_id": OWNER,
            "owner_name": "robot",
            "organization_id": row.organization,
            "template_id": row.template,
            "template_name": template.name,
            "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
            "latest_build": {"id": row.id, "build_number": row.builds},
        }

    def _id(self) -> str:
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _name(self, letter: str) -> str:
        return f"{letter}-{self.random.randrange(10**6)}"


OWNER = "00000000-0000-4000-8000-00000000beef"


def fates_of(snapshot: Snapshot) -> list[tuple[str, Fate]]:
    """The fates of templates and workspaces."""
    return [*snapshot.template_fates.items(), *snapshot.workspace_fates.items()]


def wrongly_gone(adversary: Adversary, fates: Iterable[tuple[str, str]]) -> set[str]:
    """Ids called GONE although the object exists."""
    return {one for one, fate in fates if fate == "GONE" and one in adversary.workspaces | adversary.templates}
