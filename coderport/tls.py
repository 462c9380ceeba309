"""The TLS settings of every connection that leaves the process."""

from __future__ import annotations

import ssl
from functools import lru_cache

import httpx


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """httpx's own context (`SSL_CERT_FILE` and `SSL_CERT_DIR` count), made once: reading the roots takes 20 ms."""
    return httpx.create_ssl_context()
