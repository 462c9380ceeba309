"""How the globs of the settings name templates."""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_named(pattern: str, organization: str, template: str) -> bool:
    """Whether the glob names that template: by its name, or by organization/name where it has a slash; any case."""
    name = f"{organization}/{template}" if "/" in pattern else template
    return fnmatchcase(name.lower(), pattern.lower())
