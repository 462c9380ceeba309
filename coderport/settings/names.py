"""The names of the settings where they are given: the config's namespace, the variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE = "coderport"
ENVIRONMENT: Mapping[str, str] = {
    "coderApiBaseUrl": "CODER_API_BASE_URL",
    "coderSessionToken": "CODER_SESSION_TOKEN",
    "coderHeaders": "CODERPORT_CODER_HEADERS",
    "coderOrganizationId": "CODER_ORGANIZATION_ID",
    "portClientId": "PORT_CLIENT_ID",
    "portClientSecret": "PORT_CLIENT_SECRET",
    "portBaseUrl": "PORT_BASE_URL",
    "actions": "CODERPORT_ACTIONS",
}
RELEASES: Mapping[str, str] = {
    "allow_deletions": "CODERPORT_ALLOW_DELETIONS",
    "forget_unproven": "CODERPORT_FORGET_UNPROVEN",
}
SECRETS = frozenset({"coderSessionToken", "coderHeaders", "portClientSecret"})
SOURCES = frozenset({"secrets_from_config", "from_environment", "namespaces", "of_stack"})
"""Members of the settings that say where values came from."""
