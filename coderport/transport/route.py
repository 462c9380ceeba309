"""How a server is reached: by which proxy, trusting which certificates.

The environment says it, in the variables that curl, Go and Python share: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in
capitals or not. Loopback never has a proxy, and nothing goes to one in clear, because `http` is for loopback only.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.request import getproxies

import httpx

from coderport.errors import SettingsError
from coderport.transport.address import is_in_clear, is_loopback
from coderport.transport.shown import Shown
from coderport.transport.tls import advice, tls_context

_WITHOUT_WORDS = (
    (httpx.ReadError, "the connection was reset before its answer was whole"),
    (httpx.WriteError, "the connection was reset while it was asked"),
)
"""What errors of httpx mean that say nothing themselves."""

_KINDS = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True)
class Route:
    """The arguments for an httpx client of one server. `proxy_name` is what may be shown of the proxy."""

    tls: ssl.SSLContext | bool = True
    proxy: httpx.Proxy | None = None
    proxy_name: str = ""

    def told(self, error: Exception, shown: Shown) -> str:
        """Why a request had no answer, in words that name the proxy and what can be done.

        The error may quote what came over the line, of which `shown` says how much is let by.
        """
        reason = shown.text(str(error)) or next(
            (words for kind, words in _WITHOUT_WORDS if isinstance(error, kind)), type(error).__name__
        )
        if isinstance(error, httpx.ProxyError):
            reason = f"the proxy {self.proxy_name} says: {reason}"
        elif self.proxy is not None and isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            reason = f"{reason} (by the proxy {self.proxy_name})"
        return f"{reason}.{more}" if (more := advice(reason, os.environ)) else reason


def route_to(address: str) -> Route:
    """The route to the server at the address, by this process's environment.

    SettingsError where a variable cannot be used, and for an address to which a token would go in clear.
    """
    if is_in_clear(address):
        raise SettingsError(f"{address} must be https: a token would travel in clear (http is for loopback only)")
    tls = tls_context()
    variable, named = _proxy_of(address)
    if not named:
        return Route(tls)
    proxy = _proxy(variable, named, tls)
    port = f":{proxy.url.port}" if proxy.url.port else ""
    return Route(tls, proxy, f"{proxy.url.scheme}://{proxy.url.host}{port} ({variable})")


def goes_direct(host: str, port: int, exceptions: str) -> bool:
    """Whether `exceptions`, the text of `NO_PROXY`, names the host.

    Commas or blanks part its entries. An entry is `*`, an address, a network in CIDR form, or a name, which counts for
    all names below it, with or without a dot or `*.` before it; a name or an address may have a port.
    """
    return any(_names(entry, host.lower().rstrip("."), port) for entry in exceptions.lower().replace(",", " ").split())


def _proxy_of(address: str) -> tuple[str, str]:
    """The variable that counts for the address, and its value; both empty where none does."""
    url = httpx.URL(address)
    if not url.host or is_loopback(address):
        return "", ""
    proxies = getproxies()  # those of the system where the environment names none (macOS, Windows)
    if goes_direct(url.host, url.port or (443 if url.scheme == "https" else 80), proxies.get("no", "")):
        return "", ""
    for scheme in (url.scheme, "all"):
        if named := proxies.get(scheme, "").strip():
            return _as_it_is_written(f"{scheme}_proxy", os.environ), named
    return "", ""


def _as_it_is_written(name: str, environment: Mapping[str, str]) -> str:
    return next((each for each in (name, name.upper()) if environment.get(each)), "the system's settings")


def _proxy(variable: str, named: str, tls: ssl.SSLContext) -> httpx.Proxy:
    """The proxy; its address may hold a password and is not shown where it is wrong."""
    text = named if "://" in named else f"http://{named}"
    kind = text.partition("://")[0].lower()
    if kind not in _KINDS:
        raise SettingsError(
            f"{variable} names a proxy of the kind {kind}://, and only {', '.join(_KINDS)} can be used. "
            "Write, for example, socks5://proxy.example.com:1080, or name the servers in NO_PROXY."
        )
    try:
        url = httpx.URL(text)
        if not url.host or (url.port or 1) > 65535:
            raise httpx.InvalidURL("no host, or no port")
        return httpx.Proxy(url, ssl_context=tls if kind == "https" else None)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise SettingsError(
            f"{variable} is not the address of a proxy. It is like http://proxy.example.com:3128; a password in it "
            "must have its special characters percent-encoded."
        ) from None


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, wanted = _parted(entry.rpartition("://")[2].rstrip("/"))
    if wanted and wanted != str(port):
        return False
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        name = name.removeprefix("*").lstrip(".").rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _parted(entry: str) -> tuple[str, str]:
    """Name and port: `[::1]:80`, `host:80`, `host`, `::1`, `[fd00::]/8`."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        return name.strip("[]"), port
    return entry.replace("[", "").replace("]", ""), ""
