"""`python -m coderport.provider [engine address]`: what `plugins/port/pulumi-resource-port` starts."""

from __future__ import annotations

import os
import sys

from coderport.provider.starting import import_messages, uncollected


def main(arguments: list[str]) -> None:
    """Serve the provider; the engine gives its own address as the last argument."""
    parent = os.getppid()
    try:
        with uncollected():
            import_messages()
            import asyncio

            from coderport.kinds.all import DECLARED_PROPERTIES, DECLARED_RELATIONS, OWNERSHIPS, RELATIONS_WITH_TARGET
            from coderport.provider.process import serve
            from coderport.provider.server import PortProvider
            from coderport.transport.loopback import spare
    except ModuleNotFoundError as error:
        # Whatever environment was active when the engine was started is the one that we were started in.
        sys.exit(f"pulumi-resource-port: {sys.executable} lacks coderport's requirements ({error.name} is missing)")
    address = arguments[-1] if arguments and not arguments[-1].startswith("-") else ""
    provider = PortProvider(
        properties=DECLARED_PROPERTIES,
        relations=DECLARED_RELATIONS,
        with_target=RELATIONS_WITH_TARGET,
        ownerships=OWNERSHIPS,
        engine_address=address,
    )
    spare(os.environ)
    asyncio.run(serve(provider, parent))


if __name__ == "__main__":
    main(sys.argv[1:])
