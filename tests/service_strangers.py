"""Strangers at the webhook service, as a process of their own: connections that begin a request and drip for ever.

python service_strangers.py FILE NUMBER, where FILE has the service's address, which may change. Prints how many
connections it has made so far, one number a line.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path
from urllib.parse import urlsplit

HALF = b"POST /runs HTTP/1.1\r\nHost: x\r\nX-A: "
PAUSE = 15.0
made = 0


async def stranger(at: int, address: Path) -> None:
    """One connection after the other: whoever is thrown out comes back."""
    global made
    await asyncio.sleep(at / 2500)
    while True:
        url = urlsplit(address.read_text(encoding="utf-8"))
        try:
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            made += 1
            writer.write(HALF)
            while not reader.at_eof():
                await asyncio.sleep(PAUSE)
                writer.write(b"x")
                await writer.drain()
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(PAUSE)


async def all_of_them(address: Path, number: int) -> None:
    strangers = [asyncio.create_task(stranger(at, address)) for at in range(number)]
    while True:
        print(made, flush=True)
        await asyncio.sleep(0.5)
        assert not any(each.done() for each in strangers)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(sys.argv[2]) + 1000), hard))
    asyncio.run(all_of_them(Path(sys.argv[1]), int(sys.argv[2])))
