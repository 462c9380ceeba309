"""What Port calls the blueprints that actions are about."""

TEMPLATES = "coder_template"
WORKSPACES = "coder_workspace"
WORKSPACE_ICON = "Box"
