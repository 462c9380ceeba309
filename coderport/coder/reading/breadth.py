"""Which organizations are meant, and whether the token sees everything in them.

A weak token gets 200 with fewer rows, so the rows cannot tell. `POST /authcheck` can: an object without
organization and owner stands for all of its kind, one with `organization_id` for all of that organization.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderTokenTooWeak, UnknownOrganization
from coderport.coder.models import Organization
from coderport.terminal.text import first_of, short

KINDS = ("organization", "template", "user", "workspace", "workspace_dormant")
CHECKS_PER_REQUEST = 100
OF_NO_ORGANIZATION = frozenset({"license", "user", "workspace_proxy"})
"""Kinds of which no right in an organization shows all."""


@dataclass(frozen=True)
class Breadth:
    """What the token may read: `site` kinds everywhere; else `organizations[kind]` holds the ids where it may."""

    scope: tuple[Organization, ...]
    site: frozenset[str]
    organizations: Mapping[str, frozenset[str]]

    def missing(self, kind: str) -> tuple[Organization, ...]:
        """Organizations in scope whose objects of this kind the token does not read in full."""
        if kind in self.site:
            return ()
        return tuple(one for one in self.scope if one.id not in self.organizations.get(kind, frozenset()))

    def covers(self, kind: str) -> bool:
        """Whether every object of this kind in scope is visible."""
        return not self.missing(kind)

    @property
    def text(self) -> str:
        """For people: what is visible, and the role that would show what is not."""
        said = []
        for kind, words in (("template", "templates"), ("workspace", "workspaces")):
            if missing := self.missing(kind):
                said.append(
                    f"The token does not see all {words} of {names_of(missing)}: it needs the role "
                    "template-admin (or owner), or organization-template-admin in each of them."
                )
        if self.covers("workspace") and (missing := self.missing("workspace_dormant")):
            said.append(
                f"The token may not open dormant workspaces of {names_of(missing)}, so that the deletion of one "
                "cannot be proven: use a token of an owner or of an organization-admin. A template-admin can only "
                "with a Coder of March 2026 or newer."
            )
        if "organization" not in self.site and len(self.scope) > 0:
            said.append(f"Only organizations that the token belongs to are visible: {names_of(self.scope)}.")
        return " ".join(said) or "The token sees all templates and workspaces, dormant ones too."


async def organizations_in_scope(client: CoderClient, wanted: Sequence[str]) -> tuple[Organization, ...]:
    """Those named by id or name (case does not matter), or all that the token sees when none is named."""
    visible = await client.organizations()
    if not wanted:
        if not visible:
            raise CoderTokenTooWeak("The Coder token sees no organization at all, so there is nothing to read")
        return visible
    by_key = {key: one for one in visible for key in (one.name.lower(), one.id)}
    if unknown := [name for name in wanted if name.strip().lower() not in by_key]:
        raise UnknownOrganization(
            f"Coder has no organization {', '.join(repr(name) for name in unknown)} that this token can see "
            f"(CODER_ORGANIZATION_ID, id or name). It sees: {names_of(visible) or 'none'}",
            tuple(unknown),
            tuple(one.name for one in visible),
        )
    chosen = {by_key[name.strip().lower()].id: by_key[name.strip().lower()] for name in wanted}
    return tuple(chosen.values())


async def measured_breadth(
    client: CoderClient, scope: tuple[Organization, ...], needs: Collection[str] = ()
) -> Breadth:
    """Ask site-wide first, then per organization only for what is not granted site-wide; `needs` are more kinds."""
    kinds = tuple(dict.fromkeys((*KINDS, *sorted(needs))))
    answers = await client.authcheck({kind: {"resource_type": kind} for kind in kinds})
    site = frozenset(kind for kind, granted in answers.items() if granted)
    narrower = [
        (f"{kind}@{one.id}", {"resource_type": kind, "organization_id": one.id})
        for kind in kinds
        if kind not in site and kind not in OF_NO_ORGANIZATION
        for one in scope
    ]
    granted: dict[str, set[str]] = {kind: set() for kind in kinds}
    for start in range(0, len(narrower), CHECKS_PER_REQUEST):
        checks = dict(narrower[start : start + CHECKS_PER_REQUEST])
        for key, yes in (await client.authcheck(checks)).items():
            kind, _, organization_id = key.partition("@")
            if yes:
                granted[kind].add(organization_id)
    return Breadth(scope, site, {kind: frozenset(ids) for kind, ids in granted.items()})


def refuse_if_too_narrow(breadth: Breadth) -> None:
    """A token that sees only a part would read as if the rest had been deleted: CoderTokenTooWeak names the role."""
    if not (breadth.covers("workspace") and breadth.covers("template")):
        raise CoderTokenTooWeak(
            f"{breadth.text} Coder would answer with fewer rows instead of an error, so nothing was read."
        )


def names_of(organizations: Sequence[Organization]) -> str:
    """The names of the first ten, and how many more there are."""
    return first_of([short(each.name) for each in organizations], 10)
