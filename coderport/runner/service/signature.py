"""Port's signature on a webhook: who sent it, when, and that nobody changed it on the way.

Port signs `<timestamp>.<body>` with the client secret (HMAC-SHA256, base64) and sends the timestamp in seconds beside
it. Its agent does the same with the same secret, but signs the body as compact JSON and then sends it with spaces
after commas and colons, so both forms of a body are tried. A signature fits one message only, whichever the form.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

SIGNATURE_HEADER = "x-port-signature"
TIMESTAMP_HEADER = "x-port-timestamp"
TOLERANCE_SECONDS = 300
"""How far a timestamp may be from our clock, in either direction."""

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class BadSignatureError(Exception):
    """The request is not from Port, or not from now; `reason` is `unsigned`, `forged` or `stale`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Verified:
    """A request that Port signed. `mark` names its signature, for telling a replay; it is no secret.

    `expires`: from then on (epoch seconds) the request is stale, and its mark need not be remembered.
    """

    body: bytes
    mark: str
    expires: float


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `x-port-signature` for this body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verified(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Verified:
    """The body in the form that was signed. Raises BadSignatureError; the comparison takes the same time always."""
    given, timestamp = headers.get(SIGNATURE_HEADER), headers.get(TIMESTAMP_HEADER)
    if not given or not timestamp:
        raise BadSignatureError("unsigned")
    if not _SECONDS.fullmatch(timestamp):
        raise BadSignatureError("stale")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignatureError("stale")
    for form in (body, _compact(body)):
        if form is not None and hmac.compare_digest(signature(secret, timestamp, form).encode(), given.encode()):
            mark = hashlib.sha256(given.encode()).hexdigest()
            return Verified(form, mark, float(int(timestamp) + TOLERANCE_SECONDS + 1))
    raise BadSignatureError("forged")


def _compact(body: bytes) -> bytes | None:
    """The body as Port's agent signs it; None if it is no JSON."""
    try:
        return json.dumps(json.loads(body), separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None
