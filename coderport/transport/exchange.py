"""One HTTP request and its whole answer, within a deadline and a size."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx

from coderport.tasks import within

_PACKED: Final = frozenset({"identity", "gzip", "deflate"})
"""How a body may be packed. Others, and one packing in another, grow a few bytes to gigabytes within one step."""

# They describe the body as it travelled, which is not how it is kept.
_OF_TRAVEL = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Late(httpx.TransportError):
    """The answer was not whole in time."""


class Oversized(httpx.TransportError):
    """The answer is larger than any answer should be, or may become so by how it is packed."""


async def exchange(
    http: httpx.AsyncClient, method: str, url: str, *, seconds: float, most: int, **arguments: Any
) -> httpx.Response:
    """Send a request; the answer with its body read. Raises httpx's errors, Late and Oversized (`most` bytes) included.

    `arguments` are those of `httpx.AsyncClient.stream`.

    httpx's own timeouts are for each part of an answer: one that drips is never too late by those.
    """

    asked = {"Accept-Encoding": "gzip, deflate", **(arguments.pop("headers", None) or {})}

    async def whole() -> httpx.Response:
        async with http.stream(method, url, headers=asked, **arguments) as response:
            body = bytearray()
            packed = [each.strip().lower() for each in response.headers.get_list("content-encoding", split_commas=True)]
            if len(packed) > 1 or not _PACKED.issuperset(packed):
                raise Oversized("the answer is packed in a way that was not asked for")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > most:
                    raise Oversized(f"the answer is larger than {most // 1024**2} MiB")
        headers = [(key, value) for key, value in response.headers.multi_items() if key.lower() not in _OF_TRAVEL]
        return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)

    try:
        return await within(seconds, whole())
    except asyncio.TimeoutError:
        raise Late(f"the answer was not whole after {seconds:.0f} s") from None
