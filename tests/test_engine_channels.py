"""An engine is reached even where the channel of an earlier one, dead by now, has tried the same port."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.settings import Settings

from coderport.engine.channels import keep_apart

LINE = engine_pb2.LogRequest(message="a line")


class Engine(engine_pb2_grpc.EngineServicer):
    def Log(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


def of_the_sdk(address: str) -> Any:
    """The engine as the SDK reaches it in a run."""
    return Settings(project="p", stack="s", engine=address).engine


def test_an_engine_on_the_port_of_a_dead_one_is_reached() -> None:
    keep_apart()
    keep_apart()  # as every stack of a process does
    # Kept, never listened on: nobody else is given the port before the server here listens there.
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{kept.getsockname()[1]}"
        left_behind = of_the_sdk(address)
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            left_behind.Log(LINE)
        server = grpc.server(ThreadPoolExecutor(1))
        engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
        assert server.add_insecure_port(address)
        server.start()
        try:
            assert of_the_sdk(address).Log(LINE) == empty_pb2.Empty()
        finally:
            server.stop(None)
