"""Own headers for a Coder behind an access proxy: which may be sent, and what they must not say.

They go to Coder alone. The client follows no redirect, so that no other host ever gets them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_OURS: Final = frozenset(
    {
        "accept", "accept-encoding", "coder-session-token", "connection", "content-length", "content-type", "expect",
        "host", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
"""Those that the client sets itself, or that are about the connection."""
_SEPARATOR: Final = re.compile(r"[\s;,:\"']+")
_WORD: Final = re.compile("[a-z]+", re.ASCII)
_SHORTEST_SECRET: Final = 8
_TOKEN_COOKIE: Final = "coder_session_token"


def require_sendable(headers: Mapping[str, SecretStr]) -> dict[str, SecretStr]:
    """The headers; ValueError that names the first one that cannot be sent, and never its value."""
    seen: set[str] = set()
    for name, secret in headers.items():
        value = secret.get_secret_value()
        if not _NAME.fullmatch(name):
            raise ValueError("has a header whose name no header can have")
        if name.lower() in _OURS:
            raise ValueError(f"must not set {name}: coderport sets it itself, or it is about the connection")
        if name.lower() in seen:
            raise ValueError(f"has {name} twice")
        if not value or not value.isascii() or not value.isprintable() or value != value.strip():
            raise ValueError(f"has a value for {name} that no header can have (a line break pasted along?)")
        # Coder prefers the cookie to the header, so that this would change who is asking.
        if name.lower() == "cookie" and _TOKEN_COOKIE in value:
            raise ValueError(f"must not set the cookie {_TOKEN_COOKIE}: the token is coderSessionToken")
        seen.add(name.lower())
    return dict(headers)


def secret_parts(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What no message may show of the headers, the longest first: the values, and the secrets within them.

    A value may be more than a secret (`Bearer …`, a cookie among others, `token="…"`), and a proxy that refuses it may
    quote that part alone. Short parts, and words of small letters, are of other sentences, and tell nobody much.
    """
    found = set(headers.values())
    for value in headers.values():
        for part in filter(None, _SEPARATOR.split(value)):
            name, _, secret = part.partition("=")
            if secret.strip("="):
                found |= {part, secret}
            elif not _WORD.fullmatch(name):
                found.add(part)
    return tuple(sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len, reverse=True))
