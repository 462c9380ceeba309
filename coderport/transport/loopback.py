"""What this machine's own addresses are, and that no proxy stands between its processes.

gRPC's C core, which Pulumi's SDK talks to the engine with, takes `http_proxy` for loopback as well, and it is asked
before the first line of a Pulumi program runs. `scripts/setup` therefore puts this file into `.venv` too, where every
Python calls `spare` when it starts. It needs nothing but the standard library.
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping

NAMES = ("localhost", "127.0.0.1", "::1")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_EXCEPTIONS = ("no_proxy", "no_grpc_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def is_loopback_host(host: str) -> bool:
    """Whether the host is this machine by its form alone: `localhost` or a loopback address. No name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def spare(environment: MutableMapping[str, str]) -> None:
    """Where the environment names a proxy, adds this machine to the hosts that are reached without one.

    gRPC reads the lower-case variables, and `no_grpc_proxy` before `no_proxy`; Go never asks a proxy for loopback.
    """
    if not any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES):
        return
    for name in _EXCEPTIONS:
        given = environment.get(name) or environment.get(name.upper(), "")
        if given or name == "no_proxy":
            missing = [each for each in NAMES if each not in given.replace(" ", "").split(",")]
            environment[name] = ",".join(filter(None, [given, *missing]))


def drop_network(environment: MutableMapping[str, str]) -> None:
    """Takes out every variable that names a proxy or certificates: for a demo and tests, which stay on this machine."""
    for name in (*_PROXIES, *_EXCEPTIONS, *_CERTIFICATES):
        environment.pop(name, None)
        environment.pop(name.upper(), None)
