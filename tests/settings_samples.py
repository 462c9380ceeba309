"""Settings of both servers, of which nothing is ever asked."""

from __future__ import annotations

SERVERS = {
    "coderApiBaseUrl": "http://localhost:1",
    "coderSessionToken": "t" * 10,
    "portClientId": "id",
    "portClientSecret": "secret",
    "portBaseUrl": "http://localhost:2",
}
