"""A provider for the package `port` that does nothing: what a run takes whoever writes to Port.

Every call is answered at once, inputs are the outputs, and nothing ever differs. It is a plugin in the place of
coderport's own, in a checkout of the benchmark; the program and the engine are the same.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from coderport.provider.process import serve
from coderport.provider.server import PortProvider


class IdleProvider(PortProvider):
    """The project's server with answers instead of resources."""

    async def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    async def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Create(self, request: Any, context: Any) -> Any:
        identifier = request.properties.fields["identifier"].string_value
        return provider_pb2.CreateResponse(id=identifier or request.urn, properties=request.properties)

    async def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    async def Update(self, request: Any, context: Any) -> Any:
        return provider_pb2.UpdateResponse(properties=request.news)

    async def Delete(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


if __name__ == "__main__":
    asyncio.run(serve(IdleProvider(), os.getppid()))
