"""Routes of who belongs to an organization, of groups, and of quotas."""

from __future__ import annotations

from starlette.responses import Response

from coderport.emulators.coder.audit import note
from coderport.emulators.coder.build_rows import daily_cost
from coderport.emulators.coder.http import Call, Refused, forbidden, json_response, not_found
from coderport.emulators.coder.reading import organization_of, user_of
from coderport.emulators.coder.records import Group, Organization, User
from coderport.emulators.coder.roles import ORGANIZATION_ROLES, SITE_ROLES
from coderport.emulators.coder.rows import member_roles_json, reduced_user_json
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import Json, stamp


def require_licence(call: Call, feature: str) -> None:
    """403 on a deployment without a licence, in the words that a feature of Premium has."""
    if not call.state.licensed:
        raise forbidden(f"{feature} is a Premium feature. Contact sales!")


def _member_json(user: User, organization: Organization) -> Json:
    return {
        "username": user.username,
        "name": user.name,
        "avatar_url": user.avatar_url,
        "email": user.email,
        "global_roles": [
            {"name": role, "display_name": SITE_ROLES.get(role, role)} for role in sorted(user.roles)
        ],
        "user_id": user.id,
        "organization_id": organization.id,
        "created_at": stamp(user.created_at),
        "updated_at": stamp(user.created_at),
        "roles": member_roles_json(user, organization),
    }  # fmt: skip


def members_of(state: State, organization: Organization) -> list[User]:
    """The people of an organization by username; the system user that owns prebuilt workspaces is none."""
    there = (user for user in state.users.values() if not (user.system or user.deleted))
    people = (user for user in there if organization.id in user.organizations)
    return sorted(people, key=lambda user: user.username.lower())


def _visible(call: Call, organization: Organization) -> list[User]:
    """Who the caller may see there: all, or only themselves."""
    me = call.subject.user
    if call.subject.may("read", "organization_member", organization=organization.id):
        return members_of(call.state, organization)
    return [user for user in members_of(call.state, organization) if user is me]


def list_members(call: Call) -> Response:
    """``GET /organizations/{organization}/members``: all at once; a plain member sees themselves."""
    organization = organization_of(call)
    return json_response([_member_json(user, organization) for user in _visible(call, organization)])


def list_members_in_pages(call: Call) -> Response:
    """``GET /organizations/{organization}/paginated-members``, on servers that have it."""
    if not call.state.flavour.prebuild_fields:
        raise Refused(404, "Route not found.")
    organization = organization_of(call)
    found, limit, offset = _visible(call, organization), call.number("limit"), call.number("offset")
    page = found[offset : offset + limit] if limit else found[offset:]
    rows = [_member_json(user, organization) for user in page]
    return json_response({"members": rows, "count": len(found)})


def _member(call: Call) -> tuple[User, Organization]:
    organization, user = organization_of(call), user_of(call)
    if organization.id not in user.organizations:
        raise not_found()
    return user, organization


def get_member(call: Call) -> Response:
    """``GET /organizations/{organization}/members/{user}``."""
    user, organization = _member(call)
    if user not in _visible(call, organization):
        raise not_found()
    return json_response(_member_json(user, organization))


def add_member(call: Call) -> Response:
    """``POST /organizations/{organization}/members/{user}`` (source: `coderd/members.go`)."""
    organization, user = organization_of(call), user_of(call)
    if not call.subject.may("create", "organization_member", organization=organization.id):
        raise not_found()
    if organization.id in user.organizations:
        raise Refused(400, "Organization member already exists in this organization")
    return _changed(call, user, organization, {**user.organizations, organization.id: frozenset()}, "create")


def remove_member(call: Call) -> Response:
    """``DELETE /organizations/{organization}/members/{user}``: 204 (Coder's API description)."""
    user, organization = _member(call)
    if not call.subject.may("delete", "organization_member", organization=organization.id):
        raise not_found()
    kept = {id: roles for id, roles in user.organizations.items() if id != organization.id}
    _changed(call, user, organization, kept, "delete")
    return Response(status_code=204)


def put_member_roles(call: Call) -> Response:
    """``PUT /organizations/{organization}/members/{user}/roles`` (source: `coderd/members.go`)."""
    user, organization = _member(call)
    if user is call.subject.user:
        raise Refused(400, "You cannot change your own organization roles.")
    asked = frozenset(call.body().texts("roles") or ())
    if not call.subject.may("assign", "assign_org_role", organization=organization.id):
        raise forbidden()
    for unknown in sorted(asked - ORGANIZATION_ROLES.keys()):
        raise Refused(400, f'"{unknown}" is not a supported role')
    return _changed(call, user, organization, {**user.organizations, organization.id: asked}, "write")


def _changed(
    call: Call, user: User, organization: Organization, memberships: dict[str, frozenset[str]], action: str
) -> Response:
    """The member with these memberships, noted in the audit log."""
    before, after = user.organizations.get(organization.id, frozenset()), memberships.get(organization.id, frozenset())
    user.organizations = memberships
    note(
        call.state, call.subject.user.id, action, "organization_member", user.id, resource_target=user.username,
        organization_id=organization.id, diff={"roles": (sorted(before), sorted(after))} if before != after else {},
    )  # fmt: skip
    row = _member_json(user, organization)
    return json_response({key: row[key] for key in ("user_id", "organization_id", "created_at", "updated_at", "roles")})


def list_member_roles(call: Call) -> Response:
    """``GET /organizations/{organization}/members/roles``: what a member can be made."""
    organization = organization_of(call)
    if not call.subject.may("read", "assign_org_role", organization=organization.id) and not call.subject.may(
        "read", "organization_member", organization=organization.id
    ):
        raise not_found()
    assigns = call.subject.may("assign", "assign_org_role", organization=organization.id)
    return json_response([
        {"name": name, "display_name": shown, "organization_id": organization.id, "assignable": assigns,
         "built_in": True, "site_permissions": [], "organization_permissions": [], "user_permissions": []}
        for name, shown in ORGANIZATION_ROLES.items()
    ])  # fmt: skip


# ---------------------------------------------------------------- groups


def everyone_json(state: State, organization: Organization) -> Json:
    """The group of everybody, which has its organization's id and which each organization has."""
    everyone = frozenset(user.id for user in members_of(state, organization))
    return _group_json(state, organization, Group(organization.id, organization.id, "Everyone", members=everyone))


def _group_json(state: State, organization: Organization, group: Group) -> Json:
    members = [reduced_user_json(state, user) for user in members_of(state, organization) if user.id in group.members]
    return {
        "id": group.id,
        "name": group.name,
        "display_name": group.display_name,
        "organization_id": organization.id,
        "members": members,
        "total_member_count": len(members),
        "avatar_url": "",
        "quota_allowance": group.quota_allowance,
        "source": "user",
        "organization_name": organization.name,
        "organization_display_name": organization.display_name,
    }


def list_groups(call: Call) -> Response:
    """``GET /groups``: of every organization whose groups the caller may read."""
    require_licence(call, "Template RBAC")
    readable = [
        organization
        for organization in call.state.organizations.values()
        if call.subject.may("read", "group", organization=organization.id)
    ]
    return json_response([row for organization in readable for row in _groups_of(call.state, organization)])


def _groups_of(state: State, organization: Organization) -> list[Json]:
    own = [each for each in state.groups.values() if each.organization_id == organization.id]
    return [everyone_json(state, organization), *(_group_json(state, organization, each) for each in own)]


def get_group(call: Call) -> Response:
    """``GET /groups/{group}``; source: coder's API reference, "Get group by ID"."""
    require_licence(call, "Template RBAC")
    for organization in call.state.organizations.values():
        if call.subject.may("read", "group", organization=organization.id):
            for row in _groups_of(call.state, organization):
                if row["id"] == call.path["group"]:
                    return json_response(row)
    raise not_found()


def list_organization_groups(call: Call) -> Response:
    """``GET /organizations/{organization}/groups``."""
    require_licence(call, "Template RBAC")
    organization = organization_of(call)
    if not call.subject.may("read", "group", organization=organization.id):
        return json_response([])
    return json_response(_groups_of(call.state, organization))


# ---------------------------------------------------------------- quotas


def get_user_quota(call: Call) -> Response:
    """``GET /workspace-quota/{user}``, deprecated: in the default organization."""
    organization = next(each for each in call.state.organizations.values() if each.is_default)
    return json_response(_quota(call.state, user_of(call), organization))


def get_member_quota(call: Call) -> Response:
    """``GET /organizations/{organization}/members/{user}/workspace-quota``."""
    return json_response(_quota(call.state, *_member(call)))


def _quota(state: State, user: User, organization: Organization) -> Json:
    """What latest builds cost, and what groups allow (`coderd/database/queries/quotas.sql`); recorded without licence:
    nothing used, and a budget of -1.
    """
    if not state.licensed:
        return {"credits_consumed": 0, "budget": -1}
    owned = (state.workspaces[place[3]] for place in state.listed("owner", user.id))
    used = sum(daily_cost(state, each.build) for each in owned if each.organization_id == organization.id)
    groups = [each for each in state.groups.values() if each.organization_id == organization.id]
    allowed = sum(each.quota_allowance for each in groups if user.id in each.members)
    return {"credits_consumed": used, "budget": allowed}
