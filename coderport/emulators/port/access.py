"""Credentials and tokens of one organization."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import random
from dataclasses import dataclass
from typing import Any, Final

from coderport.emulators.kit import Clock, compact_json
from coderport.emulators.port.problems import Problem

TOKEN_SECONDS: Final = 10_800


@dataclass(frozen=True)
class Token:
    """A token and whose it is."""

    text: str
    client_id: str
    expires: float


class Access:
    """Which clients there are, and the one active token of each."""

    def __init__(self, organization_id: str, clock: Clock, chance: random.Random) -> None:
        self._organization, self._clock, self._random = organization_id, clock, chance
        self._signing_key = chance.randbytes(32)
        self._secrets: dict[str, str] = {}
        self._active: dict[str, Token] = {}
        self._tokens: dict[str, Token] = {}

    def add(self, client_id: str, secret: str) -> None:
        """Let a client in."""
        self._secrets[client_id] = secret

    def issue(self, client_id: str, secret: str) -> tuple[str, int]:
        """The client's active token (a new one where that has expired) and its remaining seconds; else 401."""
        known = self._secrets.get(client_id)
        if known is None or not hmac.compare_digest(known.encode(), secret.encode()):
            raise Problem(401, "invalid_credentials", "the client id or the client secret is wrong")
        token = self._active.get(client_id)
        if token is None or token.expires <= self._clock():
            if token is not None:
                del self._tokens[token.text]
            token = self._new_token(client_id)
            self._active[client_id] = self._tokens[token.text] = token
        return token.text, math.ceil(token.expires - self._clock())

    def client(self, authorization: str | None) -> str:
        """The client id of a request's token; 401 without one that is valid now."""
        scheme, _, text = (authorization or "").partition(" ")
        token = self._tokens.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Problem(401, "unauthorized", "the access token is missing or invalid")
        if token.expires <= self._clock():
            raise Problem(401, "unauthorized", "the access token has expired")
        return token.client_id

    def revoke(self, client_id: str) -> None:
        """End the client's token before its time."""
        token = self._active.pop(client_id, None)
        if token is not None:
            del self._tokens[token.text]

    def _new_token(self, client_id: str) -> Token:
        now = self._clock()
        claims = {
            "sub": client_id,
            "orgId": self._organization,
            "isMachine": True,
            "personalToken": False,
            "jti": self._random.randbytes(8).hex(),
            "iat": int(now),
            "exp": int(now) + TOKEN_SECONDS,
        }
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
        signature = hmac.new(self._signing_key, signed.encode(), hashlib.sha256).digest()
        return Token(f"{signed}.{_text(signature)}", client_id, int(now) + TOKEN_SECONDS)


def _part(value: dict[str, Any]) -> str:
    return _text(compact_json(value))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
