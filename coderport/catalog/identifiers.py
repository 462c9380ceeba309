"""What Port calls the blueprints that actions, or the relations of several kinds, are about."""

TEMPLATES = "coder_template"
WORKSPACES = "coder_workspace"
WORKSPACE_ICON = "Box"
ORGANIZATIONS = "coder_organization"
USERS = "coder_user"
GROUPS = "coder_group"
VERSIONS = "coder_template_version"
