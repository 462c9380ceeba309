"""What the service takes on of a connection: nothing but the socket, until the headers of a request are whole."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from service_lab import looped
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from coderport.runner.service import acceptor
from coderport.runner.service.connections import Connection, Connections, GuardedProtocol
from coderport.runner.service.listening import answering, bound

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b"0123456789" * 300
POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
HALF = b"POST / HTTP/1.1\r\nHost: x\r\nX-A: "


async def told_back(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


@asynccontextmanager
async def answered(most: int = 1000, listening: socket.socket | None = None) -> AsyncIterator[Any]:
    """A function that opens a connection."""
    connections = Connections(most, lambda why: None)
    app = Starlette(routes=[Route("/", told_back, methods=["GET", "POST"])])
    with bound("127.0.0.1", 0) as usual:
        async with answering(app, listening or usual, connections) as url:
            at = urlsplit(url)

            async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                return await asyncio.open_connection(at.hostname, at.port)

            yield connected


@contextmanager
def protocols_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[GuardedProtocol]]:
    made: list[GuardedProtocol] = []
    begin = GuardedProtocol.connection_made

    def noted(self: GuardedProtocol, transport: Any) -> None:
        made.append(self)
        begin(self, transport)

    monkeypatch.setattr(GuardedProtocol, "connection_made", noted)
    yield made


def test_whoever_does_not_end_the_headers_costs_no_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    @looped
    async def act() -> None:
        with protocols_made(monkeypatch) as made:
            async with answered(16) as connected:
                for start in (b"", HALF) * 25:
                    _, writer = await connected()
                    writer.write(start)
                reader, writer = await connected()
                writer.write(GET)
                assert (await reader.read()).endswith(b"GET 0")
                assert len(made) == 1

    act()


@pytest.mark.parametrize(("request_", "answer"), [(GET, b"GET 0"), (POST, b"POST 3000")])
def test_a_request_is_answered_wherever_it_is_cut_in_two(request_: bytes, answer: bytes) -> None:
    @looped
    async def act() -> None:
        async with answered() as connected:
            for cut in (*range(1, request_.index(b"\r\n\r\n") + 6), len(request_) - 1):
                reader, writer = await connected()
                writer.write(request_[:cut])
                await asyncio.sleep(0)
                writer.write(request_[cut:])
                assert (await reader.read()).endswith(answer)

    act()


def test_one_byte_after_the_other_is_a_request_too() -> None:
    @looped
    async def act() -> None:
        async with answered() as connected:
            reader, writer = await connected()
            for at in range(len(GET)):
                writer.write(GET[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0.001)
            assert (await reader.read()).endswith(b"GET 0")

    act()


@pytest.mark.parametrize(
    "start",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # a client that begins TLS
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * (acceptor.MOST_HEADERS + 1),
        b"HELO\r\n\r\n",
    ],
)
def test_what_can_be_no_request_is_refused_without_waiting_for_more(start: bytes) -> None:
    @looped
    async def act() -> None:
        async with answered() as connected:
            reader, writer = await connected()
            writer.write(start)
            assert (await reader.read()).split(b" ")[1] in (b"400", b"431")

    act()


def test_what_has_sent_no_whole_headers_is_closed_at_the_end() -> None:
    @looped
    async def act() -> None:
        async with answered() as connected:
            reader, writer = await connected()
            writer.write(HALF)
            other, asking = await connected()
            asking.write(GET)
            await other.read()  # those before it were taken on
        with suppress(ConnectionResetError):
            assert await reader.read() == b""

    act()


class Crowd(socket.socket):
    """A listening socket at which always somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[socket.socket] = []

    def accept(self) -> Any:
        ours, theirs = socket.socketpair()
        self.came.append(theirs)
        return ours, ""


class Busy:
    """A connection with a protocol, whose file is free only when the event loop has closed its transport."""

    part, since = "", 0.0

    def __init__(self, busy_with: str = "body") -> None:
        self.busy_with = busy_with

    def present_part(self) -> str:
        return self.busy_with

    def abort(self) -> None:
        pass


def protocol(received: bytes, was: Connection) -> asyncio.BaseProtocol:
    return asyncio.Protocol()


def test_who_comes_while_all_are_being_answered_is_taken_on_when_one_has_its_answer() -> None:
    @looped
    async def act() -> None:
        connections = Connections(100, lambda why: None)
        answered = [Busy("answer") for _ in range(100)]
        for each in answered:
            connections.add(each)
        with Crowd() as crowd:
            taking = acceptor.Acceptor(crowd, connections, protocol)
            with taking.accepting():
                taking.accept()
                assert crowd.came == [] and len(connections) == 100
                connections.drop(answered[0])
                taking.accept()
                assert len(crowd.came) == acceptor.ACCEPTED_AT_ONCE
            for theirs in crowd.came:
                theirs.close()

    act()


def test_no_more_are_taken_on_at_once_than_there_are_files_for() -> None:
    @looped
    async def act() -> None:
        connections = Connections(1000, lambda why: None)
        for _ in range(1000):
            connections.add(Busy())
        with Crowd() as crowd:
            taking = acceptor.Acceptor(crowd, connections, protocol)
            with taking.accepting():
                taking.accept()
            assert len(crowd.came) == acceptor.CLOSING_AT_ONCE
            for each in crowd.came:
                each.close()

    act()


class OutOfFiles(socket.socket):
    """A listening socket for whose next connections the machine has no file."""

    failures = 0

    def accept(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_machine_that_is_out_of_files_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.01)

    @looped
    async def act() -> None:
        with OutOfFiles(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            listening.failures = 3
            async with answered(listening=listening) as connected:
                reader, writer = await connected()
                writer.write(GET)
                assert (await reader.read()).endswith(b"GET 0")
        assert listening.failures == 0

    act()
