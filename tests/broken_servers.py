"""Servers that are broken below HTTP, each on a port of its own: what a wrong address or a sick gateway does."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[[socket.socket, threading.Event], None]

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Takes the request and says nothing."""
    connection.recv(10_000)
    over.wait()


def drips_the_head(connection: socket.socket, over: threading.Event) -> None:
    """An answer whose head never ends, one byte after the other."""
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
    while not over.wait(0.02):
        connection.sendall(b"a")


def drips_the_body(connection: socket.socket, over: threading.Event) -> None:
    """JSON that never ends, one byte after the other."""
    connection.recv(10_000)
    connection.sendall(_HEAD + b"content-length: 100000\r\n\r\n{")
    while not over.wait(0.02):
        connection.sendall(b" ")


def endless(connection: socket.socket, over: threading.Event) -> None:
    """JSON without an end, as fast as it is taken."""
    connection.recv(10_000)
    connection.sendall(_HEAD + b"\r\n")
    while not over.is_set():
        connection.sendall(b"[" * 65_536)


def packed(*how: str) -> Handler:
    """JSON that is packed in so many ways, one in the other, and says so."""
    body = b'{"a": 1}'
    for each in how:
        body = gzip.compress(body) if each == "gzip" else body

    def handler(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10_000)
        told = f"content-encoding: {', '.join(how)}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(_HEAD + told.encode() + body)

    return handler


def nested(connection: socket.socket, over: threading.Event) -> None:
    """JSON that is nested more deeply than any."""
    connection.recv(10_000)
    body = b"[" * 200_000 + b"]" * 200_000
    connection.sendall(_HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body)


def resets(connection: socket.socket, over: threading.Event) -> None:
    """Half an answer, then a reset."""
    connection.recv(10_000)
    connection.sendall(_HEAD + b'content-length: 1000\r\n\r\n{"a"')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def no_http(connection: socket.socket, over: threading.Event) -> None:
    """Some other protocol."""
    connection.recv(10_000)
    connection.sendall(b"SSH-2.0-OpenSSH_9\r\n" + b"\0" * 100)


@contextmanager
def served(handler: Handler) -> Iterator[str]:
    """The address of a server that treats each connection so."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def treat(connection: socket.socket) -> None:
        with connection:
            try:
                handler(connection, over)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=treat, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def refusing() -> Iterator[str]:
    """An address at which nobody listens, and which nobody else is given meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"


@contextmanager
def dropping() -> Iterator[str]:
    """An address whose packets are dropped: a listener that accepts nobody, and whose line is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(listener.getsockname())
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for each in (*waiting, listener):
            each.close()
