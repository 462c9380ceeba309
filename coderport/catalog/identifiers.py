"""What Port calls the blueprints that actions, or the relations of several kinds, are about."""

TEMPLATES = "coder_template"
WORKSPACES = "coder_workspace"
WORKSPACE_ICON = "Box"
ORGANIZATIONS = "coder_organization"
USERS = "coder_user"
GROUPS = "coder_group"
VERSIONS = "coder_template_version"
PROVISIONERS = "coder_provisioner_daemon"
PRESETS = "coder_prebuild_preset"
PROXIES = "coder_workspace_proxy"
LICENCES = "coder_licence"
FAILURES = "coder_failed_build"
AGENTS = "coder_agent"
QUOTAS = "coder_quota"
PORT_USERS = "_user"
"""The blueprint of Port's own that has the people who log in to Port."""

BUILT_IN_ROLES = ("Admin", "Member")
"""The roles that every organization of Port has, beside moderators of blueprints (Port's docs, sso-rbac/rbac)."""

TEMPLATE_GROUPS = "groups"
"""The relation of a template to the groups that may use it."""

OWNER_GROUPS = "owner_groups"
"""The relation of a workspace to the groups of its owner."""
