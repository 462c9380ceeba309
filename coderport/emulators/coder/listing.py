"""The workspaces' list: what a token sees of it, `q`, the page, and the ways in which a page goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from coderport.emulators.coder.build_rows import agent_id
from coderport.emulators.coder.http import Call, bad_search, bytes_response, invalid
from coderport.emulators.coder.prices import list_seconds
from coderport.emulators.coder.query import QueryError, Terms
from coderport.emulators.coder.records import Workspace
from coderport.emulators.coder.roles import Subject
from coderport.emulators.coder.rows import RowCache
from coderport.emulators.coder.state import Part, Place, State

Test = Callable[[Workspace], bool]

_STATUSES = (
    "pending", "starting", "running", "stopping", "stopped", "failed", "canceling", "canceled", "deleting", "deleted",
)  # fmt: skip
_MOST = 1000


@dataclass
class ListFaults:
    """How the list of workspaces misbehaves beyond what a busy deployment does by itself.

    `dropped` ids leave a page after its limit was applied, `count_off` is added to every count, and
    `between` is called after each answered list request, before the next one can be looked at.
    """

    dropped: frozenset[str] = frozenset()
    count_off: int = 0
    between: list[Callable[[], None]] = field(default_factory=list)


def list_workspaces(call: Call, rows: RowCache, faults: ListFaults) -> Response:
    """``GET /workspaces``: count first, then the page, then rows of unreadable templates fall out of it."""
    state, subject = call.state, call.subject
    limit, offset = _page(call)
    try:
        found = _matching(state, subject, _terms(call.query.get("q", "")))
    except QueryError as error:
        raise bad_search("workspace", error) from None
    found = _favourites_first(state, subject, found)
    page = found[offset : offset + limit] if limit else found[offset:]
    readable: dict[str, bool] = {}
    parts = []
    for place in page:
        workspace = state.workspaces[place[3]]
        template_id = workspace.template_id
        if template_id not in readable:
            readable[template_id] = subject.may_template("read", state.templates[template_id])
        if readable[template_id] and workspace.id not in faults.dropped:
            parts.append(rows.row(workspace, subject.user.id))
    call.charge(list_seconds(len(state.listed()), len(page), "id:" in call.query.get("q", "")))
    count = max(0, len(found) + faults.count_off)
    answer = bytes_response(b'{"workspaces":[' + b",".join(parts) + b'],"count":' + str(count).encode() + b"}")
    for hook in tuple(faults.between):
        hook()
    return answer


def _page(call: Call) -> tuple[int, int]:
    limit, offset = call.number("limit"), call.number("offset")
    if call.state.flavour.limit_required:
        if "limit" not in call.query:
            limit = _MOST
        if not 1 <= limit <= _MOST:
            detail = f'Query param "limit" must be between 1 and {_MOST}'
            raise invalid("limit", detail, "Query parameters have invalid values.")
    return limit, offset


def _terms(q: str) -> Terms:
    def bare(word: str) -> list[tuple[str, str]]:
        parts = word.split("/")
        if len(parts) > 2:
            raise QueryError([("q", f"Query element {word!r} can only contain 1 '/'")])
        return [("name", parts[0])] if len(parts) == 1 else [("owner", parts[0]), ("name", parts[1])]

    return Terms(q, bare)


def _favourites_first(state: State, subject: Subject, found: list[Place]) -> list[Place]:
    favourites = {
        place[3]
        for place in state.listed("owner", subject.user.id)
        if state.workspaces[place[3]].favorite
    }  # fmt: skip
    if not favourites:
        return found
    return [place for place in found if place[3] in favourites] + [
        place for place in found if place[3] not in favourites
    ]


def _matching(state: State, subject: Subject, terms: Terms) -> list[Place]:
    """The places of the workspaces that the token may see and that fit the query, in the list's order.

    Starts from the smallest part of the deployment that the query or the token names; without either it is
    the list itself, uncopied.
    """
    parts: list[tuple[Part, list[str]]] = []
    tests: list[Test] = []
    _organization_terms(state, terms, parts)
    _name_terms(state, subject, terms, parts, tests)
    _build_terms(state, terms, tests)
    _sharing_terms(state, terms, tests)
    terms.done()
    if not subject.reads_all_workspaces():
        _visible(subject, parts, tests)
    if not parts:
        found = state.listed()
    else:
        part, keys = min(parts, key=lambda entry: sum(len(state.listed(entry[0], key)) for key in entry[1]))
        found = state.merged(part, dict.fromkeys(keys))
        tests = [_in_part(other, keys) for other, keys in parts if other != part] + tests
        tests += [_in_part(part, other_keys) for other, other_keys in parts if other == part and other_keys is not keys]
    for test in tests:
        found = [place for place in found if test(state.workspaces[place[3]])]
    return found


def _in_part(part: Part, keys: list[str]) -> Test:
    wanted = frozenset(keys)
    attribute = f"{part}_id"
    return lambda workspace: getattr(workspace, attribute) in wanted


def _visible(subject: Subject, parts: list[tuple[Part, list[str]]], tests: list[Test]) -> None:
    """Narrow to what the token may read; one that reads nothing but its user's own starts from those."""
    me = subject.user.id
    organizations = [id for id in subject.state.organizations if subject.may("read", "workspace", organization=id)]
    shared = any(workspace.shared_with for workspace in subject.state.undeleted())
    by_role = bool(subject.user.roles) or subject.token.allow_list is not None
    if not organizations and not shared and not by_role:
        parts.append(("owner", [me]))
    whole = frozenset(organizations)

    def readable(workspace: Workspace) -> bool:
        # The SQL filter judges all rows as plain workspaces: a dormant one is listed even to who may not open
        # it.
        return (
            workspace.organization_id in whole
            or subject.may(
                "read",
                "workspace",
                organization=workspace.organization_id,
                owner=workspace.owner_id,
                id=workspace.id,
            )
            or subject.shares(workspace, "read")
        )

    tests.append(readable)


def _organization_terms(state: State, terms: Terms, parts: list[tuple[Part, list[str]]]) -> None:
    if not state.flavour.organization_names:
        return
    name = terms.text("organization")
    if name is not None:
        organization = state.organization(name)
        if organization is None:
            raise QueryError([("organization", f'Query param "organization" has invalid value: "{name}" not found')])
        parts.append(("organization", [organization.id]))


def _name_terms(
    state: State, subject: Subject, terms: Terms, parts: list[tuple[Part, list[str]]], tests: list[Test]
) -> None:
    owner = terms.text("owner")
    if owner is not None:
        user = subject.user if owner == "me" else state.user(owner)
        named = user is not None and (owner == "me" or user.username.lower() == owner)
        parts.append(("owner", [user.id] if user is not None and named else []))
    template = terms.text("template")
    if template is not None:
        parts.append(("template", [found.id for found in state.templates.values() if found.name.lower() == template]))
    name = terms.text("name")
    if name is not None:
        tests.append(lambda workspace: name in workspace.name.lower())
    ids = terms.ids("id")
    if ids is not None:
        wanted = frozenset(ids)
        owners = [state.workspaces[id].owner_id for id in ids if id in state.workspaces]
        parts.append(("owner", owners))
        tests.append(lambda workspace: workspace.id in wanted)


def _build_terms(state: State, terms: Terms, tests: list[Test]) -> None:
    status = terms.choice("status", _STATUSES)
    if status is not None:
        tests.append(lambda workspace: workspace.build.status == status)
    # A comma list whose words nobody checks: one that is no status finds nothing.
    agents = {word for value in terms.all("has-agent") for word in value.split(",")}
    if agents:
        tests.append(lambda workspace: bool(agents & _agent_statuses(state, workspace)))
    if terms.flag("dormant"):
        tests.append(lambda workspace: workspace.dormant_at is not None)
    after, before = terms.time("last_used_after"), terms.time("last_used_before")
    if after is not None:
        tests.append(lambda workspace: workspace.last_used_at is not None and workspace.last_used_at >= after)
    if before is not None:
        tests.append(lambda workspace: workspace.last_used_at is None or workspace.last_used_at <= before)
    outdated = terms.flag("outdated")
    if outdated is not None:
        tests.append(
            lambda workspace: (
                (workspace.build.version_id != state.templates[workspace.template_id].active_version_id) is outdated
            )
        )
    for term in terms.all("param"):
        name, equals, value = term.partition("=")
        tests.append(_has_parameter(name, value if equals else None))


def _has_parameter(name: str, value: str | None) -> Test:
    def test(workspace: Workspace) -> bool:
        values = {key.lower(): text.lower() for key, text in workspace.build.parameters.items()}
        return name in values and value in (None, values[name])

    return test


def _agent_statuses(state: State, workspace: Workspace) -> set[str]:
    build = workspace.build
    statuses: set[str] = set()
    if not workspace.running:
        return statuses  # only what a start made counts
    for resource in state.versions[build.version_id].resources:
        for agent in resource.agents:
            if agent_id(build, resource, agent) in workspace.failing_agents:
                statuses.add("disconnected")
            elif agent.connects and build.agents not in ("created", "timeout"):
                statuses.add("connected")
            else:
                statuses.add("timeout" if agent.connects and build.agents == "timeout" else "connecting")
    return statuses


def _sharing_terms(state: State, terms: Terms, tests: list[Test]) -> None:
    if not state.flavour.sharing:
        return
    shared = terms.flag("shared")
    if shared is not None:
        tests.append(lambda workspace: bool(workspace.shared_with) is shared)
    for key, kind in (("shared_with_user", "user"), ("shared_with_group", "group")):
        name = terms.text(key)
        if name is not None:
            tests.append(_shared_with(kind, name))
    healthy = terms.flag("healthy")
    if healthy is not None:
        wanted = {"connected"} if healthy else {"disconnected", "timeout"}
        tests.append(lambda workspace: bool(_agent_statuses(state, workspace) & wanted))
    external = terms.flag("has_external_agent")
    if external is not None:
        tests.append(lambda workspace: state.versions[workspace.build.version_id].has_external_agent is external)
    if state.flavour.task_fields:
        task = terms.flag("has-ai-task")
        if task is not None:
            tests.append(lambda workspace: (workspace.task_id is not None) is task)
    if state.flavour.newest_fields:
        terms.all("include_agent_metadata")  # adds to rows what no row here has; filters nothing


def _shared_with(kind: str, name: str) -> Test:
    return lambda workspace: any(
        actor["actor_type"] == kind and name in (actor["id"], actor["name"].lower()) for actor in workspace.shared_with
    )
