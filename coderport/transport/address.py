"""Addresses of servers, as people write them. They are parsed by the library that connects to them."""

from __future__ import annotations

from functools import lru_cache

import httpx

from coderport.transport.loopback import is_loopback_host


def http_address(text: str) -> str:
    """The address of a web server without a slash at its end; ValueError, which says why, for anything else."""
    address = text.strip().rstrip("/")
    url = parsed(address)
    if url is None or url.scheme not in {"http", "https"} or "%20" in url.host:
        raise ValueError("must be an http(s) URL with a host")
    if any(sign in address for sign in "?#@\\"):
        raise ValueError("must hold no query, fragment or credentials")
    return address


def server_address(text: str, suffix: str = "") -> str:
    """As `http_address`, without the API's `suffix`, for a server that is sent a token."""
    address = http_address(text).removesuffix(suffix).rstrip("/")
    if is_in_clear(address):
        raise ValueError("must be https: a token would travel in clear (http is for loopback only)")
    return address


def is_loopback(address: str) -> bool:
    """Whether the address is one of this machine, where the emulators listen."""
    url = parsed(address)
    return url is not None and is_loopback_host(url.host)


def is_in_clear(address: str) -> bool:
    """Whether what is sent there leaves this machine unencrypted."""
    url = parsed(address)
    return url is not None and url.scheme == "http" and not is_loopback_host(url.host)


@lru_cache(maxsize=64)
def parsed(address: str) -> httpx.URL | None:
    """The address in its parts; None where it has no host that a client could connect to."""
    try:
        url = httpx.URL(address)
        named = bool(url.host)  # a wrong international name is found when it is asked for
    except (httpx.InvalidURL, UnicodeError):
        return None
    return url if named and (url.port is None or url.port < 65536) else None
