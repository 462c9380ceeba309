"""What the entities of all kinds have in common.

What has no value in Coder has none here: empty texts, zero times, null. A text is told up to a length that an entity
of several can have in one call to Port. A number stays in the unit that the property's description names. Whether
Port takes a value is not judged here: one that it refuses is left out by the run, which says so (`kinds/refused.py`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from coderport.catalog.blueprint import Blueprint, Property
from coderport.catalog.meaning import time_text
from coderport.catalog.values import Context, Entity, Held, OrganizationNames, Ref, Related, Value

DEPLOYMENT = Property(
    "coder_deployment",
    "string",
    "Coder Deployment",
    description="Id of the Coder deployment that this was read from",
)
MANAGED_BY = Property(
    "managed_by",
    "string",
    "Managed By",
    description="Pulumi project and stack that keep this entity, and the id of their state, as project/stack#id",
)
ORGANIZATION_DISPLAY_NAME = Property(
    "organization_display_name",
    "string",
    "Organization",
    description="Display name of the Coder organization, or its name where it has none",
)

LONGEST_TEXT: Final = 30_000
"""Characters of one text. Coder bounds hardly any of them, and Port takes 1 MiB a call (its OpenAPI, 413)."""

_OF_THE_ENGINE = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""Texts that Pulumi's engine takes for values that are not known yet (its `plugin/rpc.go`): none can be a value."""

_SECRET = re.compile(
    r"token|secret|passw|pwd|signature|credential|auth|jwt|session|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|^(x-(amz|goog|oss|cos|obs|ms)-|sig$|sign$|key$|se$|sp$|sv$|st$|sr$|policy$|hmac|code$|pass$)",
    re.IGNORECASE,
)
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def entity_of(
    blueprint: str,
    identifier: str,
    title: str,
    values: Mapping[str, Value | None],
    relations: Mapping[str, Related],
    context: Context,
) -> Entity:
    """The entity with the mark of the state and the deployment, without values that are none."""
    given = {**values, "coder_deployment": context.deployment_id, "managed_by": context.managed_by}
    found = {key: _told(value) for key, value in given.items() if value is not None}
    return Entity(
        blueprint=blueprint,
        identifier=identifier,
        title=_text(title) or identifier,
        properties={key: value for key, value in found.items() if value not in ("", [])},
        relations=relations,
    )


def _told(value: Value) -> Value:
    if isinstance(value, str):
        return _text(value)
    return [text for each in value if (text := _text(each))] if isinstance(value, list) else value


def _text(text: str) -> str:
    return "" if text in _OF_THE_ENGINE else text[:LONGEST_TEXT]


def related(
    blueprint: Blueprint,
    candidates: Mapping[str, Related],
    shown: Container[Ref],
    kinds: Container[str] | None = None,
) -> dict[str, Related]:
    """Those of the relations that lead to entities that Port will have; one to many leads to those of them.

    `kinds` are those of the stack, None for all: a relation to many of another kind is not ours to empty.
    """
    found: dict[str, Related] = {}
    for each in blueprint.relations:
        value = candidates.get(each.identifier)
        if each.with_target and each.many and kinds is not None and each.target not in kinds:
            continue
        if isinstance(value, tuple):
            found[each.identifier] = tuple(one for one in value if Ref(each.target, one) in shown)
        elif value is not None and Ref(each.target, value) in shown:
            found[each.identifier] = value
    return found


def kept_entity(blueprint: Blueprint, held: Held, context: Context, kinds: Container[str] | None = None) -> Entity:
    """The entity as Port has it, as far as it is ours; `kinds` as in `related`."""
    values = {each.identifier: held.properties.get(each.identifier) for each in blueprint.properties}
    relations: dict[str, Related] = {}
    for each in blueprint.relations:
        value = held.relations.get(each.identifier)
        if each.with_target and kinds is not None and each.target not in kinds:
            continue  # somebody else's, if there is one
        if value:
            relations[each.identifier] = tuple(value) if isinstance(value, list) else str(value)
        elif each.many:
            relations[each.identifier] = ()
    return entity_of(blueprint.identifier, held.identifier, held.title or held.identifier, values, relations, context)


class InOrganization(Protocol):
    """A row of an object that is in an organization."""

    @property
    def organization_id(self) -> str: ...
    @property
    def organization_name(self) -> str: ...


def organization_names(of: InOrganization, context: Context) -> OrganizationNames:
    """How the organization of that object is called; before mid-2024 the objects did not name it."""
    known = context.organizations.get(of.organization_id, OrganizationNames("", ""))
    name = of.organization_name or known.name
    return OrganizationNames(name, known.display_name or name)


def organization_properties(of: InOrganization, context: Context) -> dict[str, str]:
    """What every kind says of the organization that its object is in."""
    names = organization_names(of, context)
    return {
        "organization_id": of.organization_id,
        "organization_name": names.name,
        "organization_display_name": names.display_name,
    }


def when(moment: datetime | None) -> str | None:
    """The moment as Coder writes it."""
    return None if moment is None else time_text(moment)


def page(context: Context, *path: str) -> str | None:
    """A page of Coder's dashboard; None where a part of its path is missing."""
    return _url(context, "/".join(("", *(quote(part, safe="@") for part in path)))) if all(path) else None


def workspaces_of(context: Context, username: str) -> str | None:
    """The page of a user's workspaces: a list with a filter, for the dashboard has no page of a user (its routes)."""
    return _url(context, f"/workspaces?filter={quote(f'owner:{username}', safe=':')}") if username else None


def picture(context: Context, icon: str) -> str | None:
    """The address of a picture that anybody may have; None where it is none."""
    text = quote(_BARE_PERCENT.sub("%25", icon), safe="/:?#@!$&'()*+,;=%~")
    if text.startswith("/") and not text.startswith("//"):
        return _url(context, text) if _is_public(text) else None
    return site(text)


def site(text: str) -> str | None:
    """The address of a server or of something on it, if it is one that anybody may have."""
    if not text.startswith(("http://", "https://")):
        return None
    try:
        return text if urlsplit(text).netloc and _is_public(text) else None
    except ValueError:  # such as a host in one bracket
        return None


def _is_public(address: str) -> bool:
    """Whether an address carries no credentials: no user, and no parameter that is named like a secret.

    Everybody who may read the catalog would have them. What a link is signed with is the link's password.
    """
    parts = urlsplit(address)
    parameters = [*parse_qsl(parts.query, keep_blank_values=True), *parse_qsl(parts.fragment, keep_blank_values=True)]
    return "@" not in parts.netloc and not any(_SECRET.search(name) for name, _ in parameters)


def _url(context: Context, path: str) -> str | None:
    base = context.dashboard_url.rstrip("/")
    if not base.startswith(("http://", "https://")):
        return None
    parts = urlsplit(base)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) + path
