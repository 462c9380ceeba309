"""What a token may do: roles, membership, scopes and allow lists."""

from __future__ import annotations

from dataclasses import dataclass

from coderport.emulators.coder.records import PREBUILDS_USER_ID, Template, Token, User, Workspace
from coderport.emulators.coder.state import State

SITE_ROLES = {
    "owner": "Owner",
    "template-admin": "Template Admin",
    "user-admin": "User Admin",
    "auditor": "Auditor",
}
ORGANIZATION_ROLES = {
    "organization-admin": "Organization Admin",
    "organization-template-admin": "Organization Template Admin",
    "organization-user-admin": "Organization User Admin",
    "organization-auditor": "Organization Auditor",
    "organization-workspace-creation-ban": "Organization Workspace Creation Ban",
}

# (resource type, action) pairs of each role; "*" is any action. Owners and organization admins may do
# everything
# in their reach but start what is dormant.
_SITE: dict[str, frozenset[tuple[str, str]]] = {
    "template-admin": frozenset({
        ("template", "*"), ("workspace", "read"), ("organization", "read"), ("organization_member", "read"),
        ("user", "read"), ("group", "read"), ("file", "*"), ("provisioner_daemon", "*"),
        ("prebuilt_workspace", "update"), ("prebuilt_workspace", "delete"),
    }),
    "auditor": frozenset({
        ("template", "read"), ("template", "view_insights"), ("organization", "read"), ("organization_member", "read"),
        ("user", "read"), ("group", "read"), ("audit_log", "read"), ("deployment_stats", "read"),
    }),
    "user-admin": frozenset({
        ("user", "*"), ("organization", "read"), ("organization_member", "*"), ("group", "*"), ("assign_role", "*"),
        ("assign_org_role", "*"),
    }),
}  # fmt: skip
_ORGANIZATION: dict[str, frozenset[tuple[str, str]]] = {
    "organization-template-admin": frozenset({
        ("template", "*"), ("workspace", "read"), ("organization", "read"), ("organization_member", "read"),
        ("group", "read"), ("file", "*"), ("provisioner_jobs", "read"),
    }),
    "organization-user-admin": frozenset({
        ("organization", "read"), ("organization_member", "*"), ("group", "*"), ("assign_org_role", "*"),
    }),
    "organization-auditor": frozenset({
        ("organization", "read"), ("organization_member", "read"), ("group", "read"), ("audit_log", "read"),
    }),
}  # fmt: skip
_MEMBERS_READ = frozenset({"organization", "provisioner_daemon"})
_KNOW_PEOPLE = frozenset({"organization-admin", "organization-user-admin"})
_OWN = frozenset({"workspace", "workspace_dormant", "api_key", "user_secret"})
_DORMANT_ACTIONS = frozenset({"read", "create", "update", "delete", "stop"})

# Composite scopes that documentation names; what is not here is taken as "resource:action".
_COMPOSITE = {
    "coder:workspaces.access": {"workspace:read", "workspace:ssh", "workspace:application_connect"},
    "coder:workspaces.operate": {"workspace:read", "workspace:start", "workspace:stop", "workspace:update"},
    "coder:workspaces.create": {"template:read", "template:use", "workspace:read", "workspace:create"},
    "coder:workspaces.delete": {"workspace:read", "workspace:delete"},
    "coder:templates.build": {"template:read", "template:update"},
}


@dataclass(frozen=True)
class Subject:
    """Who asks, and what the token in hand leaves of their rights."""

    state: State
    user: User
    token: Token

    def may(
        self,
        action: str,
        kind: str,
        *,
        organization: str | None = None,
        owner: str | None = None,
        id: str | None = None,
        any_organization: bool = False,
    ) -> bool:
        """Whether the token may do `action` on this object of type `kind`.

        Without organization and owner, on all.
        """
        return self._scope_allows(action, kind, id) and self._role_allows(
            action, kind, organization, owner, any_organization
        )

    def _scope_allows(self, action: str, kind: str, id: str | None) -> bool:
        scopes = self.token.scopes
        if "all" not in scopes and "coder:all" not in scopes:
            granted = set().union(*(_COMPOSITE.get(scope, {scope}) for scope in scopes))
            if not granted & {f"{kind}:{action}", f"{kind}:*"}:
                return False
        allowed = self.token.allow_list
        return allowed is None or not allowed.isdisjoint({f"{kind}:*", f"*:{id}", f"{kind}:{id}"})

    def _role_allows(
        self, action: str, kind: str, organization: str | None, owner: str | None, any_organization: bool
    ) -> bool:
        if kind == "workspace_dormant" and action not in _DORMANT_ACTIONS:
            return False
        mine = self.user.organizations
        reach = mine if any_organization else {organization: mine.get(organization or "", frozenset())}
        roles = frozenset().union(*reach.values())
        banned = "organization-workspace-creation-ban" in roles and kind == "workspace"
        if banned and action in ("create", "delete") and "owner" not in self.user.roles:
            return False
        return (
            self._site_allows(action, kind)
            or "organization-admin" in roles
            or any(_grants(_ORGANIZATION.get(role, frozenset()), action, kind) for role in roles)
            or (owner == self.user.id and (kind in _OWN or (kind == "user" and action in ("read", "update_personal"))))
            or (kind in _MEMBERS_READ and action == "read" and (organization in mine or any_organization))
            or (kind == "workspace_proxy" and action == "read")  # the role of every member (coderd/rbac/roles.go)
            # Who manages members has to know that people exist, in every organization.
            or (kind == "user" and action == "read" and bool(_KNOW_PEOPLE & frozenset().union(*mine.values())))
        )

    def _site_allows(self, action: str, kind: str) -> bool:
        roles = self.user.roles
        if "owner" in roles:
            return True
        if kind == "workspace_dormant" and action == "read" and "template-admin" in roles:
            return self.state.flavour.dormant_read_for_template_admins
        return any(_grants(_SITE.get(role, frozenset()), action, kind) for role in roles)

    # ------------------------------------------------------------ objects

    def may_workspace(self, action: str, workspace: Workspace) -> bool:
        """On one workspace as it is: a dormant one is a resource type of its own, a prebuilt one is two."""
        kind = "workspace" if workspace.dormant_at is None else "workspace_dormant"
        kinds = [kind]
        if workspace.owner_id == PREBUILDS_USER_ID and action in ("update", "delete"):
            kinds.append("prebuilt_workspace")
        organization, owner, id = workspace.organization_id, workspace.owner_id, workspace.id
        if any(self.may(action, each, organization=organization, owner=owner, id=id) for each in kinds):
            return True
        return self.shares(workspace, action)

    def shares(self, workspace: Workspace, action: str) -> bool:
        """Whether the workspace was shared with the user, alone or by a group, for this action.

        The role ``use`` reads, starts and stops; ``admin`` also updates and deletes (source: `codersdk/workspaces.go`).
        """
        if not self.state.flavour.sharing:
            return False
        actions = {"read", "start", "stop"}
        for actor in workspace.shared_with:
            mine = actor["id"] == self.user.id or (
                actor["actor_type"] == "group" and actor["id"] in self.user.organizations
            )
            if mine and (action in actions or ("admin" in actor["roles"] and action in ("update", "delete"))):
                return True
        return False

    def may_template(self, action: str, template: Template) -> bool:
        """On one template: members of its organization read and use it unless it is for other groups."""
        if self.may(action, "template", organization=template.organization_id, id=template.id):
            return True
        if action not in ("read", "use") or not self._scope_allows(action, "template", template.id):
            return False
        if template.readers is not None:
            return self.user.id in template.readers
        return template.organization_id in self.user.organizations

    def may_user(self, action: str, user: User) -> bool:
        """On one user; organization admins read the members of their organizations."""
        if self.may(action, "user", owner=user.id, id=user.id):
            return True
        return action == "read" and any(
            self.may("read", "organization_member", organization=organization) for organization in user.organizations
        )

    def reads_all_workspaces(self) -> bool:
        """Whether the list is not narrowed at all for this token."""
        return self.may("read", "workspace")


def _grants(pairs: frozenset[tuple[str, str]], action: str, kind: str) -> bool:
    return (kind, action) in pairs or (kind, "*") in pairs
