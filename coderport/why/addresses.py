"""What an address is of that somebody asks about: of this Coder deployment, of Port's app, or of neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

import httpx

from coderport.catalog.values import Ref
from coderport.guard.deletions import ACTION
from coderport.kinds.all import KIND_OF
from coderport.port.errors import EU_URL, US_URL
from coderport.terminal.text import short
from coderport.transport.address import parsed

_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_APPS: Final = {
    EU_URL: ("app.port.io", "app.getport.io"),
    "https://api.getport.io": ("app.port.io", "app.getport.io"),
    US_URL: ("app.us.port.io", "app.us.getport.io"),
    "https://api.us.getport.io": ("app.us.port.io", "app.us.getport.io"),
}
"""Where people see what they reach by each address of Port's API (source: Port's documentation, on its regions)."""
_ENTITY: Final = "Entity"
"""What Port's app puts behind the blueprint in the path of an entity's page, whose `?identifier=` names it."""
_ACTIONS: Final = "self-serve"
"""The page whose `?action=` opens an action's form (source: docs.port.io, on links to actions)."""


@dataclass(frozen=True)
class Place:
    """What one address is of.

    path     of a page of this Coder, below where that is reached: decoded, in small letters, with no slash at its end
    ref      the entity or action whose page in Port's app it is; whether there is one is not known here
    strange  why it is neither, as a clause without its subject; then the others are empty
    """

    path: str = ""
    ref: Ref | None = None
    strange: str = ""


@dataclass(frozen=True)
class Addresses:
    """Where this stack's Coder is reached: by its settings and by what it says itself. `port` is Port's API."""

    coder: tuple[str, ...]
    port: str

    def place(self, text: str) -> Place | None:
        """What the text is the address of; None where it is no address. Without `https://` it has to be one of ours."""
        if not _WEB.match(text):
            if not any(text.lower().startswith(f"{host}/") for host in self._hosts()):
                return None
            text = f"https://{text}"
        url = parsed(text)
        if url is None:
            return Place(strange="is no address")
        if url.host in self._apps:
            return _in_port(url)
        path = self.page(text)
        return Place(path=path) if path is not None else Place(strange=self._neither())

    def page(self, address: str) -> str | None:
        """The path of a page of this Coder (see `Place`); None for an address of anything else."""
        url = parsed(address)
        if url is None:
            return None
        path = _path(url)
        for base in map(parsed, self.coder):
            if base is not None and _netloc(base) == _netloc(url):
                below = _path(base)
                if path == below or path.startswith(f"{below}/"):
                    return path[len(below) :]
        return None

    @property
    def _apps(self) -> tuple[str, ...]:
        """The hosts of Port's app; of every region where the API is not reached by an address of Port's."""
        every = dict.fromkeys(host for hosts in _APPS.values() for host in hosts)
        return _APPS.get(self.port, tuple(every))

    def _hosts(self) -> Iterable[str]:
        yield from (_netloc(base) for base in map(parsed, self.coder) if base is not None)
        yield from self._apps

    def _neither(self) -> str:
        coder = " or ".join(dict.fromkeys(each.rstrip("/") for each in self.coder if each))
        return f"is an address neither of this stack's Coder ({coder}) nor of Port's app ({', '.join(self._apps)})"


def _in_port(url: httpx.URL) -> Place:
    query = parse_qs(url.query.decode("ascii", "replace"))
    page = url.path.rstrip("/").rpartition("/")[2]
    if page == _ACTIONS and (action := query.get("action")):
        return Place(ref=Ref(ACTION, action[0]))
    blueprint = page.removesuffix(_ENTITY)
    identifier = query.get("identifier")
    if blueprint == page or not identifier:
        return Place(strange="is a page of Port's app that is of no one entity and no one action")
    if blueprint not in KIND_OF:
        return Place(strange=f"is of Port's blueprint {short(blueprint)}, and coderport has no such blueprint")
    return Place(ref=Ref(blueprint, identifier[0]))


def _netloc(url: httpx.URL) -> str:
    host = url.host.lower().rstrip(".")
    usual = {"http": 80, "https": 443}.get(url.scheme.lower())
    return host if url.port in (None, usual) else f"{host}:{url.port}"


def _path(url: httpx.URL) -> str:
    return unquote(url.path).rstrip("/").lower()
