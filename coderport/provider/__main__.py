"""`python -m coderport.provider [engine address]`: what `plugins/port/pulumi-resource-port` starts."""

from __future__ import annotations

import asyncio
import os
import sys

from coderport.catalog.blueprints import DECLARED_PROPERTIES, DECLARED_RELATIONS
from coderport.provider.process import serve
from coderport.provider.server import PortProvider


def main(arguments: list[str]) -> None:
    """Serve the provider; the engine gives its own address as the last argument."""
    parent = os.getppid()
    address = arguments[-1] if arguments and not arguments[-1].startswith("-") else ""
    provider = PortProvider(properties=DECLARED_PROPERTIES, relations=DECLARED_RELATIONS, engine_address=address)
    asyncio.run(serve(provider, parent))


if __name__ == "__main__":
    main(sys.argv[1:])
