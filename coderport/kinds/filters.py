"""Which of the objects in scope belong into the catalog, by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.template_names import is_named

if TYPE_CHECKING:
    from coderport.settings import Settings


@dataclass(frozen=True)
class Filters:
    """Which of the objects in scope belong into the catalog.

    The patterns are globs on template names, whatever their case; one with a slash is matched against
    organization/template. No `templates` means all of them; `exclude_templates` wins.
    """

    include_prebuilds: bool = False
    templates: tuple[str, ...] = ()
    exclude_templates: tuple[str, ...] = ()

    def takes(self, organization: str, template: str) -> bool:
        """Whether a template of that name, and so its workspaces, belongs into the catalog."""
        if any(is_named(pattern, organization, template) for pattern in self.exclude_templates):
            return False
        return not self.templates or any(is_named(pattern, organization, template) for pattern in self.templates)

    def excluding(self, organization: str, template: str) -> tuple[str, ...]:
        """The patterns of `exclude_templates` that a template of that name has."""
        return tuple(pattern for pattern in self.exclude_templates if is_named(pattern, organization, template))


def filters_of(settings: Settings) -> Filters:
    """Which of the objects in scope belong into this stack's catalog."""
    return Filters(settings.include_prebuilds, settings.templates, settings.exclude_templates)
