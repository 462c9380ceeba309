"""The environment of what comes from outside and is not the engine: Go with its modules, and the official installer."""

from __future__ import annotations

from collections.abc import Mapping

_NEEDED = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "TZ",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "GOAUTH",
        "GOCACHE",
        "GOENV",
        "GOFLAGS",
        "GOINSECURE",
        "GOMAXPROCS",
        "GOMODCACHE",
        "GONOPROXY",
        "GONOSUMDB",
        "GOPATH",
        "GOPRIVATE",
        "GOPROXY",
        "GOROOT",
        "GOSUMDB",
        "GOTMPDIR",
        "GOTOOLCHAIN",
        "GOVCS",
    ]
)


def outside_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What such a program needs to run, find its caches and reach its servers; no credentials, of whatever name."""
    return {name: value for name, value in environment.items() if name in _NEEDED}
