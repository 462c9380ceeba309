"""Routes that say what the deployment is: build info, users, organizations, and what a token may do."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from coderport.emulators.coder.http import (
    Body,
    Call,
    Refused,
    bad_search,
    json_response,
    not_found,
)
from coderport.emulators.coder.query import QueryError, Terms
from coderport.emulators.coder.records import Organization, User
from coderport.emulators.coder.rows import organization_json, user_json
from coderport.emulators.coder.state import State

_MOST_RESOURCE_IDS = 10


def build_info(call: Call) -> Response:
    """``GET /buildinfo``, which needs no token."""
    state = call.state
    body = {
        "external_url": "https://github.com/coder/coder",
        "version": state.flavour.version,
        "dashboard_url": f"http://{call.host}",
        "telemetry": False,
        "workspace_proxy": False,
        "agent_api_version": "1.0",
        "provisioner_api_version": "1.3",
        "upgrade_message": "",
        "deployment_id": state.deployment_id,
    }
    if state.flavour.prebuild_fields:
        body["webpush_public_key"] = ""
    return json_response(body)


def authcheck(call: Call) -> Response:
    """``POST /authcheck``: each named check true or false, for the token and not just its user."""
    checks = call.body().object("checks")
    subject = call.subject
    answers: dict[str, bool] = {}
    with_ids = 0
    for name in sorted(call.body().mapping("checks") or {}):
        check = checks.object(name) if checks else None
        wanted = (check.object("object") if check else None) or Body({})
        kind = wanted.text("resource_type")
        if not kind:
            raise Refused(400, f'Object\'s "resource_type" field must be defined for key "{name}".')
        resource_id = wanted.text("resource_id") or None
        organization, owner = wanted.text("organization_id") or None, wanted.text("owner_id") or None
        if resource_id is not None:
            with_ids += 1
            if with_ids > _MOST_RESOURCE_IDS:
                raise Refused(400, f"At most {_MOST_RESOURCE_IDS} checks may name a resource_id.")
            found = _object(call.state, kind, resource_id)
            if found is None:
                answers[name] = False
                continue
            organization, owner = found
        if owner == "me":
            owner = subject.user.id
        answers[name] = subject.may(
            check.text("action") if check else "",
            kind,
            organization=organization,
            owner=owner,
            id=resource_id,
            any_organization=bool(wanted.flag("any_org")),
        )
    return json_response(answers)


def _object(state: State, kind: str, id: str) -> tuple[str | None, str | None] | None:
    """The organization and owner of an object by its id; None if there is none of that kind."""
    if kind in ("workspace", "workspace_dormant") and id in state.workspaces:
        return state.workspaces[id].organization_id, state.workspaces[id].owner_id
    if kind == "template" and id in state.templates:
        return state.templates[id].organization_id, None
    if kind == "organization" and id in state.organizations:
        return id, None
    if kind == "user" and id in state.users:
        return None, id
    return None


# ---------------------------------------------------------------- users


def list_users(call: Call) -> Response:
    """``GET /users``: ordered by username; the count of a page past the end is 0."""
    subject = call.subject
    try:
        found = _matching_users(call)
    except QueryError as error:
        raise bad_search("user", error) from None
    visible = [user for user in found if subject.may_user("read", user)]
    after = call.query.get("after_id")
    start = 0
    if after:
        start = next((index + 1 for index, user in enumerate(visible) if user.id == after), len(visible))
    limit, offset = call.number("limit"), call.number("offset") + start
    page = visible[offset : offset + limit] if limit else visible[offset:]
    count = len(visible) if page else 0
    return json_response({"users": [user_json(call.state, user) for user in page], "count": count})


def _matching_users(call: Call) -> list[User]:
    terms = Terms(call.query.get("q", ""), lambda word: [("search", word)])
    words = terms.all("search")
    name = terms.text("name")
    statuses = [status for value in terms.all("status") for status in value.split(",")]
    roles = {role for value in terms.all("role") for role in value.split(",")}
    login_types = {kind for value in terms.all("login_type") for kind in value.split(",")}
    seen_after, seen_before = terms.time("last_seen_after"), terms.time("last_seen_before")
    created_after, created_before = terms.time("created_after"), terms.time("created_before")
    github = terms.text("github_com_user_id")
    if call.state.flavour.newest_fields:
        terms.flag("service_account")
    terms.done()

    def fits(user: User) -> bool:
        return (
            not (user.system or user.deleted)
            and all(word in user.email.lower() or word in user.username.lower() for word in words)
            and (name is None or name in user.name.lower())
            and (not statuses or user.status in statuses)
            and (not roles or bool(user.roles & roles) or "member" in roles)
            and (not login_types or user.login_type in login_types)
            and (seen_after is None or (user.last_seen_at is not None and user.last_seen_at >= seen_after))
            and (seen_before is None or user.last_seen_at is None or user.last_seen_at <= seen_before)
            and (created_after is None or user.created_at >= created_after)
            and (created_before is None or user.created_at <= created_before)
            and github is None
        )

    return sorted(filter(fits, call.state.users.values()), key=lambda user: user.username.lower())


def user_of(call: Call) -> User:
    """The user that the path names: ``me``, id or username; unknown and invisible are the same."""
    name = call.path["user"]
    subject = call.subject
    user = subject.user if name == "me" else call.state.user(name)
    if user is not None and subject.may_user("read", user):
        return user
    if call.state.flavour.unknown_user_is_400:
        raise Refused(400, '"user" must be an existing uuid or username.', f'queried user="{name}"')
    raise not_found()


def get_user(call: Call) -> Response:
    """``GET /users/{user}``."""
    return json_response(user_json(call.state, user_of(call)))


def user_organizations(call: Call) -> Response:
    """``GET /users/{user}/organizations``: memberships only."""
    members = user_of(call).organizations
    return json_response([organization_json(call.state, found) for found in _readable(call) if found.id in members])


# ---------------------------------------------------------------- organizations


def _readable(call: Call) -> Iterable[Organization]:
    return [organization for organization in call.state.organizations.values() if _may_read(call, organization)]


def _may_read(call: Call, organization: Organization) -> bool:
    return call.subject.may("read", "organization", organization=organization.id, id=organization.id)


def list_organizations(call: Call) -> Response:
    """``GET /organizations``: those the token may read, in no particular order, and no count."""
    return json_response([organization_json(call.state, organization) for organization in _readable(call)])


def organization_of(call: Call) -> Organization:
    """The organization that the path names by id, name or ``default``; by id a deleted one as well.

    404 if it is not there or not to be read. Source: `coderd/httpmw/organizationparam.go`, and the queries
    `GetOrganizationByID`, which takes any, and `GetOrganizationByName`, which leaves deleted ones out.
    """
    state, key = call.state, call.path["organization"]
    found = state.organization(key) or state.deleted_organizations.get(key.lower())
    if found is None or not _may_read(call, found):
        raise not_found()
    return found


def get_organization(call: Call) -> Response:
    """``GET /organizations/{organization}``."""
    return json_response(organization_json(call.state, organization_of(call)))
